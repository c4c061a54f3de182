//! Relations of production, looked at before and after a run reads them.

/// What the catalogue says of a relation. Where two looks are equal, it was neither replaced nor written to between
/// them, as far as the engine tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Which object has the name, and which tables it and the views below it read; `None` where nothing has it.
    pub made_of: Option<String>,
    /// How many rows were ever written into each of these tables or deleted from it.
    pub written: Vec<u64>,
}

impl Seen {
    /// Whether rows were written until `after`. Statistics that begin anew, as after a crash of the server, do not tell.
    #[must_use]
    pub fn was_written_until(&self, after: &Self) -> bool {
        let pairs = || self.written.iter().zip(&after.written);
        pairs().any(|(before, after)| after > before) && !pairs().any(|(before, after)| after < before)
    }

    /// Whether a relation has the name.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.made_of.is_some()
    }
}
