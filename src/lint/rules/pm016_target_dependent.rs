//! PM016: the SQL depends on `target`, so that CI checks other SQL than production runs.
//!
//! `target.type` is the same in both, and is how SQL for several warehouses is written.

use super::{Hit, Model, Rule};
use crate::lint::finding::Severity;
use crate::lint::jinja::{Role, cut, is_call, line_of};

pub(super) const RULE: Rule = Rule { code: "PM016", severity: Severity::Warning, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    if model.node.is_python() {
        return Vec::new();
    }
    let source = model.node.raw_code.get();
    let Ok(pieces) = cut(&source) else { return Vec::new() };
    pieces
        .iter()
        .filter(|piece| !matches!(piece.role, Role::Text) && piece.kind != crate::lint::jinja::Kind::Comment)
        .filter(|piece| {
            let inside = source.get(piece.inside.clone()).unwrap_or_default();
            // `config` says where the relation goes, which may depend on the target.
            !is_call(inside, "config") && !is_commented(&source, piece.range.start) && names_target(inside)
        })
        .map(|piece| Hit::at(Some(line_of(&source, piece.range.start)), "the SQL depends on `target`"))
        .collect()
}

/// Whether a place is behind `--`.
fn is_commented(source: &str, at: usize) -> bool {
    let before = source.get(..at).unwrap_or_default();
    before.rsplit('\n').next().is_some_and(|line| line.contains("--"))
}

/// Whether an expression reads `target.…`, but for `target.type`, outside strings.
fn names_target(text: &str) -> bool {
    let mut rest = text;
    // The last sign before the word.
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        if c == '\'' || c == '"' {
            rest = after.split_once(c).map_or("", |(_, after)| after);
            before = c;
        } else if c.is_alphanumeric() || c == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            if word == "target" && before != '.' && !is_type(after.trim_start()) {
                return true;
            }
            before = 'a';
            rest = after;
        } else {
            before = if c.is_whitespace() { before } else { c };
            rest = after;
        }
    }
    false
}

/// Whether what follows `target` asks for its type, or is no reading of it: `target=…` names an argument.
fn is_type(after: &str) -> bool {
    let key = match (after.strip_prefix('.'), after.strip_prefix('[')) {
        (Some(key), _) => key.trim_start(),
        (_, Some(key)) => key.trim_start().trim_start_matches(['\'', '"']),
        _ => return true,
    };
    key.strip_prefix("type").is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

#[cfg(test)]
mod tests {
    use super::names_target;

    #[test]
    fn only_the_variable_itself_counts() {
        assert!(names_target("if target.name == 'prod'"));
        assert!(names_target("target['name']"));
        assert!(names_target("'a' if target.type == 'x' and target.schema == 'y' else 'b'"));
        let others = ["'target.name'", "my_target.name", "model.target.name", "targets", "f(target=1)"];
        for other in others.into_iter().chain(["target.type == 'x'", "target['type']", "target [ \"type\" ]"]) {
            assert!(!names_target(other), "{other}");
        }
    }
}
