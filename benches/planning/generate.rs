//! Pairs of manifests of any size, as `dbt compile` would write them: production's, compiled for the target
//! `prod`, and the pull request's, compiled for `ci`. The same size gives the same bytes.

use std::fmt::Write as _;
use std::io::{BufWriter, Write};
use std::path::Path;

use fs_err::File;
use serde_json::{Value, json};

/// Data tests for every ten models.
const TESTS_PER_TEN: usize = 27;
/// Macros: dbt's own and those of a few packages are about so many.
const MACROS: usize = 700;
const DOMAINS: usize = 35;

/// What the pull request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Five models get another body, one a comment, one is new.
    Usual,
    /// A macro that every model calls changes.
    EveryModel,
}

/// Writes `state.json` and `pr.json` with `models` models into `folder`.
pub(crate) fn write_pair(folder: &Path, models: usize, edit: Edit) -> std::io::Result<()> {
    write(&folder.join("state.json"), models, None)?;
    write(&folder.join("pr.json"), models, Some(edit))
}

fn write(path: &Path, models: usize, edit: Option<Edit>) -> std::io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    let project = Project { models, edit };
    let metadata = json!({
        "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "dbt_version": "1.11.6",
        "generated_at": "2026-01-05T03:04:05.000000Z", "adapter_type": "duckdb", "project_name": "scale",
        "invocation_id": "00000000-0000-0000-0000-000000000000", "env": {}
    });
    write!(out, "{{\"metadata\": {metadata}, \"nodes\": {{")?;
    let added = usize::from(edit.is_some());
    let tests = models * TESTS_PER_TEN / 10;
    let nodes = (0..models + added).map(|number| project.model(number));
    members(&mut out, nodes.chain((0..tests).map(|number| project.test(number))))?;
    write!(out, "}}, \"sources\": {{")?;
    members(&mut out, (0..project.staging()).map(|number| project.source(number)))?;
    write!(out, "}}, \"macros\": {{")?;
    members(&mut out, (0..MACROS).map(|number| project.macro_(number)))?;
    write!(out, "}}, \"docs\": {{}}, \"exposures\": {{}}, \"metrics\": {{}}, \"groups\": {{}}, \"selectors\": {{}}, ")?;
    write!(out, "\"disabled\": {{}}, \"parent_map\": {{")?;
    let ids = (0..models).map(|number| (project.id(number), project.parents(number)));
    for (place, (id, parents)) in ids.enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        write!(out, "{comma}{}: {}", Value::from(id), Value::from(parents))?;
    }
    // The other way round it is about as long.
    write!(out, "}}, \"child_map\": {{")?;
    for number in 0..models {
        let comma = if number == 0 { "" } else { ", " };
        let tests = [number * 2, number * 2 + 1].map(|test| project.test_id(test));
        write!(out, "{comma}{}: {}", Value::from(project.id(number)), json!(tests))?;
    }
    write!(out, "}}}}")?;
    out.flush()
}

fn members(out: &mut impl Write, members: impl Iterator<Item = (String, Value)>) -> std::io::Result<()> {
    for (place, (id, value)) in members.enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        write!(out, "{comma}{}: {value}", Value::from(id))?;
    }
    Ok(())
}

struct Project {
    models: usize,
    /// `None` in production's manifest.
    edit: Option<Edit>,
}

impl Project {
    fn target(&self) -> &'static str {
        if self.edit.is_some() { "ci" } else { "prod" }
    }

    /// Models that read a source: the first four in ten. The next three and a half read those, the rest all.
    fn staging(&self) -> usize {
        (self.models * 4 / 10).max(1)
    }

    fn name(&self, number: usize) -> String {
        let layer = if number < self.staging() {
            "stg"
        } else if number < self.models * 3 / 4 {
            "int"
        } else {
            "fct"
        };
        format!("{layer}_domain_{:02}_{number:06}", number % DOMAINS)
    }

    fn id(&self, number: usize) -> String {
        format!("model.scale.{}", self.name(number))
    }

    fn test_id(&self, number: usize) -> String {
        let tested = number * 10 / TESTS_PER_TEN;
        let kind = if number.is_multiple_of(3) { "unique" } else { "not_null" };
        format!("test.scale.{kind}_{}_{number:06}.{:010x}", self.name(tested), number * 2_654_435_761 % 0xff_ffff_ffff)
    }

    fn schema(&self, number: usize) -> String {
        format!("{}_d{:02}", self.target(), number % DOMAINS)
    }

    fn relation(&self, number: usize) -> String {
        format!("\"scale\".\"{}\".\"{}\"", self.schema(number), self.name(number))
    }

    fn source_relation(number: usize) -> String {
        format!("\"scale\".\"raw_d{:02}\".\"raw_{number:06}\"", number % DOMAINS)
    }

    fn parent_models(&self, number: usize) -> Vec<usize> {
        let (staging, intermediate) = (self.staging(), self.models * 3 / 4);
        let (from, to) = match number {
            number if number < staging => return Vec::new(),
            number if number < intermediate => (0, staging),
            _ => (staging, intermediate.max(staging + 1).min(self.models)),
        };
        let mut parents: Vec<usize> =
            (0..=number % 4).map(|step| from + (number * 7919 + step * 104_729) % (to - from)).collect();
        parents.sort_unstable();
        parents.dedup();
        parents
    }

    fn parents(&self, number: usize) -> Vec<String> {
        if number < self.staging() {
            return vec![format!("source.scale.src.raw_{number:06}")];
        }
        self.parent_models(number).into_iter().map(|parent| self.id(parent)).collect()
    }

    fn columns(number: usize) -> Vec<String> {
        let amounts = (0..number % 10).map(|place| format!("amount_{place}"));
        ["id", "status", "parent_id"].map(str::to_owned).into_iter().chain(amounts).collect()
    }

    fn edited(&self, number: usize) -> bool {
        // Five of the last quarter, wherever that is.
        self.edit == Some(Edit::Usual)
            && number < self.models
            && (self.models - number - 1) % (self.models / 5).max(1) == 3
    }

    /// The text of a model; `relations` are its parents, compiled or not.
    fn sql(&self, number: usize, relations: &[String], compiled: bool) -> String {
        let columns = Self::columns(number);
        let mut sql = String::with_capacity(2000);
        if self.edit == Some(Edit::Usual) && number == self.models / 2 {
            sql.push_str("-- says more than it did\n");
        }
        let _ = write!(sql, "with ");
        for (place, relation) in relations.iter().enumerate() {
            let _ = write!(sql, "parent_{place} as (\n\n    select * from {relation}\n\n),\n\n");
        }
        sql.push_str("final as (\n\n    select");
        for (place, column) in columns.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            let _ = match (column.starts_with("amount"), compiled) {
                (false, _) => write!(sql, "{comma}\n        parent_0.{column}"),
                (true, true) => write!(
                    sql,
                    "{comma}\n        coalesce(cast(parent_0.{column} as decimal(18, 2)) / 100.0, 0) + {} as {column}",
                    number % 9
                ),
                (true, false) => write!(
                    sql,
                    "{comma}\n        {{{{ cents_to_units('parent_0.{column}') }}}} + {} as {column}",
                    number % 9
                ),
            };
        }
        sql.push_str(
            ",\n        case\n            -- what finance calls open\n            when parent_0.status in ('new', ",
        );
        sql.push_str(
            "'open', 'it''s pending') then 'open'\n            else parent_0.status\n        end as status_group",
        );
        sql.push_str("\n    from parent_0\n");
        for place in 1..relations.len() {
            let _ = writeln!(sql, "    left join parent_{place} on parent_0.id = parent_{place}.id");
        }
        let limit = if self.edited(number) { number + 1 } else { number };
        let _ = write!(sql, "    where parent_0.id > {limit}\n\n)\n\n");
        for step in 0..number % 5 {
            let _ = writeln!(sql, "-- A remark of the kind that models have, about step {step} and why it is needed.");
        }
        sql.push_str("select * from final");
        sql
    }

    fn model(&self, number: usize) -> (String, Value) {
        let (id, name) = (self.id(number), self.name(number));
        let parents = self.parents(number);
        let (refs, sources, raw, compiled): (Vec<Value>, Vec<Value>, Vec<String>, Vec<String>) = if number
            < self.staging()
        {
            let source = format!("raw_{number:06}");
            let raw = format!("{{{{ source('src', '{source}') }}}}");
            (vec![], vec![json!(["src", source])], vec![raw], vec![Self::source_relation(number)])
        } else {
            let of = self.parent_models(number);
            let refs = of.iter().map(|parent| json!({"name": self.name(*parent), "package": null, "version": null}));
            let raw = of.iter().map(|parent| format!("{{{{ ref('{}') }}}}", self.name(*parent)));
            (refs.collect(), vec![], raw.collect(), of.iter().map(|parent| self.relation(*parent)).collect())
        };
        let columns: serde_json::Map<String, Value> = Self::columns(number)
            .into_iter()
            .map(|column| {
                let definition = json!({
                    "name": column, "description": format!("The {column} of {name}."), "meta": {}, "data_type": null,
                    "constraints": [], "quote": null, "config": {"meta": {}, "tags": []}, "tags": [],
                    "granularity": null, "doc_blocks": []
                });
                (column, definition)
            })
            .collect();
        let domain = format!("d{:02}", number % DOMAINS);
        let path = format!("{domain}/{name}.sql");
        let materialized = if number.is_multiple_of(20) { "table" } else { "view" };
        let node = json!({
            "database": "scale", "schema": self.schema(number), "name": name, "resource_type": "model",
            "package_name": "scale", "path": path, "original_file_path": format!("models/{path}"), "unique_id": id,
            "fqn": ["scale", domain, name], "alias": name,
            "checksum": {"name": "sha256", "checksum": format!("{:064x}", number * 7919)},
            "config": {
                "enabled": true, "alias": null, "schema": domain, "database": null, "tags": [], "meta": {},
                "group": null, "static_analysis": null, "materialized": materialized, "incremental_strategy": null,
                "batch_size": null, "lookback": 1, "begin": null, "persist_docs": {}, "post-hook": [], "pre-hook": [],
                "quoting": {}, "column_types": {}, "full_refresh": null, "unique_key": null,
                "on_schema_change": "ignore", "on_configuration_change": "apply", "grants": {}, "packages": [],
                "docs": {"show": true, "node_color": null}, "contract": {"enforced": false, "alias_types": true},
                "event_time": null, "concurrent_batches": null, "access": "protected", "freshness": null
            },
            "tags": [], "description": format!("Rows of {name}, one per id."), "columns": columns, "meta": {},
            "group": null, "docs": {"show": true, "node_color": null},
            "patch_path": format!("scale://models/{domain}/schema.yml"), "build_path": null,
            "unrendered_config": {"materialized": materialized, "schema": domain}, "created_at": 1_795_208_000.822,
            "relation_name": self.relation(number), "raw_code": self.sql(number, &raw, false), "doc_blocks": [],
            "language": "sql", "refs": refs, "sources": sources, "metrics": [], "functions": [],
            "depends_on": {"macros": ["macro.scale.macro_000"], "nodes": parents},
            "compiled_path": format!("target/compiled/scale/models/{path}"), "compiled": true,
            "compiled_code": self.sql(number, &compiled, true), "extra_ctes_injected": true, "extra_ctes": [],
            "contract": {"enforced": false, "alias_types": true, "checksum": null}, "access": "protected",
            "constraints": [], "version": null, "latest_version": null, "deprecation_date": null, "primary_key": [],
            "time_spine": null
        });
        (id, node)
    }

    fn test(&self, number: usize) -> (String, Value) {
        let id = self.test_id(number);
        let tested = number * 10 / TESTS_PER_TEN;
        let name = id.split('.').nth(2).unwrap_or_default().to_owned();
        let model = self.name(tested);
        let code = format!(
            "\n    \n    \n\n\n\nselect id\nfrom {}\nwhere id is null or id in ('none')\n\n\n",
            self.relation(tested)
        );
        let node = json!({
            "database": "scale", "schema": format!("{}_dbt_test__audit", self.target()), "name": name,
            "resource_type": "test", "package_name": "scale", "path": format!("{name}.sql"),
            "original_file_path": format!("models/d{:02}/schema.yml", tested % DOMAINS), "unique_id": id,
            "fqn": ["scale", format!("d{:02}", tested % DOMAINS), name], "alias": name,
            "checksum": {"name": "none", "checksum": ""},
            "config": {
                "enabled": true, "alias": null, "schema": "dbt_test__audit", "database": null, "tags": [], "meta": {},
                "group": null, "static_analysis": null, "materialized": "test", "severity": "ERROR",
                "store_failures": null, "store_failures_as": null, "where": null, "limit": null,
                "fail_calc": "count(*)", "warn_if": "!= 0", "error_if": "!= 0"
            },
            "tags": [], "description": "", "columns": {}, "meta": {}, "group": null,
            "docs": {"show": true, "node_color": null}, "patch_path": null, "build_path": null,
            "unrendered_config": {}, "created_at": 1_795_208_000.822, "relation_name": null,
            "raw_code": "{{ test_not_null(**_dbt_generic_test_kwargs) }}", "doc_blocks": [], "language": "sql",
            "refs": [{"name": model, "package": null, "version": null}], "sources": [], "metrics": [], "functions": [],
            "depends_on": {
                "macros": ["macro.dbt.test_not_null", "macro.dbt.get_where_subquery"], "nodes": [self.id(tested)]
            },
            "compiled_path": format!("target/compiled/scale/models/d{:02}/schema.yml/{name}.sql", tested % DOMAINS),
            "compiled": true, "compiled_code": code, "extra_ctes_injected": true, "extra_ctes": [],
            "contract": {"enforced": false, "alias_types": true, "checksum": null}, "column_name": "id",
            "file_key_name": format!("models.{model}"), "attached_node": self.id(tested),
            "test_metadata": {
                "name": "not_null", "namespace": null,
                "kwargs": {"column_name": "id", "model": format!("{{{{ get_where_subquery(ref('{model}')) }}}}")}
            }
        });
        (id, node)
    }

    fn source(&self, number: usize) -> (String, Value) {
        let name = format!("raw_{number:06}");
        let id = format!("source.scale.src.{name}");
        let source = json!({
            "database": "scale", "schema": format!("raw_d{:02}", number % DOMAINS), "name": name,
            "resource_type": "source", "package_name": "scale", "path": "models/sources.yml",
            "original_file_path": "models/sources.yml", "unique_id": id, "fqn": ["scale", "src", name],
            "source_name": "src", "source_description": "", "loader": "", "identifier": name,
            "quoting": {"database": null, "schema": null, "identifier": null, "column": null},
            "loaded_at_field": null, "loaded_at_query": null, "freshness": null, "external": null, "description": "",
            "columns": {}, "meta": {}, "source_meta": {}, "tags": [], "config": {"enabled": true}, "patch_path": null,
            "unrendered_config": {}, "relation_name": Self::source_relation(number), "created_at": 1_795_208_000.822,
            "unrendered_database": null, "unrendered_schema": null, "doc_blocks": []
        });
        (id, source)
    }

    fn macro_(&self, number: usize) -> (String, Value) {
        let id = format!("macro.scale.macro_{number:03}");
        let more = if number == 0 && self.edit == Some(Edit::EveryModel) { "{# changed #}" } else { "" };
        let text =
            format!("{{% macro macro_{number:03}(x) %}}\n{}{more}{{% endmacro %}}", "    {{ x }} -- text\n".repeat(30));
        let calls: Vec<String> =
            if number % 7 == 3 { vec![format!("macro.scale.macro_{:03}", number - 1)] } else { vec![] };
        let value = json!({
            "name": format!("macro_{number:03}"), "resource_type": "macro", "package_name": "scale",
            "path": "macros/all.sql", "original_file_path": "macros/all.sql", "unique_id": id, "macro_sql": text,
            "depends_on": {"macros": calls}, "description": "", "meta": {}, "docs": {"show": true, "node_color": null},
            "patch_path": null, "arguments": [], "created_at": 1_795_208_000.822, "supported_languages": null
        });
        (id, value)
    }
}
