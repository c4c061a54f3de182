//! From a plan to jobs: everything is read, relocated and checked before anything runs.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use serde_json::Value;
use serde_json::value::RawValue;

use super::contract;
use super::count::Count;
use super::data_test;
use super::existing_table::{ExistingTable, ExistingTableKind, LaterText, ReadParent};
use super::hooks::Hooks;
use super::keys::KeyCheck;
use super::refusal::Refusals;
use super::result::Failure;
use super::seed::seed_file;
use super::snapshot;
use super::task::{Build, Contracted, Later, Prepared, Proxy, Select, Task, Test, TypedTable, Watch, Watched, Work};
use crate::artifacts::{Manifest, Node, NodeConfig, Text, UniqueId};
use crate::changes::is_dbts_own;
use crate::compile::{NoText, Texts};
use crate::plan::{Materialization, Plan, PlannedNode, PlannedTest, Trial, Why};
use crate::sql::{Dialect, ProjectText, Refusal, RelationName, Relocation, Territory, judge, relocate};
use crate::warehouse::{FaultClass, RelationConfigs, TempRelation, TempSchema};

/// What is read before anything runs.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// Production's manifest.
    pub state: &'a Manifest<'a>,
    /// The pull request's manifest.
    pub pr: &'a Manifest<'a>,
    /// The pull request's checkout of the dbt project.
    pub project_dir: &'a Path,
    /// Whether proxy views stand for production's relations, or statements name these themselves.
    pub through_proxies: bool,
    /// Count rows of changed nodes on both sides.
    pub row_counts: bool,
    /// Where the texts of nodes come from.
    pub texts: &'a dyn Texts,
}

/// Tasks and proxies, and what prepares the tasks whose text is made at their turn.
///
/// A node that cannot be prepared becomes a task that fails with the reason, so that the rest still runs.
/// That includes a node whose SQL, after relocation, still names production or the pull request's own target
/// schema: such SQL is never sent.
#[must_use]
pub fn prepare<'a>(inputs: Inputs<'a>, schema: &'a TempSchema, dialect: Dialect) -> (Prepared, Preparer<'a>) {
    let Inputs { plan, state, pr, through_proxies, texts, .. } = inputs;
    let mut territory = plan.territory(state, pr, dialect, schema.schema_name());
    let relocation = if through_proxies {
        plan.relocation(state, pr, dialect, schema.schema_name())
    } else {
        plan.read_of_production(state, dialect).for_each(|(_, name)| territory.let_read(name));
        plan.relocation_onto_production(state, pr, dialect, schema.schema_name())
    };
    let (refusals, hooks) = (Refusals::new(state, pr, dialect), Hooks::of(pr, dialect));
    let preparer = Preparer { inputs, schema, dialect, relocation, territory, refusals, hooks };
    let tests = plan.tests.iter().map(|test| &test.unique_id);
    let nodes = plan.nodes.iter().map(|node| &node.unique_id);
    // Nothing waits for a trial: what reads the snapshot reads production's.
    let positions: HashMap<&UniqueId, usize> = tests.chain(nodes).enumerate().map(|(at, id)| (id, at)).collect();
    let nodes = plan.read_of_production(state, dialect).map(|(id, name)| (id.as_str(), name));
    let sources = pr.sources.iter().filter_map(|(id, source)| Some((id.as_ref(), source.relation(dialect)?)));
    let outside: HashMap<&str, &RelationName> = nodes.chain(sources).collect();
    let after = |ids: &mut dyn Iterator<Item = &UniqueId>| ids.filter_map(|id| positions.get(id).copied()).collect();
    let reads = |parents: &[UniqueId]| {
        parents.iter().filter(|id| outside.contains_key(id.as_str())).cloned().collect::<Vec<_>>()
    };

    let mut tasks = Vec::with_capacity(positions.len());
    for test in &plan.tests {
        tasks.push(Task {
            unique_id: test.unique_id.clone(),
            name: test.name.clone(),
            work: if texts.is_made_at_turn(&test.unique_id) {
                Work::Later(Later::Test)
            } else {
                Work::Test(preparer.test(test, None))
            },
            after: after(&mut test.parents.iter()),
            reads: reads(&test.parents),
        });
    }
    for node in &plan.nodes {
        tasks.push(Task {
            unique_id: node.unique_id.clone(),
            name: node.name.clone(),
            work: if texts.is_made_at_turn(&node.unique_id) {
                let at = schema.relation(&node.identifier);
                let may_need = !through_proxies && node.materialization == Materialization::View;
                Work::Later(Later::Build { behind: may_need.then(|| Box::new(schema.behind(&at))), at })
            } else {
                Work::Build(preparer.node(node, None))
            },
            after: after(&mut node.parents.iter().chain(&node.gated_by)),
            reads: reads(&node.parents),
        });
    }
    for trial in &plan.trials {
        tasks.push(Task {
            unique_id: trial.unique_id.clone(),
            name: trial.identifier.clone(),
            work: if texts.is_made_at_turn(&trial.unique_id) {
                Work::Later(Later::Build { at: schema.relation(&trial.identifier), behind: None })
            } else {
                Work::Build(preparer.trial(trial, None))
            },
            after: after(&mut trial.parents.iter()),
            reads: reads(&trial.parents),
        });
    }
    tasks.extend(preparer.looked_up(&tasks));
    let read: BTreeSet<&UniqueId> = tasks.iter().flat_map(|task| &task.reads).collect();
    let relations = read.into_iter().filter_map(|id| {
        let name = (*outside.get(id.as_str())?).clone();
        let is_productions = state.nodes.contains_key(id.as_str())
            || state
                .sources
                .get(id.as_str())
                .and_then(|source| source.relation(dialect))
                .is_some_and(|theirs| *theirs == name);
        Some(Watched { unique_id: id.clone(), name, is_productions })
    });
    let built = state.nodes.values().filter(|node| node.resource_type.is_relation() && !through_proxies);
    let built = built.filter_map(|node| {
        let name = node.relation(dialect)?;
        Some((name.schema()?.name().to_owned(), name.identifier().to_owned()))
    });
    let watch = Watch { relations: relations.collect(), built: built.collect() };
    let proxies: Vec<_> = plan.proxies.iter().filter(|_| through_proxies).map(|proxy| preparer.proxy(proxy)).collect();
    let built = plan.nodes.iter().map(|node| node.identifier.as_str());
    let proxied = proxies.iter().map(|proxy| proxy.at.identifier());
    let trials = plan.trials.iter().map(|trial| trial.identifier.as_str());
    let behind = tasks.iter().flat_map(|task| task.work.behind()).map(TempRelation::identifier);
    let identifiers = built.chain(proxied).chain(trials).chain(behind).map(str::to_owned).collect();
    (Prepared { tasks, proxies, watch, identifiers }, preparer)
}

/// Makes tasks of nodes and their texts.
pub struct Preparer<'a> {
    inputs: Inputs<'a>,
    schema: &'a TempSchema,
    dialect: Dialect,
    relocation: Relocation,
    territory: Territory,
    refusals: Refusals<'a>,
    hooks: Hooks<'a>,
}

impl std::fmt::Debug for Preparer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Preparer").field("dialect", &self.dialect).finish_non_exhaustive()
    }
}

impl Preparer<'_> {
    /// What is to be done for a node or test whose turn has come: its text is made, and read like all others.
    pub(super) async fn at_turn(&self, unique_id: &UniqueId, later: &Later) -> Work {
        let text = self.inputs.texts.make(unique_id).await.map_err(failure_of);
        let plan = self.inputs.plan;
        let unknown = || Failure::refused("it is not in the plan");
        match later {
            Later::Test => {
                let planned = plan.tests.iter().find(|test| test.unique_id == *unique_id).ok_or_else(unknown);
                Work::Test(text.and_then(|text| self.test(planned?, Some(&text))))
            }
            Later::Build { .. } => Work::Build(text.and_then(|text| {
                if let Some(node) = plan.nodes.iter().find(|node| node.unique_id == *unique_id) {
                    return self.node(node, Some(&text));
                }
                let trial = plan.trials.iter().find(|trial| trial.unique_id == *unique_id);
                self.trial(trial.ok_or_else(unknown)?, Some(&text))
            })),
        }
    }

    /// `text`: the SQL, where it is not the manifest's.
    fn node(&self, planned: &PlannedNode, text: Option<&str>) -> Result<Build, Failure> {
        let node = self.manifest_node(&planned.unique_id)?;
        self.taken_by_dbt(node)?;
        let config = node.config();
        let at = self.schema.relation(&planned.identifier);
        if planned.materialization == Materialization::Seed {
            // A seed of a package has its file below the package's folder, which the manifest does not name.
            let seed = seed_file(self.inputs.project_dir, &node.original_file_path, &config, self.dialect)
                .map_err(|error| Failure { remedy: seed_remedy(), ..Failure::refused(error.to_string()) })?;
            for column in &seed.columns {
                self.judged(column.text())?;
            }
            return Ok(Build::Seed { at, seed });
        }
        let sql = match planned.materialization {
            Materialization::SnapshotFirstRun => self.first_run(node, text, &config)?,
            _ => self.relocated(node, text)?,
        };
        let header = config.sql_header.clone();
        if let Some(header) = &header {
            self.judged(ProjectText::Header(header))?;
        }
        let configs = RelationConfigs::read(&config.extra, self.dialect).map_err(Failure::refused)?;
        configs.texts().into_iter().try_for_each(|text| self.judged(text))?;
        let select = Select { at, header, sql, configs };
        let is_view = planned.materialization == Materialization::View;
        let behind = if is_view { self.behind(&select)? } else { None };
        if planned.contract_enforced && planned.materialization != Materialization::SnapshotFirstRun {
            return self.contract(node, select, is_view, behind);
        }
        Ok(if is_view { Build::View { select, behind } } else { Build::Table(select) })
    }

    /// What has to stand behind a view, so that it does not hold what it reads of production. A header is of the
    /// statement that makes the view, and may say how its query is read: such a view is made as dbt makes it.
    fn behind(&self, Select { at, header, sql, .. }: &Select) -> Result<Option<Box<TempRelation>>, Failure> {
        if self.inputs.through_proxies || header.as_ref().is_some_and(|header| !header.trim().is_empty()) {
            return Ok(None);
        }
        let facts = judge(ProjectText::Query(sql), self.dialect).map_err(|refusal| refused(&refusal))?;
        Ok(self.territory.is_left_by(&facts).then(|| Box::new(self.schema.behind(at))))
    }

    fn trial(&self, trial: &Trial, text: Option<&str>) -> Result<Build, Failure> {
        let node = self.manifest_node(&trial.unique_id)?;
        self.taken_by_dbt(node)?;
        let sql = self.first_run(node, text, &node.config())?;
        let at = self.schema.relation(&trial.identifier);
        Ok(Build::Table(Select { at, header: None, sql, configs: RelationConfigs::default() }))
    }

    /// A snapshot's query as on its first run.
    fn first_run(&self, node: &Node<'_>, text: Option<&str>, config: &NodeConfig) -> Result<String, Failure> {
        let sql = snapshot::first_run(&self.relocated(node, text)?, config, self.dialect).map_err(Failure::refused)?;
        // The configuration's column expressions are the project's text too.
        self.stays_inside(&sql)?;
        Ok(sql)
    }

    fn contract(
        &self,
        node: &Node<'_>,
        select: Select,
        is_view: bool,
        behind: Option<Box<TempRelation>>,
    ) -> Result<Build, Failure> {
        let unread = |error| Failure::refused(format!("its `columns` cannot be read: {error}"));
        let declared_columns = node.read_columns().map_err(unread)?;
        let declared = contract::declared_query(&declared_columns, self.dialect).map_err(Failure::refused)?;
        self.stays_inside(&declared)?;
        let columns = contract::columns(&declared_columns, self.dialect).made;
        let constraints = constraints(node).map_err(Failure::refused)?;
        let constraints = contract::model_constraints(&constraints, self.dialect).made;
        columns.iter().try_for_each(|column| self.judged(column.text()))?;
        constraints.iter().try_for_each(|text| self.judged(ProjectText::Constraint(text)))?;
        let made =
            if is_view { Contracted::View { behind } } else { Contracted::Table(TypedTable { columns, constraints }) };
        Ok(Build::Contract { select, declared, made })
    }

    fn test(&self, planned: &PlannedTest, text: Option<&str>) -> Result<Test, Failure> {
        let node = self.manifest_node(&planned.unique_id)?;
        self.taken_by_dbt(node)?;
        let config = node.test_config();
        let sql = data_test::query(&self.relocated(node, text)?, &config);
        // `fail_calc`, `warn_if` and `error_if` are the project's text too.
        self.stays_inside(&sql)?;
        Ok(Test { sql, config })
    }

    fn proxy(&self, proxy: &crate::plan::Proxy) -> Proxy {
        Proxy {
            unique_id: proxy.unique_id.clone(),
            at: self.schema.relation(&proxy.identifier),
            production: proxy.production.clone(),
            select: format!("select * from {}", proxy.production),
        }
    }

    /// What is looked up of the nodes that `tasks` build, each as soon as its node is there.
    fn looked_up(&self, tasks: &[Task]) -> Vec<Task> {
        let is_build = |work: &Work| matches!(work, Work::Build(_) | Work::Later(Later::Build { .. }));
        let builds = tasks.iter().enumerate().filter(|(_, task)| is_build(&task.work));
        let builders: HashMap<&UniqueId, usize> = builds.map(|(at, task)| (&task.unique_id, at)).collect();
        let counts = if self.inputs.row_counts { self.counts() } else { Vec::new() };
        let counts = counts.into_iter().map(|count| (count.unique_id.clone(), Work::Count(count)));
        let existing_tables =
            self.existing_tables().into_iter().map(|existing| (existing.unique_id.clone(), Work::Compare(existing)));
        let keys = self.keys().into_iter().map(|check| (check.unique_id.clone(), Work::Keys(check)));
        let looked_up = counts.chain(existing_tables).chain(keys).map(|(unique_id, work)| Task {
            name: unique_id.name().to_owned(),
            after: builders.get(&unique_id).copied().into_iter().collect(),
            unique_id,
            work,
            reads: Vec::new(),
        });
        looked_up.collect()
    }

    /// The relation of a node in production, if it has one there.
    fn in_production(&self, unique_id: &UniqueId) -> Option<RelationName> {
        self.inputs.state.nodes.get(unique_id.as_str())?.relation(self.dialect).cloned()
    }

    fn counts(&self) -> Vec<Count> {
        let changed = self.inputs.plan.nodes.iter().filter(|node| matches!(node.why, Why::Changed { .. }));
        changed
            .map(|node| Count {
                unique_id: node.unique_id.clone(),
                production: self.in_production(&node.unique_id),
                pull_request: self.schema.relation(&node.identifier).name().clone(),
            })
            .collect()
    }

    /// Snapshots that are built, changed or tried.
    fn keys(&self) -> Vec<KeyCheck> {
        let plan = self.inputs.plan;
        let built = plan.nodes.iter().filter(|node| node.materialization == Materialization::SnapshotFirstRun);
        let built = built.map(|node| (&node.unique_id, node.identifier.as_str()));
        let tried = plan.trials.iter().map(|trial| (&trial.unique_id, trial.identifier.as_str()));
        let check = |(unique_id, identifier): (&UniqueId, &str)| {
            let keys = snapshot::unique_keys(&self.inputs.pr.nodes.get(unique_id.as_str())?.config());
            let relation = self.schema.relation(identifier).name().clone();
            (!keys.is_empty()).then(|| KeyCheck { unique_id: unique_id.clone(), relation, keys })
        };
        built.chain(tried).filter_map(check).collect()
    }

    /// Tables that dbt goes on writing into and whose next run is not said to be untried anyway.
    fn existing_tables(&self) -> Vec<ExistingTable> {
        let plan = self.inputs.plan;
        let built = plan.nodes.iter().filter_map(|node| {
            let kind = match node.materialization {
                Materialization::Seed => ExistingTableKind::Seed,
                Materialization::IncrementalAsTable => ExistingTableKind::Incremental,
                Materialization::View
                | Materialization::Table
                | Materialization::ExternalAsTable
                | Materialization::MaterializedViewAsTable
                | Materialization::SnapshotFirstRun => return None,
            };
            Some((&node.unique_id, node.identifier.as_str(), kind, node.parents.as_slice()))
        });
        let tried = plan.trials.iter();
        let tried = tried
            .map(|trial| (&trial.unique_id, trial.identifier.as_str(), ExistingTableKind::Snapshot, [].as_slice()));
        built
            .chain(tried)
            .filter_map(|(unique_id, identifier, kind, parents)| {
                let production = self.in_production(unique_id)?;
                let node = self.inputs.pr.nodes.get(unique_id.as_str())?;
                let now = node.config();
                let full = now.extra.get("full_refresh").and_then(Value::as_bool) == Some(true);
                let pull_request = self.schema.relation(identifier).name().clone();
                (!full).then(|| ExistingTable {
                    unique_id: unique_id.clone(),
                    production,
                    pull_request,
                    kind,
                    parents: self.read_parents(parents),
                    later_text: if kind == ExistingTableKind::Incremental { later_text(node) } else { None },
                    readers: plan.readers_of(unique_id).to_vec(),
                })
            })
            .collect()
    }

    /// Those of a node's parents that are built and that production has.
    fn read_parents(&self, parents: &[UniqueId]) -> Vec<ReadParent> {
        let built = self.inputs.plan.nodes.iter().filter(|node| parents.contains(&node.unique_id));
        built
            .filter_map(|node| {
                Some(ReadParent {
                    name: node.name.clone(),
                    production: self.in_production(&node.unique_id)?,
                    pull_request: self.schema.relation(&node.identifier).name().clone(),
                })
            })
            .collect()
    }

    fn manifest_node(&self, unique_id: &str) -> Result<&Node<'_>, Failure> {
        self.inputs.pr.nodes.get(unique_id).ok_or_else(|| Failure::refused("it is not in the pull request's manifest"))
    }

    /// What dbt would refuse is not built otherwise.
    fn taken_by_dbt(&self, node: &Node<'_>) -> Result<(), Failure> {
        self.refusals.of(node).map_or(Ok(()), |why| Err(Failure::refused(format!("dbt refuses it: {why}"))))
    }

    /// A node's compiled SQL in its new place, proved not to leave it.
    fn relocated(&self, node: &Node<'_>, text: Option<&str>) -> Result<String, Failure> {
        let given = node.compiled_code.as_ref().map(Text::get).unwrap_or_default();
        let code = text.map_or(given, Into::into);
        // As it stands: dbt neither trims it nor cuts a `;` off before it puts it into brackets.
        let relocated = relocate(&code, &self.relocation).map_err(|error| unreadable(&error))?;
        self.stays_inside(&relocated.sql)?;
        Ok(relocated.sql)
    }

    /// One query that only reads, and that names nothing outside the temporary schema but sources, and what is read of
    /// production where no proxy views are made.
    fn stays_inside(&self, sql: &str) -> Result<(), Failure> {
        let foreign = self.territory.foreign(sql).map_err(|error| unreadable(&error))?;
        if !foreign.is_empty() {
            let list: Vec<_> = foreign
                .iter()
                .map(|found| format!("{} (line {} of the compiled SQL)", found.relation, found.line))
                .collect();
            return Err(Failure {
                remedy: Some("use ref() or source() instead of the relation's name".to_owned()),
                ..Failure::refused(format!(
                    "its SQL names a relation outside the temporary schema: {}",
                    list.join(", ")
                ))
            });
        }
        let facts = judge(ProjectText::Query(sql), self.dialect).map_err(|refusal| refused(&refusal))?;
        if let Some(function) = self.hooks.function_of(&facts, self.dialect) {
            return Err(Failure {
                class: Some(FaultClass::Unsupported),
                remedy: Some(
                    "make the function by hand in a schema of its own, which production and CI share".to_owned(),
                ),
                ..Failure::refused(format!(
                    "it calls `{function}`, which an `on-run-start` hook makes, and premerge does not run hooks"
                ))
            });
        }
        self.territory.agrees(sql, &facts).map_err(|refusal| Failure {
            remedy: Some("use ref() or source(), and declare relations outside the project as sources".to_owned()),
            ..unreadable(&refusal)
        })
    }

    /// A text that stays at its place. What it names lies in no schema at all: it is not a query.
    fn judged(&self, text: ProjectText<'_>) -> Result<(), Failure> {
        let facts = judge(text, self.dialect).map_err(|refusal| refused(&refusal))?;
        match facts.relations.first() {
            None => Ok(()),
            Some(named) => {
                Err(unreadable(&format_args!("`{}` is read where a query is not allowed", named.parts.join("."))))
            }
        }
    }
}

/// What an incremental model's later runs are made of, if they run another text than its first.
fn later_text(node: &Node<'_>) -> Option<LaterText> {
    let text = node.raw_code.get();
    if node.depends_on.macros.iter().any(|id| !is_dbts_own(id)) {
        return Some(LaterText::OfMacros);
    }
    text.contains("is_incremental").then(|| LaterText::OfFile(text.into_owned()))
}

fn failure_of(NoText { message, detail, remedy, fault }: NoText) -> Failure {
    Failure { class: fault, message, detail, remedy }
}

fn refused(refusal: &Refusal) -> Failure {
    if refusal.syntax { Failure::refused(format!("its SQL cannot be run: {refusal}")) } else { unreadable(refusal) }
}

fn unreadable(error: &dyn std::fmt::Display) -> Failure {
    Failure::refused(format!("its SQL cannot be run safely: {error}"))
}

fn seed_remedy() -> Option<String> {
    Some("pass the project's folder, checked out at the pull request's commit, with --project-dir".to_owned())
}

/// The model's own constraints.
fn constraints(node: &Node<'_>) -> Result<Vec<Value>, String> {
    let read = |raw: &RawValue| {
        serde_json::from_str(raw.get()).map_err(|error| format!("its `constraints` cannot be read: {error}"))
    };
    node.constraints.map_or_else(|| Ok(Vec::new()), read)
}

/// What of a built node's contract premerge leaves out: foreign keys.
#[must_use]
pub fn left_out_of_contract(node: &Node<'_>, dialect: Dialect) -> Vec<String> {
    let mut left_out = contract::columns(&node.columns(), dialect).left_out;
    // Those that cannot be read have refused the node.
    left_out.extend(contract::model_constraints(&constraints(node).unwrap_or_default(), dialect).left_out);
    left_out
}
