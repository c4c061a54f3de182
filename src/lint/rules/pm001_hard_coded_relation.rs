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
            // What a query made of it may be a row's value.
            let is_known = name.split('.').all(|part| model.names(part) || model.project.places().contains(part));
            let shown = if is_known { format!("`{name}`") } else { "a relation whose name a macro makes".to_owned() };
            Some(Hit::at(Some(line), format!("{shown} is named directly; use `ref` or `source`")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::rule::tests::hits_in;
    use super::*;

    #[test]
    fn a_name_that_a_row_made_is_not_said() {
        let said = |raw: &str, compiled: &str| -> Vec<String> {
            let members = serde_json::json!({"raw_code": raw, "compiled_code": compiled});
            hits_in(&RULE, &members).into_iter().map(|(_, message)| message).collect()
        };
        assert_eq!(
            said("select 1 from shop.orders", "select 1 from shop.orders"),
            ["`shop.orders` is named directly; use `ref` or `source`"]
        );
        let found = said("select 1 from shop_{{ row[0] }}", "select 1 from shop_ann_at_example_com");
        assert_eq!(found, ["a relation whose name a macro makes is named directly; use `ref` or `source`"]);
        let found = said("select 1 from shop.{{ row[0] }}", "select 1 from shop.\"ann@example.com\"");
        assert_eq!(found, ["a relation whose name a macro makes is named directly; use `ref` or `source`"]);
    }
}
