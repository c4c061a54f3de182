//! `premerge plan`: what a check would build, proxy and test. No warehouse is touched.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ls::IndirectMode;
use crate::artifacts::{ArtifactError, IssueSeverity, Manifest, ManifestIssue, check_compiled, check_pair, read_pair};
use crate::changes::{Changes, CompareOptions, compare};
use crate::plan::{Plan, PlanError, PlanOptions, plan, render_text};
use crate::project::{Graph, SelectError, Selection, SelectionContext, select};

/// Characters in a line of the text.
const WIDTH: usize = 100;

/// What `premerge plan` is asked.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  dbt compile --target ci
  premerge plan --state prod-artifacts/manifest.json --pr 123")]
pub struct PlanArgs {
    /// Production's manifest, or the folder that holds it (plain, .gz or .zst)
    #[arg(long, value_name = "PATH", env = "PREMERGE_STATE", help_heading = "Manifests")]
    pub state: PathBuf,
    /// The pull request's manifest [default: target/manifest.json in the project]
    #[arg(long, value_name = "FILE", env = "PREMERGE_MANIFEST", help_heading = "Manifests")]
    pub manifest: Option<PathBuf>,
    /// The dbt project's folder
    #[arg(long, value_name = "DIR", default_value = ".", env = "PREMERGE_PROJECT_DIR", help_heading = "Manifests")]
    pub project_dir: PathBuf,

    /// Narrow what is built to these nodes, by dbt selector
    #[arg(short, long, num_args = 1.., value_name = "SELECTOR", env = "PREMERGE_SELECT", help_heading = "Selection")]
    pub select: Vec<String>,
    /// Leave these nodes out, by dbt selector
    #[arg(long, num_args = 1.., value_name = "SELECTOR", env = "PREMERGE_EXCLUDE", help_heading = "Selection")]
    pub exclude: Vec<String>,
    /// Which tests of the built nodes run
    #[arg(long, value_enum, default_value_t, env = "PREMERGE_INDIRECT_SELECTION", help_heading = "Selection")]
    pub indirect_selection: IndirectMode,

    /// The temporary schema [default: premerge_pr_<number>, premerge_local without one]
    #[arg(long, value_name = "NAME", env = "PREMERGE_SCHEMA", help_heading = "Run")]
    pub schema: Option<String>,
    /// Number of the pull request
    #[arg(long, value_name = "NUMBER", env = "PREMERGE_PR", help_heading = "Run")]
    pub pr: Option<u64>,

    /// How the plan is written
    #[arg(long, value_enum, default_value_t, env = "PREMERGE_FORMAT", help_heading = "Result")]
    pub format: PlanFormat,
    /// Also write the plan, as JSON, to this file
    #[arg(short, long, value_name = "FILE", env = "PREMERGE_OUTPUT", help_heading = "Result")]
    pub output: Option<PathBuf>,
}

/// How `premerge plan` prints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// For people, 100 columns wide
    #[default]
    Text,
    /// The whole plan, as docs/plan.schema.json describes it
    Json,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanCommandError {
    /// A manifest cannot be read.
    #[error("{0}\nhint: {hint}", hint = .0.hint())]
    Artifact(#[from] ArtifactError),
    /// The manifests do not belong together, or are not compiled as they must be.
    #[error("{message}\nhint: {remedy}", message = .0.message, remedy = .0.remedy)]
    Manifests(ManifestIssue),
    /// dbt refuses the selection.
    #[error("{0}")]
    Select(#[from] SelectError),
    /// The manifests give no plan.
    #[error("{0}")]
    Plan(#[from] PlanError),
    /// The plan cannot be written.
    #[error("could not write the plan: {0}")]
    Write(#[from] std::io::Error),
}

/// Writes the plan to `out`.
///
/// # Errors
/// When a manifest or a selector cannot be used, or the plan cannot be written.
pub fn run(args: &PlanArgs, out: &mut dyn Write) -> Result<(), PlanCommandError> {
    let path = args.manifest.clone().unwrap_or_else(|| args.project_dir.join("target").join("manifest.json"));
    let pair = read_pair(&args.state, &path)?;
    let (state, pr) = pair.parse()?;
    refuse(check_pair(&state, &pr))?;
    let changes =
        compare(&state, &pr, &CompareOptions { now: Some(jiff::Timestamp::now()), ..CompareOptions::default() });
    let graph = Graph::new(&pr);
    let chosen = |terms: &[String]| chosen(terms, &pr, &graph, &changes);
    let options = PlanOptions {
        schema: args.schema.clone().unwrap_or_else(|| default_schema(args.pr)),
        select: if args.select.is_empty() { None } else { Some(chosen(&args.select)?) },
        exclude: if args.exclude.is_empty() { BTreeSet::new() } else { chosen(&args.exclude)? },
        indirect: args.indirect_selection.into(),
    };
    let plan = plan(&state, &pr, &graph, &changes, &options)?;
    let runs = plan.nodes.iter().map(|node| node.unique_id.as_str());
    refuse(check_compiled(&pr, runs.chain(plan.tests.iter().map(|test| test.unique_id.as_str()))))?;
    write(args, &plan, out)
}

fn default_schema(pull_request: Option<u64>) -> String {
    pull_request.map_or_else(|| "premerge_local".to_owned(), |number| format!("premerge_pr_{number}"))
}

/// Stops at the first error among `issues`; warnings go to the log.
fn refuse(issues: Vec<ManifestIssue>) -> Result<(), PlanCommandError> {
    for issue in issues {
        match issue.severity {
            IssueSeverity::Error => return Err(PlanCommandError::Manifests(issue)),
            IssueSeverity::Warning => tracing::warn!("{}", issue.message),
        }
    }
    Ok(())
}

/// The unique_ids that dbt selectors mean.
fn chosen(
    terms: &[String],
    pr: &Manifest<'_>,
    graph: &Graph<'_>,
    changes: &Changes,
) -> Result<BTreeSet<String>, SelectError> {
    let mut context = SelectionContext::new(pr, graph);
    context.state = Some(changes);
    let selected = select(context, &Selection { select: terms.to_vec(), ..Selection::default() })?;
    for warning in &selected.warnings {
        tracing::warn!("{warning}");
    }
    Ok(selected.nodes.into_iter().map(|node| graph.unique_id(node).to_owned()).collect())
}

fn write(args: &PlanArgs, plan: &Plan, out: &mut dyn Write) -> Result<(), PlanCommandError> {
    let json = || serde_json::to_string_pretty(plan).map(|text| text + "\n").map_err(std::io::Error::from);
    if let Some(path) = &args.output {
        fs_err::write(path, json()?)?;
    }
    match args.format {
        PlanFormat::Text => render_text(plan, WIDTH, out)?,
        PlanFormat::Json => out.write_all(json()?.as_bytes())?,
    }
    Ok(())
}
