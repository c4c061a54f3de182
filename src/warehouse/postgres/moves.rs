//! A new relation in the place of an old one, within one transaction.

use crate::sql::Dialect;
use crate::warehouse::{Replacing, TempRelation};

/// What stands around the statements that make a relation which takes the place of another.
pub(super) struct Moves {
    /// Where it is made.
    pub(super) incoming: TempRelation,
    /// Names that the new one needs and the old one has.
    pub(super) before: Vec<String>,
    /// The old one steps aside and the new one takes its name. Last, because from here on readers wait.
    pub(super) after: Vec<String>,
}

impl Moves {
    /// A relation made in the place of `at`. `indexes`: those of the old one whose names the new one needs.
    /// `impatient`: the statement that lets the moves wait for a short time only.
    pub(super) fn new(
        at: &TempRelation,
        replacing: &Replacing,
        indexes: &[String],
        impatient: Option<String>,
        dialect: Dialect,
    ) -> Self {
        let (incoming, aside) = (replacing.incoming(at), replacing.aside(at));
        let quoted = |name: &TempRelation| dialect.quote(name.identifier());
        let rename = |name: &String| {
            let (from, to) = (at.beside(name), at.beside(&replacing.aside_name(name)));
            format!("alter index {} rename to {}", from.sql(), quoted(&to))
        };
        let before = indexes.iter().map(rename).collect();
        // `alter table` renames views too.
        let after = [
            format!("alter table if exists {} rename to {}", at.sql(), quoted(&aside)),
            format!("alter table {} rename to {}", incoming.sql(), quoted(at)),
        ];
        // What follows in the message may wait for production as long as any statement.
        let patient = "set local lock_timeout to default".to_owned();
        let after = impatient.into_iter().chain(after).chain([patient]).collect();
        Self { incoming, before, after }
    }
}
