//! What was built beside the table of production that dbt goes on writing into.

use super::existing_table::{ExistingTable, Misfit, differences, taken_away};
use super::kept_rows::{KeptRows, kept_rows, not_compared};
use crate::sql::{Dialect, RelationName};
use crate::warehouse::Session;

/// What a comparison with production's table came to.
#[derive(Debug, Default)]
pub struct Compared {
    /// Where its columns do not fit.
    pub misfit: Option<Misfit>,
    /// What ran on other rows than production's.
    pub rows: Option<KeptRows>,
}

/// Compares the columns of both, and where they fit and it matters, the rows. Nothing where the warehouse does not tell
/// the columns.
pub(super) async fn compared(existing: &ExistingTable, dialect: Dialect, session: &mut Session) -> Compared {
    let all = |name: &RelationName| format!("select * from {}", name.quoted(dialect));
    let mut sides = async |production: &RelationName, pull_request: &RelationName| {
        let theirs = session.columns_of(&all(production)).await.ok()?;
        Some((theirs, session.columns_of(&all(pull_request)).await.ok()?))
    };
    let Some((theirs, own)) = sides(&existing.production, &existing.pull_request).await else {
        return Compared { misfit: None, rows: not_compared(existing) };
    };
    let mut columns = differences(&theirs, &own, existing.kind);
    if let Some(text) = &existing.later_text {
        for parent in &existing.parents {
            if let Some((theirs, own)) = sides(&parent.production, &parent.pull_request).await {
                columns.extend(taken_away(&parent.name, &theirs, &own, text));
            }
        }
    }
    if !columns.is_empty() {
        let misfit = Misfit { unique_id: existing.unique_id.clone(), kind: existing.kind, columns };
        return Compared { misfit: Some(misfit), rows: None };
    }
    if existing.readers.is_empty() {
        return Compared::default();
    }
    Compared { misfit: None, rows: kept_rows(existing, &theirs, dialect, session).await }
}
