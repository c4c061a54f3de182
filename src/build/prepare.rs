//! From a plan to jobs: everything is read, relocated and checked before anything runs.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde_json::Value;

use super::contract;
use super::data_test;
use super::job::{Job, Prepared, Proxy, Select, TypedTable, Work};
use super::meeting::{Meeting, MeetingKind};
use super::outcome::Failure;
use super::refusal::Refusals;
use super::run::Count;
use super::seed::seed_file;
use super::snapshot;
use crate::artifacts::{Manifest, Node, NodeConfig, Text, UniqueId};
use crate::plan::{Materialization, Plan, PlannedNode, PlannedTest, Trial, Why};
use crate::sql::{Dialect, ProjectText, Refusal, RelationName, Relocation, Territory, judge, relocate};
use crate::warehouse::{RelationConfigs, TempSchema};

/// What [`prepare`] reads.
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
    /// Count rows of changed nodes on both sides.
    pub row_counts: bool,
}

/// Jobs, proxies and counts, and what was left out of contracts.
///
/// A node that cannot be prepared becomes a job that fails with the reason, so that the rest still runs.
/// That includes a node whose SQL, after relocation, still names production or the pull request's own target
/// schema: such SQL is never sent.
#[must_use]
pub fn prepare(inputs: Inputs<'_>, schema: &TempSchema, dialect: Dialect) -> Prepared {
    let Inputs { plan, state, pr, .. } = inputs;
    let preparer = Preparer {
        inputs,
        schema,
        dialect,
        relocation: plan.relocation(state, pr, dialect, schema.database()),
        territory: plan.territory(state, pr, dialect, schema.database()),
        refusals: Refusals::new(state, pr, dialect),
    };
    let place: HashMap<&str, usize> = plan
        .tests
        .iter()
        .map(|test| test.unique_id.as_str())
        .chain(plan.nodes.iter().map(|node| node.unique_id.as_str()))
        .enumerate()
        .map(|(at, id)| (id, at))
        .collect();
    let proxied: HashSet<&str> = plan.proxies.iter().map(|proxy| proxy.unique_id.as_str()).collect();
    let after =
        |ids: &mut dyn Iterator<Item = &UniqueId>| ids.filter_map(|id| place.get(id.as_str()).copied()).collect();
    let reads = |parents: &[UniqueId]| {
        parents.iter().filter(|id| proxied.contains(id.as_str())).map(ToString::to_string).collect()
    };

    let mut jobs = Vec::with_capacity(place.len());
    for test in &plan.tests {
        jobs.push(Job {
            unique_id: test.unique_id.to_string(),
            name: test.name.clone(),
            work: preparer.test(test).unwrap_or_else(Work::Refused),
            after: after(&mut test.parents.iter()),
            reads: reads(&test.parents),
            is_test: true,
        });
    }
    for node in &plan.nodes {
        jobs.push(Job {
            unique_id: node.unique_id.to_string(),
            name: node.name.clone(),
            work: preparer.node(node).unwrap_or_else(Work::Refused),
            after: after(&mut node.parents.iter().chain(&node.gated_by)),
            reads: reads(&node.parents),
            is_test: false,
        });
    }
    // Nothing waits for a trial: what reads the snapshot reads production's.
    for trial in &plan.trials {
        jobs.push(Job {
            unique_id: trial.unique_id.to_string(),
            name: trial.relation.clone(),
            work: preparer.trial(trial).unwrap_or_else(Work::Refused),
            after: after(&mut trial.parents.iter()),
            reads: reads(&trial.parents),
            is_test: false,
        });
    }
    let proxies = plan.proxies.iter().map(|proxy| preparer.proxy(proxy)).collect();
    let meetings = preparer.meetings();
    let counts = if inputs.row_counts { preparer.counts() } else { Vec::new() };
    let trials = plan.trials.iter().map(|trial| trial.relation.as_str());
    let identifiers = plan.relations().map(|(_, identifier)| identifier).chain(trials).map(str::to_owned).collect();
    Prepared { jobs, proxies, counts, meetings, identifiers }
}

struct Preparer<'a> {
    inputs: Inputs<'a>,
    schema: &'a TempSchema,
    dialect: Dialect,
    relocation: Relocation,
    territory: Territory,
    refusals: Refusals<'a>,
}

impl Preparer<'_> {
    fn node(&self, planned: &PlannedNode) -> Result<Work, Failure> {
        let node = self.manifest_node(&planned.unique_id)?;
        self.taken_by_dbt(node)?;
        let config = node.config();
        let at = self.schema.relation(&planned.relation);
        if planned.materialization == Materialization::Seed {
            // A seed of a package has its file below the package's folder, which the manifest does not name.
            let seed = seed_file(self.inputs.project_dir, &node.original_file_path, &config, self.dialect)
                .map_err(|error| Failure { remedy: seed_remedy(), ..Failure::refused(error.to_string()) })?;
            for column in &seed.columns {
                self.judged(column.text())?;
            }
            return Ok(Work::Seed { at, seed });
        }
        let sql = match planned.materialization {
            Materialization::SnapshotFirstRun => self.first_run(node, &config)?,
            _ => self.relocated(node)?,
        };
        let header = config.sql_header.clone();
        if let Some(header) = &header {
            self.judged(ProjectText::Header(header))?;
        }
        let configs = RelationConfigs::read(&config.extra, self.dialect).map_err(Failure::refused)?;
        configs.texts().into_iter().try_for_each(|text| self.judged(text))?;
        let select = Select { at, header, sql, configs };
        let is_view = planned.materialization == Materialization::View;
        if planned.contract_enforced && planned.materialization != Materialization::SnapshotFirstRun {
            return self.contract(node, select, is_view);
        }
        Ok(if is_view { Work::View(select) } else { Work::Table(select) })
    }

    fn trial(&self, trial: &Trial) -> Result<Work, Failure> {
        let node = self.manifest_node(&trial.unique_id)?;
        self.taken_by_dbt(node)?;
        let sql = self.first_run(node, &node.config())?;
        let at = self.schema.relation(&trial.relation);
        Ok(Work::Table(Select { at, header: None, sql, configs: RelationConfigs::default() }))
    }

    /// A snapshot's query as on its first run.
    fn first_run(&self, node: &Node<'_>, config: &NodeConfig) -> Result<String, Failure> {
        let sql = snapshot::first_run(&self.relocated(node)?, config, self.dialect).map_err(Failure::refused)?;
        // The configuration's column expressions are the project's text too.
        self.stays_inside(&sql)?;
        Ok(sql)
    }

    fn contract(&self, node: &Node<'_>, select: Select, is_view: bool) -> Result<Work, Failure> {
        let declared_columns = node.columns();
        let declared = contract::declared_query(&declared_columns, self.dialect).map_err(Failure::refused)?;
        self.stays_inside(&declared)?;
        let (columns, _) = contract::columns(&declared_columns, self.dialect);
        let constraints: Vec<Value> =
            node.constraints.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        let (constraints, _) = contract::model_constraints(&constraints, self.dialect);
        columns.iter().try_for_each(|column| self.judged(column.text()))?;
        constraints.iter().try_for_each(|text| self.judged(ProjectText::Constraint(text)))?;
        let table = (!is_view).then_some(TypedTable { columns, constraints });
        Ok(Work::Contract { select, declared, table })
    }

    fn test(&self, planned: &PlannedTest) -> Result<Work, Failure> {
        let node = self.manifest_node(&planned.unique_id)?;
        self.taken_by_dbt(node)?;
        let config = node.test_config();
        let sql = data_test::query(&self.relocated(node)?, &config);
        // `fail_calc`, `warn_if` and `error_if` are the project's text too.
        self.stays_inside(&sql)?;
        Ok(Work::Test { sql, config })
    }

    fn proxy(&self, proxy: &crate::plan::Proxy) -> Proxy {
        Proxy {
            unique_id: proxy.unique_id.to_string(),
            at: self.schema.relation(&proxy.relation),
            production: proxy.production.clone(),
            select: format!("select * from {}", proxy.production),
        }
    }

    fn counts(&self) -> Vec<Count> {
        let changed = self.inputs.plan.nodes.iter().filter(|node| matches!(node.why, Why::Changed { .. }));
        changed
            .map(|node| Count {
                unique_id: node.unique_id.to_string(),
                production: self
                    .inputs
                    .state
                    .nodes
                    .get(node.unique_id.as_str())
                    .and_then(|node| RelationName::parse(node.relation_name.as_deref()?, self.dialect)),
                pull_request: self.schema.relation(&node.relation).name().clone(),
            })
            .collect()
    }

    /// Tables that dbt goes on writing into and whose next run is not said to be untried anyway.
    fn meetings(&self) -> Vec<Meeting> {
        let plan = self.inputs.plan;
        let built = plan.nodes.iter().filter_map(|node| {
            let kind = match node.materialization {
                Materialization::Seed => MeetingKind::Seed,
                Materialization::IncrementalAsTable => MeetingKind::Incremental,
                _ => return None,
            };
            Some((node.unique_id.as_str(), node.relation.as_str(), kind))
        });
        let tried = plan.trials.iter();
        let tried = tried.map(|trial| (trial.unique_id.as_str(), trial.relation.as_str(), MeetingKind::Snapshot));
        built
            .chain(tried)
            .filter_map(|(unique_id, relation, kind)| {
                let before = self.inputs.state.nodes.get(unique_id)?;
                let now = self.inputs.pr.nodes.get(unique_id)?.config();
                let full = now.extra.get("full_refresh").and_then(Value::as_bool) == Some(true);
                Some(Meeting {
                    unique_id: unique_id.into(),
                    production: RelationName::parse(before.relation_name.as_deref()?, self.dialect)?,
                    pull_request: self.schema.relation(relation).name().clone(),
                    kind,
                })
                .filter(|_| !full)
            })
            .collect()
    }

    fn manifest_node(&self, unique_id: &str) -> Result<&Node<'_>, Failure> {
        self.inputs
            .pr
            .nodes
            .get(unique_id)
            .ok_or_else(|| Failure::refused("the pull request's manifest does not hold it"))
    }

    /// What dbt would refuse is not built otherwise.
    fn taken_by_dbt(&self, node: &Node<'_>) -> Result<(), Failure> {
        self.refusals.of(node).map_or(Ok(()), |why| Err(Failure::refused(format!("dbt refuses it: {why}"))))
    }

    /// A node's compiled SQL in its new place, proved not to leave it.
    fn relocated(&self, node: &Node<'_>) -> Result<String, Failure> {
        let code = node.compiled_code.as_ref().map(Text::get).unwrap_or_default();
        // As it stands: dbt neither trims it nor cuts a `;` off before it puts it into brackets.
        let relocated = relocate(&code, &self.relocation).map_err(|error| unreadable(&error))?;
        self.stays_inside(&relocated.sql)?;
        Ok(relocated.sql)
    }

    /// One query that only reads, and that names nothing outside the temporary schema but sources.
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
        self.territory.agrees(sql, &facts).map_err(|refusal| Failure {
            remedy: Some(
                "name it with ref() or source(), and declare what is not the project's as a source".to_owned(),
            ),
            ..unreadable(&refusal)
        })
    }

    /// A text that stays at its place. What it names lies in no schema at all: it is no query.
    fn judged(&self, text: ProjectText<'_>) -> Result<(), Failure> {
        let facts = judge(text, self.dialect).map_err(|refusal| refused(&refusal))?;
        match facts.relations.first() {
            None => Ok(()),
            Some(named) => {
                Err(unreadable(&format_args!("`{}` is read where no query can stand", named.parts.join("."))))
            }
        }
    }
}

fn refused(refusal: &Refusal) -> Failure {
    if refusal.syntax { Failure::refused(format!("its SQL cannot be run: {refusal}")) } else { unreadable(refusal) }
}

fn unreadable(error: &dyn std::fmt::Display) -> Failure {
    Failure::refused(format!("its SQL cannot be run safely: {error}"))
}

fn seed_remedy() -> Option<String> {
    Some("name the project's folder, checked out at the pull request's commit, with --project-dir".to_owned())
}

/// What of a built node's contract premerge leaves out: foreign keys.
#[must_use]
pub fn left_out_of_contract(node: &Node<'_>, dialect: Dialect) -> Vec<String> {
    let (_, mut left_out) = contract::columns(&node.columns(), dialect);
    let constraints: Vec<Value> =
        node.constraints.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    left_out.extend(contract::model_constraints(&constraints, dialect).1);
    left_out
}
