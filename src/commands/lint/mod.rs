//! `premerge lint`: style and project rules on changed models, or on files.

mod args;
mod files;
mod fix;
mod formats;
mod repository;

use std::collections::BTreeSet;

use super::check::{gate_in_words, style_files_in_words};
use super::{CommandError, Io, ci};
pub use args::{LintArgs, LintFormat};

use fix::write_fixed;

use crate::artifacts::{Manifest, ManifestFile};
use crate::config::{LintConfig, LintSeverity, Settings, StyleSwitch, ToolFiles};
use crate::lint::{LintResults, Scope, Severity, StyleOptions, gather, rules, style, unknown_dialect};

/// Seconds for one file, unless configured. 20 KB of SQL take about a third of a second.
const TIME_LIMIT: u64 = 30;

/// Runs `premerge lint` and returns the exit code: 0 nothing that fails, 1 findings, 3 something could not be linted.
///
/// # Errors
/// Bad usage, configuration or input; or a result or a fixed file that could not be written.
pub fn run(args: &LintArgs, io: &mut Io<'_>) -> Result<u8, CommandError> {
    let ci = ci(&io.env)?;
    let settings = Settings::open(&args.project, &io.env, &ci.checkout(None))?;
    let project_dir = settings.project_dir.clone();
    let config = settings.lint().clone();
    if let Some(reason) = args.dialect.as_deref().or(config.dialect.as_deref()).and_then(unknown_dialect) {
        return Err(CommandError::Usage(reason));
    }
    let manifest = match &args.manifest {
        Some(path) => Some(ManifestFile::read(&io.env.cwd.join(path))?),
        None => {
            let usual = project_dir.join("target/manifest.json");
            if usual.is_file() { Some(ManifestFile::read(&usual)?) } else { None }
        }
    };
    let manifest = manifest.as_ref().map(ManifestFile::parse).transpose()?;
    let state = args.state.as_ref().map(|path| ManifestFile::read(&io.env.cwd.join(path))).transpose()?;
    let state = state.as_ref().map(ManifestFile::parse).transpose()?;
    let scope = args.scope.or(config.scope).unwrap_or_default();

    let mut outcome = LintResults::default();
    outcome.notes.extend(gate_in_words(&settings.gate));
    // Paths that project rules are asked about; `None`: every one.
    let mut only = None;
    let gathered = if args.files.is_empty() {
        let Some(pr) = &manifest else {
            return Err(CommandError::Input {
                message: "nothing to lint: no file was passed and target/manifest.json does not exist".to_owned(),
                remedy: "pass files, run `dbt compile`, or pass --manifest".to_owned(),
            });
        };
        gather(pr, state.as_ref(), &project_dir, scope)
    } else {
        let named = files::named(args, &io.env, &project_dir, manifest.as_ref(), state.as_ref())?;
        outcome.notes.extend(named.without_project_rules(manifest.is_some()));
        only = Some(named.fresh);
        named.gathered
    };
    outcome.not_linted.extend(gathered.not_linted);
    outcome.notes.extend(gathered.notes);
    let style_files = settings.style_files();
    outcome.notes.extend(style_files_in_words(&style_files));
    let options = StyleOptions {
        fix: args.fix,
        dialect: args.dialect.clone().or(config.dialect.clone()),
        adapter: manifest.as_ref().and_then(|manifest| manifest.metadata.adapter_type.as_deref().map(str::to_owned)),
        // On files, all of them is what a linter is asked for.
        scope: if state.is_none() { Scope::All } else { scope },
        without_configuration: config.style == StyleSwitch::Always || args.dialect.is_some(),
        ..options(&config, &project_dir, settings.lint_cache(), style_files, io)
    };
    if config.style == StyleSwitch::Never {
        outcome.style_off = Some("`lint.style` in premerge.yml is `never`".to_owned());
    } else {
        let (mut found, fixed_files) = style(gathered.files, &options);
        for file in fixed_files {
            match write_fixed(&project_dir, &file) {
                Ok(()) => found.notes.push(format!("fixed {}", file.path)),
                Err(reason) => found.withdraw(&file.path, reason),
            }
        }
        outcome.add(found);
    }
    if let Some(pr) = &manifest {
        let scope = if state.is_none() { Scope::All } else { scope };
        outcome.add(project_rules(pr, state.as_ref(), &config, scope, &project_dir, only.as_ref())?);
    }
    let folder = repository::folder_below(&project_dir, &ci);
    match args.format.write(&outcome, &folder, io) {
        // A reader that has gone away, as `head` does, is not our failure.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
        Err(source) => return Err(CommandError::Write { what: "the result".to_owned(), source }),
        Ok(()) => {}
    }
    Ok(exit_code(&outcome))
}

/// Our own rules, on the models of `only` these files; an unknown rule code in premerge.yml is bad configuration.
pub(super) fn project_rules(
    pr: &Manifest<'_>,
    state: Option<&Manifest<'_>>,
    config: &LintConfig,
    scope: Scope,
    project_dir: &std::path::Path,
    only: Option<&BTreeSet<String>>,
) -> Result<LintResults, CommandError> {
    let remedy = "use one of the codes in docs/rules.md, such as PM001".to_owned();
    rules::project(pr, state, config, scope, project_dir, only)
        .map_err(|unknown| CommandError::Input { message: unknown.to_string(), remedy })
}

/// What style rules depend on, from `premerge.yml` and the environment.
pub(super) fn options(
    config: &LintConfig,
    project_dir: &std::path::Path,
    cache: Option<std::path::PathBuf>,
    files: ToolFiles,
    io: &Io<'_>,
) -> StyleOptions {
    let home = io.env.get("HOME").or_else(|| io.env.get("USERPROFILE"));
    StyleOptions {
        project_dir: project_dir.to_owned(),
        cwd: io.env.cwd.clone(),
        home: home.map(Into::into),
        files,
        adapter: None,
        dialect: config.dialect.clone(),
        scope: config.scope.unwrap_or_default(),
        severity: severity(config.style_severity.unwrap_or(LintSeverity::Error)),
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        time_limit: std::time::Duration::from_secs(config.time_limit.unwrap_or(TIME_LIMIT).max(1)),
        without_configuration: config.style == StyleSwitch::Always,
        cache,
        fix: false,
    }
}

fn severity(configured: LintSeverity) -> Severity {
    match configured {
        LintSeverity::Error => Severity::Error,
        LintSeverity::Warn => Severity::Warning,
        LintSeverity::Notice | LintSeverity::Off => Severity::Notice,
    }
}

fn exit_code(outcome: &LintResults) -> u8 {
    if outcome.count(Severity::Error) > 0 {
        1
    } else if outcome.not_linted.iter().any(|file| !file.on_purpose) {
        3
    } else {
        0
    }
}
