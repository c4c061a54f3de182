//! dbt's node selection: `--select`, `--exclude`, `--selector`, `--indirect-selection`, `--resource-type`.
//!
//! In: a manifest, its graph, and what the selectors ask about it. Out: the set of selected nodes, and the
//! warnings that dbt would give. Equal to dbt 1.11, including its oddities; each is named where it is kept.

mod criterion;
mod evaluate;
mod fnmatch;
mod fqn;
mod method;
mod path;
mod selection;
mod spec;
mod state;

use evaluate::evaluate;
use spec::Spec;

pub use selection::{IndirectSelection, SelectError, Selected, Selection, SelectionContext};
pub use state::{StateAnswers, StateCheck};

/// The nodes that `selection` means.
///
/// # Errors
/// When dbt refuses a selector, or `state:` is asked and no state was given.
pub fn select(context: SelectionContext<'_>, selection: &Selection) -> Result<Selected, SelectError> {
    let spec = Spec::of(selection, context.manifest)?;
    let mut warnings = Vec::new();
    let mut nodes = evaluate(context, &spec, &mut warnings)?.direct;
    nodes.retain(|&node| selection.includes(context.graph.resource_type(node)));
    if nodes.is_empty() {
        warnings.push("No nodes selected!".to_owned());
    }
    Ok(Selected { nodes, warnings })
}
