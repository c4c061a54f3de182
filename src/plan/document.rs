//! The plan as a document: what `premerge plan --format json` writes. Its JSON Schema is
//! `docs/plan.schema.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reasons::Reasons;
use crate::artifacts::{StateFacts, UniqueId};
use crate::changes::Reason;
use crate::text::words::noun;

/// What a run will do, in which order, and why; and what it will not do.
///
/// Lists are in the order of unique_ids unless they say otherwise, so that two plans of the same
/// manifests are the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// Version of this document's schema: 1.
    pub schema_version: u32,
    /// The dbt project.
    pub project: String,
    /// The warehouse, as dbt names the adapter.
    pub adapter: String,
    /// The temporary schema that is asked for; a run uses another one where the name is taken.
    pub schema: String,
    /// Production's manifest, and how old it was when this was written: the one thing in here that the manifests
    /// alone do not decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateFacts>,
    /// Whether `premerge check` can build on this adapter; absent in a plan that a check made itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_supported: Option<bool>,
    /// How many of each.
    pub summary: Summary,
    /// What is built, parents before children.
    pub nodes: Vec<PlannedNode>,
    /// Snapshots that did not change and are below a change: their query is tried as on a first run, and what reads
    /// them has production's history.
    #[serde(default)]
    pub trials: Vec<Trial>,
    /// Tables whose rows production keeps, with what of the run reads them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<KeptTable>,
    /// Views in the temporary schema onto relations of production.
    pub proxies: Vec<Proxy>,
    /// Data tests that are run.
    pub tests: Vec<PlannedTest>,
    /// What changed and is nothing to build or run by itself: sources, exposures, metrics, semantic models, saved
    /// queries, analyses, operations.
    #[serde(default)]
    pub definitions: Vec<ChangedDefinition>,
    /// What needs no run of its own.
    pub skipped: Vec<Skipped>,
    /// What dbt would run and premerge will not: checks that are missing from the verdict.
    pub not_checked: Vec<NotChecked>,
    /// Nodes that production has and the pull request does not.
    pub removed: Vec<RemovedNode>,
    /// What concerns many nodes at once: changed macros, variables.
    #[serde(default)]
    pub reasons: Reasons,
    /// What differs from production and not from the merge base (`--base`): others changed it, and it does not gate.
    #[serde(default)]
    pub not_yours: Vec<NotYours>,
    /// Tests that the pull request removes, or that find less than they did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weaker_tests: Vec<WeakerTest>,
    /// What dbt does beside building and testing, and premerge leaves out.
    pub left_out: Vec<LeftOut>,
    /// Other notes.
    pub notices: Vec<Notice>,
}

impl Plan {
    /// What of the run reads a table whose rows production keeps.
    #[must_use]
    pub fn readers_of(&self, table: &UniqueId) -> &[KeptReader] {
        self.kept.iter().find(|kept| kept.unique_id == *table).map_or(&[], |kept| &kept.readers)
    }
}

/// Counts of a [`Plan`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Changed models, seeds, snapshots, functions, tests, sources, exposures and the semantic layer; ephemeral and
    /// unbuilt ones included. New sources and exposures do not count as changes in dbt.
    pub changed: usize,
    /// Nodes built because they changed.
    pub built_changed: usize,
    /// Nodes built because something upstream changed.
    pub built_downstream: usize,
    /// Nodes built because production has no relation for them.
    pub built_needed: usize,
    /// Nodes built because a built node or a test reads them and production lacks what others changed.
    #[serde(default)]
    pub built_not_yours: usize,
    /// Proxy views.
    pub proxies: usize,
    /// Data tests.
    pub tests: usize,
    /// Entries of `not_checked`.
    pub not_checked: usize,
    /// Entries of `removed`.
    pub removed: usize,
    /// Entries of `not_yours`.
    #[serde(default)]
    pub not_yours: usize,
}

/// A node that is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedNode {
    /// dbt's unique_id.
    pub unique_id: UniqueId,
    /// `model`, `seed` or `snapshot`.
    pub resource_type: String,
    /// dbt's name.
    pub name: String,
    /// The file, below the root of its package.
    pub path: String,
    /// What it is built as.
    pub materialization: Materialization,
    /// Its identifier in the temporary schema.
    #[serde(rename = "relation")]
    pub identifier: String,
    /// Why it is built.
    pub why: Why,
    /// Whether its contract is enforced.
    pub contract_enforced: bool,
    /// The models, seeds, snapshots and sources that it reads, those of inlined ephemeral models included.
    pub parents: Vec<UniqueId>,
    /// Nodes upstream that the pull request affects and that are not built: it is built on what production has of
    /// them, which proves nothing of the change. At most [`DOWNSTREAM_SHOWN`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads_unbuilt: Vec<UniqueId>,
    /// Tests that must end before it starts, and of which a failure of severity error skips it. Tests that
    /// gate one of its built parents are not repeated.
    pub gated_by: Vec<UniqueId>,
}

/// A snapshot whose query is tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trial {
    /// dbt's unique_id.
    pub unique_id: UniqueId,
    /// dbt's name.
    pub name: String,
    /// The identifier in the temporary schema of what is made of it.
    #[serde(rename = "relation")]
    pub identifier: String,
    /// What it reads, as in [`PlannedNode::parents`].
    pub parents: Vec<UniqueId>,
    /// The nearest changed nodes upstream, at most [`DOWNSTREAM_SHOWN`].
    pub of: Vec<UniqueId>,
}

/// An unchanged incremental model or snapshot below a change. In production it keeps the rows that it has, and its next
/// run adds to them; in a check it is built in full, or read as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeptTable {
    /// dbt's unique_id.
    pub unique_id: UniqueId,
    /// Built nodes and tests downstream of it that may end otherwise on production's rows.
    pub readers: Vec<KeptReader>,
}

/// A built node or a test downstream of a [`KeptTable`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeptReader {
    /// The node or the test.
    pub unique_id: UniqueId,
    /// What must hold for its result to be production's.
    pub needs: Needs,
}

/// What must hold of a [`KeptTable`] for a reader's result here to be the one that it will have in production.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Needs {
    /// All rows of production's table are in what was built.
    AllOfProductions,
    /// And no others.
    SameRows,
}

/// What a node is built as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Materialization {
    /// dbt's `view`.
    View,
    /// dbt's `table`.
    Table,
    /// An incremental model, built in full as a table.
    IncrementalAsTable,
    /// dbt-duckdb's `external`, built as a table: its file is not written.
    ExternalAsTable,
    /// A materialized view or dynamic table, built as a table.
    MaterializedViewAsTable,
    /// A table with the rows of the seed's file.
    Seed,
    /// A snapshot as after its first run; there is no history in the temporary schema.
    SnapshotFirstRun,
}

/// Why a node is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum Why {
    /// The pull request changes it.
    Changed {
        /// Whether production does not have it at all.
        new: bool,
        /// The unique_id that production has its text under.
        renamed_from: Option<UniqueId>,
        /// In which ways it differs.
        reasons: Vec<Reason>,
    },
    /// It reads something that changed.
    Downstream {
        /// The nearest changed nodes upstream, at most [`DOWNSTREAM_SHOWN`].
        of: Vec<UniqueId>,
        /// Whether there are more.
        and_more: bool,
    },
    /// A built node reads it, and production has no relation to read instead.
    NeededNew {
        /// The built nodes that read it.
        by: Vec<UniqueId>,
    },
    /// Needed by the pull request's change: what is built or tested for it reads it, and production's relation lacks
    /// what others changed in it or upstream of it. Its own tests are not run, and its failure is a note.
    NotYours {
        /// The built nodes and the tests that read it.
        by: Vec<UniqueId>,
    },
}

/// How many changed ancestors [`Why::Downstream`] names.
pub const DOWNSTREAM_SHOWN: usize = 8;

/// A view onto production.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proxy {
    /// The node that is not built.
    pub unique_id: UniqueId,
    /// The view's identifier in the temporary schema.
    #[serde(rename = "relation")]
    pub identifier: String,
    /// Production's relation, as its manifest spells it.
    pub production: String,
    /// The built nodes that read it.
    pub parent_of: Vec<UniqueId>,
    /// The tests that read it.
    pub tested_by: Vec<UniqueId>,
}

/// A data test that is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedTest {
    /// dbt's unique_id.
    pub unique_id: UniqueId,
    /// dbt's name.
    pub name: String,
    /// Generic or singular.
    pub kind: TestKind,
    /// The YAML or SQL file, below the root of its package.
    pub path: String,
    /// The node a generic test belongs to.
    pub attached_node: Option<UniqueId>,
    /// The column a generic test is about.
    pub column: Option<String>,
    /// What it reads, those of inlined ephemeral models included.
    pub parents: Vec<UniqueId>,
    /// Severity as configured.
    pub severity: Severity,
    /// Why it is run.
    pub why: TestWhy,
}

/// The kinds of data tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TestKind {
    /// Declared in YAML.
    Generic,
    /// A file of SQL.
    Singular,
}

/// dbt's severities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Failures fail.
    Error,
    /// Failures warn.
    Warn,
}

/// Why a test is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum TestWhy {
    /// The pull request changes the test.
    Changed {
        /// In which ways it differs.
        reasons: Vec<Reason>,
    },
    /// It tests these nodes, which are built, inlined, or changed sources.
    Tests {
        /// unique_ids of what it tests.
        nodes: Vec<UniqueId>,
    },
}

/// A source, an exposure or the like that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangedDefinition {
    /// dbt's unique_id.
    pub unique_id: UniqueId,
    /// dbt's name of its type.
    pub resource_type: String,
    /// Whether production does not have it at all. dbt's `state:modified` leaves new ones of most types out.
    pub new: bool,
    /// In which ways it differs.
    pub reasons: Vec<Reason>,
}

/// Something that needs no run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Skipped {
    /// dbt's unique_id.
    pub unique_id: UniqueId,
    /// Why not.
    pub reason: SkipReason,
    /// In which ways it differs itself; empty when it is only downstream.
    pub changed: Vec<Reason>,
}

/// Why a node needs no run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// An ephemeral model: its text is part of the models that read it.
    Ephemeral,
    /// A snapshot that did not change itself: a first run would tell nothing, so what reads it reads production's.
    SnapshotNotChanged,
    /// dbt calls it modified, but its compiled SQL and its build configuration are production's.
    Cosmetic,
    /// A file without SQL, which dbt leaves out too.
    Empty,
}

/// Something that dbt would run and premerge will not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotChecked {
    /// dbt's unique_id.
    pub unique_id: UniqueId,
    /// dbt's name of its type.
    pub resource_type: String,
    /// dbt's name.
    pub name: String,
    /// Why not.
    pub reason: NotCheckedReason,
    /// In which ways it differs itself; empty when it is only downstream.
    pub changed: Vec<Reason>,
}

/// Why something is not checked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum NotCheckedReason {
    /// A Python model: it needs the adapter's own runtime.
    PythonModel,
    /// A materialization that premerge does not know.
    UnknownMaterialization {
        /// Its name.
        materialized: String,
    },
    /// The manifest has no compiled SQL for it.
    NotCompiled,
    /// It reads a node that is neither built nor in production.
    ParentNotAvailable {
        /// The node that it reads.
        parent: UniqueId,
    },
    /// It depends on something that the manifest does not have.
    MissingParent {
        /// What the manifest does not have.
        parent: UniqueId,
    },
    /// A test that reads a node which the pull request affects and which is not built: production's rows, from before
    /// the pull request, would be tested.
    ReadsUnbuilt {
        /// The node.
        parent: UniqueId,
    },
    /// A test of nodes that changed or may have changed, none of which is built.
    NothingOfItIsBuilt,
    /// A test of a built node that `indirect_selection` leaves out.
    IndirectSelection {
        /// dbt's name of the mode.
        mode: String,
    },
    /// A test of a built node that `--select`, `--exclude` or `--selector` leaves out.
    NotSelected,
    /// A unit test: its mocked inputs are not run.
    UnitTestUnsupported,
    /// A function: it is not created, so what is built calls production's.
    FunctionUnsupported,
    /// It is built without settings that dbt acts on, which the pull request sets or changes, or which hang on data.
    Settings {
        /// Keys of its configuration.
        keys: Vec<String>,
    },
    /// An incremental model or a snapshot that changed: built as on its first run, while production has its table.
    NextRun,
    /// The project's macros take the place of those by which dbt builds or judges it, and they are not run: a node is
    /// built by dbt's own, a test is not run.
    OwnMacros {
        /// unique_ids of those macros.
        macros: Vec<UniqueId>,
    },
    /// The project's own `is_incremental` let it be compiled for a later run than its first.
    CompiledIncremental,
    /// dbt-duckdb's `external`, built as a table: its file is not written.
    ExternalFile,
    /// It goes into a database in which production has nothing, and which may not be there.
    Database {
        /// The database.
        name: String,
    },
    /// Its text was made from what the warehouse answered about relations of production that the pull request changes,
    /// or about its own.
    AskedProduction {
        /// What was asked, as far as can be known.
        relations: Vec<UniqueId>,
    },
    /// Its text looks at which command of dbt runs, and was made by `dbt compile`.
    OtherCommand,
    /// Its text was made from what the warehouse answered about relations that were not there at compile time.
    AskedNothing {
        /// What was asked, as far as can be known.
        relations: Vec<UniqueId>,
    },
}

/// A node that production has and the pull request does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RemovedNode {
    /// dbt's unique_id.
    pub unique_id: UniqueId,
    /// dbt's name of its type.
    pub resource_type: String,
    /// Whether it is still there, disabled.
    pub disabled: bool,
    /// The unique_id that the pull request has its text under.
    pub renamed_to: Option<UniqueId>,
    /// Production's relation, which nothing will update any more.
    pub production: Option<String>,
    /// What still depends on it in the pull request.
    pub referred_by: Vec<UniqueId>,
    /// What read it in production and is still there.
    pub was_read_by: Vec<UniqueId>,
    /// Of a test, an exposure or something else without a relation: what it depended on and is still there.
    #[serde(default)]
    pub depended_on: Vec<UniqueId>,
}

/// A change that others made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotYours {
    /// dbt's unique_id.
    pub unique_id: UniqueId,
    /// In which ways it differs from production.
    pub changed: Vec<Reason>,
    /// What becomes of it.
    pub fate: NotYoursFate,
}

/// What becomes of a change that others made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotYoursFate {
    /// Nothing that the pull request changes needs it.
    NotBuilt,
    /// It is built because the pull request's change reads it; it does not gate.
    Needed,
    /// It is downstream of the pull request's change, so it is built and gates as everything downstream does.
    Downstream,
}

/// Something that dbt does and premerge leaves out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftOut {
    /// The built node, the test or the operation.
    pub unique_id: UniqueId,
    /// What dbt would do.
    pub what: LeftOutKind,
    /// How many: hooks, grantees' privileges, statements, settings.
    pub count: usize,
    /// The settings' keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<String>,
    /// How many of them production does not have so: the pull request adds or changes them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub changed: usize,
}

/// The kinds of [`LeftOut`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeftOutKind {
    /// Hooks before the build.
    PreHook,
    /// Hooks after the build.
    PostHook,
    /// Privileges that dbt would grant.
    Grants,
    /// An `on-run-start` operation.
    OnRunStart,
    /// An `on-run-end` operation.
    OnRunEnd,
    /// Failing rows kept in a table.
    StoreFailures,
    /// Settings that no part of premerge acts on.
    Settings,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// A test that finds less than it did, or is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WeakerTest {
    /// dbt's unique_id.
    pub unique_id: UniqueId,
    /// dbt's name.
    pub name: String,
    /// In which ways.
    pub how: Vec<Weakening>,
}

impl WeakerTest {
    /// Whether it finds less for sure.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.how.iter().any(Weakening::is_certain)
    }

    /// `severity error → warn, `where` added`; names and numbers of the project's, to be escaped.
    #[must_use]
    pub fn in_words(&self) -> String {
        self.how.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

impl std::fmt::Display for Weakening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Removed => f.write_str("removed"),
            Self::Disabled => f.write_str("disabled"),
            Self::SeverityWarn => f.write_str("severity error → warn"),
            Self::Threshold { key, from, to } => write!(f, "{key} {from} → {to}"),
            // Conditions quote values.
            Self::Where { .. } => f.write_str("`where` narrowed"),
            Self::Limit { to } => write!(f, "limit {to}"),
            Self::StoreFailuresOff => f.write_str("store_failures off"),
            // An expression quotes names.
            Self::FailCalc { .. } => f.write_str("fail_calc changed"),
            Self::MoreValues { more } => write!(f, "accepts {more} more {}", noun(*more, "value")),
            Self::Arguments => f.write_str("arguments changed"),
            Self::Sql => f.write_str("SQL changed"),
        }
    }
}

/// How a test finds less than it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "how")]
pub enum Weakening {
    /// What it tests is still there, and the test is not.
    Removed,
    /// `enabled` is false.
    Disabled,
    /// Its severity is no longer `error`.
    SeverityWarn,
    /// From how many failures on it fails or warns.
    Threshold {
        /// `error_if` or `warn_if`.
        key: String,
        /// Production's.
        from: String,
        /// The pull request's.
        to: String,
    },
    /// It looks at fewer rows: `where`.
    Where {
        /// The condition that it has now.
        to: String,
    },
    /// It counts fewer failures: `limit`.
    Limit {
        /// The limit that it has now.
        to: u64,
    },
    /// Its failures are no longer kept.
    StoreFailuresOff,
    /// Failures are counted in another way: `fail_calc`.
    FailCalc {
        /// The expression that it has now.
        to: String,
    },
    /// `accepted_values` takes more than it did.
    MoreValues {
        /// How many more.
        more: u64,
    },
    /// It has other arguments, which may find less.
    Arguments,
    /// Its SQL, or a macro that writes it, is another, which may find less.
    Sql,
}

impl Weakening {
    /// Whether the test finds less for sure, as opposed to something else.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        match self {
            Self::Removed
            | Self::Disabled
            | Self::SeverityWarn
            | Self::Threshold { .. }
            | Self::Where { .. }
            | Self::Limit { .. }
            | Self::StoreFailuresOff
            | Self::MoreValues { .. } => true,
            Self::FailCalc { .. } | Self::Arguments | Self::Sql => false,
        }
    }
}

/// A remark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    /// The node it is about.
    pub unique_id: Option<UniqueId>,
    /// How much it weighs.
    #[serde(default)]
    pub level: NoticeLevel,
    /// What kind of remark it is.
    #[serde(default)]
    pub rule: NoticeRule,
    /// dbt's name of the event, where dbt says it too: `ContractBreakingChangeError`, `SeedExceedsLimitSamePath`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// A sentence; about a node, what follows the node's name.
    pub message: String,
    /// For a contract: what breaks, a phrase each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

/// The kinds of [`Notice`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeRule {
    /// A model's contract changes in a way that can break who relies on it.
    ContractBreakingChange,
    /// dbt could not tell whether a seed changed.
    SeedNotCompared,
    /// A node is built in another way than dbt builds it.
    BuiltDifferently,
    /// A node that changed is not built, so its readers read production's relation.
    ReadsProduction,
    /// Production's manifest is old.
    StateOld,
    /// A manifest lacks something.
    #[default]
    ManifestPartial,
}

/// How much a [`Notice`] weighs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoticeLevel {
    /// dbt stops with it, and a check fails.
    Error,
    /// Somebody should look at it.
    Warn,
    /// For information only.
    #[default]
    Note,
}
