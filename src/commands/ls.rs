//! `premerge ls`: unique_ids by dbt selector.

use std::cell::RefCell;
use std::io::Write;
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, ValueEnum};

use super::comparison::refuse;
use super::recorded::{Recorded, RecordedFiles};
use super::{CommandError, Io};
use crate::artifacts::{Manifest, ManifestFile, ResourceType, check_pair, read_pair};
use crate::changes::{Changes, CompareOptions, Notice, compare};
use crate::config::{Checkout, ProjectArgs, Settings};
use crate::project::{Graph, IndirectSelection, Selection, SelectionContext, StateAnswers, StateCheck, select};
use crate::text::escape;

/// What `premerge ls` is asked.
#[derive(Debug, Clone, Args)]
pub struct LsArgs {
    /// Select resources: dbt's selectors; several are a union
    #[arg(short, long, num_args = 1.., value_name = "SELECTOR", env = "PREMERGE_SELECT")]
    pub select: Vec<String>,
    /// Exclude resources: dbt's selectors
    #[arg(long, num_args = 1.., value_name = "SELECTOR", env = "PREMERGE_EXCLUDE")]
    pub exclude: Vec<String>,
    /// Use a selector of selectors.yml
    #[arg(long, value_name = "NAME", env = "PREMERGE_SELECTOR", conflicts_with_all = ["select", "exclude"])]
    pub selector: Option<String>,
    /// Production's manifest or its folder; `state:` needs it
    #[arg(long, value_name = "PATH", env = "PREMERGE_STATE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub state: Option<PathBuf>,
    /// The pull request's manifest [default: target/manifest.json in the project]
    #[arg(long, value_name = "FILE", env = "PREMERGE_MANIFEST", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub manifest: Option<PathBuf>,
    /// Which project; the profile's flags have no effect because nothing connects
    #[command(flatten)]
    pub project: ProjectArgs,
    /// Which tests come along with the resources that they test; as with `dbt ls`, premerge.yml does not set it
    #[arg(long, value_enum, default_value_t, env = "PREMERGE_INDIRECT_SELECTION")]
    pub indirect_selection: IndirectSelection,
    /// List only resources of this type; `all` adds analyses to dbt's default
    #[arg(long, num_args = 1.., value_name = "TYPE", value_parser = resource_types, env = "PREMERGE_RESOURCE_TYPE")]
    pub resource_type: Vec<ResourceTypes>,
    /// List no resources of this type
    #[arg(long, num_args = 1.., value_name = "TYPE", value_parser = excluded_types, env = "PREMERGE_EXCLUDE_RESOURCE_TYPE")]
    pub exclude_resource_type: Vec<ResourceTypes>,
    /// The project's flag state_modified_compare_more_unrendered_values [default: as dbt_project.yml says, else
    /// guessed from the manifest]
    #[arg(long, value_name = "BOOL", env = "PREMERGE_STATE_MODIFIED_COMPARE_MORE_UNRENDERED_VALUES")]
    pub state_modified_compare_more_unrendered_values: Option<bool>,
    /// Output format
    #[arg(long, value_enum, default_value_t, env = "PREMERGE_FORMAT")]
    pub format: LsFormat,
}

/// How `premerge ls` prints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LsFormat {
    /// One unique_id per line
    #[default]
    Text,
    /// A sorted JSON array of unique_ids
    Json,
}

/// The types that one value of `--resource-type` means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceTypes(Vec<ResourceType>);

fn resource_types(name: &str) -> Result<ResourceTypes, String> {
    let never = [ResourceType::Operation];
    let listed = |without: &[ResourceType]| {
        ResourceType::ALL.into_iter().filter(|kind| !never.contains(kind) && !without.contains(kind)).collect()
    };
    match (name, ResourceType::from_name(name)) {
        ("all", _) => Ok(ResourceTypes(listed(&[]))),
        ("default", _) => Ok(ResourceTypes(listed(&[ResourceType::Analysis]))),
        (_, ResourceType::Other | ResourceType::Operation) => {
            let known: Vec<&str> =
                ResourceType::ALL.iter().filter(|kind| !never.contains(kind)).map(|kind| kind.as_str()).collect();
            Err(format!("expected all, default, {}", known.join(", ")))
        }
        (_, kind) => Ok(ResourceTypes(vec![kind])),
    }
}

/// As dbt has it: `all` and `default` cannot be excluded.
fn excluded_types(name: &str) -> Result<ResourceTypes, String> {
    if matches!(name, "all" | "default") {
        return Err("expected resource types, such as model or test".to_owned());
    }
    resource_types(name)
}

/// Lists what the selection means, in the order of unique_ids. Warnings go to the log.
///
/// # Errors
/// When a manifest cannot be read, the selection is invalid, or the list cannot be written.
pub fn run(args: &LsArgs, io: &mut Io<'_>) -> Result<u8, CommandError> {
    let settings = Settings::open(&args.project, &io.env, &Checkout::Own)?;
    let path = settings.manifest(args.manifest.as_deref());
    let state_path = settings.named(args.state.as_deref());
    let files = RecordedFiles::beside(state_path.as_deref(), &path)?;
    let recorded = files.parse()?;
    let ids = match &state_path {
        None => {
            let file = ManifestFile::read(&path)?;
            list(args, &file.parse()?, None, &recorded)?
        }
        Some(state_path) => {
            let pair = read_pair(state_path, &path)?;
            let (state, pr) = pair.parse()?;
            let issues = check_pair(&state, &pr);
            refuse(&issues)?;
            for issue in issues {
                tracing::warn!("{}", issue.message);
            }
            let given = args.state_modified_compare_more_unrendered_values;
            let options = CompareOptions {
                more_unrendered_values: settings.more_unrendered_values(given)?,
                now: Some(io.now),
                ..CompareOptions::default()
            };
            let changes = compare(&state, &pr, &options);
            let asked = Asked { changes: &changes, checks: RefCell::default() };
            let ids = list(args, &pr, Some(&asked), &recorded)?;
            asked.warn();
            ids
        }
    };
    print(args.format, &ids, io.out).map_err(|source| CommandError::Write { what: "the list".to_owned(), source })?;
    Ok(0)
}

/// Remembers what was asked, since dbt warns only of what it comes across.
struct Asked<'c> {
    changes: &'c Changes,
    checks: RefCell<Vec<StateCheck>>,
}

impl StateAnswers for Asked<'_> {
    fn answer(&self, check: StateCheck, unique_id: &str) -> bool {
        self.changes.answer(check, unique_id)
    }

    fn refusal(&self, check: StateCheck) -> Option<String> {
        self.checks.borrow_mut().push(check);
        self.changes.refusal(check)
    }
}

impl Asked<'_> {
    fn warn(&self) {
        let checks = self.checks.borrow();
        let arose = |notice: &&Notice| checks.iter().any(|check| notice.kind.arises_in(*check));
        for notice in self.changes.notices.iter().filter(|notice| !notice.kind.is_error()).filter(arose) {
            tracing::warn!("{}", notice.message);
        }
    }
}

fn print(format: LsFormat, ids: &[String], out: &mut dyn Write) -> std::io::Result<()> {
    match format {
        // A name may hold line breaks and escape sequences; one line is one resource.
        LsFormat::Text => ids.iter().try_for_each(|id| writeln!(out, "{}", escape::terminal(id, false))),
        LsFormat::Json => {
            serde_json::to_writer_pretty(&mut *out, ids)?;
            writeln!(out)
        }
    }
}

fn list(
    args: &LsArgs,
    pr: &Manifest<'_>,
    state: Option<&dyn StateAnswers>,
    recorded: &Recorded<'_>,
) -> Result<Vec<String>, CommandError> {
    let graph = Graph::new(pr);
    let types = |given: &[ResourceTypes]| given.iter().flat_map(|types| types.0.clone()).collect();
    let selection = Selection {
        select: args.select.clone(),
        exclude: args.exclude.clone(),
        selector: args.selector.clone(),
        indirect: args.indirect_selection,
        resource_types: types(&args.resource_type),
        exclude_resource_types: types(&args.exclude_resource_type),
    };
    let mut context = SelectionContext::new(pr, &graph);
    context.state = state;
    recorded.inform(&mut context);
    let selected = select(context, &selection)?;
    for warning in &selected.warnings {
        tracing::warn!("{warning}");
    }
    Ok(selected.nodes.into_iter().map(|node| graph.unique_id(node).to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_resource_is_one_line_that_steers_no_terminal() {
        let ids = ["model.shop.a\u{1b}[2J\nmodel.shop.b".to_owned(), "model.shop.c".to_owned()];
        let mut out = Vec::new();
        print(LsFormat::Text, &ids, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "model.shop.a\u{fffd}[2J model.shop.b\nmodel.shop.c\n");
        let mut out = Vec::new();
        print(LsFormat::Json, &ids, &mut out).unwrap();
        assert_eq!(serde_json::from_slice::<Vec<String>>(&out).unwrap(), ids, "a program gets the name itself");
    }
}
