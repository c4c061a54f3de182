//! Where results and messages go.

use std::io::Write;

use crate::config::Env;

/// The writers and the environment of one run; nothing else in premerge prints.
pub struct Io<'a> {
    /// Results.
    pub out: &'a mut dyn Write,
    /// Everything else.
    pub err: &'a mut dyn Write,
    /// CI's log, for commands to the runner; never for text that is not ours.
    pub log: &'a mut dyn Write,
    /// Whether results go to a terminal, so that colours make sense.
    pub out_is_terminal: bool,
    /// Whether messages go to a terminal, so that a progress bar makes sense.
    pub err_is_terminal: bool,
    /// Say nothing but results and errors.
    pub quiet: bool,
    /// When the command began.
    pub now: jiff::Timestamp,
    /// Environment and working directory.
    pub env: Env,
}

impl Io<'_> {
    /// Colours on a terminal, unless `NO_COLOR` (<https://no-color.org>) says no.
    #[must_use]
    pub fn colours(&self) -> bool {
        self.out_is_terminal && self.env.get("NO_COLOR").is_none()
    }

    /// Tells the user something that is not a result. A message that cannot be shown is not a reason to stop.
    pub fn say(&mut self, message: std::fmt::Arguments<'_>) {
        if !self.quiet {
            let _ = writeln!(self.err, "{message}");
        }
    }
}
