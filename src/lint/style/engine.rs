//! One text through the lint library.

use std::cell::RefCell;
use std::sync::Arc;

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

use super::config::{Resolved, resolve_settings, set};
use super::guard::guarded;
use super::keywords::Keywords;
use super::noqa::Noqa;
use super::references::References;
use crate::lint::jinja::Kind;
use crate::lint::text::LintText;

/// One finding of a style rule, on a line of the author's file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(crate) struct StyleFinding {
    /// From 1.
    pub(crate) line: usize,
    /// In characters, from 1.
    pub(crate) column: usize,
    pub(crate) code: String,
    pub(crate) message: String,
    /// The team configured that it only warns.
    pub(crate) warning: bool,
    pub(crate) fixable: bool,
}

/// What linting a text came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Linted {
    pub(crate) findings: Vec<StyleFinding>,
    /// The line of the first part that the library's grammar does not know. Rules still ran on the rest, as
    /// sqlfluff's do.
    pub(crate) unparsable: Option<usize>,
    /// How many rules crashed. sqlfluff's do too, on the same SQL mostly.
    pub(crate) crashed: usize,
    /// The file with the library's fixes, when they were asked for and there are any.
    pub(crate) fixed: Option<String>,
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
    pub(crate) fn lint(&self, text: &LintText, name: &str, config: &Resolved, fix: bool) -> Result<Linted, String> {
        let own = self.inline(text, &config.fluff)?;
        let fluff = own.unwrap_or_else(|| config.fluff.clone());
        guarded(|| self.run(text, name, fluff, config, fix))
            .map_err(|panic| format!("the lint library failed on it: {panic}"))?
            .map_err(|error| error.to_string())
    }

    /// `-- sqlfluff:key:value` lines: a configuration of the file's own.
    fn inline(&self, text: &LintText, base: &FluffConfig) -> Result<Option<FluffConfig>, String> {
        let mut settings: Option<Value> = None;
        for line in text.source.lines() {
            let Some(directive) = line.strip_prefix("-- sqlfluff:").or_else(|| line.strip_prefix("--sqlfluff:")) else {
                continue;
            };
            let mut keys: Vec<String> = directive.split(':').map(|part| part.trim().to_owned()).collect();
            let value = keys.pop().unwrap_or_default();
            if keys.len() == 1 {
                keys.insert(0, "core".to_owned());
            }
            if !keys.is_empty() {
                let settings = settings.get_or_insert_with(|| Value::Map(base.raw.clone()));
                set(settings, &keys, value.parse().unwrap_or(Value::None));
            }
        }
        let Some(settings) = settings else { return Ok(None) };
        let mut notes = Vec::new();
        resolve_settings(settings, None, &self.references, &mut notes).map(Some)
    }

    fn run(
        &self,
        text: &LintText,
        name: &str,
        fluff: FluffConfig,
        config: &Resolved,
        fix: bool,
    ) -> Result<Linted, SQLFluffUserError> {
        let linter = Linter::new(fluff, None, Some(&PREPARED), true).map_err(SQLFluffUserError::new)?;
        linter.set_ruleset(&ruleset())?;
        PENDING.set(Some(templated(text, name)?));
        let tables = Tables::default();
        // The text itself comes from the templater: the library would look for inline configuration in this one.
        let parsed = linter.parse_string(&tables, "", Some(name.to_owned()))?;
        let comments: Vec<(usize, String)> = parsed
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
            .filter_map(|segment| Some((segment.get_position_marker()?.source_position().0, segment.raw().to_string())))
            .collect();
        let comments = comments.iter().map(|(line, text)| (*line, text.as_str()));
        let noqa = Noqa::read(comments, &self.references, config.noqa_only.as_ref());
        let linted = linter.lint_parsed(&tables, parsed, fix)?;
        let mut result = Linted::default();
        for violation in linted.violations() {
            result.add(violation, &noqa, config);
        }
        for line in noqa.malformed {
            result.findings.push(StyleFinding {
                line,
                column: 1,
                code: "PRS".to_owned(),
                message: "Malformed 'noqa' comment.".to_owned(),
                warning: config.warnings.contains("PRS"),
                fixable: false,
            });
        }
        result.findings.sort();
        result.findings.dedup();
        if fix {
            let fixed = linted.fix_string();
            result.fixed = (fixed != text.source).then_some(fixed);
        }
        Ok(result)
    }
}

impl Linted {
    fn add(&mut self, violation: &SQLBaseError, noqa: &Noqa, config: &Resolved) {
        let Some(rule) = &violation.rule else {
            // A rule that crashed comes as a finding without a rule, as do lexing and parsing.
            if violation.description.starts_with("Unexpected exception") {
                self.crashed += 1;
            } else if !noqa.silences(violation.line_no, "PRS") && !config.ignore.contains("parsing") {
                self.unparsable = Some(self.unparsable.map_or(violation.line_no, |line| line.min(violation.line_no)));
            }
            return;
        };
        if noqa.silences(violation.line_no, rule.code) {
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

/// The library's rules, RF04 replaced.
fn ruleset() -> RuleSet {
    rules().into_iter().filter(|rule| rule.code() != "RF04").chain([Keywords::default().erased()]).collect()
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
