//! One text through the lint library.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use sqruff_lib::Formatter;
use sqruff_lib::core::config::{FluffConfig, Value};
use sqruff_lib::core::linter::core::Linter;
use sqruff_lib::core::rules::{Erased as _, RuleSet};
use sqruff_lib::rules::rules;
use sqruff_lib::templaters::{ProcessingMode, Templater, TemplaterDocumentation};
use sqruff_lib_core::dialects::syntax::{SyntaxKind, SyntaxSet};
use sqruff_lib_core::errors::{SQLBaseError, SQLFluffUserError};
use sqruff_lib_core::parser::segments::Tables;
use sqruff_lib_core::templaters::{RawFileSlice, TemplateSliceKind, TemplatedFile, TemplatedFileSlice};

use super::config::{Resolved, drop_refused, resolve_settings, set};
use super::edges;
use super::finding::StyleFinding;
use super::forced::{Broken, asks_for_break};
use super::guard::guarded;
use super::keywords::Keywords;
use super::noqa::Noqa;
use super::padding;
use super::references::References;
use super::silenced::{Comments, Silenced};
use super::values::list;
use crate::lint::pieces::Kind;
use crate::lint::text::{Basis, LintText};
use crate::sql::{is_deeper_than, with_deep_stack};

/// What linting a text came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Linted {
    pub(crate) findings: Vec<StyleFinding>,
    /// The line of the first part that the library's grammar does not know. Rules still ran on the rest, as
    /// sqlfluff's do.
    pub(crate) unparsable: Option<usize>,
    /// The team configured that such parts only warn (`warnings = PRS`).
    pub(crate) unparsable_warns: bool,
    /// How many rules crashed. sqlfluff's do too, on the same SQL mostly.
    pub(crate) crashed: usize,
    /// What is worth saying about the file's own `-- sqlfluff:` lines.
    pub(crate) notes: Vec<String>,
}

/// What a text is run through the library for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    Findings,
    Fix,
    /// LT02 of a text that is not the author's.
    Indents,
}

/// The library's rules with our RF04, and the references that name them.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) references: References,
}

impl Engine {
    pub(crate) fn new() -> Self {
        Self { references: References::new() }
    }

    /// Lints a text; `Err` says why it could not be.
    pub(crate) fn lint(&self, text: &LintText, name: &str, config: &Resolved) -> Result<Linted, String> {
        let mut notes = Vec::new();
        let own = self.of_file(&text.source, name, config, &mut notes)?;
        let (mut linted, _) = self.guarded_run(text, name, own.as_deref().unwrap_or(config), Aim::Findings)?;
        linted.notes = notes;
        Ok(linted)
    }

    /// The text with the library's fixes, but for what a `-- noqa` silences; `None` when nothing changes. As in
    /// sqlfluff, a text with a part that does not parse stays as it is.
    pub(crate) fn fix(&self, text: &LintText, name: &str, config: &Resolved) -> Result<Option<String>, String> {
        let own = self.of_file(&text.source, name, config, &mut Vec::new())?;
        let (linted, fixed) = self.guarded_run(text, name, own.as_deref().unwrap_or(config), Aim::Fix)?;
        Ok(fixed.filter(|fixed| linted.unparsable.is_none() && *fixed != text.source))
    }

    /// The library calls itself as deep as a text is nested: on a thread whose stack is known, and not beyond.
    fn guarded_run(
        &self,
        text: &LintText,
        name: &str,
        config: &Resolved,
        aim: Aim,
    ) -> Result<(Linted, Option<String>), String> {
        if is_deeper_than(&text.rendered, DEEPEST) {
            return Err("its SQL is nested too deeply for the lint library".to_owned());
        }
        let run = || guarded(|| self.run(text, name, config.fluff.clone(), config, aim));
        with_deep_stack(run)
            .ok_or("the lint library could not be started")?
            .map_err(|panic| format!("the lint library failed on it: {panic}"))?
            .map_err(|error| error.to_string())
    }

    /// `-- sqlfluff:key:value` lines: a configuration of the file's own. `None` where there is none.
    pub(super) fn of_file(
        &self,
        source: &str,
        name: &str,
        config: &Resolved,
        notes: &mut Vec<String>,
    ) -> Result<Option<Arc<Resolved>>, String> {
        let mut own: Option<Value> = None;
        for line in source.lines() {
            let Some(directive) = line.strip_prefix("-- sqlfluff:").or_else(|| line.strip_prefix("--sqlfluff:")) else {
                continue;
            };
            let mut keys: Vec<String> = directive.split(':').map(|part| part.trim().to_owned()).collect();
            let value = keys.pop().unwrap_or_default();
            if keys.len() == 1 {
                keys.insert(0, "core".to_owned());
            }
            if !keys.is_empty() {
                let own = own.get_or_insert_with(|| Value::Map(Default::default()));
                set(own, &keys, value.parse().unwrap_or(Value::None));
            }
        }
        let Some(mut own) = own else { return Ok(None) };
        drop_refused(&mut own, name, &mut Vec::new(), notes);
        config.with(own, &self.references, notes).map(Some)
    }

    fn run(
        &self,
        text: &LintText,
        name: &str,
        fluff: FluffConfig,
        config: &Resolved,
        aim: Aim,
    ) -> Result<(Linted, Option<String>), SQLFluffUserError> {
        let fix = aim == Aim::Fix;
        let chosen = list(fluff.get("rules", "core").into());
        let indents = chosen.iter().any(|code| code == "LT02").then(|| fluff.raw.clone());
        let comments_of_file: Comments = Arc::new(OnceLock::new());
        let linter = Linter::new(fluff, None, Some(&PREPARED), true).map_err(SQLFluffUserError::new)?;
        linter.set_ruleset(&ruleset(fix.then_some(&comments_of_file)))?;
        PENDING.set(Some(templated(text, name)?));
        let tables = Tables::default();
        // The text itself comes from the templater: the library would look for inline configuration in this one.
        let parsed = linter.parse_string(&tables, "", Some(name.to_owned()))?;
        let comments: Vec<((usize, usize), String)> = parsed
            .tree
            .iter()
            .flat_map(|tree| {
                tree.recursive_crawl(
                        const {
                            &SyntaxSet::new(&[SyntaxKind::Comment, SyntaxKind::InlineComment, SyntaxKind::BlockComment])
                        },
                        false,
                        &SyntaxSet::new(&[]),
                        false,
                    )
            })
            .filter_map(|segment| Some((segment.get_position_marker()?.source_position(), segment.raw().to_string())))
            .collect();
        let comments = comments.iter().map(|(place, text)| (*place, text.as_str()));
        let noqa = match aim {
            Aim::Indents => Noqa::default(),
            _ => Noqa::read(comments, &self.references, config.noqa_only.as_ref()),
        };
        let noqa = comments_of_file.get_or_init(|| noqa);
        let linted = linter.lint_parsed(&tables, parsed, fix)?;
        let mut result = Linted::default();
        for violation in linted.violations() {
            result.add(violation, noqa, config);
        }
        if let Some(settings) = indents.filter(|_| aim == Aim::Findings && result.unparsable.is_none()) {
            self.judge_again(&mut result, text, name, Value::Map(settings), config, noqa);
        }
        let long_tags = edges::lines_of_long_tags(text);
        result
            .findings
            .retain(|found| found.code != "LT02" || asks_for_break(found) || !long_tags.contains(&found.line));
        if edges::ends_with_one_newline(text) {
            result.findings.retain(|finding| finding.code != "LT12");
        }
        let head = chosen.iter().any(|code| code == "LT13") && !config.ignore.contains("linting");
        if text.basis != Basis::Plain {
            // The library takes what a tag leaves behind for the head of the file.
            result.findings.retain(|finding| finding.code != "LT13");
        }
        if head && edges::begins_with_space(text) && !noqa.silences(1, "LT13") {
            let message = "Files must not begin with newlines or whitespace.".to_owned();
            result.say(1, 1, "LT13", message, config.warnings.contains("LT13"));
        }
        if chosen.iter().any(|code| code == padding::CODE) && !config.ignore.contains("linting") {
            for (line, column, message) in
                padding::faults(text).filter(|(line, ..)| !noqa.silences(*line, padding::CODE))
            {
                result.say(line, column, padding::CODE, message, config.warnings.contains(padding::CODE));
            }
        }
        for line in noqa.malformed.iter().filter(|_| !config.ignore.contains("parsing")) {
            result.say(*line, 1, "PRS", "Malformed 'noqa' comment.".to_owned(), config.warnings.contains("PRS"));
        }
        if config.warn_unused_ignores {
            for (line, column, text) in noqa.unused() {
                result.say(line, column, "NOQA", format!("Unused noqa: '{text}'"), true);
            }
        }
        result.findings.sort();
        result.findings.dedup();
        let fixed = fix.then(|| linted.fix_string());
        Ok((result, fixed))
    }
}

impl Engine {
    /// LT02 once more, where the library judges otherwise than sqlfluff: replaces what it said about lines behind a
    /// break that it asks for, and adds what it does not say about lines of block tags alone. Where that cannot be
    /// done, what the library said stays.
    fn judge_again(
        &self,
        result: &mut Linted,
        text: &LintText,
        name: &str,
        mut settings: Value,
        config: &Resolved,
        noqa: &Noqa,
    ) {
        let broken = Broken::new(text, &result.findings);
        let base = broken.as_ref().map_or(text, |broken| &broken.text);
        let lone = edges::lines_of_lone_tags(base);
        if broken.is_none() && lone.is_empty() {
            return;
        }
        let key = ["core".to_owned(), "rules".to_owned()];
        set(&mut settings, &key, Value::Array(vec![Value::String("LT02".into())]));
        let judge = |text: &LintText| {
            let fluff = resolve_settings(settings.clone(), None, &self.references, &mut Vec::new()).ok()?;
            let (judged, _) = self.run(text, name, fluff, config, Aim::Indents).ok()?;
            Some(judged.findings.into_iter().filter(|finding| !asks_for_break(finding)))
        };
        let place = |finding: &StyleFinding| match &broken {
            Some(broken) => broken.place(finding.line, finding.column, &text.source),
            None => Some((finding.line, finding.column)),
        };
        let mut found = Vec::new();
        if broken.is_some() {
            let Some(behind_breaks) = judge(base) else { return };
            result.findings.retain(|finding| finding.code != "LT02" || asks_for_break(finding));
            found.extend(behind_breaks);
        }
        // Other lines are not judged with these tags in the text: lines between them would be reckoned otherwise.
        if !lone.is_empty() {
            let judged = judge(&edges::with_judged_tags(base)).into_iter().flatten();
            // Behind the first column it is about white space that a tag takes away.
            found.extend(judged.filter(|finding| lone.contains(&finding.line) && finding.column <= 1));
        }
        for finding in found {
            if let Some((line, column)) = place(&finding)
                && !noqa.silences(line, "LT02")
            {
                result.findings.push(StyleFinding { line, column, ..finding });
            }
        }
    }
}

impl Linted {
    fn say(&mut self, line: usize, column: usize, code: &str, message: String, warning: bool) {
        self.findings.push(StyleFinding { line, column, code: code.to_owned(), message, warning, fixable: false });
    }

    fn add(&mut self, violation: &SQLBaseError, noqa: &Noqa, config: &Resolved) {
        let Some(rule) = &violation.rule else {
            // A rule that crashed comes as a finding without a rule, as do lexing and parsing.
            if violation.description.starts_with("Unexpected exception") {
                self.crashed += 1;
                return;
            }
            let (code, category) =
                if violation.description.starts_with("Unable to lex") { ("LXR", "lexing") } else { ("PRS", "parsing") };
            if !noqa.silences(violation.line_no, code) && !config.ignore.contains(category) {
                let warns = config.warnings.contains(code);
                self.unparsable_warns = warns && (self.unparsable.is_none() || self.unparsable_warns);
                self.unparsable = Some(self.unparsable.map_or(violation.line_no, |line| line.min(violation.line_no)));
            }
            return;
        };
        // What the lexer does not know comes with a rule of its name.
        let category = if rule.code == "LXR" { "lexing" } else { "linting" };
        if noqa.silences(violation.line_no, rule.code) || config.ignore.contains(category) {
            return;
        }
        self.findings.push(StyleFinding {
            line: violation.line_no,
            column: violation.line_pos,
            code: rule.code.to_owned(),
            message: violation.description.clone(),
            warning: config.warnings.contains(rule.code),
            fixable: violation.fixable,
        });
    }
}

/// The library's rules, RF04 replaced; with comments that come later, those that heed them.
fn ruleset(comments: Option<&Comments>) -> RuleSet {
    let rules = rules().into_iter().filter(|rule| rule.code() != "RF04").chain([Keywords::default().erased()]);
    match comments {
        None => rules.collect(),
        Some(comments) => rules.map(|rule| Silenced::wrap(rule, comments)).collect(),
    }
}

/// The text in the library's form.
fn templated(text: &LintText, name: &str) -> Result<TemplatedFile, SQLFluffUserError> {
    let raw = text
        .pieces
        .iter()
        .map(|piece| {
            let source = text.source.get(piece.range.clone()).unwrap_or_default().to_owned();
            let slice = RawFileSlice::new(source, kind(piece.kind), piece.range.start, None, Some(piece.block));
            match &piece.tag {
                Some(tag) => slice.with_tag(tag.clone()),
                None => slice,
            }
        })
        .collect();
    let slices = text
        .slices
        .iter()
        .map(|slice| TemplatedFileSlice::new(kind(slice.kind), slice.source.clone(), slice.rendered.clone()))
        .collect();
    TemplatedFile::new(text.source.clone(), name.to_owned(), Some(text.rendered.clone()), Some(slices), Some(raw))
        .map_err(|error| SQLFluffUserError::new(error.to_string()))
}

fn kind(kind: Kind) -> TemplateSliceKind {
    match kind {
        Kind::Literal => TemplateSliceKind::Literal,
        Kind::Templated => TemplateSliceKind::Templated,
        Kind::Comment => TemplateSliceKind::Comment,
        Kind::BlockStart => TemplateSliceKind::BlockStart,
        Kind::BlockMid => TemplateSliceKind::BlockMid,
        Kind::BlockEnd => TemplateSliceKind::BlockEnd,
    }
}

thread_local! {
    static PENDING: RefCell<Option<TemplatedFile>> = const { RefCell::new(None) };
}

/// Beyond that a text is not linted: the deepest models of real projects have a few hundred levels by our count.
const DEEPEST: usize = 5_000;

/// A templater that hands over what this thread has prepared: the library takes templaters, not texts.
struct Prepared;
static PREPARED: Prepared = Prepared;

impl TemplaterDocumentation for Prepared {
    fn name(&self) -> &'static str {
        "raw"
    }

    fn description(&self) -> &'static str {
        "Hands over a text that was rendered before."
    }
}

impl Templater for Prepared {
    fn processing_mode(&self) -> ProcessingMode {
        ProcessingMode::Sequential
    }

    fn process(
        &self,
        _files: &[(&str, &str)],
        _config: &FluffConfig,
        _formatter: &Option<Arc<dyn Formatter>>,
    ) -> Vec<Result<TemplatedFile, SQLFluffUserError>> {
        let pending = PENDING.with(RefCell::take);
        vec![pending.ok_or_else(|| SQLFluffUserError::new("no text was prepared".to_owned()))]
    }
}

/// The library's name of an adapter's SQL, if it has one.
pub(crate) fn dialect_of(adapter: &str) -> Option<&'static str> {
    Some(match adapter {
        "duckdb" => "duckdb",
        "postgres" => "postgres",
        "redshift" => "redshift",
        "snowflake" => "snowflake",
        "bigquery" => "bigquery",
        "databricks" => "databricks",
        "spark" => "sparksql",
        "trino" => "trino",
        "athena" => "athena",
        "clickhouse" => "clickhouse",
        "sqlserver" | "fabric" | "synapse" => "tsql",
        "mysql" => "mysql",
        "oracle" => "oracle",
        "sqlite" => "sqlite",
        "teradata" => "teradata",
        "vertica" => "vertica",
        _ => return None,
    })
}
