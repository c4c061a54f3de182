//! The comparison of models, seeds, snapshots, tests, analyses, operations and functions.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::artifacts::{Checksum, Node, ResourceType};

use super::config::{ConfigRule, compare_configs};
use super::context::Context;
use super::contract::{ContractDifference, compare_contracts};
use super::drift::{Drift, normal_text};
use super::json::{equal, object, same_field, value};
use super::notice::{Notice, NoticeKind};
use super::reason::Reason;
use super::state_checks::StateChecks;

/// Compares one node with itself in state. Macros are the caller's.
pub(super) fn compare_node(
    old: &Node<'_>,
    new: &Node<'_>,
    context: Context<'_>,
    notices: &mut Vec<Notice>,
) -> (StateChecks, Vec<Reason>) {
    let mut checks = StateChecks::default();
    let mut reasons = Vec::new();

    checks.body = match new.resource_type {
        ResourceType::Seed => {
            notices.extend(seed_notice(old, new));
            !same_file(&old.checksum, &new.checksum)
        }
        _ => !same_text(old, new, context.drift),
    };
    let rule = if new.resource_type == ResourceType::Test { ConfigRule::Test } else { ConfigRule::Node };
    let config = compare_configs(
        (old.unrendered_config, old.raw_config),
        (new.unrendered_config, new.raw_config),
        rule,
        context.drift,
    );
    checks.configs = !config.keys.is_empty();
    checks.relation = config.relation;
    checks.persisted_descriptions = !same_persisted_descriptions(old, new);

    let contract = match new.resource_type {
        ResourceType::Model => compare_contracts(old, new, context),
        _ => ContractDifference::Same,
    };
    checks.contract = contract != ContractDifference::Same;
    let breaking = matches!(contract, ContractDifference::Breaking(_));
    if let ContractDifference::Breaking(details) = contract {
        notices.push(breaking_contract(&ModelName::of(new), details));
    }

    // A generic test is its definition in YAML: its id holds the arguments, so dbt compares no text.
    let generic = new.resource_type == ResourceType::Test && new.test_metadata.is_some();
    if checks.body && !generic {
        reasons.push(Reason::Body);
    }
    if checks.configs {
        reasons.push(Reason::Configs { keys: config.keys });
    }
    if checks.relation && !generic {
        reasons.push(Reason::Relation);
    }
    if checks.persisted_descriptions && !generic {
        reasons.push(Reason::PersistedDescriptions);
    }
    if checks.contract {
        reasons.push(Reason::Contract { breaking });
    }
    if !same_fqn(old, new, context.drift) {
        reasons.push(Reason::Fqn);
    }
    let field = |field: &str| Reason::Field { field: field.to_owned() };
    if new.resource_type == ResourceType::Model {
        if !same_version(&value(old.latest_version), &value(new.latest_version), context.drift) {
            reasons.push(field("latest_version"));
        }
        // Manifests before v9 know no access, which is to say the default.
        let access = |node: &Node<'_>| node.access.as_deref().unwrap_or("protected").to_owned();
        if access(old) != access(new) {
            reasons.push(field("access"));
        }
        if old.deprecation_date != new.deprecation_date {
            reasons.push(field("deprecation_date"));
        }
    }
    if new.resource_type == ResourceType::Function {
        if !same_field(old.arguments, new.arguments) {
            reasons.push(field("arguments"));
        }
        if !same_field(old.returns, new.returns) {
            reasons.push(field("returns"));
        }
    }
    checks.modified = !reasons.is_empty();
    (checks, reasons)
}

/// What dbt says of a node that state does not have: everything that it could compare differs.
pub(super) fn new_node() -> StateChecks {
    StateChecks {
        new: true,
        modified: true,
        body: true,
        configs: true,
        persisted_descriptions: true,
        relation: true,
        macros: false,
        contract: true,
    }
}

/// dbt 1 compares texts. dbt 2 compares checksums, so between the two equal checksums are enough, and so are
/// texts that differ only in the ends of lines.
fn same_text(old: &Node<'_>, new: &Node<'_>, drift: Drift) -> bool {
    old.raw_code == new.raw_code
        || (drift == Drift::Major
            && ((!new.checksum.checksum.is_empty() && same_file(&old.checksum, &new.checksum))
                || normal_text(&old.raw_code.get()) == normal_text(&new.raw_code.get())))
}

/// Between dbt 1 and dbt 2 one `fqn` may be the beginning of the other, except for tests.
fn same_fqn(old: &Node<'_>, new: &Node<'_>, drift: Drift) -> bool {
    old.fqn == new.fqn
        || (drift == Drift::Major
            && new.resource_type != ResourceType::Test
            && !old.fqn.is_empty()
            && old.fqn.iter().zip(&new.fqn).all(|(old, new)| old == new))
}

/// dbt 1 tells the version `1` from the version `"1"`, dbt 2 does not.
fn same_version(old: &Value, new: &Value, drift: Drift) -> bool {
    let shown = |version: &Value| version.as_str().map_or_else(|| version.to_string(), str::to_owned);
    equal(old, new) || (drift == Drift::Major && shown(old) == shown(new))
}

/// A checksum called `none` equals nothing, itself included.
fn same_file(old: &Checksum<'_>, new: &Checksum<'_>) -> bool {
    new.name != "none" && old == new
}

/// dbt hashes no seed above 1 MiB; the checksum is then the path, and edits are invisible.
fn seed_notice(old: &Node<'_>, new: &Node<'_>) -> Option<Notice> {
    if new.checksum.name != "path" {
        return None;
    }
    let kind = if old.checksum.name != "path" {
        NoticeKind::SeedIncreased
    } else if same_file(&old.checksum, &new.checksum) {
        NoticeKind::SeedExceedsLimitSamePath
    } else {
        NoticeKind::SeedExceedsLimitAndPathChanged
    };
    Some(Notice {
        kind,
        unique_id: new.unique_id.clone().into(),
        name: new.name.to_string(),
        message: format!("seed {} {}", new.name, kind.says()),
        details: Vec::new(),
    })
}

/// What the message about a contract names.
pub(super) struct ModelName<'n> {
    pub(super) unique_id: &'n str,
    pub(super) name: &'n str,
    pub(super) file: &'n str,
    pub(super) versioned: bool,
}

impl<'n> ModelName<'n> {
    fn of(node: &'n Node<'_>) -> Self {
        Self {
            unique_id: &node.unique_id,
            name: &node.name,
            file: &node.original_file_path,
            versioned: !value(node.version).is_null(),
        }
    }
}

/// A breaking change: a warning for a model without versions, dbt's error for a version.
pub(super) fn breaking_contract(model: &ModelName<'_>, details: Vec<String>) -> Notice {
    let (kind, first) = if model.versioned {
        // dbt's own words, so that whoever searches for them finds dbt's documentation.
        let first = format!("Breaking change to contract Error in model {} ({})", model.name, model.file);
        (NoticeKind::ContractBreakingChangeError, first)
    } else {
        let first = format!("breaking change to the contract of model {} ({})", model.name, model.file);
        (NoticeKind::UnversionedBreakingChange, first)
    };
    let mut message = first;
    for detail in &details {
        message.push_str("\n  ");
        message.push_str(detail);
    }
    Notice { kind, unique_id: model.unique_id.into(), name: model.name.to_owned(), message, details }
}

/// Descriptions count only where the pull request's configuration writes them to the warehouse.
fn same_persisted_descriptions(old: &Node<'_>, new: &Node<'_>) -> bool {
    let same_columns = match (old.raw_columns, new.raw_columns) {
        (Some(old), Some(new)) => old.get() == new.get(),
        (old, new) => old.is_none() && new.is_none(),
    };
    let same_description = old.description == new.description;
    if same_columns && same_description {
        return true;
    }
    let config = object(new.raw_config);
    let persists = |part: &str| config.get("persist_docs").and_then(|docs| docs.get(part)).is_some_and(truthy);
    if !same_description && persists("relation") {
        return false;
    }
    same_columns || !persists("columns") || column_descriptions(old) == column_descriptions(new)
}

fn column_descriptions(node: &Node<'_>) -> BTreeMap<String, String> {
    node.columns().into_iter().map(|(key, column)| (key, column.description)).collect()
}

/// Python's `bool(value)`.
fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}
