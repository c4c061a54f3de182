//! Functions that the project's `on-run-start` hooks make before dbt builds. premerge runs no hooks, so a model that calls
//! one cannot be checked: there is none, or one that an older run of CI has left.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::artifacts::{Manifest, ResourceType};
use crate::sql::{Dialect, Facts};
use crate::text::whole_word::has_word;

/// What the hooks say, with the macros that they call.
#[derive(Debug, Default)]
pub(super) struct Hooks<'a> {
    /// The target's schema, in which hooks make what they make.
    schemas: BTreeSet<String>,
    /// In small letters.
    texts: Vec<Cow<'a, str>>,
}

impl<'a> Hooks<'a> {
    pub(super) fn of(manifest: &'a Manifest<'a>, dialect: Dialect) -> Self {
        let is_hook = |tags: &[Cow<'_, str>]| tags.iter().any(|tag| tag == "on-run-start");
        let operations = manifest.nodes.values().filter(|node| node.resource_type == ResourceType::Operation);
        let mut hooks = Self::default();
        let mut macros: Vec<&str> = Vec::new();
        for hook in operations.filter(|node| is_hook(&node.tags)) {
            hooks.schemas.extend(hook.schema.as_deref().map(|schema| dialect.canonical(schema, true)));
            hooks.texts.push(lower(hook.raw_code.get()));
            macros.extend(hook.depends_on.macros.iter().map(Cow::as_ref));
        }
        let mut seen = BTreeSet::new();
        while let Some(id) = macros.pop() {
            if let Some(called) = manifest.macros.get(id).filter(|_| seen.insert(id)) {
                hooks.texts.push(lower(called.macro_sql.get()));
                macros.extend(called.depends_on.macros.iter().map(Cow::as_ref));
            }
        }
        // `create function`, and on DuckDB `create macro`, which are Jinja's words, too.
        hooks.texts.retain(|text| text.contains("create"));
        hooks
    }

    /// A function that a text calls and that a hook makes, as written.
    pub(super) fn function_of(&self, facts: &Facts, dialect: Dialect) -> Option<String> {
        let called = facts.functions.iter().find(|named| {
            let [.., schema, name] = named.parts.as_slice() else { return false };
            let name = name.to_lowercase();
            self.schemas.contains(&dialect.canonical(schema, true))
                && self.texts.iter().any(|text| has_word(text, &name))
        });
        called.map(|named| named.parts.join("."))
    }
}

fn lower(text: Cow<'_, str>) -> Cow<'_, str> {
    Cow::Owned(text.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{ProjectText, judge};

    #[test]
    fn a_function_of_a_hook_is_known_by_its_schema_and_name() {
        let manifest = r#"{"metadata": {}, "nodes": {"operation.p.p-on-run-start-0": {
            "unique_id": "operation.p.p-on-run-start-0", "resource_type": "operation", "name": "p-on-run-start-0",
            "schema": "ci", "tags": ["on-run-start"], "raw_code": "{{ make_functions() }}",
            "depends_on": {"macros": ["macro.p.make_functions"]}}},
            "macros": {"macro.p.make_functions": {"unique_id": "macro.p.make_functions", "name": "make_functions",
            "macro_sql": "create or replace function {{ target.schema }}.Cents(n int) returns int language sql as 'select n'"}}}"#;
        let manifest: Manifest<'_> = serde_json::from_str(manifest).unwrap();
        let hooks = Hooks::of(&manifest, Dialect::Postgres);
        for (sql, function) in [
            ("select ci.cents(1) as n", Some("ci.cents")),
            ("select ci.other(1) as n", None),
            ("select raw.cents(1) as n", None),
            ("select cents(1) as n", None),
        ] {
            let facts = judge(ProjectText::Query(sql), Dialect::Postgres).unwrap();
            assert_eq!(hooks.function_of(&facts, Dialect::Postgres).as_deref(), function, "{sql}");
        }
    }
}
