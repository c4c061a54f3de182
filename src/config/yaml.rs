//! What may be said of a file with secrets that does not parse.

use serde_saphyr::Error;

/// Line, column and the kind of fault. Nothing of the file's text: the parser's own message shows the lines
/// around the fault and the values that do not fit, and one of them may be a password.
pub(super) fn fault(error: &Error) -> String {
    let place = match error.location() {
        Some(location) if location.line() > 0 => format!("line {}, column {}: ", location.line(), location.column()),
        _ => String::new(),
    };
    format!("{place}{} (its text is not shown, because it may hold passwords)", kind(error.without_snippet()))
}

fn kind(error: &Error) -> &'static str {
    match error {
        Error::DuplicateMappingKey { .. } => "a duplicate key in a mapping",
        Error::UnknownAnchor { .. } => "an alias without an anchor",
        Error::Eof { .. } => "the file ends too early, or is empty",
        Error::MultipleDocuments { .. } => "more than one YAML document",
        Error::MergeValueNotMapOrSeqOfMaps { .. } => "`<<` takes a mapping or a list of mappings",
        Error::SerdeInvalidType { .. } | Error::SerdeInvalidValue { .. } | Error::Unexpected { .. } => {
            "a value of the wrong type; a profile is a mapping"
        }
        Error::InvalidUtf8Input => "the text is not UTF-8",
        other => scanner(&other.render_with_options(plain())),
    }
}

/// The scanner has no kinds, only texts; they are matched, and never passed on.
fn scanner(text: &str) -> &'static str {
    let text = text.to_ascii_lowercase();
    let has = |word: &str| text.contains(word);
    if has("tab") {
        "a tab where YAML needs spaces"
    } else if has("escape") {
        "an unknown escape sequence in double quotes; use single quotes for a literal backslash"
    } else if has("flow") || has("bracket") {
        "a missing or extra bracket, brace or comma in a list or mapping"
    } else if has("quoted") || has("scalar") {
        "an unterminated quoted or block string, or one that begins with a character that needs quotes"
    } else if has("anchor") || has("alias") || has("tag") {
        "an invalid anchor, alias or tag; a string that begins with `&`, `*`, `!` or `@` needs quotes"
    } else if has("any token") || has("unexpected character") {
        "a string begins with a character that needs quotes, such as `@`, `%` or a backtick"
    } else if has("mapping") || has("key") || has("indent") {
        "a misplaced key, colon or indentation; a string with `: ` needs quotes"
    } else {
        "invalid YAML"
    }
}

fn plain() -> serde_saphyr::RenderOptions<'static> {
    serde_saphyr::render_options! { snippets: serde_saphyr::SnippetMode::Off }
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_fault_has_a_place_and_a_kind_and_nothing_of_the_text() {
        for (text, line, part) in [
            ("a:\n  password: S3cr3tPw\n  port: 1\n  host: [127.0.0.1\n", "line ", "bracket"),
            ("a:\n  password: \"S3cr3tPw\\q\"\n", "line 2", "backslash"),
            ("a:\n  password: @S3cr3tPw\n", "line 2", "quotes"),
            ("a:\n  password: S3cr3tPw: x\n", "line 2", "quotes"),
            ("a:\n  password: S3cr3tPw\n\tport: 1\n", "line ", ""),
            ("a:\n  password: S3cr3tPw\n  password: S3cr3tPw2\n", "line 3", "duplicate"),
            ("a:\n  password: *S3cr3tPw\n", "line 2", ""),
            ("a:\n  password: !S3cr3tPw x\n b", "line ", ""),
            ("S3cr3tPw", "line 1", "mapping"),
            ("- S3cr3tPw", "line 1", "mapping"),
        ] {
            let error = serde_saphyr::from_str::<IndexMap<String, Value>>(text).unwrap_err();
            let said = fault(&error);
            assert!(!said.to_lowercase().contains("s3cr3t"), "{said}");
            assert!(
                said.contains(line) && said.contains(part),
                "{text:?}: {said}; of {}",
                error.without_snippet().render_with_options(plain())
            );
        }
    }
}
