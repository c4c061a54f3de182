//! PM016: the SQL depends on where dbt runs, so that CI checks other SQL than production runs.
//!
//! That is `target` (but for `target.type`, which is the same in both and is how SQL for several warehouses is
//! written), `env_var`, the command's own flags, and the schema or database that the model gets. A macro that the model
//! calls is as much its SQL as the model's own text. `flags.FULL_REFRESH` is what `is_incremental()` asks as well.

use std::collections::HashMap;

use super::model::Reader;
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
        .filter(|tag| tag.is_sql())
        .filter_map(|tag| Some((tag, surroundings(tag.inside)?)))
        .map(|(tag, word)| Hit::at(Some(line_of(&source, tag.at)), format!("the SQL depends on `{word}`")));
    own.chain(through_macros(model, &source, &tags)).collect()
}

/// The macros that the model calls and that read where dbt runs, themselves or through others, each where it is called.
fn through_macros(model: &Model<'_>, source: &str, tags: &[Tag<'_>]) -> Vec<Hit> {
    let readers = model.project.readers_of_surroundings(readers_of_surroundings);
    let reading = model.node.depends_on.macros.iter().filter_map(|id| Some((id.as_ref(), *readers.get(id.as_ref())?)));
    let mut hits = Vec::new();
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
    let macros = || manifest.macros.iter().filter(|(id, _)| !is_dbts_own(id));
    let mut readers: HashMap<&str, Reader<'_>> = HashMap::new();
    let mut callers: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut fresh = Vec::new();
    for (id, of) in macros() {
        of.depends_on.macros.iter().for_each(|called| callers.entry(called.as_ref()).or_default().push(id.as_ref()));
        if let Some(word) = reads_surroundings(of) {
            readers.insert(id.as_ref(), (id.as_ref(), word));
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

fn reads_surroundings(of: &Macro<'_>) -> Option<&'static str> {
    let text = of.macro_sql.get();
    if !WORDS.iter().any(|word| text.contains(word)) {
        return None;
    }
    let pieces = cut(&text).ok()?;
    let mut tags = tags(&text, &pieces).peekable();
    let header = tags.peek().map(|header| header.inside);
    let is_parameter = |word: &str| header.is_some_and(|header| has_parameter(header, word));
    let mut words = tags.filter(Tag::is_sql).filter_map(|tag| surroundings(tag.inside));
    words.find(|word| !is_parameter(word.split('.').next().unwrap_or(word)))
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

/// What every expression holds that [`surroundings`] finds something in.
const WORDS: [&str; 7] = ["target", "env_var", "flags", "invocation_args_dict", "model", "this", "config"];

/// What of its surroundings an expression reads, outside strings: `target.…` but for `target.type`, an environment
/// variable, the command's flags, the schema or database that CI chose.
fn surroundings(text: &str) -> Option<&'static str> {
    let is_condition = matches!(text.split_whitespace().next(), Some("if" | "elif")) || text.contains(" if ");
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
            let after = after.trim_start();
            if !binds && before != '.' {
                let found = of_word(word, after, is_condition);
                if found.is_some() {
                    return found;
                }
            }
            (before, last) = ('a', word);
            rest = after;
        } else {
            before = if c.is_whitespace() { before } else { c };
            rest = after;
        }
    }
    None
}

/// What a word that is no attribute reads, with what follows it.
fn of_word(word: &str, after: &str, is_condition: bool) -> Option<&'static str> {
    let is_where = |key: Option<&str>| matches!(key, Some("schema" | "database"));
    match word {
        "target" => (!is_named(after) && key(after) != Some("type")).then_some("target"),
        "env_var" => after.starts_with('(').then_some("env_var"),
        "flags" => key(after).is_some_and(|key| key != "FULL_REFRESH").then_some("flags"),
        "invocation_args_dict" => Some("invocation_args_dict"),
        "model" => is_where(key(after)).then_some("model.schema"),
        // As a relation of the SQL it is what every incremental model reads.
        "this" => (is_condition && (is_where(key(after)) || after.starts_with('|'))).then_some("this"),
        "adapter" => (key(after) == Some("config")).then_some("adapter.config"),
        _ => None,
    }
}

/// The attribute or the literal index that is asked for: `name` of `.name` and `['name']`.
fn key(after: &str) -> Option<&str> {
    let key = match (after.strip_prefix('.'), after.strip_prefix('[')) {
        (Some(key), _) => key.trim_start(),
        (_, Some(key)) => key.trim_start().trim_start_matches(['\'', '"']),
        _ => return None,
    };
    let end = key.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(key.len());
    key.get(..end).filter(|key| !key.is_empty())
}

/// Whether `target=…` names an argument. Given to somebody else as a whole, it is read.
fn is_named(after: &str) -> bool {
    after.starts_with('=') && !after.starts_with("==")
}

#[cfg(test)]
mod tests {
    use super::{calls, has_parameter, surroundings};

    #[test]
    fn only_the_variable_itself_counts() {
        let names_target = |text: &str| surroundings(text) == Some("target");
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
            assert!(surroundings(other).is_none(), "{other}");
        }
    }

    #[test]
    fn what_else_differs_between_ci_and_production_counts() {
        for (text, word) in [
            ("if env_var('CI', '') == 'true'", "env_var"),
            ("if flags.WHICH != 'compile'", "flags"),
            ("if invocation_args_dict.get('defer')", "invocation_args_dict"),
            ("if 'ci' in (this|string)", "this"),
            ("if this.schema == 'ci'", "this"),
            ("1 if this['schema'] == 'ci' else 2", "this"),
            ("if model.schema == 'ci'", "model.schema"),
            ("if adapter.config.credentials.schema == 'ci'", "adapter.config"),
        ] {
            assert_eq!(surroundings(text), Some(word), "{text}");
        }
        let others =
            ["this", "from_this(this)", "flags.FULL_REFRESH", "model.unique_id", "'env_var(x)'", "config(x=1)"];
        for other in
            others.into_iter().chain(["if is_incremental()", "env_var", "this.name", "this.schema", "my.flags.x"])
        {
            assert_eq!(surroundings(other), None, "{other}");
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
