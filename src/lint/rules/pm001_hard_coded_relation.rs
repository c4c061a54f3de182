//! PM001: a relation is named in the SQL instead of by `ref` or `source`.
//!
//! dbt then knows nothing of the dependency: the order of the build, lineage, `--defer` and this tool's own
//! proxies all miss it.

use super::{Hit, Model, Rule};
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM001", severity: Severity::Warning, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    let Some(tree) = &model.tree else { return Vec::new() };
    let system = |name: &str| {
        let name = name.to_lowercase();
        let alone = !name.contains('.');
        let catalog = ["dual", "pg_", "svv_", "svl_", "stl_", "stv_"].iter().any(|prefix| name.starts_with(prefix));
        // PostgreSQL's and Redshift's catalogs are found without their schema.
        alone && catalog || name.contains("information_schema") || name.starts_with("pg_catalog.")
    };
    tree.relations
        .iter()
        .filter(|relation| !system(&relation.name))
        .filter_map(|relation| {
            let line = model.written(relation.line, relation.column)?;
            let name = relation.name.replace(['"', '`'], "");
            Some(Hit::at(Some(line), format!("`{name}` is named directly; use `ref` or `source`")))
        })
        .collect()
}
