//! A new relation in the place of an old one, within one transaction.

use super::session::PgSession;
use crate::warehouse::engine::Under;
use crate::warehouse::{TempRelation, WarehouseError, Write};

/// What stands around the statements that make a relation which takes the place of another.
pub(super) struct Moves {
    /// Where it is made.
    pub(super) incoming: TempRelation,
    /// Names that the new one needs and the old one has.
    pub(super) before: Vec<String>,
    /// The old one steps aside and the new one takes its name. Last, because from here on readers wait.
    pub(super) after: Vec<String>,
}

impl PgSession {
    /// `None` when the write makes nothing, or nothing is at its place.
    pub(super) async fn moves(&mut self, write: &Write<'_>, under: Under<'_>) -> Result<Option<Moves>, WarehouseError> {
        let dialect = self.dialect();
        let (Some(replacing), Some(at)) = (under.replacing, write.makes()) else { return Ok(None) };
        if !replacing.found(at) {
            return Ok(None);
        }
        let (incoming, aside) = (replacing.incoming(at), replacing.aside(at));
        let quoted = |name: &TempRelation| dialect.quote(name.identifier());
        // Indexes of named constraints have names of the whole schema. Renaming an index does not keep readers off.
        let before = match write {
            Write::TypedTable { constraints, .. } if !constraints.is_empty() => {
                let indexes = self.indexes_of(at).await?;
                let rename = |name: &String| {
                    let (from, to) = (at.beside(name), at.beside(&replacing.aside_name(name)));
                    format!("alter index {} rename to {}", from.sql(), quoted(&to))
                };
                indexes.iter().map(rename).collect()
            }
            _ => Vec::new(),
        };
        // `alter table` renames views too.
        let after = [
            format!("alter table if exists {} rename to {}", at.sql(), quoted(&aside)),
            format!("alter table {} rename to {}", incoming.sql(), quoted(at)),
        ];
        // What follows in the message may wait for production as long as any statement.
        let patient = "set local lock_timeout to default".to_owned();
        let after = self.server.impatient().into_iter().chain(after).chain([patient]).collect();
        Ok(Some(Moves { incoming, before, after }))
    }
}
