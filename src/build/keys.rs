//! Keys of a snapshot that several rows have. dbt takes them for one row: it compares each with the same old one, and adds
//! them again, or the warehouse refuses the merge.

use crate::artifacts::UniqueId;
use crate::sql::{Dialect, RelationName};
use crate::warehouse::Session;

/// A snapshot as after its first run, and its keys.
#[derive(Debug)]
pub struct KeyCheck {
    /// The snapshot.
    pub unique_id: UniqueId,
    /// Its relation in the temporary schema.
    pub relation: RelationName,
    /// dbt's `unique_key`, as columns or expressions.
    pub keys: Vec<String>,
}

/// How many keys of a snapshot are not unique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepeatedKeys {
    /// The snapshot.
    pub unique_id: UniqueId,
    /// Keys that more than one row has; `None` where they could not be counted.
    pub keys: Option<u64>,
}

pub(super) async fn repeated_keys(check: &KeyCheck, dialect: Dialect, session: &mut Session) -> RepeatedKeys {
    let (relation, keys) = (check.relation.quoted(dialect), check.keys.join(", "));
    let sql = format!(
        "select count(*) from (select count(*) as n from {relation} group by {keys} having count(*) > 1) as repeated"
    );
    let counted =
        session.read(&sql).await.ok().and_then(|answer| answer.rows.into_iter().next()?.into_iter().next()?);
    RepeatedKeys { unique_id: check.unique_id.clone(), keys: counted.and_then(|count| count.parse().ok()) }
}
