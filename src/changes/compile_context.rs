//! Text that depends on when or where it is compiled.

use std::collections::{BTreeSet, HashSet};

use similar::{Algorithm, DiffTag, capture_diff_slices};

use super::build_macros::is_dbts_own;
use crate::artifacts::{Manifest, Node};
use crate::sql::jinja::{Piece, Word, pieces, words};

/// Words that make a text depend on when or where it is compiled.
const CONTEXT_WORDS: &[&str] = &[
    "run_started_at",
    "invocation_id",
    "modules.datetime",
    "run_query",
    "call statement",
    "load_result",
    "get_column_values",
    "adapter.",
    "target.",
    "target[",
    "flags.",
    "is_incremental",
];

/// Whether a node's own raw text may have a momentary word: one anywhere in it is enough.
pub(super) fn depends_on_context(node: &Node<'_>) -> bool {
    has_word(&node.raw_code.get())
}

/// Whether a node's raw text, or one of the project's macros that it reaches, may have a momentary word.
pub(super) fn reaches_context(manifest: &Manifest<'_>, node: &Node<'_>) -> bool {
    depends_on_context(node) || macros_of(manifest, [node]).into_iter().any(|text| has_word(&text))
}

fn has_word(text: &str) -> bool {
    // Which macro of a package is meant is the same at any time.
    let adapter = || text.matches("adapter.").count() > text.matches("adapter.dispatch").count();
    CONTEXT_WORDS.iter().any(|word| if *word == "adapter." { adapter() } else { text.contains(word) })
}

/// The texts of the macros that nodes reach, dbt's own aside.
pub(super) fn macros_of<'m>(
    manifest: &'m Manifest<'_>,
    nodes: impl IntoIterator<Item = &'m Node<'m>>,
) -> Vec<std::borrow::Cow<'m, str>> {
    let mut open: Vec<&str> = nodes.into_iter().flat_map(|node| &node.depends_on.macros).map(AsRef::as_ref).collect();
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    while let Some(id) = open.pop() {
        let Some(macro_) = manifest.macros.get(id).filter(|_| seen.insert(id) && !is_dbts_own(id)) else { continue };
        found.push(macro_.macro_sql.get());
        open.extend(macro_.depends_on.macros.iter().map(AsRef::as_ref));
    }
    found
}

/// On what a text depends, with the word that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Influence {
    /// What a query to the warehouse answers.
    Answer(&'static str),
    /// What the warehouse's catalog says of relations and columns.
    Catalog,
    /// The time or the run.
    Time(&'static str),
    /// `target.…`: the profile's fields.
    Target,
    /// The command line.
    Flags,
    /// Whether production has the relation. Last: the others say more.
    Incremental,
}

impl Influence {
    fn word(self) -> &'static str {
        match self {
            Self::Answer(word) | Self::Time(word) => word,
            Self::Catalog => "adapter.",
            Self::Target => "target.",
            Self::Flags => "flags.",
            Self::Incremental => "is_incremental",
        }
    }
}

/// What a node's compiled text may take from when and where it was compiled: read in the code of its raw text, of
/// the ephemeral models in it, and of the project's macros that they reach.
#[derive(Debug, Default)]
pub(super) struct CompileContext {
    influences: BTreeSet<Influence>,
    /// How often `is_incremental` is asked; `None` where what it decides may stand on either side.
    filters: Option<Filters>,
    /// Whether a value of the target is put into the text, and not only asked for.
    prints_target: bool,
    /// Whether it uses what may give the name of a schema or a database.
    names_places: bool,
    /// The words that stand in branches, macros and literals of code, in small letters.
    said: HashSet<String>,
    /// unique_ids of the node, the ephemeral models in it, and what they refer to.
    relations: HashSet<String>,
}

/// Names of code that may give the name of a schema or a database. An environment variable is where a target's come
/// from.
const PLACES: &[&str] = &[
    "adapter",
    "api",
    "builtins",
    "context",
    "database",
    "env_var",
    "graph",
    "identifier",
    "include",
    "model",
    "node",
    "quote",
    "render",
    "schema",
    "target",
    "this",
];

/// How often a template asks `is_incremental`, for text that one side has and the other lacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Filters {
    /// `if is_incremental()`: text of production's later runs.
    later: usize,
    /// `if not is_incremental()`: text of a first run, as the pull request is compiled.
    first: usize,
}

impl CompileContext {
    pub(super) fn of(manifest: &Manifest<'_>, node: &Node<'_>) -> Self {
        let mut moment = Self { filters: Some(Filters::default()), ..Self::default() };
        let mut nodes = vec![node];
        let mut index = 0;
        while let Some(node) = nodes.get(index).copied() {
            index += 1;
            moment.read(&node.raw_code.get(), false);
            moment.relations.insert(node.unique_id.to_string());
            for parent in &node.depends_on.nodes {
                if !moment.relations.insert(parent.to_string()) {
                    continue;
                }
                nodes.extend(manifest.nodes.get(parent).filter(|parent| parent.is_ephemeral()));
            }
        }
        for text in macros_of(manifest, nodes) {
            moment.read(&text, true);
        }
        moment
    }

    /// Whether the text may have the name of a schema or a database from its target, other than in a relation's name.
    pub(super) fn names_places(&self) -> bool {
        self.names_places
    }

    fn read(&mut self, template: &str, is_macro: bool) {
        let pieces = pieces(template);
        let code: Vec<Vec<Word<'_>>> = pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Code(code) => Some(words(code.trim_matches(['-', '+']))),
                Piece::Text(_) => None,
            })
            .collect();
        let declared: HashSet<&str> = code.iter().flat_map(|words| declared(words)).collect();
        let mut asked = Filters::default();
        let mut kept = false;
        let mut code = code.iter();
        let mut depth = 0_usize;
        for piece in &pieces {
            match piece {
                Piece::Text(text) if is_macro || depth > 0 => self.say(text),
                Piece::Text(_) => {}
                Piece::Code(_) => {
                    let Some(words) = code.next() else { continue };
                    match words.first() {
                        Some(Word::Name("if" | "for" | "macro" | "call" | "filter" | "raw")) => depth += 1,
                        Some(Word::Name("set")) if !words.contains(&Word::Sign("=")) => depth += 1,
                        Some(Word::Name(end)) if end.starts_with("end") => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                    let found = self.look(words, &declared);
                    asked = Filters { later: asked.later + found.later, first: asked.first + found.first };
                    // What is done with the answer stands elsewhere.
                    let is_asked = found != Filters::default();
                    kept |= is_asked && !matches!(words.first(), Some(Word::Name("if" | "elif")));
                }
            }
        }
        if asked == Filters::default() {
            return;
        }
        let sum = |filters: Filters| Filters { later: filters.later + asked.later, first: filters.first + asked.first };
        self.filters = self.filters.filter(|_| !kept && !has_else(template)).map(sum);
    }

    /// Takes in what one tag says, and returns how often it asks `is_incremental`.
    fn look(&mut self, words: &[Word<'_>], declared: &HashSet<&str>) -> Filters {
        let mut asked = Filters::default();
        for (index, word) in words.iter().enumerate() {
            let name = match word {
                Word::Name(name) => *name,
                Word::Literal(text) => {
                    self.say(text);
                    continue;
                }
                Word::Sign(_) => continue,
            };
            self.names_places |= PLACES.contains(&name);
            let before = index.checked_sub(1).and_then(|before| words.get(before));
            let behind = words.get(index + 1..).unwrap_or_default();
            let is_own = before != Some(&Word::Sign("."));
            if behind.first() == Some(&Word::Sign("=")) || (is_own && declared.contains(name)) {
                continue;
            }
            let influence = match name {
                "run_started_at" if is_own => Influence::Time("run_started_at"),
                "invocation_id" if is_own => Influence::Time("invocation_id"),
                "datetime" if !is_own => Influence::Time("modules.datetime"),
                "run_query" => Influence::Answer("run_query"),
                "load_result" => Influence::Answer("load_result"),
                "get_column_values" => Influence::Answer("get_column_values"),
                "statement" if before == Some(&Word::Name("call")) => Influence::Answer("call statement"),
                "adapter" if is_own && behind.get(1) != Some(&Word::Name("dispatch")) => Influence::Catalog,
                "flags" if is_own => Influence::Flags,
                "target" if is_own => match value_of_target(before, behind) {
                    // The same for both: else nothing is compared.
                    Value::Adapter => continue,
                    Value::Asked => Influence::Target,
                    Value::Printed => {
                        self.prints_target = true;
                        Influence::Target
                    }
                },
                "is_incremental" => {
                    let is_negated = before == Some(&Word::Name("not"));
                    *(if is_negated { &mut asked.first } else { &mut asked.later }) += 1;
                    Influence::Incremental
                }
                _ => continue,
            };
            self.influences.insert(influence);
        }
        asked
    }

    fn say(&mut self, text: &str) {
        self.said.extend(parts(text).map(|part| part.to_lowercase()));
    }

    /// The word for which two texts, production's and the pull request's, may differ only by when or where they were
    /// compiled; `None` when they differ in more. `schemas`: names of schemas and databases; `elsewhere`: whether the
    /// two were compiled for two targets.
    pub(super) fn explains(
        &self,
        production: &[String],
        pr: &[String],
        schemas: &HashSet<String>,
        elsewhere: bool,
    ) -> Option<&'static str> {
        let influences: Vec<Influence> =
            self.influences.iter().copied().filter(|other| elsewhere || *other != Influence::Target).collect();
        let word = influences.first()?.word();
        let has = |wanted: Influence| influences.contains(&wanted);
        if influences.iter().any(|influence| matches!(influence, Influence::Answer(_))) {
            return Some(word);
        }
        let has_time = influences.iter().any(|influence| matches!(influence, Influence::Time(_)));
        // Where one branch follows the other, the two cannot be told apart in what differs.
        let both_branches = self.filters.is_none_or(|filters| filters.later > 0 && filters.first > 0);
        let branches = both_branches || influences.iter().any(|other| *other != Influence::Incremental);
        let mut filters =
            if has(Influence::Incremental) { self.filters.unwrap_or_default() } else { Filters::default() };

        let is_said = |token: &String| self.is_said(token) || schemas.contains(bare(token));
        for (gone, come) in differing(production, pr) {
            // Only production's text has the filter of an incremental run, and that is all it may have more.
            let is_filter = come.is_empty() && filters.later > 0;
            filters.later -= usize::from(is_filter);
            // The reverse is held to what the branch says: a pull request's text that has more can be a change.
            let is_first = gone.is_empty() && filters.first > 0 && is_most(come.iter(), is_said);
            filters.first -= usize::from(is_first);
            let both = || gone.iter().chain(come);
            let pairs = |may_be: fn(&str) -> bool| gone.len() == come.len() && both().all(|token| may_be(token));
            let explained = is_filter
                || is_first
                || (branches && both().all(is_said))
                // A branch with a variable's value in it. Where a value alone is another, one takes the other's place.
                || (branches && gone.len() != come.len() && is_most(both(), is_said))
                || (has(Influence::Catalog) && both().all(|token| !is_number(token) || is_said(token)))
                || (has(Influence::Target) && self.prints_target && pairs(|token| !is_number(token)))
                || (has_time && pairs(has_many_digits));
            if !explained {
                return None;
            }
        }
        Some(word)
    }

    fn is_said(&self, token: &str) -> bool {
        self.relations.contains(bare(token)) || parts(token).all(|part| self.said.contains(&part.to_lowercase()))
    }
}

/// What becomes of a target's value.
enum Value {
    /// It is the adapter's name.
    Adapter,
    /// It is compared with something.
    Asked,
    /// Anything else.
    Printed,
}

/// `before` and `behind`: the words around `target`.
fn value_of_target(before: Option<&Word<'_>>, behind: &[Word<'_>]) -> Value {
    let (key, rest) = match behind {
        [Word::Sign("."), Word::Name(key), rest @ ..]
        | [Word::Sign("["), Word::Literal(key), Word::Sign("]"), rest @ ..] => (*key, rest),
        _ => return Value::Printed,
    };
    let compares = |word: Option<&Word<'_>>| {
        word.is_some_and(|word| matches!(word, Word::Sign("==" | "!=") | Word::Name("in" | "not" | "is")))
    };
    if key == "type" {
        Value::Adapter
    } else if compares(rest.first()) || compares(before) {
        Value::Asked
    } else {
        Value::Printed
    }
}

/// Names that a tag gives a meaning of the template's own: `set x`, `for x in`, `macro f(x, y)`.
fn declared<'t>(words: &[Word<'t>]) -> Vec<&'t str> {
    let names = |words: &[Word<'t>]| {
        let names = words.iter().filter_map(|word| if let Word::Name(name) = word { Some(*name) } else { None });
        names.collect::<Vec<_>>()
    };
    match words {
        [Word::Name("set"), Word::Name(name), ..] => vec![*name],
        [Word::Name("for"), rest @ ..] => {
            names(rest.split(|word| *word == Word::Name("in")).next().unwrap_or_default())
        }
        [Word::Name("macro" | "test"), _, rest @ ..] => names(rest),
        _ => Vec::new(),
    }
}

/// The words and signs of a text; quotes and white space are none.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let of_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '`'));
        let first = rest.chars().next()?;
        let length = if of_word(first) { rest.find(|c: char| !of_word(c)) } else { Some(first.len_utf8()) };
        let (part, behind) = rest.split_at(length.unwrap_or(rest.len()));
        rest = behind;
        Some(part)
    })
}

/// A token without its quotes.
fn bare(token: &str) -> &str {
    token.trim_matches(['\'', '"', '`'])
}

fn is_number(token: &str) -> bool {
    token.trim_start_matches('.').starts_with(|c: char| c.is_ascii_digit())
}

/// Whether of the tokens that are not signs there are more for which it is true.
fn is_most<'t>(tokens: impl Iterator<Item = &'t String>, is_true: impl Fn(&String) -> bool) -> bool {
    let words = tokens.filter(|token| token.contains(char::is_alphanumeric));
    let (yes, no): (Vec<&String>, Vec<&String>) = words.partition(|token| is_true(token));
    yes.len() > no.len()
}

/// As a date has, or a run's id.
fn has_many_digits(token: &str) -> bool {
    token.bytes().filter(u8::is_ascii_digit).count() >= 4
}

/// What two texts have in each place where they differ.
fn differing<'t>(old: &'t [String], new: &'t [String]) -> Vec<(&'t [String], &'t [String])> {
    /// Above this, to find where exactly takes too long.
    const MOST: usize = 100_000_000;
    let before = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old, new) = (old.get(before..).unwrap_or_default(), new.get(before..).unwrap_or_default());
    let behind = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    let old = old.get(..old.len() - behind).unwrap_or_default();
    let new = new.get(..new.len() - behind).unwrap_or_default();
    if old.len().saturating_mul(new.len()) > MOST {
        return vec![(old, new)];
    }
    let operations = capture_diff_slices(Algorithm::Myers, old, new);
    let differing = operations.iter().filter(|operation| operation.tag() != DiffTag::Equal);
    differing
        .map(|operation| {
            let part = |text: &'t [String], range| text.get::<std::ops::Range<usize>>(range).unwrap_or_default();
            (part(old, operation.old_range()), part(new, operation.new_range()))
        })
        .collect()
}

fn has_else(text: &str) -> bool {
    ["{% else", "{%- else", "{%+ else", "{%else", "{%-else", "{% elif", "{%- elif", " if is_incremental() else "]
        .iter()
        .any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    /// Why two texts, which this template compiled to for two targets, may say the same.
    fn why(template: &str, production: &str, pr: &str) -> Option<&'static str> {
        let mut moment = CompileContext { filters: Some(Filters::default()), ..CompileContext::default() };
        moment.read(template, false);
        moment.explains(&tokens(production), &tokens(pr), &HashSet::from(["wh".to_owned()]), true)
    }

    #[test]
    fn the_filter_of_an_incremental_run_explains_a_difference_and_nothing_else_does() {
        let template = "select a from t where a >= {{ var('x') }} {% if is_incremental() %} and b > (…) {% endif %}";
        let why = |a: &str, b: &str| why(template, a, b);
        let plain = "select a from t where a >= 1";
        let filtered = "select a from t where a >= 1 and b > ( select max ( b ) from this )";
        assert_eq!(why(filtered, plain), Some("is_incremental"));
        assert_eq!(why(plain, filtered), None);
        assert_eq!(why("select a from t where a >= 2 and b > 3", plain), None);
        assert_eq!(super::tests::why("select a from t", filtered, plain), None);
    }

    #[test]
    fn a_branch_of_the_first_run_explains_what_only_the_pull_request_has() {
        let first = "select a from t {% if not is_incremental() %} union all select a from old {% endif %} limit {{ var('n') }}";
        let (later_text, first_text) =
            ("select a from t limit 5", "select a from t union all select a from old limit 5");
        assert_eq!(why(first, later_text, first_text), Some("is_incremental"));
        assert_eq!(why(first, first_text, later_text), None);
        assert_eq!(why(first, later_text, &first_text.replace('5', "3")), None);
        assert_eq!(why(first, later_text, "select a from t where b > 3 limit 5"), None);
        let both = "select a from t {% if is_incremental() %} where a > (select max(a) from this) {% endif %}
            {% if not is_incremental() %} union all select a from old {% endif %} limit {{ var('n') }}";
        let later_text = "select a from t where a > ( select max ( a ) from this ) limit 5";
        assert_eq!(why(both, later_text, first_text), Some("is_incremental"));
        assert_eq!(why(both, later_text, &first_text.replace('5', "3")), None);
        let set = "{% set inc = is_incremental() %} select a from t {% if not inc %} union all select a from old {% endif %} limit {{ var('n') }}";
        assert_eq!(why(set, "select a from t limit 5", first_text), Some("is_incremental"));
        assert_eq!(why(set, "select a from t limit 5", "select a from t limit 3"), None);
    }

    #[test]
    fn an_else_explains_what_stands_in_its_branches_only() {
        let template = "select {% if is_incremental() %}1 as k{% else %}2 as k{% endif %} from t limit {{ var('n') }}";
        assert_eq!(why(template, "select 1 as k from t", "select 2 as k from t"), Some("is_incremental"));
        assert_eq!(why(template, "select 1 as k from t limit 5", "select 1 as k from t limit 3"), None);
    }

    #[test]
    fn a_branch_may_hold_a_variable_s_value() {
        let branch = "{% if target.name == 'ci' %} where day > today - {{ var('days') }} {% endif %}";
        assert_eq!(why(branch, "select 1", "select 1 WHERE day > today - 3"), Some("target."));
        let list = "{% if target.name == 'ci' %} where a {% endif %} {{ var('list') }}";
        assert_eq!(why(list, "select 1 in ( 'b' )", "select 1 in ( 'b' , 'c' )"), None);
        let two =
            "where day > {% if is_incremental() %}(select max(day) from {{ this }}){% else %}{{ var('x') }}{% endif %}";
        let (filtered, plain) = ("where day > ( select max ( day ) from t )", "where day > '2020-01-01'");
        assert_eq!(why(two, filtered, plain), Some("is_incremental"));
    }

    #[test]
    fn only_code_has_momentary_words() {
        assert_eq!(why("select target.id from t target {# flags.x #}", "select 5", "select 3"), None);
        assert_eq!(why("{{ var('target.name') }} {% set x = y.target %}", "select 5", "select 3"), None);
        assert_eq!(why("{% for target in x %}{{ target.a }}{% endfor %}", "select a", "select b"), None);
        assert_eq!(why("{{ target.type }}", "select a", "select b"), None);
        assert_eq!(why("{{ adapter.dispatch('f', 'p')() }}", "select a", "select b"), None);
        assert_eq!(why("{{ adapter.get_relation(x) }}", "select a", "select b"), Some("adapter."));
        assert_eq!(why("{{ run_query(x) }}", "select 5", "select 3"), Some("run_query"));
    }

    #[test]
    fn a_target_explains_its_own_values_and_its_branches() {
        let asked = "select {{ 'a' if target.name == 'prod' else 'b' }} x, {{ var('n') }} y";
        assert_eq!(why(asked, "select a x , 5 y", "select b x , 5 y"), Some("target."));
        assert_eq!(why(asked, "select a x , 5 y", "select b x , 3 y"), None);
        assert_eq!(why(asked, "select a x , 'p' y", "select b x , 'q' y"), None);
        let branch = "{% if target.name == 'ci' %} where day > 3 {% endif %}";
        assert_eq!(why(branch, "select 1", "select 1 WHERE day > 3"), Some("target."));
        assert_eq!(why(branch, "select 1", "select 1 LIMIT 4"), None);
        let printed = "select '{{ target.name }}' as t limit {{ var('n') }}";
        assert_eq!(why(printed, "select 'production' as t", "select 'pr_7' as t"), Some("target."));
        assert_eq!(why(printed, "select 'p' as t limit 5", "select 'p' as t limit 3"), None);
    }

    #[test]
    fn a_time_explains_dates_and_a_run_its_id() {
        let template = "select '{{ run_started_at }}' as t limit {{ var('n') }}";
        assert_eq!(why(template, "select '2026-11-21' as t", "select '2026-11-22' as t"), Some("run_started_at"));
        assert_eq!(why(template, "select 1 limit 5", "select 1 limit 3"), None);
    }
}
