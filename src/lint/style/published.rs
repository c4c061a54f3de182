//! What a style rule's message may quote. The library reads the compiled text, in which a name may be a row's value that a
//! query of a macro brought; only what the author's file says is said.

/// Rules whose messages quote names of the text.
const QUOTING: &[&str] =
    &["AL04", "AL05", "AL08", "AL09", "CV09", "RF01", "RF02", "RF03", "RF06", "RF07", "ST02", "ST03", "ST09", "ST11"];

/// Words of the messages that quote a name without quotation marks.
const UNQUOTED: &[(&str, &[&str])] = &[
    (
        "RF02",
        &[
            "Unqualified",
            "reference",
            "found",
            "in",
            "select",
            "with",
            "more",
            "than",
            "one",
            "referenced",
            "table/view.",
        ],
    ),
    ("RF06", &["Missing", "Wrong", "Unnecessary", "quoted", "keyword", "identifier", "style"]),
    ("ST09", &["Joins", "should", "list", "the", "table", "referenced", "earlier", "later", "first."]),
];

/// Stands for what is not said.
const UNSAID: &str = "…";

/// The message, without names that the author's file does not have.
pub(super) fn published(code: &str, message: String, source: &str) -> String {
    if !QUOTING.contains(&code) {
        return message;
    }
    let source = source.to_lowercase();
    let is_written = |name: &str| source.contains(&name.to_lowercase());
    let unquoted = UNQUOTED.iter().find(|(own, _)| *own == code).map(|(_, words)| *words);
    match unquoted {
        Some(words) => {
            let say = |word: &str| {
                let name = word.trim_matches(['.', '\'', '"', '`', '[', ']']);
                if words.contains(&word) || is_written(name) { word.to_owned() } else { UNSAID.to_owned() }
            };
            message.split(' ').map(say).collect::<Vec<_>>().join(" ")
        }
        None => quoted(&message, is_written),
    }
}

/// The same for names between quotation marks.
fn quoted(message: &str, is_written: impl Fn(&str) -> bool) -> String {
    let mut said = String::new();
    let mut rest = message;
    while let Some(at) = rest.find(['\'', '"']) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let mark = from.chars().next().unwrap_or('\'');
        let inside = from.get(1..).unwrap_or_default();
        said.push_str(before);
        said.push(mark);
        // A name may hold its own mark: the last one closes it where there is no other name.
        let Some(end) = inside.find(mark) else {
            said.push_str(if is_written(inside) { inside } else { UNSAID });
            return said;
        };
        let name = inside.get(..end).unwrap_or_default();
        said.push_str(if is_written(name) { name } else { UNSAID });
        said.push(mark);
        rest = inside.get(end + 1..).unwrap_or_default();
    }
    said.push_str(rest);
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_author_s_file_are_quoted() {
        let source = "select o.Id, {{ pivot() }} from {{ ref('orders') }} as o";
        let said = |code: &str, message: &str| published(code, message.to_owned(), source);
        assert_eq!(
            said("AL05", "Alias 'o' is never used in SELECT statement."),
            "Alias 'o' is never used in SELECT statement."
        );
        assert_eq!(
            said("AL05", "Alias 'ann' is never used in SELECT statement."),
            "Alias '…' is never used in SELECT statement."
        );
        assert_eq!(
            said("ST03", "Query defines CTE \"ann\" but does not use it."),
            "Query defines CTE \"…\" but does not use it."
        );
        assert_eq!(
            said("RF02", "Unqualified reference id found in select with more than one referenced table/view."),
            "Unqualified reference id found in select with more than one referenced table/view."
        );
        assert_eq!(
            said("RF02", "Unqualified reference ann found in select with more than one referenced table/view."),
            "Unqualified reference … found in select with more than one referenced table/view."
        );
        assert_eq!(said("RF06", "Unnecessary quoted identifier \"ann b\"."), "Unnecessary quoted identifier … …");
        assert_eq!(said("RF01", "Reference 'ann@example.com"), "Reference '…");
        assert_eq!(said("LT01", "Expected only single space before 'x'."), "Expected only single space before 'x'.");
    }
}
