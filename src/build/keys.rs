//! Keys of a snapshot that several rows have. dbt takes them for one row: it compares each with the same old one, and adds
//! them again, or the warehouse refuses the merge.

use crate::artifacts::UniqueId;
use crate::sql::{Dialect, RelationName, is_expression};
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
    let counted = match count_of_repeated(check, dialect) {
        Some(sql) => {
            session.read(&sql).await.ok().and_then(|answer| answer.rows.into_iter().next()?.into_iter().next()?)
        }
        None => None,
    };
    RepeatedKeys { unique_id: check.unique_id.clone(), keys: counted.and_then(|count| count.parse().ok()) }
}

/// The statement that counts; `None` where a key is not one expression, so that it would say what is counted.
fn count_of_repeated(check: &KeyCheck, dialect: Dialect) -> Option<String> {
    let (relation, keys) = (check.relation.quoted(dialect), check.keys.join(", "));
    check.keys.iter().all(|key| is_expression(key, dialect)).then(|| {
        format!(
            "select count(*) from (select count(*) as n from {relation} group by {keys} having count(*) > 1) as repeated"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_more_than_an_expression_is_not_counted() {
        for dialect in [Dialect::DuckDb, Dialect::Postgres] {
            let counted = |keys: &[&str]| {
                let relation = RelationName::parse("\"d\".\"s\".\"t\"", dialect).unwrap();
                let keys = keys.iter().map(|key| (*key).to_owned()).collect();
                count_of_repeated(&KeyCheck { unique_id: "snapshot.p.t".into(), relation, keys }, dialect)
            };
            assert!(counted(&["id", "lower(name)", "\"at\"::date"]).is_some(), "{dialect:?}");
            for key in [
                "id --",
                "id -- x\n",
                "id /*",
                "id having false) as repeated --",
                "id having false) as repeated /*",
                "id having count(*) > 5",
                "id) union all select 1 --",
                "id; select 1",
                "",
                "'",
                "$$",
            ] {
                assert_eq!(counted(&["a", key, "b"]), None, "{key:?} {dialect:?}");
            }
        }
    }
}
