//! Relocation of relation names, and the check that nothing else is named.

// Helpers of tests are not test functions to clippy.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use premerge::artifacts::{Manifest, ManifestFile};
use premerge::sql::{Dialect, RelationName, Relocation, SchemaName, SqlError, Territory, relocate};

fn name(text: &str, dialect: Dialect) -> RelationName {
    RelationName::parse(text, dialect).unwrap_or_else(|| panic!("{text} is no relation name"))
}

/// `pairs`: relation, its place. The unique_id is the relation's text.
fn map(dialect: Dialect, pairs: &[(&str, &str)]) -> Relocation {
    let mut relocation = Relocation::new(dialect);
    for (from, to) in pairs {
        assert!(relocation.insert(&name(from, dialect), from, &name(to, dialect)));
    }
    relocation
}

fn moved(relocation: &Relocation, sql: &str) -> String {
    relocate(sql, relocation).unwrap().sql
}

const DUCK: &[(&str, &str)] = &[
    (r#""wh"."core"."orders""#, r#""wh"."pr"."orders""#),
    (r#""wh"."core"."Customers""#, r#""wh"."pr"."Customers""#),
    (r#""wh"."a"."twin""#, r#""wh"."pr"."a__twin""#),
    (r#""wh"."b"."twin""#, r#""wh"."pr"."b__twin""#),
];

#[test]
fn names_move_and_everything_else_keeps_its_bytes() {
    let map = map(Dialect::DuckDb, DUCK);
    let cases = [
        (r#"select * from "wh"."core"."orders""#, r#"select * from "wh"."pr"."orders""#),
        (
            "select * from WH.Core.ORDERS o\r\nwhere 'ä' = o.x",
            "select * from \"wh\".\"pr\".\"orders\" o\r\nwhere 'ä' = o.x",
        ),
        ("select 'ß'\tfrom \"wh\" . /* x */ \"core\"\n.\"orders\"", "select 'ß'\tfrom \"wh\".\"pr\".\"orders\""),
        (r#"select 1 from "core"."orders""#, r#"select 1 from "wh"."pr"."orders""#),
        (r#"with a as (from "wh"."core"."orders") from a"#, r#"with a as (from "wh"."pr"."orders") from a"#),
        (
            "select * from wh.core.orders, wh.core.customers",
            r#"select * from "wh"."pr"."orders", "wh"."pr"."Customers""#,
        ),
        ("summarize wh.core.orders", r#"summarize "wh"."pr"."orders""#),
        (
            "select extract(day from orders.at) from wh.core.orders",
            r#"select extract(day from orders.at) from "wh"."pr"."orders""#,
        ),
    ];
    for (sql, expected) in cases {
        assert_eq!(moved(&map, sql), expected);
    }
}

#[test]
fn strings_comments_and_other_names_stay() {
    let map = map(Dialect::DuckDb, DUCK);
    let cases = [
        r#"select '"wh"."core"."orders"' from x"#,
        "select 1 -- from wh.core.orders\nfrom x",
        "select /* wh.core.orders /* nested */ wh.core.orders */ 1",
        "select $$ from wh.core.orders $$, e'\\' from wh.core.orders' from x",
        "select * from srv.wh.core.orders",
        "select * from core.orders.x",
        "select * from wh.core.orders_old, wh.core2.orders, other.core.orders",
        "select core.orders, t.core.orders from x as core",
        "with orders as (select 1) select orders.id, s.core.orders from orders",
    ];
    for sql in cases {
        assert_eq!(moved(&map, sql), sql);
    }
}

/// PostgreSQL looks relations up by name in these places, and a string is a string elsewhere.
#[test]
fn a_string_that_the_server_looks_up_moves() {
    let map = map(Dialect::Postgres, &[(r#""wh"."core"."orders""#, r#""wh"."pr"."it's""#)]);
    let (old, new) = (r#"'"wh"."core"."orders"'"#, r#"'"wh"."pr"."it''s"'"#);
    for place in [
        "select pg_relation_size(@)",
        "select PG_Total_Relation_Size ( /* all */ @ , true)",
        "select @::regclass",
        "select cast(@ as regclass)",
        "select to_regclass(@) from x",
    ] {
        assert_eq!(moved(&map, &place.replace('@', old)), place.replace('@', new));
        let used = relocate(&place.replace('@', old), &map).unwrap().used;
        assert!(used.contains(r#""wh"."core"."orders""#), "{place}");
    }
    for place in ["select @ as name", "select md5(@)", "select pg_relation_size(x, @)", "select E@::regclass"] {
        assert_eq!(moved(&map, &place.replace('@', old)), place.replace('@', old));
    }
    assert_eq!(moved(&map, "select 'core.orders'::regclass"), format!("select {new}::regclass"));
}

#[test]
fn a_column_that_is_spelled_with_its_relation_follows_it() {
    let map = map(Dialect::DuckDb, DUCK);
    let sql = r#"select "wh"."core"."orders"."id", core.orders.*, orders.x from "wh"."core"."orders"
        where wh.core.orders.id > 1"#;
    let expected = r#"select "wh"."pr"."orders"."id", "wh"."pr"."orders".*, orders.x from "wh"."pr"."orders"
        where "wh"."pr"."orders".id > 1"#;
    assert_eq!(moved(&map, sql), expected);
    // No table of this statement: `core` is whatever the statement says it is.
    let alias = "select core.orders.id from x as core";
    assert_eq!(moved(&map, alias), alias);
}

#[test]
fn a_changed_identifier_keeps_its_old_name_as_alias_where_the_text_uses_it() {
    let map = map(Dialect::DuckDb, DUCK);
    let cases = [
        ("select twin.x from wh.a.twin where 1=1", r#"select twin.x from "wh"."pr"."a__twin" as twin where 1=1"#),
        (
            r#"select "twin".x, wh.a.twin.y from "wh"."a"."twin""#,
            r#"select "twin".x, "twin".y from "wh"."pr"."a__twin" as "twin""#,
        ),
        ("select t.x from wh.a.twin t", r#"select t.x from "wh"."pr"."a__twin" t"#),
        (
            "select x from wh.a.twin join wh.b.twin as u on u.x = 1",
            r#"select x from "wh"."pr"."a__twin" join "wh"."pr"."b__twin" as u on u.x = 1"#,
        ),
        (
            "select wh.a.twin.x, wh.b.twin.y from wh.a.twin join wh.b.twin on wh.a.twin.x = wh.b.twin.x",
            r#"select "wh"."pr"."a__twin".x, "wh"."pr"."b__twin".y from "wh"."pr"."a__twin" join "wh"."pr"."b__twin" on "wh"."pr"."a__twin".x = "wh"."pr"."b__twin".x"#,
        ),
        (
            "with twin as (select * from wh.a.twin) select twin.x from twin",
            r#"with twin as (select * from "wh"."pr"."a__twin" as twin) select twin.x from twin"#,
        ),
    ];
    for (sql, expected) in cases {
        assert_eq!(moved(&map, sql), expected);
    }
    let error = relocate("select twin.x from wh.a.twin tablesample (10 rows)", &map).unwrap_err();
    assert!(matches!(error, SqlError::NeedsAlias { .. }), "{error}");
    let error = relocate("select twin.x from wh.a.twin, wh.b.twin", &map).unwrap_err();
    assert!(matches!(error, SqlError::AmbiguousAlias { .. }), "{error}");
}

#[test]
fn each_dialect_compares_names_in_its_own_way() {
    let snowflake = map(Dialect::Snowflake, &[("analytics.core.orders", "analytics.pr.orders")]);
    let there = r#"select * from "ANALYTICS"."PR"."ORDERS""#;
    assert_eq!(moved(&snowflake, "select * from Analytics.CORE.orders"), there);
    assert_eq!(moved(&snowflake, r#"select * from "ANALYTICS".core."ORDERS""#), there);
    let quoted = r#"select * from "analytics".core.orders"#;
    assert_eq!(moved(&snowflake, quoted), quoted);
    let slashes = "select 1 // from analytics.core.orders\nfrom x";
    assert_eq!(moved(&snowflake, slashes), slashes);

    let postgres = map(Dialect::Postgres, &[(r#""db"."core"."Orders""#, r#""db"."pr"."Orders""#)]);
    assert_eq!(moved(&postgres, r#"select * from DB.CORE."Orders""#), r#"select * from "db"."pr"."Orders""#);
    let folded = "select * from db.core.Orders";
    assert_eq!(moved(&postgres, folded), folded);

    let bigquery = map(Dialect::BigQuery, &[("`my-proj`.`core`.`orders`", "`my-proj`.`pr`.`orders`")]);
    let there = "select * from `my-proj`.`pr`.`orders` o";
    for spelled in ["`my-proj.core.orders`", "`my-proj`.core.orders", "my-proj.core.orders"] {
        assert_eq!(moved(&bigquery, &format!("select * from {spelled} o")), there);
    }
    let string = r#"select "my-proj.core.orders", r'\' from x"#;
    assert_eq!(moved(&bigquery, string), string);

    let databricks = map(Dialect::Databricks, &[("`core`.`orders`", "`pr`.`orders`")]);
    assert_eq!(moved(&databricks, "select * from core.orders"), "select * from `pr`.`orders`");
    let column = "select core.orders from x as core";
    assert_eq!(moved(&databricks, column), column);
}

#[test]
fn what_is_in_place_already_is_counted_and_not_touched() {
    let map = map(Dialect::DuckDb, &[(r#""wh"."pr"."orders""#, r#""wh"."pr"."orders""#)]);
    let sql = "select * from WH.pr . orders";
    let result = relocate(sql, &map).unwrap();
    assert_eq!(result.sql, sql);
    assert_eq!(result.used.len(), 1);
}

#[test]
fn a_name_belongs_to_the_node_that_was_mapped_first() {
    let dialect = Dialect::DuckDb;
    let mut map = Relocation::new(dialect);
    assert!(map.insert(&name("wh.core.x", dialect), "model.new", &name("wh.pr.x", dialect)));
    assert!(!map.insert(&name("WH.core.X", dialect), "model.old", &name("wh.pr.y", dialect)));
    assert_eq!(map.unique_id(&name("wh.core.x", dialect)), Some("model.new"));
}

fn territory(dialect: Dialect) -> Territory {
    let mut territory = Territory::new(dialect, name("wh.pr.x", dialect).schema().cloned());
    territory.forbid(&name("wh.core.orders", dialect), "model.p.orders");
    territory.forbid(&name("wh.main.stock", dialect), "model.p.stock");
    territory.allow(&name("wh.core.raw_orders", dialect));
    territory.allow(&name("wh.raw.events", dialect));
    territory
}

#[test]
fn names_in_production_are_found_out() {
    let territory = territory(Dialect::DuckDb);
    let cases = [
        "select * from wh.core.orders",
        "select * from core.orders",
        "select * from core.anything_else",
        "select * from a, core.anything_else",
        "select * from a join lateral (select * from core.x) on true",
        "with core as (select 1) select * from core.orders",
        "select (select max(x) from WH.\"core\".y)",
        "select wh.core.orders.id from wh.raw.events",
        "describe core.orders",
        "select * from wh.stock",
        "select * from query_table('core.orders')",
        "select * from a left join core.orders on a.x = 1",
        "select 1 where x in (from core.orders)",
    ];
    for sql in cases {
        let found = territory.foreign(sql).unwrap();
        assert_eq!(found.len(), 1, "{sql}: {found:?}");
    }
    let found = territory.foreign("select 1\nfrom wh.core.orders").unwrap();
    assert_eq!(found[0].relation, "wh.core.orders");
    assert_eq!(found[0].unique_id.as_deref(), Some("model.p.orders"));
    assert_eq!(found[0].line, 2);
}

#[test]
fn columns_aliases_sources_and_the_temporary_schema_are_no_alarm() {
    let duck = territory(Dialect::DuckDb);
    let cases = [
        "select * from wh.pr.orders, pr.stock",
        "select * from wh.raw.events join wh.core.raw_orders on true",
        "select core.orders from wh.pr.orders as core",
        "select core.a.b.c from wh.pr.orders core",
        "select wh.core.x from wh.pr.orders as wh",
        "select 'wh.core.orders' -- wh.core.orders",
        "select core.my_function(1), wh.core.my_function(2)",
        "select extract(year from core.orders) from x core",
        "select a is distinct from core.b from x as core",
        "with core as (select 1 as orders) select core.orders from core order by core.orders, core.x",
        "select s.core.orders from (select {'core': {'orders': 1}} as s) as s",
    ];
    for sql in cases {
        assert_eq!(duck.foreign(sql).unwrap(), vec![], "{sql}");
    }
    // BigQuery's FROM takes the path of an array behind an alias.
    let array = territory(Dialect::BigQuery).foreign("select * from `wh.pr.orders` as core, core.items").unwrap();
    assert_eq!(array, vec![]);
}

/// Manifests that real dbt wrote: the project's own, and the shared corpus where it is at hand.
fn manifests() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["fixtures/ferry", "../shared/corpus/own", "../../shared/corpus/own"] {
        collect(&root.join(folder), 2, &mut found);
    }
    found
}

fn collect(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs_err::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() && depth > 0 {
            collect(&path, depth - 1, found);
        } else if path.to_string_lossy().ends_with("manifest.json.gz") {
            found.push(path);
        }
    }
}

fn relations<'m>(manifest: &'m Manifest<'_>) -> Vec<(&'m str, RelationName)> {
    let nodes = manifest.nodes.iter().filter(|(_, node)| node.resource_type.is_relation());
    nodes
        .filter_map(|(id, node)| {
            Some((id.as_ref(), RelationName::parse(node.relation_name.as_deref()?, Dialect::DuckDb)?))
        })
        .collect()
}

#[test]
fn real_statements_keep_their_bytes_and_name_all_their_parents() {
    let mut statements = 0;
    let mut seen = std::collections::HashSet::new();
    for path in manifests() {
        let file = ManifestFile::read(&path).unwrap();
        let manifest = file.parse().unwrap();
        let mut identity = Relocation::new(Dialect::DuckDb);
        let mut everything = Relocation::new(Dialect::DuckDb);
        let mut territory = Territory::new(Dialect::DuckDb, name("t.pr.x", Dialect::DuckDb).schema().cloned());
        for (id, relation) in relations(&manifest) {
            identity.insert(&relation, id, &relation);
            let to = SchemaName::new(Some("t".into()), "pr".into()).relation(relation.identifier());
            everything.insert(&relation, id, &to);
            territory.forbid(&relation, id);
        }
        for source in manifest.sources.values() {
            let relation = source.relation_name.as_deref().and_then(|text| RelationName::parse(text, Dialect::DuckDb));
            territory.allow(&relation.unwrap_or_else(|| panic!("{:?}", source.relation_name)));
        }
        for (id, node) in &manifest.nodes {
            let Some(code) = &node.compiled_code else { continue };
            let sql = code.get();
            if node.is_python() || !seen.insert(format!("{id} {sql}")) {
                continue;
            }
            statements += 1;
            let same = relocate(&sql, &identity).unwrap();
            assert_eq!(same.sql, sql, "{id}");
            let lost: Vec<_> = node
                .depends_on
                .nodes
                .iter()
                .filter(|parent| manifest.nodes.get(*parent).is_some_and(|parent| parent.relation_name.is_some()))
                .filter(|parent| !same.used.contains(parent.as_ref()))
                .collect();
            // A parent may be read while compiling only, or in a branch not taken.
            if !lost.is_empty() {
                println!("{}: {id} does not name {lost:?}", path.display());
            }
            let moved = relocate(&sql, &everything).unwrap();
            assert_eq!(territory.foreign(&moved.sql).unwrap(), vec![], "{}: {id}\n{}", path.display(), moved.sql);
        }
    }
    assert!(statements > 50, "only {statements} statements were looked at");
    println!("{statements} statements");
}

mod property {
    use super::{DUCK, map};
    use premerge::sql::{Dialect, relocate};
    use proptest::prelude::*;

    /// A piece of SQL, and what becomes of it.
    fn piece() -> impl Strategy<Value = (String, String)> {
        let same = |text: &'static str| Just((text.to_owned(), text.to_owned()));
        prop_oneof![
            Just((r#" from "wh"."core"."orders" "#.to_owned(), r#" from "wh"."pr"."orders" "#.to_owned())),
            Just((" join WH.core.Orders on ".to_owned(), r#" join "wh"."pr"."orders" on "#.to_owned())),
            same(r#" '"wh"."core"."orders"' "#),
            same(" 'it''s wh.core.orders' "),
            // With an operator behind it: a string right behind it would go on with its escapes, and is refused.
            same(" e'\\' from wh.core.orders' || "),
            same(" $tag$ from wh.core.orders ' $tag$ "),
            same(" -- from wh.core.orders '\n"),
            same(" -- \u{e4}\u{1f600} from wh.core.orders\r\n"),
            same(" /* from wh.core.orders /* ' */ */ "),
            same(r#" "a ""b"" wh.core.orders" "#),
            same(" select \u{e4}.x, '\u{1f600}', 1.5e3 "),
            same("\t(\n"),
            same(" ) "),
            same(" , "),
            same(" where x.y = 1 "),
            same(" [1, 2] "),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn names_move_and_strings_and_comments_do_not(pieces in prop::collection::vec(piece(), 0..25)) {
            let sql: String = pieces.iter().map(|piece| piece.0.as_str()).collect();
            let expected: String = pieces.iter().map(|piece| piece.1.as_str()).collect();
            let relocated = relocate(&sql, &map(Dialect::DuckDb, DUCK)).unwrap();
            prop_assert_eq!(relocated.sql, expected);
        }

        /// Whatever the text is: no panic, and without a map no byte changes.
        #[test]
        fn any_text_is_left_alone_or_refused(sql in r#"[a-z."'`$;/*# \-\n\r(),äß🙂0-9\[\]{}:=|]{0,60}"#) {
            for dialect in [
                Dialect::DuckDb,
                Dialect::Postgres,
                Dialect::Redshift,
                Dialect::Snowflake,
                Dialect::BigQuery,
                Dialect::Databricks,
            ] {
                if let Ok(relocated) = relocate(&sql, &map(dialect, &[])) {
                    prop_assert_eq!(&relocated.sql, &sql);
                }
                let _ = super::territory(Dialect::DuckDb).foreign(&sql);
            }
        }
    }
}
