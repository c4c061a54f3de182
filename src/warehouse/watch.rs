//! Relations of production, looked at before and after a run reads them.

/// What the catalogue says of a relation. Where two looks are equal, it was neither replaced nor written to between
/// them, as far as the engine tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Which object has the name, and which tables it and the views below it read; `None` where nothing has it.
    pub made_of: Option<String>,
    /// The tables that it and the views below it read, the oldest first.
    pub below: Vec<TableBelow>,
}

/// How many rows were ever written into a table or deleted from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableBelow {
    /// The table's schema.
    pub schema: String,
    /// Its name in there.
    pub name: String,
    /// Rows, as the statistics count them.
    pub written: u64,
}

impl Seen {
    /// The tables into which rows were written until `after`, of an object that is still the same. Statistics that begin
    /// anew, as after a crash of the server, do not tell.
    pub fn written_until<'a>(&'a self, after: &'a Self) -> impl Iterator<Item = &'a TableBelow> {
        let pairs = || self.below.iter().zip(&after.below);
        let began_anew = pairs().any(|(before, after)| after.written < before.written);
        let grown = pairs().filter(|(before, after)| after.written > before.written);
        grown.filter(move |_| !began_anew).map(|(_, after)| after)
    }

    /// Whether a relation has the name.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.made_of.is_some()
    }
}
