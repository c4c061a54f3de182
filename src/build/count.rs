//! Rows counted in production and in the temporary schema.

use crate::artifacts::UniqueId;
use crate::sql::{Dialect, RelationName};
use crate::warehouse::{Session, WarehouseError};

/// A relation whose rows are to be counted on both sides.
#[derive(Debug)]
pub struct Count {
    /// The node.
    pub unique_id: UniqueId,
    /// Its relation in production, if it has one.
    pub production: Option<RelationName>,
    /// Its relation in the temporary schema.
    pub pull_request: RelationName,
}

/// Rows on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowCount {
    /// The node.
    pub unique_id: UniqueId,
    /// In production; `None` when it has no such relation, or it could not be counted.
    pub production: Option<u64>,
    /// In the temporary schema; `None` when it could not be counted.
    pub pull_request: Option<u64>,
    /// Whether a relation that is there could not be counted.
    pub uncounted: bool,
}

/// Both in one statement; where that fails, each alone, so that one side's fault does not cost the other's number.
pub(super) async fn count_rows(count: &Count, dialect: Dialect, session: &mut Session) -> RowCount {
    let rows = |name: &RelationName| format!("(select count(*) from {})", name.quoted(dialect));
    let production = count.production.as_ref().map(rows);
    let pull_request = rows(&count.pull_request);
    let both = format!("select {}, {pull_request}", production.as_deref().unwrap_or("cast(null as bigint)"));
    let (production, pull_request) = match numbers(&both, session).await {
        Ok(numbers) => (numbers.first().copied().flatten(), numbers.get(1).copied().flatten()),
        Err(_) => {
            let mut alone = async |rows: String| {
                let numbers = numbers(&format!("select {rows}"), session).await.ok()?;
                numbers.first().copied().flatten()
            };
            let production = match production {
                Some(rows) => alone(rows).await,
                None => None,
            };
            (production, alone(pull_request).await)
        }
    };
    let uncounted = pull_request.is_none() || (production.is_none() && count.production.is_some());
    RowCount { unique_id: count.unique_id.clone(), production, pull_request, uncounted }
}

/// The numbers of a query of one row.
async fn numbers(sql: &str, session: &mut Session) -> Result<Vec<Option<u64>>, WarehouseError> {
    let answer = session.read(sql).await?;
    let row = answer.rows.into_iter().next().unwrap_or_default();
    Ok(row.into_iter().map(|value| value?.parse().ok()).collect())
}
