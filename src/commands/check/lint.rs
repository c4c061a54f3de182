//! The lint part of the job.

use super::settings::Settings;
use crate::artifacts::Manifest;
use crate::commands::lint::{options, project_rules};
use crate::commands::{CommandError, Io};
use crate::config::StyleSwitch;
use crate::lint::{LintResults, StyleOptions, gather, style};

/// Lints what the pull request changes.
pub(super) fn lint(
    settings: &Settings,
    state: &Manifest<'_>,
    pr: &Manifest<'_>,
    io: &Io<'_>,
) -> Result<LintResults, CommandError> {
    let config = &settings.lint;
    let scope = config.scope.unwrap_or_default();
    let mut outcome = LintResults::default();
    if config.style == StyleSwitch::Never {
        outcome.style_off = Some("`lint.style` in premerge.yml is `never`".to_owned());
    } else {
        let gathered = gather(pr, Some(state), &settings.project_dir, scope);
        outcome.not_linted.extend(gathered.not_linted);
        outcome.notes.extend(gathered.notes);
        let options = StyleOptions {
            adapter: pr.metadata.adapter_type.as_deref().map(str::to_owned),
            ..options(config, &settings.project_dir, settings.lint_cache.clone(), settings.style_files.clone(), io)
        };
        outcome.add(style(gathered.files, &options).0);
    }
    outcome.add(project_rules(pr, Some(state), config, scope, &settings.project_dir, None)?);
    Ok(outcome)
}
