//! `state:modified.contract`: what a model promises about its columns.

use indexmap::IndexMap;
use serde_json::Value;

use crate::artifacts::{Column, Node};

use super::context::Context;
use super::drift::{Drift, equal_but_empty};
use super::json;

/// How an enforced contract, or the promise to have one, differs from state.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ContractDifference {
    /// It does not.
    Same,
    /// It differs, and no consumer can break.
    Changed,
    /// Consumers can break; a phrase for each way.
    Breaking(Vec<String>),
}

/// Compares as dbt does: the checksums decide whether, the columns and constraints decide whether it breaks.
pub(super) fn compare_contracts(old: &Node<'_>, new: &Node<'_>, context: Context<'_>) -> ContractDifference {
    match (old.contract.enforced, new.contract.enforced) {
        (false, false) => return ContractDifference::Same,
        (false, true) => return ContractDifference::Changed,
        (true, true) if old.contract.checksum == new.contract.checksum => return ContractDifference::Same,
        // dbt 1 hashes Python's way of printing constraints, to which its versions add empty members, and dbt 2 cannot:
        // compare what is hashed.
        (true, true) if context.drift > Drift::None && same_promises(old, new) => return ContractDifference::Same,
        _ => {}
    }
    let mut breaks = Vec::new();
    if !new.contract.enforced {
        breaks.push("the contract is no longer enforced".to_owned());
    }
    let (old_columns, new_columns) = (old.columns(), new.columns());
    let old_keeps = enforces_constraints(old);
    columns(&old_columns, &new_columns, &mut breaks);
    if old_keeps {
        for (key, column) in &old_columns {
            let Some(now) = new_columns.get(key) else { continue };
            for kind in dropped(&column.constraints, &now.constraints, context) {
                breaks.push(format!("constraint {kind} on column {key} was removed"));
            }
        }
        let old_constraints = list(&json::value(old.constraints));
        for kind in dropped(&old_constraints, &list(&json::value(new.constraints)), context) {
            breaks.push(format!("constraint {kind} on the model was removed"));
        }
        let constrained =
            !old_constraints.is_empty() || old_columns.values().any(|column| !column.constraints.is_empty());
        if constrained && !enforces_constraints(new) {
            let (was, is) = (old.materialized().unwrap_or_default(), new.materialized().unwrap_or_default());
            breaks.push(format!("materialized {was} became {is}, which enforces no constraint"));
        }
    }
    if breaks.is_empty() { ContractDifference::Changed } else { ContractDifference::Breaking(breaks) }
}

/// Whether both promise the same columns, types and constraints.
fn same_promises(old: &Node<'_>, new: &Node<'_>) -> bool {
    let promises = |node: &Node<'_>| -> Vec<(String, Option<String>, Value)> {
        let mut promises: Vec<_> = node
            .columns()
            .into_values()
            .map(|column| (column.name, column.data_type, Value::Array(column.constraints)))
            .collect();
        promises.sort_by(|a, b| a.0.cmp(&b.0));
        promises
    };
    let (old_columns, new_columns) = (promises(old), promises(new));
    let same_columns = old_columns.len() == new_columns.len()
        && old_columns.iter().zip(&new_columns).all(|(a, b)| a.0 == b.0 && a.1 == b.1 && equal_but_empty(&a.2, &b.2));
    same_columns
        && old.materialized() == new.materialized()
        && equal_but_empty(&json::value(old.constraints), &json::value(new.constraints))
}

fn columns(old: &IndexMap<String, Column>, new: &IndexMap<String, Column>, breaks: &mut Vec<String>) {
    for (key, column) in old {
        let Some(now) = new.get(key) else {
            breaks.push(format!("column {key} was removed"));
            continue;
        };
        if base_type(column) != base_type(now) {
            let shown = |column: &Column| column.data_type.clone().unwrap_or_else(|| "no type".to_owned());
            breaks.push(format!("column {key} was {}, is {}", shown(column), shown(now)));
        }
    }
}

/// `numeric` of `Numeric(10, 2)`: dbt calls a change of size or precision no break.
fn base_type(column: &Column) -> Option<String> {
    let data_type = column.data_type.as_deref()?;
    Some(data_type.split('(').next().unwrap_or_default().trim().to_lowercase())
}

/// dbt checks constraints only when it makes a table.
fn enforces_constraints(node: &Node<'_>) -> bool {
    matches!(node.materialized().as_deref(), Some("table" | "incremental"))
}

/// The types of constraints that the warehouse enforced and that are gone.
fn dropped(old: &[Value], new: &[Value], context: Context<'_>) -> Vec<String> {
    let same = |a: &Value, b: &Value| json::equal(a, b) || (context.drift > Drift::None && equal_but_empty(a, b));
    let gone = old.iter().filter(|constraint| !new.iter().any(|now| same(constraint, now)));
    gone.filter_map(|constraint| constraint.get("type").and_then(Value::as_str))
        .filter(|kind| enforced(context.adapter, kind))
        .map(str::to_owned)
        .collect()
}

/// Which constraints a warehouse enforces, as dbt's adapters declare it (dbt-adapters 1.24 and the warehouses'
/// own). dbt's base adapter declares PostgreSQL's table, so unknown adapters get that.
fn enforced(adapter: &str, kind: &str) -> bool {
    match adapter {
        "snowflake" | "redshift" | "bigquery" => kind == "not_null",
        "databricks" | "spark" => matches!(kind, "not_null" | "check"),
        _ => matches!(kind, "not_null" | "unique" | "primary_key" | "foreign_key" | "check"),
    }
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}
