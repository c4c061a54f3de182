//! PM016: the SQL depends on where dbt runs, so that CI checks other SQL than production runs.
//!
//! What a template reads of its surroundings is told by [`readings`]. A macro that the model calls is as much its SQL as
//! the model's own text. In `config` all counts but what says where the relation goes and how it is kept.

use std::collections::HashMap;

use super::model::Reader;
use super::{Hit, Model, Rule};
use crate::artifacts::{Manifest, UniqueIdRef};
use crate::changes::{callable_names, is_dbts_own, with_callers};
use crate::lint::finding::Severity;
use crate::lint::pieces::{Kind, Role, cut, is_call, line_of};
use crate::sql::surroundings::{Reading, readings};

pub(super) const RULE: Rule = Rule { code: "PM016", severity: Severity::Warning, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    if model.node.is_python() {
        return Vec::new();
    }
    let source = model.node.raw_code.get();
    let (readers, names) = model.project.surroundings(readers_of_surroundings, callable_names);
    let mut hits: Vec<Hit> = Vec::new();
    for reading in readings(&source, &|name| names.contains(name)) {
        let hit = Hit::at(Some(line_of(&source, reading.at)), in_words(&reading));
        // Once for a tag.
        if !hits.contains(&hit) {
            hits.push(hit);
        }
    }
    hits.extend(through_macros(model, &source, readers));
    hits
}

fn in_words(Reading { what, key, .. }: &Reading) -> String {
    match key.as_deref() {
        None => format!("the SQL depends on `{what}`"),
        Some("") => format!("`config` depends on `{what}`"),
        Some(key) => format!("`{key}` of `config` depends on `{what}`"),
    }
}

/// The macros that the model calls and that read where dbt runs, themselves or through others, each where it is called.
fn through_macros(model: &Model<'_>, source: &str, readers: &HashMap<&str, Reader<'_>>) -> Vec<Hit> {
    let reading = model.node.depends_on.macros.iter().filter_map(|id| Some((id.as_ref(), readers.get(id.as_ref())?)));
    let mut reading = reading.peekable();
    let mut hits = Vec::new();
    if reading.peek().is_none() {
        return hits;
    }
    let tags = tags(source);
    for (called, (reader, word)) in reading {
        let message = format!("the SQL depends on `{word}` through macro `{}`", UniqueIdRef::new(reader).name());
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

/// For each macro whose text depends on its surroundings, the macro that reads them, and what it reads. dbt's own
/// macros aside.
fn readers_of_surroundings<'m>(manifest: &'m Manifest<'m>) -> HashMap<&'m str, Reader<'m>> {
    let names = callable_names(manifest);
    let is_own = |id: &str| !is_dbts_own(id);
    let own = manifest.macros.iter().filter(|(id, _)| is_own(id));
    let readers = own.filter_map(|(id, of)| {
        let reading = readings(&of.macro_sql.get(), &|name| names.contains(name)).into_iter().next()?;
        Some((id.as_ref(), (id.as_ref(), reading.what)))
    });
    with_callers(manifest, readers.collect(), is_own)
}

/// One Jinja tag of a text, and where it begins.
struct Tag<'s> {
    inside: &'s str,
    at: usize,
}

impl Tag<'_> {
    /// `config` says where the relation goes, by a macro as well.
    fn is_sql(&self) -> bool {
        !is_call(self.inside, "config")
    }
}

fn tags(source: &str) -> Vec<Tag<'_>> {
    let pieces = cut(source).unwrap_or_default();
    pieces
        .iter()
        .filter(|piece| !matches!(piece.role, Role::Text) && piece.kind != Kind::Comment)
        .map(|piece| Tag { inside: source.get(piece.inside.clone()).unwrap_or_default(), at: piece.range.start })
        .collect()
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

#[cfg(test)]
mod tests {
    use super::calls;

    #[test]
    fn a_call_is_found_by_its_whole_name() {
        assert!(calls("shop.limited (1)", "limited") && calls("1 + limited()", "limited"));
        assert!(!calls("unlimited()", "limited") && !calls("limited", "limited"));
    }
}
