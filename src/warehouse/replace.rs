//! Objects of an earlier run replaced one by one, so that whoever reads the schema sees the old one or the new
//! one and never nothing.
//!
//! What takes the place of a relation is made under a name of its own; in the same transaction the old one
//! steps aside under a registered name and the new one gets the name. Views of the earlier run go on reading
//! what they were made for. What has stepped aside, and what this run did not make again, is dropped at the end.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::register::{OBJECTS, Register};
use super::temp_schema::{Replacing, TempSchema, short};
use super::write::Write;
use super::{Session, WarehouseError};

impl TempSchema {
    /// What there is to replace, with the names that it will step aside under in the register; `None` when
    /// there is nothing.
    pub(super) async fn find_replaceable(&self, session: &mut Session) -> Result<Option<Replacing>, WarehouseError> {
        let registered = self.registered(session).await?;
        if registered.is_empty() {
            return Ok(None);
        }
        let there = session.relations_in(self.database(), self.name()).await?;
        let found: BTreeSet<String> = there.into_iter().filter(|name| registered.contains(name)).collect();
        let replacing = Replacing { run: short(&self.owner().run), found: Arc::new(found) };
        let aside: Vec<String> = replacing.found.iter().map(|name| replacing.aside_name(name)).collect();
        let aside: Vec<&str> = aside.iter().map(String::as_str).collect();
        self.register(session, &aside).await?;
        Ok(Some(replacing))
    }

    /// Drops what earlier runs made and this one has not made again; `made` is what it made. Does nothing in a
    /// schema that was emptied at the start.
    ///
    /// # Errors
    /// What the warehouse said; everything stays registered then, for the next run or clean-up.
    pub async fn sweep(&self, session: &mut Session, made: &[&str]) -> Result<(), WarehouseError> {
        if !self.replaces() {
            return Ok(());
        }
        let left: Vec<String> =
            self.registered(session).await?.into_iter().filter(|name| !made.contains(&name.as_str())).collect();
        let relations: Vec<_> = left.iter().map(|name| self.relation(name)).collect();
        let drops: Vec<_> = relations.iter().map(|at| Write::Drop { at }).collect();
        session.write(&drops).await?;
        let at = self.relation(OBJECTS);
        let forget = Register::of(self).forget_all_but(&self.owner().run, made);
        session.write(&[Write::Bookkeeping { at: &at, sql: &forget }]).await.map(|_| ())
    }

    /// The names in the register.
    async fn registered(&self, session: &mut Session) -> Result<BTreeSet<String>, WarehouseError> {
        Ok(self.registered_objects(session).await?.into_iter().collect())
    }
}
