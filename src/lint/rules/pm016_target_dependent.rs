//! PM016: the SQL depends on `target`, so that CI checks other SQL than production runs.

use super::{Hit, Model, Rule};
use crate::lint::finding::Severity;
use crate::lint::jinja::{Role, cut, is_call, line_of};

pub(super) const RULE: Rule = Rule { code: "PM016", severity: Severity::Warning, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    let source = model.node.raw_code.get();
    let Ok(pieces) = cut(&source) else { return Vec::new() };
    pieces
        .iter()
        .filter(|piece| !matches!(piece.role, Role::Text) && piece.kind != crate::lint::jinja::Kind::Comment)
        .filter(|piece| {
            let inside = source.get(piece.inside.clone()).unwrap_or_default();
            // `config` says where the relation goes, which may depend on the target.
            !is_call(inside, "config") && names_target(inside)
        })
        .map(|piece| Hit::at(Some(line_of(&source, piece.range.start)), "the SQL depends on `target`"))
        .collect()
}

/// Whether an expression reads `target.…` outside strings.
fn names_target(text: &str) -> bool {
    let mut quote = None;
    let mut word = String::new();
    let mut after_dot = false;
    for c in text.chars() {
        match quote {
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if c.is_alphanumeric() || c == '_' => word.push(c),
            None => {
                if word == "target" && !after_dot && (c == '.' || c == '[') {
                    return true;
                }
                if !word.is_empty() || !c.is_whitespace() {
                    after_dot = c == '.';
                }
                word.clear();
                if c == '\'' || c == '"' {
                    quote = Some(c);
                }
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::names_target;

    #[test]
    fn only_the_variable_itself_counts() {
        assert!(names_target("if target.name == 'prod'"));
        assert!(names_target("target['name']"));
        for other in ["'target.name'", "my_target.name", "model.target.name", "targets"] {
            assert!(!names_target(other), "{other}");
        }
    }
}
