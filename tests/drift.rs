//! Manifests of two versions of dbt: tolerant where the versions differ, and only there.

// Helpers of tests fail loudly; clippy spares only the test functions themselves.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::Path;

use premerge::artifacts::ManifestFile;
use premerge::changes::{Change, ChangeKind, CompareOptions, Reason, compare};
use serde_json::{Value, json};

/// A manifest of dbt `version` with a model that calls a macro of dbt's, a seed, and two tests.
fn manifest(version: &str) -> Value {
    let model = json!({
        "resource_type": "model", "name": "orders", "package_name": "shop", "fqn": ["shop", "marts", "orders"],
        "raw_code": "select 1", "checksum": {"name": "sha256", "checksum": "aa"}, "access": "protected",
        "config": {"materialized": "table", "meta": {}}, "unrendered_config": {"materialized": "table"},
        "depends_on": {"macros": ["macro.dbt.is_incremental", "macro.shop.cents"], "nodes": []}
    });
    let generic = json!({
        "resource_type": "test", "name": "unique_orders_id", "fqn": ["shop", "marts", "unique_orders_id"],
        "raw_code": "{{ test_unique() }}", "attached_node": "model.shop.orders", "column_name": "id",
        "test_metadata": {"name": "unique", "namespace": null, "kwargs": {"column_name": "id", "model": "{{ x }}"}},
        "config": {}, "unrendered_config": {}, "depends_on": {"nodes": ["model.shop.orders"], "macros": []}
    });
    let singular = json!({
        "resource_type": "test", "name": "no_debts", "fqn": ["shop", "no_debts"], "raw_code": "select 2",
        "config": {}, "unrendered_config": {}, "depends_on": {"nodes": ["model.shop.orders"], "macros": []}
    });
    json!({
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "dbt_version": version,
            "project_name": "shop", "adapter_type": "duckdb"
        },
        "nodes": {
            "model.shop.orders": model, "test.shop.unique_orders_id.0123456789": generic, "test.shop.no_debts": singular
        },
        "sources": {"source.shop.raw.events_*": {"source_name": "raw", "name": "events_*", "package_name": "shop"}},
        "macros": {
            "macro.dbt.is_incremental": {"macro_sql": format!("of {version}")},
            "macro.shop.cents": {"macro_sql": "{{ x }} / 100", "depends_on": {"macros": ["macro.dbt_utils.round"]}},
            "macro.dbt_utils.round": {"macro_sql": "round"}
        }
    })
}

/// What differs, as `id: reasons`.
fn changes(old: &Value, new: &Value, strict: bool) -> Vec<(String, Change)> {
    let read = |document: &Value| ManifestFile::from_bytes(Path::new("m"), serde_json::to_vec(document).unwrap());
    let (old, new) = (read(old), read(new));
    let options = CompareOptions { strict, ..CompareOptions::default() };
    compare(&old.parse().unwrap(), &new.parse().unwrap(), &options)
        .nodes
        .into_iter()
        .map(|(id, change)| (id.into(), change))
        .collect()
}

#[test]
fn an_upgrade_of_dbt_changes_nothing() {
    let (old, mut new) = (manifest("1.10.2"), manifest("1.11.16"));
    // dbt 1.10.5 began to write these empty values down.
    new["nodes"]["model.shop.orders"]["unrendered_config"] = json!({"materialized": "table", "meta": {}, "tags": []});
    assert_eq!(changes(&old, &new, false), []);
    let strict = changes(&old, &new, true);
    assert_eq!(strict.len(), 1);
    assert_eq!(
        strict[0].1.reasons,
        [
            Reason::Configs { keys: vec!["meta".to_owned()] },
            Reason::Macros { macros: vec!["macro.dbt.is_incremental".into()] }
        ]
    );
}

#[test]
fn an_upgrade_of_dbt_hides_no_real_change() {
    let (old, mut new) = (manifest("1.10.2"), manifest("1.11.16"));
    new["macros"]["macro.dbt_utils.round"]["macro_sql"] = json!("round half even");
    new["nodes"]["model.shop.orders"]["unrendered_config"] = json!({"materialized": "view"});
    new["nodes"]["model.shop.orders"]["config"] = json!({"materialized": "view"});
    new["nodes"]["test.shop.no_debts"]["raw_code"] = json!("select 3");
    let found = changes(&old, &new, false);
    assert_eq!(found.len(), 2);
    let words: Vec<String> = found[0].1.reasons.iter().map(ToString::to_string).collect();
    assert_eq!(words, ["config `materialized`", "macro `round`"]);
    assert_eq!(found[1].1.reasons, [Reason::Body]);
}

#[test]
fn dbt_2_names_tests_and_sources_differently_and_means_the_same() {
    let (old, mut new) = (manifest("1.11.16"), manifest("2.0.0"));
    let nodes = new["nodes"].as_object_mut().unwrap();
    let generic = nodes.remove("test.shop.unique_orders_id.0123456789").unwrap();
    nodes.insert("test.shop.unique_orders.9876543210".to_owned(), generic);
    let singular = nodes.remove("test.shop.no_debts").unwrap();
    nodes.insert("test.shop.no_debts.0a1b2c3d4e".to_owned(), singular);
    let sources = new["sources"].as_object_mut().unwrap();
    let source = sources.remove("source.shop.raw.events_*").unwrap();
    sources.insert("source.shop.raw.events___".to_owned(), source);
    new["nodes"]["model.shop.orders"]["raw_code"] = json!("select 1\r\n");
    new["nodes"]["model.shop.orders"]["fqn"] = json!(["shop", "marts"]);
    assert_eq!(changes(&old, &new, false), []);
    assert!(changes(&old, &new, true).len() > 5);

    new["nodes"]["test.shop.no_debts.0a1b2c3d4e"]["raw_code"] = json!("select 3");
    new["nodes"]["model.shop.orders"]["raw_code"] = json!("select 2");
    new["nodes"]["model.shop.orders"]["checksum"] = json!({"name": "sha256", "checksum": "bb"});
    let found = changes(&old, &new, false);
    let ids: Vec<&str> = found.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["model.shop.orders", "test.shop.no_debts.0a1b2c3d4e"]);
    assert!(found.iter().all(|(_, change)| change.kind == ChangeKind::Modified));
}

/// What dbt 1.7 to 1.9 write, of one unchanged project: `old`, and the same by dbt 1.11.
fn of_two_versions(old: &str) -> (Value, Value) {
    let contracted = |constraint: Value, checksum: &str| {
        json!({
            "resource_type": "model", "name": "paid", "package_name": "shop", "fqn": ["shop", "paid"],
            "raw_code": "select 1 as id", "config": {"materialized": "table", "contract": {"enforced": true}},
            "unrendered_config": {"materialized": "table"}, "contract": {"enforced": true, "checksum": checksum},
            "columns": {"id": {"name": "id", "data_type": "integer", "constraints": [constraint]}}
        })
    };
    let (mut before, mut after) = (manifest(old), manifest("1.11.16"));
    let constraint = json!({"type": "not_null", "name": null, "expression": null, "warn_unenforced": true});
    let mut longer = constraint.clone();
    longer["to"] = Value::Null;
    longer["to_columns"] = json!([]);
    before["nodes"]["model.shop.paid"] = contracted(constraint, "48c1");
    after["nodes"]["model.shop.paid"] = contracted(longer, "3d7e");

    let limits = json!({"warn_after": {"count": 1, "period": "day"}, "error_after": {"count": null, "period": null}});
    let source = json!({
        "source_name": "raw", "name": "pings", "package_name": "shop", "meta": {"a": 1}, "tags": ["q"],
        "freshness": limits, "loaded_at_field": "at", "config": {"enabled": true}, "unrendered_config": {}
    });
    before["sources"]["source.shop.raw.pings"] = source.clone();
    let now = &mut after["sources"]["source.shop.raw.pings"];
    *now = source;
    let moved = json!({"freshness": limits, "loaded_at_field": "at", "meta": {"a": 1}, "tags": ["q"]});
    now["unrendered_config"] = moved.clone();
    now["config"] = moved;

    let semantic = |member: Value| {
        json!({"semantic_model.shop.orders": {
            "name": "orders", "package_name": "shop", "model": "ref('orders')", "config": {"enabled": true},
            "entities": [member.clone()], "dimensions": [member.clone()], "measures": [member]
        }})
    };
    before["semantic_models"] = semantic(json!({"name": "id", "type": "primary"}));
    after["semantic_models"] = semantic(json!({"name": "id", "type": "primary", "config": {"meta": {}}}));

    let query = |config: Value, export: Value| {
        json!({"saved_query.shop.daily": {
            "name": "daily", "package_name": "shop", "config": config, "exports": [export], "query_params": {}
        }})
    };
    let export = json!({"export_as": "table", "schema_name": null, "alias": null});
    before["saved_queries"] = query(json!({"enabled": true}), json!({"name": "ex", "config": export}));
    let export = json!({"export_as": "table", "schema_name": "prod", "alias": "ex", "database": "wh"});
    after["saved_queries"] = query(
        json!({"enabled": true, "cache": {"enabled": false}}),
        json!({"name": "ex", "config": export, "unrendered_config": {"export_as": "table"}}),
    );
    (before, after)
}

#[test]
fn what_dbt_1_11_writes_more_than_dbt_1_7_is_no_change() {
    let (before, after) = of_two_versions("1.7.20");
    assert_eq!(changes(&before, &after, false), []);
    assert_eq!(changes(&after, &before, false), [], "nor is it the other way round");
    let ids: Vec<String> = changes(&before, &after, true).into_iter().map(|(id, _)| id).collect();
    let expected = [
        "model.shop.orders",
        "model.shop.paid",
        "saved_query.shop.daily",
        "semantic_model.shop.orders",
        "source.shop.raw.pings",
    ];
    assert_eq!(ids, expected, "to the letter all of them differ");
}

#[test]
fn what_dbt_1_11_writes_more_hides_no_change_of_the_same_member() {
    let (before, mut after) = of_two_versions("1.7.20");
    after["nodes"]["model.shop.paid"]["columns"]["id"]["constraints"] = json!([]);
    after["sources"]["source.shop.raw.pings"]["unrendered_config"]["tags"] = json!(["r"]);
    after["sources"]["source.shop.raw.pings"]["config"]["tags"] = json!(["r"]);
    after["semantic_models"]["semantic_model.shop.orders"]["entities"][0]["type"] = json!("unique");
    after["saved_queries"]["saved_query.shop.daily"]["config"]["cache"]["enabled"] = json!(true);
    let export = &mut after["saved_queries"]["saved_query.shop.daily"]["exports"][0];
    export["unrendered_config"]["alias"] = json!("other");
    export["config"]["alias"] = json!("other");
    let found: Vec<(String, Vec<String>)> = changes(&before, &after, false)
        .into_iter()
        .map(|(id, change)| (id, change.reasons.iter().map(ToString::to_string).collect()))
        .collect();
    let found: Vec<(&str, Vec<&str>)> =
        found.iter().map(|(id, why)| (id.as_str(), why.iter().map(String::as_str).collect())).collect();
    let expected = [
        ("model.shop.paid", vec!["contract broken"]),
        ("saved_query.shop.daily", vec!["`config`", "`exports`"]),
        ("semantic_model.shop.orders", vec!["`entities`"]),
        ("source.shop.raw.pings", vec!["config `tags`"]),
    ];
    assert_eq!(found, expected);
}

#[test]
fn one_dbt_compares_to_the_letter() {
    let (before, mut after) = (manifest("1.11.16"), manifest("1.11.16"));
    let semantic = |meta: Value| json!({"semantic_model.shop.orders": {"name": "orders", "config": {"meta": meta}}});
    let mut before = before;
    before["semantic_models"] = semantic(json!({}));
    after["semantic_models"] = semantic(json!({"b": null}));
    let found = changes(&before, &after, false);
    assert_eq!(found.len(), 1, "a null that was written down is a change to dbt");
    assert_eq!(found[0].1.reasons, [Reason::Field { field: "config".to_owned() }]);
}
