//! Remarks: what dbt says while it compares, and what is built in another way than dbt builds it.

use std::collections::BTreeSet;

use super::build_set::BuildSet;
use super::document::{Materialization, Notice, NoticeLevel, NoticeRule};
use super::facts::Facts;
use crate::artifacts::{UniqueId, UniqueIdRef};
use crate::changes::{self, JudgedBy};
use crate::project::NodeId;
use crate::sql::{Dialect, strings};

/// All remarks, the heaviest first. `wanted`: what `--select` and `--exclude` leave.
pub(super) fn notices(
    facts: &Facts<'_>,
    set: &BuildSet,
    proxied: &BTreeSet<NodeId>,
    wanted: impl Fn(NodeId) -> bool,
) -> Vec<Notice> {
    let is_wanted = |notice: &&changes::Notice| facts.graph.id(&notice.unique_id).is_none_or(&wanted);
    let mut found: Vec<Notice> = facts.changes.notices.iter().filter(is_wanted).map(dbts).collect();
    found.sort_by(|a, b| (a.level, &a.unique_id).cmp(&(b.level, &b.unique_id)));
    found.extend(built_differently(facts, set, proxied));
    found.extend(overridden_materializations(facts, set));
    found.extend(wrapped_tests(facts));
    found.extend(schemas_in_strings(facts, set));
    found
}

/// Built nodes in whose text a string is the name of a schema (`where table_schema = '{{ this.schema }}'`): it stays as
/// it is, and cannot be right in the temporary schema.
fn schemas_in_strings(facts: &Facts<'_>, set: &BuildSet) -> Vec<Notice> {
    let schemas = |manifest: &'_ crate::artifacts::Manifest<'_>| -> BTreeSet<String> {
        let relations = manifest.nodes.values().filter(|node| node.resource_type.is_relation());
        relations.filter_map(|node| node.schema.as_deref().map(str::to_owned)).collect()
    };
    if set.built.is_empty() {
        return Vec::new();
    }
    let dialect = Dialect::of_adapter(facts.adapter());
    let mut names = schemas(facts.pr);
    names.extend(schemas(facts.state));
    let mut found = Vec::new();
    for id in set.built.keys() {
        let Some(code) = facts.node(*id).and_then(|node| node.compiled_code) else { continue };
        let code = code.get();
        // Taking a text apart takes longer than looking whether it can hold one.
        if !names.iter().any(|name| code.contains(&format!("'{name}'"))) {
            continue;
        }
        let held = strings(&code, dialect).unwrap_or_default();
        if let Some(name) = names.intersection(&held).next() {
            let message = format!(
                "contains the schema name `{name}` as a string, which is not rewritten: in the temporary schema it finds something else, or nothing"
            );
            found.push(note(Some(facts.name(*id)), NoticeRule::BuiltDifferently, message));
        }
    }
    found
}

/// What dbt says too. It warns of seeds that it does not compare at every run, so that is only a note.
fn dbts(notice: &changes::Notice) -> Notice {
    let level = match (notice.kind.is_error(), notice.kind.is_of_contract()) {
        (true, _) => NoticeLevel::Error,
        (false, true) => NoticeLevel::Warn,
        (false, false) => NoticeLevel::Note,
    };
    Notice {
        unique_id: Some(notice.unique_id.clone()),
        level,
        rule: if notice.kind.is_of_contract() {
            NoticeRule::ContractBreakingChange
        } else {
            NoticeRule::SeedNotCompared
        },
        event: Some(notice.kind.as_str().to_owned()),
        message: notice.kind.says().to_owned(),
        details: notice.details.clone(),
    }
}

fn note(unique_id: Option<&str>, rule: NoticeRule, message: String) -> Notice {
    let unique_id = unique_id.map(UniqueId::from);
    Notice { unique_id, level: NoticeLevel::Note, rule, event: None, message, details: Vec::new() }
}

/// Remarks on what is built in another way than dbt builds it, and on what is read from production
/// although it changed.
fn built_differently(facts: &Facts<'_>, set: &BuildSet, proxied: &BTreeSet<NodeId>) -> Vec<Notice> {
    let mut found = Vec::new();
    let mut add = |id: NodeId, rule: NoticeRule, message: String| {
        found.push(note(Some(facts.name(id)), rule, message));
    };
    for id in proxied {
        if set.not_checked.contains_key(id) {
            add(
                *id,
                NoticeRule::ReadsProduction,
                "is not built, so downstream nodes read production's version".to_owned(),
            );
        } else if set.stale.contains(id) {
            let message = "is not built, so downstream nodes read production's version, without the changes by others";
            add(*id, NoticeRule::ReadsProduction, message.to_owned());
        }
    }
    for (id, materialization) in &set.built {
        match materialization {
            Materialization::MaterializedViewAsTable => {
                let message = "is built as a table; errors that only its own materialization raises are not caught";
                add(*id, NoticeRule::BuiltDifferently, message.to_owned());
            }
            Materialization::SnapshotFirstRun => {
                add(*id, NoticeRule::BuiltDifferently, "is built as on its first run, without history".to_owned());
            }
            Materialization::ExternalAsTable => {
                let message = "is built as a table; no external file is written";
                add(*id, NoticeRule::BuiltDifferently, message.to_owned());
            }
            // Said once, of all of them.
            Materialization::IncrementalAsTable
            | Materialization::View
            | Materialization::Table
            | Materialization::Seed => {}
        }
    }
    found
}

/// Materializations of dbt's that the project or a package replaces: premerge builds dbt's.
fn overridden_materializations(facts: &Facts<'_>, set: &BuildSet) -> Vec<Notice> {
    let Some(project) = facts.pr.metadata.project_name.as_deref() else { return Vec::new() };
    let used: BTreeSet<String> =
        set.built.keys().filter_map(|id| facts.node(*id)?.materialized()).map(|name| name.into_owned()).collect();
    let packages = changes::may_replace(facts.pr, facts.changes.package_overrides);
    let notice = |name: String| {
        let own = format!("materialization_{name}_");
        let others = facts.pr.macros.keys().filter(|id| !changes::is_dbts_own(id)).map(|id| UniqueIdRef::new(id));
        let mut replacing = others.filter(|id| id.name().starts_with(&own));
        let id = replacing.find(|id| packages || id.package() == project)?;
        let who =
            if id.package() == project { "the project".to_owned() } else { format!("package `{}`", id.package()) };
        let text = format!("{who} overrides materialization `{name}`; premerge uses dbt's built-in `{name}`");
        Some(note(None, NoticeRule::BuiltDifferently, text))
    };
    used.into_iter().filter_map(notice).collect()
}

/// A materialization `test` of the project's or a package's that hands over to dbt's.
fn wrapped_tests(facts: &Facts<'_>) -> Option<Notice> {
    let Some(JudgedBy::Wrapper(id)) = facts.judged_by() else { return None };
    let package = UniqueIdRef::new(id).package();
    let is_root = facts.pr.metadata.project_name.as_deref() == Some(package);
    let who = if is_root { "the project".to_owned() } else { format!("package `{package}`") };
    let text = format!("{who} wraps materialization `test`; premerge runs tests as dbt's built-in `test` does");
    Some(note(None, NoticeRule::BuiltDifferently, text))
}
