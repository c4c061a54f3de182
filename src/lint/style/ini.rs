//! INI files as Python's `configparser` reads them for sqlfluff: `=` only, no inline comments, values that
//! go on in indented lines, keys that keep their case (sqlfluff's `core/config/ini.py`).

/// Every setting of the sections that sqlfluff looks at, as (path of keys, value).
///
/// Other sections are skipped unread: `setup.cfg` and `tox.ini` hold those of other tools.
pub(super) fn settings(text: &str) -> Vec<(Vec<String>, String)> {
    let mut found: Vec<(Vec<String>, String)> = Vec::new();
    let mut section: Option<Vec<String>> = None;
    let mut open = false;
    for line in text.trim_start_matches('\u{feff}').lines() {
        let trimmed = line.trim();
        if trimmed.starts_with(['#', ';']) {
            continue;
        }
        if trimmed.is_empty() {
            open = false;
            continue;
        }
        if line.starts_with([' ', '\t']) && open {
            if let Some((_, value)) = found.last_mut() {
                value.push('\n');
                value.push_str(trimmed);
            }
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            section = keys_of(name);
            open = false;
            continue;
        }
        let Some(section) = &section else { continue };
        let (key, value) = trimmed.split_once('=').unwrap_or((trimmed, ""));
        let mut path = section.clone();
        path.push(key.trim().to_owned());
        found.push((path, value.trim().to_owned()));
        open = true;
    }
    found
}

/// `sqlfluff:rules:capitalisation.keywords` as keys; `None` for another tool's section.
fn keys_of(section: &str) -> Option<Vec<String>> {
    if section == "sqlfluff" {
        return Some(vec!["core".to_owned()]);
    }
    Some(section.strip_prefix("sqlfluff:")?.split(':').map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
