//! Which values sqlfluff takes for a setting. sqlfluff refuses any other and lints nothing; the library takes
//! some of them silently and panics on the rest, so they are found here, while their file is still known.

use sqruff_lib::core::config::Value;

/// What a setting may be.
#[derive(Debug, Clone, Copy)]
enum Allowed {
    OneOf(&'static [&'static str]),
    /// One of these, and after a colon what the library settles.
    Begins(&'static [&'static str]),
    /// Any of these, in a list.
    Some(&'static [&'static str]),
    Flag,
    Whole,
    NotNegative,
}

use Allowed::{Begins, Flag, NotNegative, OneOf, Some as AnyOf, Whole};

const CASES: Allowed = OneOf(&["consistent", "upper", "lower", "capitalise"]);
const MORE_CASES: Allowed = OneOf(&["consistent", "upper", "lower", "pascal", "capitalise", "snake", "camel"]);
const POSITIONS: &[&str] = &["leading", "trailing", "alone"];
const SPACINGS: &[&str] = &["single", "touch", "any", "align"];
const IDENTIFIERS: &[&str] = &["all", "aliases", "column_aliases", "table_aliases"];

/// `[sqlfluff]`
const CORE: &[(&str, Allowed)] = &[
    ("disable_noqa", Flag),
    ("fix_even_unparsable", Flag),
    ("ignore", AnyOf(&["lexing", "linting", "parsing", "templating"])),
    ("ignore_templated_areas", Flag),
    ("large_file_skip_byte_limit", Whole),
    ("large_file_skip_char_limit", Whole),
    ("max_line_length", Whole),
    ("max_parse_depth", Whole),
    ("max_parse_nodes", Whole),
    ("runaway_limit", Whole),
    ("warn_unused_ignores", Flag),
];

/// `[sqlfluff:indentation]`
const INDENTATION: &[(&str, Allowed)] = &[
    ("allow_implicit_indents", Flag),
    ("implicit_indents", OneOf(&["forbid", "allow", "require"])),
    ("indent_unit", OneOf(&["space", "tab"])),
    ("indented_ctes", Flag),
    ("indented_joins", Flag),
    ("indented_on_contents", Flag),
    ("indented_then", Flag),
    ("indented_then_contents", Flag),
    ("indented_using_on", Flag),
    ("tab_space_size", NotNegative),
    ("template_blocks_indent", Flag),
    ("trailing_comments", OneOf(&["before", "after"])),
];

/// `[sqlfluff:layout:type:…]`
const LAYOUT: &[(&str, Allowed)] = &[
    ("keyword_line_position", Begins(POSITIONS)),
    ("line_position", Begins(POSITIONS)),
    ("spacing_after", Begins(SPACINGS)),
    ("spacing_before", Begins(SPACINGS)),
    ("spacing_within", Begins(SPACINGS)),
];

/// `[sqlfluff:rules]` and the sections of rules: a name takes the same values in each of sqlfluff's rules.
const RULES: &[(&str, Allowed)] = &[
    (
        "alias_case_check",
        OneOf(&["dialect", "case_insensitive", "quoted_cs_naked_upper", "quoted_cs_naked_lower", "case_sensitive"]),
    ),
    ("aliasing", OneOf(&["implicit", "explicit"])),
    ("allow_scalar", Flag),
    ("allow_space_in_identifier", Flag),
    ("capitalisation_policy", CASES),
    ("case_sensitive", Flag),
    ("extended_capitalisation_policy", MORE_CASES),
    ("forbid_subquery_in", OneOf(&["join", "from", "both"])),
    ("force_enable", Flag),
    ("fully_qualify_join_types", OneOf(&["inner", "outer", "both"])),
    ("group_by_and_order_by_style", OneOf(&["consistent", "implicit", "explicit"])),
    ("ignore_comment_clauses", Flag),
    ("ignore_comment_lines", Flag),
    ("max_alias_length", NotNegative),
    ("maximum_empty_lines_between_batches", NotNegative),
    ("maximum_empty_lines_between_statements", NotNegative),
    ("maximum_empty_lines_inside_statements", NotNegative),
    ("min_alias_length", NotNegative),
    ("minimum_empty_lines_between_statements", NotNegative),
    ("multiline_newline", Flag),
    ("prefer_count_0", Flag),
    ("prefer_count_1", Flag),
    ("prefer_quoted_identifiers", Flag),
    ("prefer_quoted_keyword_style", OneOf(&["double_quotes", "backticks"])),
    ("prefer_quoted_keywords", Flag),
    ("preferred_first_table_in_join_clause", OneOf(&["earlier", "later"])),
    ("preferred_not_equal_style", OneOf(&["consistent", "c_style", "ansi"])),
    ("preferred_quoted_literal_style", OneOf(&["consistent", "single_quotes", "double_quotes"])),
    ("preferred_type_casting_style", OneOf(&["consistent", "shorthand", "convert", "cast"])),
    ("quoted_identifiers_policy", OneOf(&["all", "aliases", "column_aliases", "table_aliases", "none"])),
    ("require_final_semicolon", Flag),
    ("select_clause_trailing_comma", OneOf(&["forbid", "require"])),
    ("single_table_references", OneOf(&["consistent", "qualified", "unqualified"])),
    ("single_target_policy", OneOf(&["same_line", "new_line"])),
    ("subqueries_ignore_external_references", Flag),
    ("unquoted_identifiers_policy", OneOf(IDENTIFIERS)),
    ("wildcard_policy", OneOf(&["single", "multiple"])),
];

/// Of a value that is refused: the items of a list that are taken all the same, as sqlfluff takes them, and what is
/// not.
pub(super) fn taken(keys: &[String], value: &Value) -> (Vec<String>, String) {
    let items = list(Some(value));
    let (taken, refused) = match allowed(keys) {
        Some(AnyOf(words)) => items.into_iter().partition(|item| words.contains(&item.as_str())),
        _ => (Vec::new(), items),
    };
    (taken, refused.join(","))
}

fn allowed(keys: &[String]) -> Option<Allowed> {
    let name = keys.last()?.as_str();
    let table = match (keys.first()?.as_str(), keys.len()) {
        ("core", 2) => CORE,
        ("indentation", 2) => INDENTATION,
        ("rules", 2..) => RULES,
        ("layout", 4) => LAYOUT,
        _ => return None,
    };
    table.iter().find(|(known, _)| *known == name).map(|(_, allowed)| *allowed)
}

/// What the setting `keys` may be, if `value` is not that.
pub(super) fn refused(keys: &[String], value: &Value) -> Option<String> {
    let allowed = allowed(keys)?;
    let text = plain(value);
    let text = text.trim();
    // `None` unsets a setting.
    if value.is_none() || text.eq_ignore_ascii_case("none") || text.is_empty() && !matches!(value, Value::Array(_)) {
        return None;
    }
    match allowed {
        OneOf(words) if words.contains(&text) => None,
        Begins(words) if words.contains(&text.split(':').next().unwrap_or(text)) => None,
        OneOf(words) | Begins(words) => Some(format!("one of {}", words.join(", "))),
        AnyOf(words) => {
            let fits = list(Some(value)).iter().all(|word| words.contains(&word.as_str()));
            (!fits).then(|| format!("any of {}", words.join(", ")))
        }
        Flag => {
            let fits = ["true", "false", "1", "0"].iter().any(|word| text.eq_ignore_ascii_case(word));
            (!fits).then(|| "True or False".to_owned())
        }
        Whole => text.parse::<i64>().is_err().then(|| "a whole number".to_owned()),
        NotNegative => text.parse::<u32>().is_err().then(|| "a whole number, not negative".to_owned()),
    }
}

/// The items of a list setting, however it is written.
pub(super) fn list(value: Option<&Value>) -> Vec<String> {
    let items = match value {
        Some(Value::Array(items)) => items.clone(),
        Some(Value::String(text)) => text.split(',').map(|item| Value::String(item.into())).collect(),
        Some(other) => vec![Value::String(plain(other).into())],
        None => Vec::new(),
    };
    items.iter().map(|item| plain(item).trim().to_owned()).filter(|item| !item.is_empty()).collect()
}

pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused_text(path: &str, value: &str) -> Option<String> {
        let keys: Vec<String> = path.split('/').map(str::to_owned).collect();
        refused(&keys, &value.parse().unwrap())
    }

    #[test]
    fn a_value_that_sqlfluff_refuses_is_refused_with_what_is_allowed() {
        for (path, good, bad) in [
            ("rules/capitalisation.keywords/capitalisation_policy", "upper", "uper"),
            ("rules/aliasing.expression/allow_scalar", "False", "maybe"),
            ("core/max_line_length", "-1", "long"),
            ("core/ignore", "parsing,templating", "parsing,everything"),
            ("indentation/indent_unit", "tab", "tabs"),
            ("indentation/tab_space_size", "2", "-2"),
            ("layout/type/comma/line_position", "leading:strict", "front"),
        ] {
            assert_eq!(refused_text(path, good), None, "{path}={good}");
            assert!(refused_text(path, bad).is_some(), "{path}={bad}");
            assert_eq!(refused_text(path, "None"), None, "{path}=None");
        }
        let keys = ["core".to_owned(), "ignore".to_owned()];
        let (good, bad) = taken(&keys, &"parsing,everything".parse().unwrap());
        assert_eq!((good, bad.as_str()), (vec!["parsing".to_owned()], "everything"), "the rest of a list counts");
        assert_eq!(refused_text("templater/jinja/apply_dbt_builtins", "what"), None);
    }
}
