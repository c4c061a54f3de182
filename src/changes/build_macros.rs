//! Macros that build relations and differ: what dbt's comparison never looks at.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::artifacts::{Manifest, Node, UniqueId, UniqueIdRef};
use crate::sql::Dialect;

/// dbt's macros that a project may replace and whose effect is all in the compiled SQL, or in names (see
/// `naming_macros`).
const IN_THE_TEXT: &[&str] =
    &["generate_schema_name", "generate_alias_name", "generate_database_name", "ref", "source", "get_where_subquery"];

/// dbt's macros that its adapters call from Python, whatever is built: no macro's `depends_on` names them
/// (`dbt.adapters.sql.impl`, the constants `…_MACRO_NAME`).
const CALLED_BY_ADAPTERS: &[&str] = &[
    "alter_column_type",
    "check_schema_exists",
    "create_schema",
    "drop_relation",
    "get_columns_in_relation",
    "list_relations_without_caching",
    "list_schemas",
    "rename_relation",
    "truncate_relation",
];

/// The changed macros of a project or package that each materialization uses. With a merge base: those that differ
/// from it.
#[derive(Debug, Clone, Default)]
pub struct BuildMacros {
    by_materialization: HashMap<String, BTreeSet<UniqueId>>,
}

impl BuildMacros {
    /// A macro concerns a materialization when that calls it, by the manifest's graph of macros, or calls the
    /// macro of dbt's that it stands in for by name (`duckdb__create_table_as` for `create_table_as`). Custom
    /// incremental strategies are found by name when the materialization runs, so they concern incremental models;
    /// the same goes for strategies of snapshots.
    pub(super) fn new(state: &Manifest<'_>, pr: &Manifest<'_>) -> Self {
        let changed = changed_macros(state, pr);
        let mut by_materialization: HashMap<String, BTreeSet<UniqueId>> = HashMap::new();
        if changed.is_empty() {
            return Self { by_materialization };
        }
        for manifest in [state, pr] {
            for (materialization, macros) in used_macros(manifest) {
                let concerned = changed.iter().filter(|id| concerns(id, &materialization, &macros));
                by_materialization
                    .entry(materialization.clone())
                    .or_default()
                    .extend(concerned.map(|id| UniqueId::from(*id)));
            }
        }
        by_materialization.retain(|_, macros| !macros.is_empty());
        Self { by_materialization }
    }

    /// The changed macros that a node is built by, sorted.
    #[must_use]
    pub fn concern(&self, node: &Node<'_>) -> Option<Vec<UniqueId>> {
        if self.by_materialization.is_empty() {
            return None;
        }
        let macros = self.by_materialization.get(node.materialized()?.as_ref())?;
        Some(macros.iter().cloned().collect())
    }
}

/// The macros that differ or only one manifest has, but not dbt's own: those differ after an upgrade, which the drift
/// warning is about.
pub(super) fn changed_macros<'m>(state: &'m Manifest<'_>, pr: &'m Manifest<'_>) -> Vec<&'m str> {
    let old = |id: &str| state.macros.get(id).map(|old| old.macro_sql);
    let changed = pr.macros.iter().filter(|(id, new)| old(id) != Some(new.macro_sql)).map(|(id, _)| id);
    let removed = state.macros.keys().filter(|id| !pr.macros.contains_key(*id));
    changed.chain(removed).map(AsRef::as_ref).filter(|id| !is_dbts_own(id)).collect()
}

/// What macros a materialization uses, as ids, and as names of dbt's own.
struct Used<'m> {
    ids: HashSet<&'m str>,
    names: HashSet<&'m str>,
}

fn used_macros<'m>(manifest: &'m Manifest<'_>) -> HashMap<String, Used<'m>> {
    let mut found: HashMap<String, Used<'m>> = HashMap::new();
    for id in manifest.macros.keys() {
        let Some(rest) = name(id).strip_prefix("materialization_") else { continue };
        // `materialization_table_default`, `materialization_materialized_view_duckdb`.
        let materialization = rest.rsplit_once('_').map_or(rest, |(materialization, _)| materialization);
        let materialization = materialization.to_owned();
        let used =
            found.entry(materialization.clone()).or_insert_with(|| Used { ids: HashSet::new(), names: HashSet::new() });
        let mut open = vec![id.as_ref()];
        // Found by name when the materialization runs.
        if let Some(strategies) = strategies(&materialization) {
            let all = manifest.macros.keys().map(AsRef::as_ref);
            open.extend(all.filter(|id| is_dbts_own(id) && bare(name(id)).starts_with(strategies)));
        }
        while let Some(id) = open.pop() {
            if !used.ids.insert(id) {
                continue;
            }
            if is_dbts_own(id) {
                used.names.insert(bare(name(id)));
            }
            let calls = manifest.macros.get(id).into_iter().flat_map(|macro_| &macro_.depends_on.macros);
            open.extend(calls.map(AsRef::as_ref));
        }
    }
    found
}

fn concerns(id: &str, materialization: &str, used: &Used<'_>) -> bool {
    let bare = bare(name(id));
    if IN_THE_TEXT.contains(&bare) {
        return false;
    }
    used.ids.contains(id)
        || used.names.contains(bare)
        || CALLED_BY_ADAPTERS.contains(&bare)
        || strategies(materialization).is_some_and(|strategies| bare.starts_with(strategies))
}

/// What the names of the macros begin with that a materialization finds by the name of its strategy.
fn strategies(materialization: &str) -> Option<&'static str> {
    match materialization {
        "incremental" => Some("get_incremental_"),
        "snapshot" => Some("snapshot_"),
        _ => None,
    }
}

/// `name` of `macro.package.name`.
pub(super) fn name(id: &str) -> &str {
    UniqueIdRef::new(id).name()
}

/// A macro's name without the prefix that dispatch looks for.
pub(super) fn bare(name: &str) -> &str {
    name.split_once("__").map_or(name, |(_, bare)| bare)
}

/// Whether a macro comes with dbt: `macro.dbt.…`, `macro.dbt_duckdb.…`; packages such as `dbt_utils` do not.
pub(crate) fn is_dbts_own(id: &str) -> bool {
    let package = UniqueIdRef::new(id).package();
    let is_adapter = |name: &str| Dialect::from_adapter(name).is_some() || OTHER_ADAPTERS.contains(&name);
    package == "dbt" || package.strip_prefix("dbt_").is_some_and(is_adapter)
}

/// Adapters without a [`Dialect`] of their own whose package is `dbt_<name>`: dbt's list of supported data platforms.
/// A manifest does not say which packages its adapter brought.
const OTHER_ADAPTERS: &[&str] = &[
    "athena",
    "clickhouse",
    "cratedb",
    "databend",
    "decodable",
    "deltastream",
    "doris",
    "dremio",
    "exasol",
    "extrica",
    "fabric",
    "fabricspark",
    "firebolt",
    "glue",
    "greenplum",
    "hive",
    "impala",
    "iomete",
    "mariadb",
    "materialize",
    "maxcompute",
    "mysql",
    "mysql5",
    "oracle",
    "risingwave",
    "rockset",
    "singlestore",
    "sqlite",
    "sqlserver",
    "starrocks",
    "synapse",
    "teradata",
    "tidb",
    "timescaledb",
    "trino",
    "upsolver",
    "vertica",
    "yellowbrick",
];
