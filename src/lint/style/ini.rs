//! INI files as Python's `configparser` reads them for sqlfluff: `=` only, no inline comments, values that
//! go on in indented lines, keys that keep their case (sqlfluff's `core/config/ini.py`).

/// Every setting of the sections that sqlfluff looks at, as (path of keys, value).
///
/// Other sections are skipped unread: `setup.cfg` and `tox.ini` hold those of other tools. What `[DEFAULT]` has, every
/// section has that does not say otherwise.
pub(super) fn settings(text: &str) -> Vec<(Vec<String>, String)> {
    let sections = sections(text);
    let defaults = || sections.iter().filter(|section| section.name == "DEFAULT");
    let mut found = Vec::new();
    for section in &sections {
        let Some(path) = keys_of(&section.name) else { continue };
        for (key, lines) in defaults().chain([section]).flat_map(|section| &section.items) {
            let path = path.iter().chain([key]).cloned().collect();
            found.push((path, lines.join("\n").trim().to_owned()));
        }
    }
    found
}

/// A section, and its keys with the lines of their values.
#[derive(Debug, Default)]
struct Section {
    name: String,
    items: Vec<(String, Vec<String>)>,
}

/// Reads lines as `configparser` does: a value goes on in lines that are indented deeper than its key, over blank
/// lines too; the keys themselves may be indented.
fn sections(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    // Whether a value may go on, and how deep its key stands.
    let (mut open, mut indent) = (false, 0);
    for line in text.trim_start_matches('\u{feff}').lines() {
        let trimmed = line.trim();
        if trimmed.starts_with(['#', ';']) {
            continue;
        }
        let depth = line.chars().take_while(|c| c.is_whitespace()).count();
        if open && (trimmed.is_empty() || depth > indent) {
            if let Some((_, lines)) = sections.last_mut().and_then(|section| section.items.last_mut()) {
                lines.push(trimmed.to_owned());
            }
            continue;
        }
        if trimmed.is_empty() {
            continue;
        }
        indent = depth;
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            sections.push(Section { name: name.to_owned(), items: Vec::new() });
            open = false;
        } else if let Some(section) = sections.last_mut() {
            let (key, value) = trimmed.split_once('=').unwrap_or((trimmed, ""));
            section.items.push((key.trim().to_owned(), vec![value.trim().to_owned()]));
            open = true;
        }
    }
    sections
}

/// No setting of sqlfluff's lies deeper; nested without end, keys would take the stack's end.
const DEEPEST: usize = 16;

/// `sqlfluff:rules:capitalisation.keywords` as keys; `None` for another tool's section.
fn keys_of(section: &str) -> Option<Vec<String>> {
    if section == "sqlfluff" {
        return Some(vec!["core".to_owned()]);
    }
    let keys: Vec<String> = section.strip_prefix("sqlfluff:")?.split(':').map(str::to_owned).collect();
    (keys.len() <= DEEPEST).then_some(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_without_end_are_left_out() {
        assert_eq!(keys_of("sqlfluff:layout:type:comma").map(|keys| keys.len()), Some(3));
        assert_eq!(keys_of(&format!("sqlfluff{}", ":a".repeat(100_000))), None);
    }

    #[test]
    fn sections_of_other_tools_are_skipped_and_values_go_on_in_indented_lines() {
        let text = "[metadata]\nname = x\n[sqlfluff]\nrules = LT01,\n    LT02\n; no\nmax_line_length=90\n[sqlfluff:rules:convention.blocked_words]\nblocked_regex = (?i)a:b#c\n";
        let found = settings(text);
        let shown: Vec<_> = found.iter().map(|(path, value)| (path.join("/"), value.as_str())).collect();
        assert_eq!(
            shown,
            [
                ("core/rules".to_owned(), "LT01,\nLT02"),
                ("core/max_line_length".to_owned(), "90"),
                ("rules/convention.blocked_words/blocked_regex".to_owned(), "(?i)a:b#c"),
            ]
        );
    }
    #[test]
    fn keys_may_be_indented_and_values_may_hold_blank_lines() {
        let text = "[sqlfluff]\n  dialect = duckdb\n  rules = LT01,\n\n    LT02\n\n  max_line_length = 40\n";
        let found = settings(text);
        let shown: Vec<_> = found.iter().map(|(path, value)| (path.join("/"), value.as_str())).collect();
        assert_eq!(
            shown,
            [
                ("core/dialect".to_owned(), "duckdb"),
                ("core/rules".to_owned(), "LT01,\n\nLT02"),
                ("core/max_line_length".to_owned(), "40"),
            ]
        );
    }

    #[test]
    fn every_section_has_what_the_default_section_has() {
        let text = "[DEFAULT]\ndialect=duckdb\nrules=LT02\n[sqlfluff]\nrules=LT01\n[other]\na=b\n";
        let found = settings(text);
        let shown: Vec<_> = found.iter().map(|(path, value)| (path.join("/"), value.as_str())).collect();
        let core = |key: &str| format!("core/{key}");
        assert_eq!(shown, [(core("dialect"), "duckdb"), (core("rules"), "LT02"), (core("rules"), "LT01")]);
    }
}
