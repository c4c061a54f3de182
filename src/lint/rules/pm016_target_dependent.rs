//! PM016: the SQL depends on `target`, so that CI checks other SQL than production runs.
//!
//! `target.type` is the same in both, and is how SQL for several warehouses is written. A macro that the model calls is
//! as much its SQL as the model's own text.

use std::collections::HashMap;

use super::{Hit, Model, Rule};
use crate::artifacts::{Macro, Manifest, UniqueIdRef};
use crate::changes::is_dbts_own;
use crate::lint::finding::Severity;
use crate::lint::pieces::{Kind, Piece, Role, cut, is_call, line_of};

pub(super) const RULE: Rule = Rule { code: "PM016", severity: Severity::Warning, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    if model.node.is_python() {
        return Vec::new();
    }
    let source = model.node.raw_code.get();
    let Ok(pieces) = cut(&source) else { return Vec::new() };
    let tags: Vec<Tag<'_>> = tags(&source, &pieces).filter(|tag| !is_commented(&source, tag.at)).collect();
    let own = tags
        .iter()
        .filter(|tag| tag.is_sql() && names_target(tag.inside))
        .map(|tag| Hit::at(Some(line_of(&source, tag.at)), "the SQL depends on `target`"));
    own.chain(through_macros(model, &source, &tags)).collect()
}

/// The macros that the model calls and that read `target`, themselves or through others, each where it is called.
fn through_macros(model: &Model<'_>, source: &str, tags: &[Tag<'_>]) -> Vec<Hit> {
    let readers = model.project.target_readers(target_readers);
    let reading = model.node.depends_on.macros.iter().filter_map(|id| Some((id.as_ref(), *readers.get(id.as_ref())?)));
    let mut hits = Vec::new();
    for (called, reader) in reading {
        let message = format!("the SQL depends on `target` through macro `{}`", UniqueIdRef::new(reader).name());
        let calls: Vec<&Tag<'_>> =
            tags.iter().filter(|tag| calls(tag.inside, UniqueIdRef::new(called).name())).collect();
        if calls.is_empty() {
            // By `adapter.dispatch`, or under another name.
            hits.push(Hit::model(message.clone()));
        }
        let lines = calls.iter().filter(|tag| tag.is_sql()).map(|tag| line_of(source, tag.at));
        hits.extend(lines.map(|line| Hit::at(Some(line), message.clone())));
    }
    hits
}

/// For each macro whose text depends on `target`, the macro that reads it. dbt's own macros aside.
fn target_readers<'m>(manifest: &'m Manifest<'m>) -> HashMap<&'m str, &'m str> {
    let macros = || manifest.macros.iter().filter(|(id, _)| !is_dbts_own(id));
    let mut readers: HashMap<&str, &str> = HashMap::new();
    let mut callers: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut fresh = Vec::new();
    for (id, of) in macros() {
        of.depends_on.macros.iter().for_each(|called| callers.entry(called.as_ref()).or_default().push(id.as_ref()));
        if reads_target(of) {
            readers.insert(id.as_ref(), id.as_ref());
            fresh.push(id.as_ref());
        }
    }
    while let Some(id) = fresh.pop() {
        let Some(reader) = readers.get(id).copied() else { continue };
        for caller in callers.get(id).into_iter().flatten() {
            if !readers.contains_key(caller) {
                readers.insert(caller, reader);
                fresh.push(caller);
            }
        }
    }
    readers
}

fn reads_target(of: &Macro<'_>) -> bool {
    let text = of.macro_sql.get();
    if !text.contains("target") {
        return false;
    }
    let Ok(pieces) = cut(&text) else { return false };
    let mut tags = tags(&text, &pieces).peekable();
    let takes_it = tags.peek().is_some_and(|header| has_parameter(header.inside, "target"));
    !takes_it && tags.any(|tag| tag.is_sql() && names_target(tag.inside))
}

/// Whether `macro name(a, b=1)` has a parameter of that name.
fn has_parameter(header: &str, name: &str) -> bool {
    let (_, parameters) = header.split_once('(').unwrap_or_default();
    parameters.split(',').any(|one| one.split(['=', ')']).next().is_some_and(|own| own.trim() == name))
}

/// One Jinja tag of a text, and where it begins.
struct Tag<'s> {
    inside: &'s str,
    at: usize,
}

impl Tag<'_> {
    /// `config` says where the relation goes, which may depend on the target.
    fn is_sql(&self) -> bool {
        !is_call(self.inside, "config")
    }
}

fn tags<'s>(source: &'s str, pieces: &[Piece]) -> impl Iterator<Item = Tag<'s>> {
    pieces
        .iter()
        .filter(|piece| !matches!(piece.role, Role::Text) && piece.kind != Kind::Comment)
        .map(|piece| Tag { inside: source.get(piece.inside.clone()).unwrap_or_default(), at: piece.range.start })
}

/// Whether an expression calls `name`, its package before it or not.
fn calls(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let begins = !text.get(..at).unwrap_or_default().ends_with(word);
        let after = text.get(at + name.len()..).unwrap_or_default();
        begins && after.trim_start().starts_with('(')
    })
}

/// Whether a place is behind `--`.
fn is_commented(source: &str, at: usize) -> bool {
    let before = source.get(..at).unwrap_or_default();
    before.rsplit('\n').next().is_some_and(|line| line.contains("--"))
}

/// Whether an expression reads `target.…`, but for `target.type`, outside strings.
fn names_target(text: &str) -> bool {
    let mut rest = text;
    // The last sign before the word, and the word before it.
    let (mut before, mut last) = (' ', "");
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        if c == '\'' || c == '"' {
            rest = after.split_once(c).map_or("", |(_, after)| after);
            before = c;
        } else if c.is_alphanumeric() || c == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            let binds = matches!(last, "for" | "set");
            if word == "target" && before != '.' && !binds && !is_type(after.trim_start()) {
                return true;
            }
            (before, last) = ('a', word);
            rest = after;
        } else {
            before = if c.is_whitespace() { before } else { c };
            rest = after;
        }
    }
    false
}

/// Whether what follows `target` asks for its type, or is not a reading of it: `target=…` names an argument. Given to
/// somebody else as a whole, it is read.
fn is_type(after: &str) -> bool {
    let key = match (after.strip_prefix('.'), after.strip_prefix('[')) {
        (Some(key), _) => key.trim_start(),
        (_, Some(key)) => key.trim_start().trim_start_matches(['\'', '"']),
        _ => return after.starts_with('=') && !after.starts_with("=="),
    };
    key.strip_prefix("type").is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

#[cfg(test)]
mod tests {
    use super::{calls, has_parameter, names_target};

    #[test]
    fn only_the_variable_itself_counts() {
        assert!(names_target("if target.name == 'prod'"));
        assert!(names_target("target['name']"));
        assert!(names_target("'a' if target.type == 'x' and target.schema == 'y' else 'b'"));
        assert!(names_target("set t = target") && names_target("f(target)") && names_target("target == t"));
        let others = [
            "for target in targets",
            "set target = 1",
            "'target.name'",
            "my_target.name",
            "model.target.name",
            "targets",
            "f(target=1)",
        ];
        for other in others.into_iter().chain(["target.type == 'x'", "target['type']", "target [ \"type\" ]"]) {
            assert!(!names_target(other), "{other}");
        }
    }

    #[test]
    fn a_call_and_a_parameter_are_found_by_their_whole_names() {
        assert!(calls("shop.limited (1)", "limited") && calls("1 + limited()", "limited"));
        assert!(!calls("unlimited()", "limited") && !calls("limited", "limited"));
        assert!(has_parameter("macro f(a, target=none)", "target") && has_parameter("macro f( target )", "target"));
        assert!(!has_parameter("macro f(a=target.name)", "target") && !has_parameter("macro target()", "target"));
    }
}
