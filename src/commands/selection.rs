//! dbt's selectors, for the commands that narrow their work by them.

use std::collections::BTreeSet;

use super::CommandError;
use super::check::SelectionArgs;
use crate::artifacts::Manifest;
use crate::changes::Changes;
use crate::config;
use crate::project::{Graph, IndirectSelection, Selection, SelectionContext, select};

/// What `--select` and `--exclude` mean, as unique_ids.
pub(super) struct Narrowed {
    /// `None` when nothing was said.
    pub(super) select: Option<BTreeSet<String>>,
    pub(super) exclude: BTreeSet<String>,
}

pub(super) fn narrow(
    args: &SelectionArgs,
    manifest: &Manifest<'_>,
    graph: &Graph<'_>,
    changes: &Changes,
) -> Result<Narrowed, CommandError> {
    let context = SelectionContext {
        manifest,
        graph,
        state: Some(changes),
        results: None,
        source_freshness: None,
        source_freshness_state: None,
    };
    let chosen = |terms: &[String]| -> Result<BTreeSet<String>, CommandError> {
        let selection = Selection { select: terms.to_vec(), ..Selection::default() };
        let selected = select(context, &selection).map_err(|error| CommandError::Usage(error.to_string()))?;
        Ok(selected.nodes.into_iter().map(|id| graph.unique_id(id).to_owned()).collect())
    };
    Ok(Narrowed {
        select: if args.select.is_empty() { None } else { Some(chosen(&args.select)?) },
        exclude: if args.exclude.is_empty() { BTreeSet::new() } else { chosen(&args.exclude)? },
    })
}

/// The configuration's mode in the selector's words.
pub(super) fn indirect(mode: config::IndirectSelection) -> IndirectSelection {
    match mode {
        config::IndirectSelection::Eager => IndirectSelection::Eager,
        config::IndirectSelection::Cautious => IndirectSelection::Cautious,
        config::IndirectSelection::Buildable => IndirectSelection::Buildable,
        config::IndirectSelection::Empty => IndirectSelection::Empty,
    }
}
