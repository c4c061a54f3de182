//! Style rules over many files: configuration, cores, cache, and what is new.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cache::Cache;
use super::ignored::Ignored;
use super::published::published;
use super::{Engine, Linted, Resolved, StyleFinding, config, dialect_of};
use crate::lint::baseline::{Placed, compare};
use crate::lint::finding::{FixedFile, LintResults, NotLinted, Severity, Violation};
use crate::lint::gather::is_stripped;
use crate::lint::on_disk::mixes_line_ends;
use crate::lint::options::{LintFile, Scope, StyleOptions};
use crate::lint::pool;
use crate::lint::text::{Basis, LintText, TextError};
use crate::text::words::count_of;

impl Placed for StyleFinding {
    fn line(&self) -> usize {
        self.line
    }

    fn code(&self) -> &str {
        &self.code
    }
}

/// A file with its configuration.
struct Job {
    file: LintFile,
    config: Arc<Resolved>,
}

/// What a job came to.
struct Done {
    file: LintFile,
    result: Result<Both, Skipped>,
}

/// Why a file was not linted.
struct Skipped {
    reason: String,
    /// The team's configuration ignores such errors.
    on_purpose: bool,
}

impl From<String> for Skipped {
    fn from(reason: String) -> Self {
        Self { reason, on_purpose: false }
    }
}

/// The pull request's version and production's.
struct Both {
    text: LintText,
    now: Linted,
    /// The author's text with fixes, which `text` and `now` are already about.
    fixed: Option<String>,
    /// Why a text that could be fixed stays as it is.
    kept: Option<&'static str>,
    before: Option<(LintText, Linted)>,
    fell_back: Option<String>,
}

/// Lints files. Returns what was found, and the texts that `--fix` makes.
pub(crate) fn run(files: Vec<LintFile>, options: &StyleOptions) -> (LintResults, Vec<FixedFile>) {
    let engine = Arc::new(Engine::new());
    let mut outcome = LintResults::default();
    let jobs = prepare(files, options, &engine, &mut outcome);
    let names: Vec<_> = jobs.iter().map(|job| (job.file.path.clone(), job.file.unique_id.clone())).collect();
    let cache = Arc::new(Cache::new(options.cache.clone()));
    let fix = options.fix;
    let results =
        pool::run(jobs, options.threads.max(1), options.time_limit, move |job| work(job, &engine, &cache, fix));
    let mut fixed_files = Vec::new();
    let mut unrendered = (0, 0);
    for ((path, unique_id), result) in names.into_iter().zip(results) {
        let mut skip = |Skipped { reason, on_purpose }: Skipped| {
            outcome.not_linted.push(NotLinted { path: path.clone(), unique_id: unique_id.clone(), reason, on_purpose });
        };
        match result {
            None => skip(format!("it took longer than {} s", options.time_limit.as_secs_f64()).into()),
            Some(Done { result: Err(skipped), .. }) => skip(skipped),
            Some(Done { file, result: Ok(both) }) => {
                let parts = both.text.unrendered();
                if parts > 0 {
                    unrendered = (unrendered.0 + parts, unrendered.1 + 1);
                }
                settle(file, both, options, &mut outcome, &mut fixed_files);
            }
        }
    }
    if unrendered.0 > 0 {
        outcome.notes.push(format!(
            "{} of {} in branches or macros that this compilation did not render, so not linted",
            count_of(unrendered.0, "part"),
            count_of(unrendered.1, "file")
        ));
    }
    outcome.violations.sort();
    let mut seen = BTreeSet::new();
    outcome.notes.retain(|note| seen.insert(note.clone()));
    (outcome, fixed_files)
}

/// Finds each file's configuration and leaves out what the team leaves out.
fn prepare(files: Vec<LintFile>, options: &StyleOptions, engine: &Engine, outcome: &mut LintResults) -> Vec<Job> {
    let mut folders: BTreeMap<PathBuf, Folder> = BTreeMap::new();
    let mut same: BTreeMap<Vec<PathBuf>, Result<Arc<Resolved>, String>> = BTreeMap::new();
    let dialect = options.adapter.as_deref().and_then(dialect_of);
    let mut jobs = Vec::new();
    let (mut configured, asked) = (false, !files.is_empty());
    let mut ignored = Ignored::new(options.files.clone());
    for file in files {
        let path = options.project_dir.join(&file.path);
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let root = if path.starts_with(&options.cwd) { &options.cwd } else { &options.project_dir };
        if let Some(list) = ignored.names(&path, root, &mut outcome.notes) {
            skipped(&file, &format!("`{list}` names it"), true, outcome);
            continue;
        }
        let found = folders.entry(folder.clone()).or_insert_with(|| {
            let mut loaded = config::load(&folder, root, options.home.as_deref(), &options.files);
            if let Some(dialect) = &options.dialect {
                let keys = ["core".to_owned(), "dialect".to_owned()];
                config::set(
                    &mut loaded.settings,
                    &keys,
                    sqruff_lib::core::config::Value::String(dialect.as_str().into()),
                );
            }
            let is_configured = loaded.is_configured();
            // Said for each folder: a file that cannot be read gives no settings by which folders could differ.
            outcome.notes.extend(loaded.notes.iter().cloned());
            let resolved = same
                .entry(loaded.files.clone())
                .or_insert_with(|| config::resolve(&loaded, dialect, &engine.references, &mut outcome.notes));
            Folder { is_configured: is_configured && !loaded.files.is_empty(), resolved: resolved.clone() }
        });
        if !found.is_configured && !options.without_configuration {
            continue;
        }
        configured = true;
        outcome.total += 1;
        match &found.resolved {
            Err(reason) => {
                skipped(&file, reason, false, outcome);
            }
            Ok(config) => match config.too_large(&file.source) {
                Some(reason) => {
                    outcome.total -= 1;
                    skipped(&file, &reason, true, outcome);
                }
                None => jobs.push(Job { config: Arc::clone(config), file }),
            },
        }
    }
    // Where no file changed, nobody knows which configuration would have counted.
    if asked && !configured && outcome.not_linted.is_empty() {
        outcome.style_off = Some("no sqlfluff configuration found".to_owned());
    }
    jobs
}

struct Folder {
    is_configured: bool,
    resolved: Result<Arc<Resolved>, String>,
}

fn skipped(file: &LintFile, reason: &str, on_purpose: bool, outcome: &mut LintResults) {
    outcome.not_linted.push(NotLinted {
        path: file.path.clone(),
        unique_id: file.unique_id.clone(),
        reason: reason.to_owned(),
        on_purpose,
    });
}

/// The text of one version: with what dbt made of it, or else without.
fn text_of(source: &str, compiled: Option<&str>, stripped: bool) -> Result<(LintText, Option<String>), TextError> {
    match compiled.map(|compiled| LintText::compiled(source, compiled, stripped)) {
        Some(Ok(text)) => Ok((text, None)),
        Some(Err(error)) => LintText::guessed(source).map(|text| (text, Some(error.to_string()))),
        None => LintText::guessed(source).map(|text| (text, None)),
    }
}

fn work(job: Job, engine: &Engine, cache: &Cache, fix: bool) -> Done {
    let Job { file, config } = job;
    let result = both(&file, &config, engine, cache, fix);
    Done { file, result }
}

fn both(file: &LintFile, config: &Resolved, engine: &Engine, cache: &Cache, fix: bool) -> Result<Both, Skipped> {
    let templating = |reason: String| {
        let own = engine.of_file(&file.source, &file.path, config, &mut Vec::new()).ok().flatten();
        let ignore = own.as_ref().map_or(&config.ignore, |own| &own.ignore);
        Skipped { reason, on_purpose: ignore.contains("templating") }
    };
    let text_of_file = |source: &str| text_of(source, file.compiled.as_deref(), file.stripped);
    let (mut text, fell_back) = text_of_file(&file.source).map_err(|error| templating(error.to_string()))?;
    let lint = |text: &LintText| cache.get(text, config, || engine.lint(text, &file.path, config));
    let (mut fixed, mut kept) = (None, None);
    if fix && file.on_disk && text.basis == Basis::Plain {
        fixed = engine.fix(&text, &file.path, config)?;
        if mixes_line_ends(&file.source) && fixed.take().is_some() {
            kept = Some("not fixed because its line endings are mixed");
        }
        if let Some(Ok((better, _))) = fixed.as_deref().map(text_of_file) {
            text = better;
        }
    }
    let now = lint(&text)?;
    // Text that only we rendered and that does not parse says nothing about the author's.
    if text.basis == Basis::Guessed && now.unparsable.is_some() {
        let why = fell_back.unwrap_or_else(|| "it cannot be rendered without dbt".to_owned());
        return Err(templating(format!("{why}; compile it and pass the manifest")));
    }
    let before = match &file.before {
        None => None,
        Some((before, compiled)) => {
            let source = edges_of(&file.source, before);
            // What cannot be linted in production has no known findings; they all count as new.
            text_of(&source, compiled.as_deref(), is_stripped(before))
                .ok()
                .and_then(|(text, _)| Some((lint(&text).ok()?, text)))
                .map(|(linted, text)| (text, linted))
        }
    };
    Ok(Both { text, now, fixed, kept, before, fell_back })
}

/// Production's text with the white space at its ends that the file has: a manifest holds it stripped, and
/// what cannot be known must not count as new.
fn edges_of(file: &str, production: &str) -> String {
    if production.trim().is_empty() {
        return production.to_owned();
    }
    let lead = file.get(..file.len() - file.trim_start().len()).unwrap_or_default();
    let trail = file.get(file.trim_end().len()..).unwrap_or_default();
    format!("{lead}{}{trail}", production.trim())
}

/// Sorts a file's findings into new, known and fixed.
fn settle(
    file: LintFile,
    both: Both,
    options: &StyleOptions,
    outcome: &mut LintResults,
    fixed_files: &mut Vec<FixedFile>,
) {
    outcome.files += 1;
    if let Some(reason) = both.fell_back {
        outcome.notes.push(format!("{}: {reason}; it was linted as rendered without dbt", file.path));
    }
    let Linted { findings, unparsable, unparsable_warns, notes, .. } = both.now;
    outcome.notes.extend(notes);
    if let Some(line) = unparsable {
        let reason = format!("the lint library cannot parse line {line}; the rules ran on the rest");
        outcome.not_linted.push(NotLinted {
            path: file.path.clone(),
            unique_id: file.unique_id.clone(),
            reason,
            // As in production: nothing that this pull request brought. Or the team wants it to warn only.
            on_purpose: unparsable_warns || both.before.as_ref().is_some_and(|(_, before)| before.unparsable.is_some()),
        });
    }
    if let Some(reason) = both.kept {
        outcome.notes.push(format!("{}: {reason}", file.path));
    }
    if let Some(text) = both.fixed {
        fixed_files.push(FixedFile { path: file.path.clone(), source: file.source.clone(), text });
    }
    let shown: Vec<StyleFinding> = match (&both.before, options.scope) {
        (_, Scope::All) | (None, _) => findings,
        // What dbt rendered of it on either side, and whether it did, says nothing of the author's file.
        (Some((old_text, _)), _) if old_text.source == both.text.source => {
            outcome.known += findings.len() as u64;
            Vec::new()
        }
        (Some((old_text, old)), scope) => {
            let compared = compare(findings, &both.text.source, &old.findings, &old_text.source);
            outcome.known += compared.known as u64;
            outcome.fixed += compared.fixed as u64;
            let (shown, hidden): (Vec<_>, Vec<_>) =
                compared.new.into_iter().partition(|(_, changed)| *changed || scope == Scope::ChangedFiles);
            outcome.known += hidden.len() as u64;
            shown.into_iter().map(|(finding, _)| finding).collect()
        }
    };
    outcome.violations.extend(shown.into_iter().map(|finding| Violation {
        path: file.path.clone(),
        line: u32::try_from(finding.line).ok(),
        column: u32::try_from(finding.column).ok(),
        severity: if finding.warning { Severity::Warning } else { options.severity },
        message: published(&finding.code, finding.message, &both.text.source),
        code: finding.code,
        unique_id: file.unique_id.clone(),
        fixable: finding.fixable,
    }));
}
