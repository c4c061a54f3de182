//! Production, made from its manifest: what a first `dbt build` would have made.

use std::collections::BTreeSet;
use std::path::Path;

use indexmap::IndexMap;

use crate::artifacts::{Manifest, ResourceType};
use crate::build::{seed, snapshot};
use crate::project::Graph;
use crate::sql::Dialect;
use crate::warehouse::create_database;

/// Columns and types of the source tables: `{"raw.bookings": {"booking_id": "integer", …}, …}`.
pub type SourceTypes = IndexMap<String, IndexMap<String, String>>;

/// One statement of a whole build.
#[derive(Debug, Clone)]
pub struct BuildStatement {
    /// The node whose relation it makes; `None` for schemas and source tables.
    pub unique_id: Option<String>,
    /// The statement.
    pub sql: String,
}

impl BuildStatement {
    fn of(unique_id: &str, sql: String) -> Self {
        Self { unique_id: Some(unique_id.to_owned()), sql }
    }
}

/// Makes the DuckDB file `database` with the source tables, read from `raw`/`SCHEMA.TABLE.csv`, and every seed,
/// model and snapshot of `manifest`, built in its own schema by its compiled SQL.
///
/// # Errors
/// A message that names the node.
pub fn make(
    manifest: &Manifest<'_>,
    project_dir: &Path,
    raw: &Path,
    types: &SourceTypes,
    database: &Path,
) -> Result<(), String> {
    let statements = whole_build(manifest, project_dir, raw, types)?;
    create_database(database, statements.into_iter().map(|statement| statement.sql)).map_err(|error| error.to_string())
}

/// The statements that [`make`] runs, in order.
///
/// # Errors
/// A message that names the node.
pub fn whole_build(
    manifest: &Manifest<'_>,
    project_dir: &Path,
    raw: &Path,
    types: &SourceTypes,
) -> Result<Vec<BuildStatement>, String> {
    let graph = Graph::new(manifest);
    let order = graph.topological().map_err(|error| error.to_string())?;
    let nodes: Vec<_> = order.into_iter().filter_map(|id| manifest.nodes.get(graph.unique_id(id))).collect();
    let schemas: BTreeSet<_> =
        nodes.iter().filter(|n| n.resource_type.is_relation()).filter_map(|n| n.schema.as_deref()).collect();
    let schemas = schemas.iter().map(|schema| format!("create schema if not exists {}", quote(schema)));
    let before = source_tables(raw, types).into_iter().chain(schemas);
    let mut statements: Vec<_> = before.map(|sql| BuildStatement { unique_id: None, sql }).collect();
    for node in nodes {
        let Some(name) = node.relation_name.as_deref().filter(|_| node.resource_type.is_relation()) else { continue };
        let config = node.config();
        if node.resource_type == ResourceType::Seed {
            let file = seed::seed_file(project_dir, &node.original_file_path, &config, Dialect::DuckDb)
                .map_err(|error| error.to_string())?;
            let columns: Vec<_> = file.columns.iter().map(|c| format!("{} {}", c.name, c.definition)).collect();
            let create = format!("create table {name} ({})", columns.join(", "));
            statements.push(BuildStatement::of(&node.unique_id, create));
            statements.push(BuildStatement::of(&node.unique_id, copy(name, &file.path)));
            continue;
        }
        let Some(code) = node.compiled_code.filter(|_| !node.is_python()) else { continue };
        let code = code.get();
        let (kind, select) = match node.resource_type {
            ResourceType::Snapshot => (
                "table",
                snapshot::first_run(&code, &config, Dialect::DuckDb)
                    .map_err(|why| format!("{}: {why}", node.unique_id))?,
            ),
            _ if config.materialized.as_deref() == Some("view") => ("view", code.to_string()),
            _ => ("table", code.to_string()),
        };
        statements.push(BuildStatement::of(&node.unique_id, format!("create {kind} {name} as (\n{select}\n)")));
    }
    Ok(statements)
}

fn source_tables(raw: &Path, types: &SourceTypes) -> Vec<String> {
    let mut statements = Vec::new();
    let mut schemas = BTreeSet::new();
    for (table, columns) in types {
        let (schema, identifier) = table.split_once('.').unwrap_or(("main", table));
        if schemas.insert(schema) {
            statements.push(format!("create schema if not exists {}", quote(schema)));
        }
        let name = format!("{}.{}", quote(schema), quote(identifier));
        let columns: Vec<_> = columns.iter().map(|(column, kind)| format!("{} {kind}", quote(column))).collect();
        statements.push(format!("create table {name} ({})", columns.join(", ")));
        statements.push(copy(&name, &raw.join(format!("{table}.csv"))));
    }
    statements
}

fn copy(name: &str, file: &Path) -> String {
    format!("copy {name} from {} (format csv, header true)", Dialect::DuckDb.literal(&file.to_string_lossy()))
}

fn quote(identifier: &str) -> String {
    Dialect::DuckDb.quote(identifier)
}
