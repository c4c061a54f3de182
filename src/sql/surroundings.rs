//! What a template reads of where and when dbt runs it, so that it renders to one text in CI and to another in production.
//!
//! Not a list of what is read, as a template has many ways to it: every name counts that is not the template's own, a
//! macro's (which has a template of its own) or known to be the same everywhere.

use std::collections::{HashMap, HashSet};

use super::context_names::{
    CHOOSING, KEYWORDS, LOOKUPS, MAKERS, MODULES, OF_ADAPTER, OF_DBT, OF_MODEL, OF_RELATION, PURE, QUERIES,
    SQL_OF_PLACES, WHERE_IT_GOES,
};
use super::jinja::{TagKind, Word, next_tag, words};

/// Something that a template reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The byte at which its tag begins.
    pub(crate) at: usize,
    /// What is read: `target`, `this.schema`.
    pub(crate) what: String,
    /// The key of `config(…)` that it decides; `None`: the text itself.
    pub(crate) key: Option<String>,
}

/// All that a template reads of its surroundings, in its order. `is_macro`: whether macros or a package of them have
/// that name.
pub(crate) fn readings(template: &str, is_macro: &dyn Fn(&str) -> bool) -> Vec<Reading> {
    let tags = tags(template);
    let bound = tags.iter().flat_map(|tag| bound(&tag.words)).collect();
    let mut reader =
        Reader { is_macro, bound, scopes: vec![Scope::default()], asks_where: asks_where(template), found: Vec::new() };
    for tag in &tags {
        reader.tag(tag);
    }
    reader.found
}

/// A tag with code.
struct Tag<'t> {
    at: usize,
    is_block: bool,
    words: Vec<Word<'t>>,
}

/// The tags that are carried out and say something: what stands in `raw` is text.
fn tags(template: &str) -> Vec<Tag<'_>> {
    let mut found = Vec::new();
    let (mut at, mut is_raw) = (0, false);
    while let Some(tag) = next_tag(template, at) {
        let inside = template.get(tag.inside.clone()).unwrap_or_default();
        let words = words(inside.trim_matches(['-', '+']));
        let first = match words.first() {
            Some(Word::Name(name)) if tag.kind == TagKind::Block => *name,
            _ => "",
        };
        // Within `raw` a tag ends nowhere but at the sign after its own start.
        at = if is_raw && first != "endraw" { tag.range.start + 2 } else { tag.range.end };
        match (is_raw, first) {
            (_, "raw" | "endraw") => is_raw = first == "raw",
            (true, _) => {}
            (false, _) if tag.kind == TagKind::Comment || is_commented(template, &tag.range, &words, tag.kind) => {}
            (false, _) => found.push(Tag { at: tag.range.start, is_block: tag.kind == TagKind::Block, words }),
        }
    }
    found
}

/// Whether a value is put into a line that is a comment of SQL, and cannot leave it.
fn is_commented(template: &str, range: &std::ops::Range<usize>, words: &[Word<'_>], kind: TagKind) -> bool {
    let line = template.get(..range.start).unwrap_or_default().rsplit('\n').next().unwrap_or_default();
    let one_line = words.iter().all(|word| match word {
        Word::Name(_) => true,
        Word::Literal(text) => !text.contains(['\\', '\n']),
        Word::Sign(sign) => *sign != "(",
    });
    kind == TagKind::Output && line.trim_start().starts_with("--") && one_line
}

/// Whether some text or literal of a template asks a warehouse where the query runs.
fn asks_where(template: &str) -> bool {
    let small = template.to_lowercase();
    SQL_OF_PLACES.iter().any(|word| small.contains(word))
}

/// Names that hold within a block.
#[derive(Default)]
struct Scope<'t> {
    /// The word that opened it.
    opened_by: &'t str,
    /// With whether the value holds a relation's name.
    names: HashMap<&'t str, bool>,
    /// What a `set` of a text gives its name to.
    sets: Option<&'t str>,
    /// Whether that text holds a relation's name.
    holds: bool,
}

struct Reader<'t, 'f> {
    is_macro: &'f dyn Fn(&str) -> bool,
    /// Every name that the template gives anywhere.
    bound: HashSet<&'t str>,
    scopes: Vec<Scope<'t>>,
    asks_where: bool,
    found: Vec<Reading>,
}

/// How a tag begins, and which of its words are an expression.
struct Statement<'t, 'w> {
    opens: Option<&'t str>,
    closes: bool,
    names: Vec<&'t str>,
    expression: &'w [Word<'t>],
    /// Whether the statement decides which text comes.
    chooses: bool,
}

impl<'t> Reader<'t, '_> {
    fn tag(&mut self, tag: &Tag<'t>) {
        let statement = statement(tag);
        if statement.closes {
            let ended = if self.scopes.len() > 1 { self.scopes.pop() } else { None };
            if let Some(Scope { sets: Some(name), holds, .. }) = ended {
                self.bind(name, holds);
            }
            return;
        }
        // A branch does not know the names of the one before.
        if matches!(tag.words.first(), Some(Word::Name("elif" | "else")))
            && let Some(scope) = self.scopes.last_mut()
            && scope.opened_by == "if"
        {
            scope.names.clear();
        }
        let holds = self.expression(tag.at, statement.expression, statement.chooses);
        if holds && let Some(scope) = self.scopes.iter_mut().rev().find(|scope| scope.sets.is_some()) {
            scope.holds = true;
        }
        match statement.opens {
            Some("set") => {
                let sets = statement.names.first().copied();
                self.scopes.push(Scope { opened_by: "set", sets, ..Scope::default() });
            }
            Some(word) => {
                let names = statement.names.into_iter().map(|name| (name, holds)).collect();
                self.scopes.push(Scope { opened_by: word, names, ..Scope::default() });
            }
            None => statement.names.into_iter().for_each(|name| self.bind(name, holds)),
        }
    }

    fn bind(&mut self, name: &'t str, holds: bool) {
        if let Some(scope) = self.scopes.last_mut() {
            let known = scope.names.entry(name).or_default();
            *known = *known || holds;
        }
    }

    /// Whether the template gives this name here, and whether its value holds a relation's name.
    fn own(&self, name: &str) -> Option<bool> {
        let here = self.scopes.iter().rev().find_map(|scope| scope.names.get(name).copied());
        // A name that is nobody else's is the template's wherever it was given.
        here.or_else(|| (self.bound.contains(name) && !OF_DBT.contains(&name)).then_some(false))
    }

    /// Reads an expression; whether it comes to something with a relation's name in it.
    fn expression(&mut self, at: usize, words: &[Word<'t>], chooses: bool) -> bool {
        let chooses = chooses || is_choice(words);
        let config_of = matches!(words, [Word::Name("config"), Word::Sign("("), ..]);
        let mut holds = false;
        // What each open bracket belongs to: the name before it, the last key, and whether it holds arguments.
        let mut open: Vec<(&str, Option<&str>)> = Vec::new();
        let add = |found: &mut Vec<Reading>, what: String, key: Option<&str>| {
            if !(config_of && key.is_some_and(|key| WHERE_IT_GOES.contains(&key))) {
                let key = if config_of { Some(key.unwrap_or_default().to_owned()) } else { None };
                found.push(Reading { at, what, key });
            }
        };
        for (index, word) in words.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|index| words.get(index));
            let behind = words.get(index + 1..).unwrap_or_default();
            let name = match word {
                Word::Sign("(" | "[" | "{") => {
                    let of = match (word, before) {
                        (Word::Sign("("), Some(Word::Name(name))) => *name,
                        (Word::Sign("["), Some(Word::Name(_) | Word::Sign(")" | "]" | "}"))) => "[",
                        _ => "",
                    };
                    open.push((of, None));
                    continue;
                }
                Word::Sign(")" | "]" | "}") => {
                    open.pop();
                    continue;
                }
                Word::Name(name) => *name,
                Word::Sign(_) | Word::Literal(_) => continue,
            };
            let is_key = behind.first() == Some(&Word::Sign("=")) && !open.is_empty();
            if is_key {
                if let Some(last) = open.last_mut() {
                    last.1 = Some(name);
                }
                continue;
            }
            let key = open.first().and_then(|(_, key)| *key);
            if before == Some(&Word::Sign(".")) {
                let root = index.checked_sub(2).and_then(|index| words.get(index));
                let of_package = matches!(root, Some(Word::Name(root)) if (self.is_macro)(root));
                // Whatever leads to it, a double underline leads into Python.
                if name.starts_with("__") || (of_package && self.asks(name, behind)) {
                    add(&mut self.found, name.to_owned(), key);
                }
                continue;
            }
            let is_filter = before == Some(&Word::Sign("|"));
            let is_test = matches!(before, Some(Word::Name("is")))
                || (before == Some(&Word::Name("not"))
                    && index.checked_sub(2).and_then(|index| words.get(index)) == Some(&Word::Name("is")));
            if is_filter || is_test || KEYWORDS.contains(&name) {
                continue;
            }
            let relation = match self.own(name) {
                Some(own) => own.then_some(behind),
                None => match name {
                    "this" => Some(behind),
                    "ref" | "source" => Some(after_call(behind)),
                    _ => {
                        if let Some(what) = self.of_context(name, behind, chooses) {
                            add(&mut self.found, what, key);
                        }
                        None
                    }
                },
            };
            // A parameter may be given a relation.
            if relation.is_none()
                && chooses
                && self.own(name).is_some()
                && matches!(self::key(behind), Some("schema" | "database" | "render"))
            {
                add(&mut self.found, format!("{name}.{}", self::key(behind).unwrap_or_default()), key);
            }
            let Some(behind) = relation else { continue };
            let callee = open.last().map_or("", |(callee, _)| *callee);
            let place = match callee {
                "" => Place::Plain,
                "[" => Place::Looked,
                callee if MAKERS.contains(&callee) || CHOOSING.contains(&callee) => Place::Looked,
                _ => Place::Given,
            };
            // What a lookup is told is where the relation itself is.
            if !LOOKUPS.contains(&callee)
                && let Some(how) = rendering(before, behind, chooses, place)
            {
                add(&mut self.found, format!("{name}{how}"), key);
            }
            holds |= place != Place::Given;
        }
        holds
    }

    /// Whether a macro that asks the warehouse does so without naming what it asks about.
    fn asks(&self, name: &str, behind: &[Word<'_>]) -> bool {
        if !QUERIES.contains(&name) || behind.first() != Some(&Word::Sign("(")) {
            return false;
        }
        let inside = behind.get(..behind.len() - after_call(behind).len()).unwrap_or_default();
        let about = |word: &Word<'_>| match word {
            Word::Name(name) => matches!(*name, "ref" | "source" | "this") || self.own(name).is_some(),
            Word::Literal(_) | Word::Sign(_) => false,
        };
        // `call statement` has its query in its body.
        self.asks_where || (name != "statement" && !inside.iter().any(about))
    }

    /// What a name reads that is not the template's.
    fn of_context(&self, name: &str, behind: &[Word<'_>], chooses: bool) -> Option<String> {
        let key = key(behind);
        let is_one_of = |names: &[&str]| key.is_some_and(|key| names.contains(&key));
        let named = key.filter(|key| !CHOOSING.contains(key));
        let with_key = || named.map_or_else(|| name.to_owned(), |key| format!("{name}.{key}"));
        let reads = match name {
            // It is a macro of dbt's; all know it.
            "is_incremental" => return None,
            "target" => return (key != Some("type")).then(|| name.to_owned()),
            "flags" => return (key != Some("FULL_REFRESH")).then(|| name.to_owned()),
            "model" => !is_one_of(OF_MODEL),
            "config" => {
                let is_get = key.is_some_and(|key| {
                    key == "get" || key == "require" || key.starts_with("persist_") || key.starts_with("meta_")
                });
                behind.first() != Some(&Word::Sign("(")) && !is_get
            }
            "adapter" if is_one_of(LOOKUPS) => !names_a_relation(behind, &|name| self.own(name).is_some()),
            "adapter" => !is_one_of(OF_ADAPTER),
            "api" => !is_one_of(&["Relation", "Column"]),
            "builtins" => !is_one_of(&["ref", "source", "config"]),
            "context" => !is_one_of(PURE),
            "modules" => !is_one_of(MODULES) || (key == Some("datetime") && chooses),
            "run_started_at" | "invocation_id" | "dbt_version" => chooses,
            _ if PURE.contains(&name) => false,
            _ if QUERIES.contains(&name) => self.asks(name, behind),
            _ => !(self.is_macro)(name),
        };
        reads.then(with_key)
    }
}

/// Whether an expression decides between texts: a comparison, a lookup, `x if y else z`.
fn is_choice(words: &[Word<'_>]) -> bool {
    words.iter().enumerate().any(|(index, word)| {
        let before = index.checked_sub(1).and_then(|index| words.get(index));
        match word {
            Word::Sign("==" | "!=" | ">=" | "<=" | "<" | ">") => true,
            Word::Sign("[") => matches!(before, Some(Word::Name(_) | Word::Sign(")" | "]" | "}"))),
            Word::Name("if" | "in") => before != Some(&Word::Sign(".")),
            Word::Name(name) => before == Some(&Word::Sign(".")) && CHOOSING.contains(name),
            Word::Sign(_) | Word::Literal(_) => false,
        }
    })
}

/// Where a relation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In no call.
    Plain,
    /// In a call that makes a text of it or looks something up by it.
    Looked,
    /// In another call.
    Given,
}

/// How a relation is made into a text that can be looked at: `.schema`, `|…`, or in a comparison.
fn rendering(before: Option<&Word<'_>>, behind: &[Word<'_>], chooses: bool, place: Place) -> Option<String> {
    match behind.first() {
        Some(Word::Sign("." | "[")) => match key(behind) {
            Some(key) if OF_RELATION.contains(&key) => None,
            Some(key) => Some(format!(".{key}")),
            None => Some("[…]".to_owned()),
        },
        Some(Word::Sign("|")) => Some("|…".to_owned()),
        Some(Word::Name("is")) => None,
        other => {
            let ends = matches!(other, None | Some(Word::Name("and" | "or" | "else") | Word::Sign(")" | "," | "]")));
            let begins = matches!(
                before,
                None | Some(
                    Word::Name("if" | "elif" | "and" | "or" | "not" | "else") | Word::Sign("(" | "," | "=" | "[")
                )
            );
            let is_looked_at = match place {
                Place::Given => false,
                Place::Looked => true,
                Place::Plain => !(ends && begins),
            };
            (chooses && is_looked_at).then(String::new)
        }
    }
}

/// Whether the arguments of a call name a relation of the project, or are the template's own.
fn names_a_relation(behind: &[Word<'_>], is_own: &dyn Fn(&str) -> bool) -> bool {
    behind.iter().any(|word| match word {
        Word::Name(name) => matches!(*name, "this" | "ref" | "source") || is_own(name),
        Word::Literal(_) | Word::Sign(_) => false,
    })
}

/// The attribute or the literal index that is asked for: `name` of `.name`, `['name']` and `.get('name')`.
fn key<'t>(behind: &[Word<'t>]) -> Option<&'t str> {
    match behind {
        [Word::Sign("."), Word::Name(key), ..] | [Word::Sign("["), Word::Literal(key), Word::Sign("]"), ..] => {
            Some(*key)
        }
        _ => None,
    }
}

/// What follows a call.
fn after_call<'w, 't>(behind: &'w [Word<'t>]) -> &'w [Word<'t>] {
    let mut depth = 0_usize;
    for (index, word) in behind.iter().enumerate() {
        match word {
            Word::Sign("(" | "[" | "{") => depth += 1,
            Word::Sign(")" | "]" | "}") => depth = depth.saturating_sub(1),
            Word::Name(_) | Word::Literal(_) | Word::Sign(_) => {}
        }
        if depth == 0 {
            return behind.get(index + 1..).unwrap_or_default();
        }
    }
    &[]
}

fn statement<'t, 'w>(tag: &'w Tag<'t>) -> Statement<'t, 'w> {
    let all = tag.words.as_slice();
    let plain = |expression| Statement { opens: None, closes: false, names: Vec::new(), expression, chooses: false };
    let Some((Word::Name(first), rest)) = all.split_first().filter(|_| tag.is_block) else { return plain(all) };
    match *first {
        "if" => Statement { opens: Some("if"), chooses: true, ..plain(rest) },
        "elif" => Statement { chooses: true, ..plain(rest) },
        "else" | "endraw" | "raw" => plain(&[]),
        "for" => {
            let (names, iterated) = split_at(rest, &Word::Name("in"));
            Statement { opens: Some("for"), names: names_of(names), ..plain(iterated.unwrap_or_default()) }
        }
        "set" => match split_at(rest, &Word::Sign("=")) {
            (names, Some(value)) => Statement { names: names_of(names), ..plain(value) },
            (names, None) => {
                let end = names.iter().position(|word| *word == Word::Sign("|")).unwrap_or(names.len());
                Statement { opens: Some("set"), names: names_of(names.get(..end).unwrap_or_default()), ..plain(&[]) }
            }
        },
        "macro" | "test" | "data_test" | "materialization" | "snapshot" | "docs" | "block" => {
            Statement { opens: Some(first), names: parameters(rest), ..plain(defaults(rest)) }
        }
        "call" => match rest.first() {
            // `call(x) f()` gives names to the body.
            Some(Word::Sign("(")) => {
                Statement { opens: Some("call"), names: parameters(rest), ..plain(after_call(rest)) }
            }
            _ => Statement { opens: Some("call"), ..plain(rest) },
        },
        "filter" | "autoescape" => Statement { opens: Some(first), ..plain(&[]) },
        "with" => {
            let (names, value) = split_at(rest, &Word::Sign("="));
            Statement { opens: Some("with"), names: names_of(names), ..plain(value.unwrap_or_default()) }
        }
        "do" | "import" | "from" | "include" | "extends" => plain(rest),
        end if end.starts_with("end") => Statement { closes: true, ..plain(&[]) },
        _ => plain(rest),
    }
}

/// Names that a tag gives.
fn bound<'t>(words: &[Word<'t>]) -> Vec<&'t str> {
    let rest = words.get(1..).unwrap_or_default();
    match words.first() {
        Some(Word::Name("for")) => names_of(split_at(rest, &Word::Name("in")).0),
        Some(Word::Name("set" | "with")) => names_of(split_at(rest, &Word::Sign("=")).0),
        Some(Word::Name("macro" | "test" | "data_test" | "call")) => parameters(rest),
        Some(Word::Name("import" | "from")) => names_of(rest),
        _ => Vec::new(),
    }
}

type Split<'w, 't> = (&'w [Word<'t>], Option<&'w [Word<'t>]>);

fn split_at<'w, 't>(words: &'w [Word<'t>], at: &Word<'t>) -> Split<'w, 't> {
    match words.iter().position(|word| word == at) {
        Some(index) => (words.get(..index).unwrap_or_default(), words.get(index + 1..)),
        None => (words, None),
    }
}

/// `a` and `b` of `a, b` and `(a, b)`; none of `ns.a`, which gives no name.
fn names_of<'t>(words: &[Word<'t>]) -> Vec<&'t str> {
    if words.contains(&Word::Sign(".")) {
        return Vec::new();
    }
    words.iter().filter_map(|word| if let Word::Name(name) = word { Some(*name) } else { None }).collect()
}

/// The parameters of `name(a, b=1)`.
fn parameters<'t>(words: &[Word<'t>]) -> Vec<&'t str> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut before = None;
    for word in words {
        match word {
            Word::Sign("(" | "[" | "{") => depth += 1,
            Word::Sign(")" | "]" | "}") => depth = depth.saturating_sub(1),
            Word::Name(name) if depth == 1 && matches!(before, Some(Word::Sign("(" | ","))) => found.push(*name),
            Word::Name(_) | Word::Literal(_) | Word::Sign(_) => {}
        }
        before = Some(*word);
    }
    found
}

/// What the parameters are given where a call does not: the words from the first `=` on.
fn defaults<'w, 't>(words: &'w [Word<'t>]) -> &'w [Word<'t>] {
    words.iter().position(|word| *word == Word::Sign("=")).and_then(|index| words.get(index + 1..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(template: &str) -> Vec<String> {
        let is_macro =
            |name: &str| matches!(name, "dbt" | "dbt_utils" | "star" | "is_incremental" | "kind_of" | "run_query");
        readings(template, &is_macro).into_iter().map(|reading| reading.what).collect()
    }

    #[test]
    fn every_way_to_the_surroundings_counts() {
        let mut missed = Vec::new();
        for (template, what) in [
            ("{% if target.name == 'prod' %}", "target"),
            ("{{ target['name'] }}", "target"),
            ("{% set t = target %}", "target"),
            ("{{ f(target) }}", "f"),
            ("{% if env_var('CI', '') == 'true' %}", "env_var"),
            ("{% set e = env_var %}{{ e('CI') }}", "env_var"),
            ("{% if flags.WHICH != 'compile' %}", "flags"),
            ("{% if invocation_args_dict.get('defer') %}", "invocation_args_dict"),
            ("{% if schema == 'ci' %}", "schema"),
            ("{{ database }}", "database"),
            ("{{ context['target'].name }}", "context.target"),
            ("{{ context.env_var('X') }}", "context.env_var"),
            ("{{ context[x] }}", "context"),
            ("{{ builtins.env_var('X') }}", "builtins.env_var"),
            ("{% for n in graph.nodes.values() %}{% endfor %}", "graph.nodes"),
            ("{% if model.schema == 'ci' %}", "model.schema"),
            ("{% if model.relation_name == 'ci' %}", "model.relation_name"),
            ("{% if adapter.config.credentials.schema == 'ci' %}", "adapter.config"),
            ("{% if 'ci' in (this|string) %}", "this|…"),
            ("{% if this.schema == 'ci' %}", "this.schema"),
            ("{{ 1 if this['schema'] == 'ci' else 2 }}", "this.schema"),
            ("{{ this.render() }}", "this.render"),
            ("{% if 'ci' in this ~ '' %}", "this"),
            ("{% if local_md5(this) == 'x' %}", "this"),
            ("{{ {'a': 'b'}[this ~ ''] }}", "this"),
            ("{% set s %}{{ this }}{% endset %}{% if 'ci' in s %}", "s"),
            ("{% set r = ref('x') %}{% if r.schema == 'ci' %}", "r.schema"),
            ("{% if 'ci' in ref('x')|string %}", "ref|…"),
            ("{% if source('a', 'b').database == 'ci' %}", "source.database"),
            ("{% macro f(r) %}{% if r.schema == 'ci' %}1{% endif %}{% endmacro %}", "r.schema"),
            ("{{ local_md5(target.name) }}", "target"),
            ("{% if run_query('select current_schema()').columns[0][0] == 'ci' %}", "run_query"),
            ("{% call statement('x', fetch_result=true) %}select current_user{% endcall %}", "statement"),
            ("{% if dbt.run_query('select 1 from x') %}", "run_query"),
            ("{% if adapter.get_relation('d', 'prod', 't') %}", "adapter.get_relation"),
            ("{% if adapter.check_schema_exists('d', 'prod') %}", "adapter.check_schema_exists"),
            ("{{ dbt_metadata_envs['X'] }}", "dbt_metadata_envs.X"),
            ("{% if invocation_id < '8' %}", "invocation_id"),
            ("{% if run_started_at.day == 1 %}", "run_started_at.day"),
            ("{{ selected_resources }}", "selected_resources"),
            ("{{ thread_id }}", "thread_id"),
            ("{{ modules.os.environ }}", "modules.os"),
            ("{{ render(var('x')) }}", "render"),
            ("{{ self._TemplateReference__context }}", "self._TemplateReference__context"),
            ("{{ ref.__globals__ }}", "__globals__"),
            ("{{ something_that_dbt_gets_tomorrow }}", "something_that_dbt_gets_tomorrow"),
            // A name of the template's own holds where it is given, and nowhere else.
            ("{% for target in [] %}{% endfor %}{{ target.name }}", "target"),
            ("{% if false %}{% set schema = 1 %}{% endif %}{{ schema }}", "schema"),
            ("{% if a %}{% set target = 1 %}{% else %}{{ target.name }}{% endif %}{% set a = 1 %}", "target"),
            // What only seems to be a comment.
            ("-- {% if target.name == 'x' %}\nselect 1{% endif %}", "target"),
            ("-- {{ '\\nselect 1' if target.name == 'x' }}", "target"),
            ("select '--', {{ target.name }}", "target"),
        ] {
            let found = read(template);
            if !found.iter().any(|found| found == what) {
                missed.push((template, found));
            }
        }
        assert!(missed.is_empty(), "{missed:#?}");
    }

    #[test]
    fn what_is_the_same_everywhere_does_not() {
        for template in [
            "{{ this }}",
            "select max(at) from {{ this }}",
            "{% if is_incremental() %}where at > (select max(at) from {{ this }}){% endif %}",
            "{% set target = 1 %}{{ target }}",
            "{% for target in ['a'] %}{{ target.name }}{% endfor %}",
            "{{ 'target.name' }} {# target.name #} {% raw %}{{ target.name }}{% endraw %}",
            "-- {{ target.name }}",
            "{{ my_own_macro.target }}{% set my_own_macro = 1 %}",
            "{{ star(from=ref('x'), target=1) }}",
            "{{ dbt_utils.star(ref('x')) }}",
            "{% if target.type == 'duckdb' %}{% endif %}{{ target['type'] }}",
            "{% if flags.FULL_REFRESH %}{% endif %}",
            "{{ model.unique_id }}{{ config(materialized='table') }}{{ config.get('x') }}",
            "{% if adapter.get_relation(this.database, this.schema, this.identifier) %}{% endif %}",
            "{% set r = adapter.get_relation(database=this.database, schema=this.schema, identifier='x') %}{% if r %}{% endif %}",
            "{% set q %}select id from {{ ref('x') }}{% endset %}{% set rows = run_query(q) %}{% if execute %}{% for row in rows %}{{ row[0] }}{% endfor %}{% endif %}",
            "{% call statement('x', fetch_result=true) %}select 1 from {{ ref('x') }}{% endcall %}",
            "{% macro f(schema, target='x') %}{{ schema }}{{ target.name }}{% endmacro %}",
            "{% macro f(a=[1, 2], b={'c': 1}) %}{{ a }}{{ b }}{{ varargs }}{{ caller() }}{% endmacro %}",
            "{{ '{{ invocation_id }}' }}{{ invocation_id }} {{ run_started_at.isoformat() }}",
            "{% for a, b in x.items() %}{{ a|upper }}{{ loop.last }}{% if not loop.last %},{% endif %}{% endfor %}{% set x = {} %}",
            "{% if x is defined and x is not none and x is not string %}{% endif %}{% set x = 1 %}",
            "{% if kind_of(this) == 1 %}{% endif %}",
            "{% set ns = namespace(a=1) %}{% set ns.a = 2 %}{{ ns.a }}",
            "{% do return(adapter.dispatch('f', 'p')(a)) %}{% set a = 1 %}",
            "{{ modules.re.sub('a', 'b', x) }}{{ modules.datetime.datetime.now() }}{% set x = 'a' %}",
            "{{ builtins.ref('x') }}{{ exceptions.raise_compiler_error('x') }}{{ log('x', info=True) }}",
            "{{ kind_of(this) }}{{ api.Relation.create(identifier='x') }}{{ var('x', none) }}",
            "{%- if x -%}{%- elif y -%}{% set x, y = 1, 2 %}{%- endif -%}",
        ] {
            assert_eq!(read(template), Vec::<String>::new(), "{template}");
        }
    }

    #[test]
    fn in_config_all_counts_but_where_the_relation_goes() {
        let keys = |template: &str| -> Vec<Option<String>> {
            readings(template, &|_| false).into_iter().map(|reading| reading.key).collect()
        };
        let key = |key: &str| vec![Some(key.to_owned())];
        assert_eq!(keys("{{ config(schema=target.schema, enabled=target.name == 'ci') }}"), key("enabled"));
        assert_eq!(keys("{{ config(severity='warn' if target.name == 'prod' else 'error') }}"), key("severity"));
        assert_eq!(keys("{{ config({'enabled': target.name == 'ci'}) }}"), key(""));
        assert_eq!(keys("{{ config(meta={'a': target.name}, alias=this.schema, materialized=env_var('M')) }}"), []);
        assert_eq!(keys("{{ target.name }}"), [None]);
    }
}
