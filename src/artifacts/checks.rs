//! Whether two manifests can be compared, and whether the pull request's can be executed.
//!
//! A manifest that reads well can still mislead: it may come from `dbt parse`, from another project, or be
//! compiled with options that change its SQL. Each such case is a [`ManifestIssue`] with the remedy.

mod sql_scan;

use std::borrow::Cow;

use serde::Serialize;

use super::manifest::Manifest;
use super::node::Node;
use super::resource_type::ResourceType;

/// The newest schema that premerge knows; dbt 1.8 to 2.0 write it.
const NEWEST: u32 = 12;

/// Something wrong with a manifest, or worth saying.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ManifestIssue {
    /// Whether premerge can go on.
    pub severity: IssueSeverity,
    /// What is wrong, as a code that stays the same.
    pub code: IssueCode,
    /// The node it is about; `None` for the whole manifest.
    pub unique_id: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// How bad a [`ManifestIssue`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IssueSeverity {
    /// The answer may be less precise.
    Warning,
    /// The manifest, or the node, must not be used.
    Error,
}

/// The kinds of [`ManifestIssue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IssueCode {
    /// The schema is newer than premerge.
    NewerSchema,
    /// The manifest of the other side is the pull request's own.
    SameManifest,
    /// The manifests are of different projects.
    OtherProject,
    /// The manifests are for different warehouses.
    OtherAdapter,
    /// The manifests were written by different versions of dbt.
    DbtVersionDrift,
    /// `dbt parse` wrote it: no node has compiled SQL.
    NotCompiled,
    /// The merge base's manifest has no compiled SQL.
    BaseNotCompiled,
    /// Production's manifest has no compiled SQL.
    StateNotCompiled,
    /// This node has no compiled SQL.
    NodeNotCompiled,
    /// `--empty` limited the inputs in this node's SQL.
    CompiledEmpty,
    /// `--sample` limited the inputs in this node's SQL.
    CompiledSample,
    /// This model's SQL is that of an incremental run.
    CompiledIncremental,
}

impl ManifestIssue {
    fn new(severity: IssueSeverity, code: IssueCode, message: String, remedy: &str) -> Self {
        Self { severity, code, unique_id: None, message, remedy: remedy.to_owned() }
    }

    fn about(mut self, unique_id: &str) -> Self {
        self.unique_id = Some(unique_id.to_owned());
        self
    }
}

/// What is wrong with the two manifests as a pair. Errors come first.
#[must_use]
pub fn check_pair(state: &Manifest<'_>, pr: &Manifest<'_>) -> Vec<ManifestIssue> {
    check_with(state, "state", pr)
}

/// What is wrong with the manifest of the merge base beside the pull request's, in the same way. `compiled`:
/// whether its SQL is to be compared.
#[must_use]
pub fn check_base(base: &Manifest<'_>, pr: &Manifest<'_>, compiled: bool) -> Vec<ManifestIssue> {
    let mut issues = check_with(base, "the merge base's manifest", pr);
    if compiled && lacks_sql(base) {
        let message = "the merge base's manifest has no compiled SQL, so every model that differs from production \
                       counts as this pull request's"
            .to_owned();
        let remedy = "make it with `dbt compile` in a checkout of the merge base, not with `dbt parse`";
        issues.push(ManifestIssue::new(IssueSeverity::Warning, IssueCode::BaseNotCompiled, message, remedy));
    }
    issues
}

/// Whether production's manifest has the SQL that is to be compared.
#[must_use]
pub fn check_state(state: &Manifest<'_>) -> Option<ManifestIssue> {
    let message = "production's manifest has no compiled SQL: changes that only a variable or a macro makes are missed, and comment-only changes are built";
    let remedy = "use the manifest that `dbt build`, `dbt run` or `dbt compile` writes in production, not the one from `dbt parse`";
    let issue = || {
        let (severity, code) = (IssueSeverity::Warning, IssueCode::StateNotCompiled);
        ManifestIssue::new(severity, code, message.to_owned(), remedy)
    };
    lacks_sql(state).then(issue)
}

/// Whether there are SQL models, and none of them is compiled.
fn lacks_sql(manifest: &Manifest<'_>) -> bool {
    let lacks = |node: &Node<'_>| node.compiled_code.as_ref().is_none_or(|code| code.is_empty());
    let is_sql_model = |node: &&Node<'_>| node.resource_type == ResourceType::Model && !node.is_python();
    let mut models = manifest.nodes.values().filter(is_sql_model).peekable();
    models.peek().is_some() && models.all(lacks)
}

/// `what`: what messages call `state`.
fn check_with(state: &Manifest<'_>, what: &str, pr: &Manifest<'_>) -> Vec<ManifestIssue> {
    use IssueSeverity::{Error, Warning};
    let mut issues = Vec::new();
    if state.metadata.is_copy_of(&pr.metadata) {
        let message = format!(
            "{what} is the pull request's own manifest (both were written by one dbt command, at {}), so nothing \
             would count as changed",
            state.metadata.generated_at.as_deref().unwrap_or("the same time")
        );
        let remedy = "pass the manifest that production's run wrote; if this job's dbt wrote over it, fetch it to \
                      another folder than target/";
        issues.push(ManifestIssue::new(Error, IssueCode::SameManifest, message, remedy));
    }
    if let Some((old, new)) = differ(&state.metadata.project_name, &pr.metadata.project_name) {
        let message = format!("{what} is for project {old}, the pull request's manifest for project {new}");
        let remedy = "pass the manifest that dbt wrote for the same project";
        issues.push(ManifestIssue::new(Error, IssueCode::OtherProject, message, remedy));
    }
    if let Some((old, new)) = differ(&state.metadata.adapter_type, &pr.metadata.adapter_type) {
        let message = format!(
            "{what} was made for {old}, the pull request's manifest for {new}: compiled SQL is not compared, so \
             what changed is what dbt's own comparison of files and settings says"
        );
        let remedy = "make both manifests with the same adapter, on targets of the same kind of warehouse";
        issues.push(ManifestIssue::new(Warning, IssueCode::OtherAdapter, message, remedy));
    }
    for (manifest, whose) in [(state, what), (pr, "the pull request's manifest")] {
        if let Some(number) = manifest.metadata.schema_number().filter(|number| *number > NEWEST) {
            let message = format!("{whose} has manifest schema v{number}; this premerge knows v{NEWEST}");
            let remedy = "update premerge; until then new fields are ignored";
            issues.push(ManifestIssue::new(Warning, IssueCode::NewerSchema, message, remedy));
        }
    }
    if let Some((old, new)) = differ(&state.metadata.dbt_version, &pr.metadata.dbt_version) {
        let message = format!(
            "{what} was written by dbt {old}, the pull request's manifest by dbt {new}: differences that come from \
             dbt's own macros and defaults are ignored"
        );
        let remedy = "run the same dbt in production and in pull requests";
        issues.push(ManifestIssue::new(Warning, IssueCode::DbtVersionDrift, message, remedy));
    }
    issues
}

/// The two values, if both are known and they differ.
fn differ<'m>(old: &'m Option<Cow<'_, str>>, new: &'m Option<Cow<'_, str>>) -> Option<(&'m str, &'m str)> {
    let (old, new) = (old.as_deref()?, new.as_deref()?);
    (old != new).then_some((old, new))
}

/// What is wrong with the SQL of the nodes that are to be executed.
///
/// One issue for the whole manifest when it has no SQL at all; otherwise one for each node.
#[must_use]
pub fn check_compiled<'n>(pr: &Manifest<'_>, unique_ids: impl IntoIterator<Item = &'n str>) -> Vec<ManifestIssue> {
    use IssueSeverity::Error;
    let wants_sql = |node: &&Node<'_>| needs_sql(node);
    if pr.nodes.values().any(|node| wants_sql(&node)) && !pr.nodes.values().any(|node| node.compiled_code.is_some()) {
        let message = "the pull request's manifest has no compiled SQL: it was written by `dbt parse` or `dbt ls`, so \
                       what only the SQL shows (a variable's or a macro's change, a change of comments alone) is not \
                       seen";
        let remedy = "run `dbt compile` in the pull request's job and give premerge the manifest it writes";
        return vec![ManifestIssue::new(Error, IssueCode::NotCompiled, message.to_owned(), remedy)];
    }
    check_texts(pr, unique_ids)
}

/// What is wrong with the SQL of these nodes, one issue for each.
#[must_use]
pub fn check_texts<'n>(pr: &Manifest<'_>, unique_ids: impl IntoIterator<Item = &'n str>) -> Vec<ManifestIssue> {
    use IssueSeverity::Error;
    let wants_sql = |node: &&Node<'_>| needs_sql(node);
    let mut issues = Vec::new();
    for id in unique_ids {
        let Some(node) = pr.nodes.get(id).filter(wants_sql) else { continue };
        let Some(code) = node.compiled_code else {
            let message = format!("{id} has no compiled SQL");
            let remedy = "run `dbt compile` without a selection; if dbt failed on this node, see its error";
            issues.push(ManifestIssue::new(Error, IssueCode::NodeNotCompiled, message, remedy).about(id));
            continue;
        };
        let code = code.get();
        match sql_scan::limited_inputs(&code) {
            Some(sql_scan::Limit::Empty) => {
                let message = format!("{id} was compiled with --empty: its inputs have no rows");
                let remedy = "compile again without --empty";
                issues.push(ManifestIssue::new(Error, IssueCode::CompiledEmpty, message, remedy).about(id));
            }
            Some(sql_scan::Limit::Sample) => {
                let message = format!("{id} was compiled with --sample: its inputs are only part of the data");
                let remedy = "compile again without --sample";
                issues.push(ManifestIssue::new(Error, IssueCode::CompiledSample, message, remedy).about(id));
            }
            None => {}
        }
        if compiled_incrementally(node, &code) {
            let message = format!("{id} was compiled for an incremental run: its SQL reads its own table");
            let remedy = "compile with --full-refresh, or with a target schema where the table does not exist";
            issues.push(ManifestIssue::new(Error, IssueCode::CompiledIncremental, message, remedy).about(id));
        }
    }
    issues
}

/// Whether executing the node takes compiled SQL.
fn needs_sql(node: &Node<'_>) -> bool {
    match node.resource_type {
        ResourceType::Model => !node.is_ephemeral() && !node.is_python(),
        // dbt leaves a file without text out, and compiles nothing of it.
        ResourceType::Snapshot | ResourceType::Test => !node.raw_code.get().trim().is_empty(),
        _ => false,
    }
}

/// Whether an incremental model's text is that of `is_incremental()`: it names its own table, which `{{ this }}`
/// rendered to.
pub(crate) fn compiled_incrementally(node: &Node<'_>, code: &str) -> bool {
    let Some(own) = node.relation_name.as_deref().filter(|name| !name.is_empty()) else { return false };
    node.materialized().as_deref() == Some("incremental")
        && node.raw_code.get().contains("is_incremental")
        && code.contains(own)
        && sql_scan::names_relation(code, own)
}
