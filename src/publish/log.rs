//! The process's log in CI, through which no line of data can command the runner.

use std::io::{self, Write};

use super::ci::LogDialect;
use crate::text::escape;

/// Longest line that is held back to be looked at as a whole. A longer one is passed on in pieces, each disarmed.
const LINE: usize = 64 * 1024;

/// A writer that disarms workflow commands in everything written to it, line by line.
///
/// One for stdout and one for stderr wrap all output of the process in CI: the runner reads both. Our own
/// commands go past it, through [`annotations::write`](crate::report::annotations::write) to the inner writer.
pub struct LogWriter<W: Write> {
    inner: W,
    line: Vec<u8>,
}

impl<W: Write> LogWriter<W> {
    /// Wraps a writer.
    pub fn new(inner: W) -> Self {
        Self { inner, line: Vec::new() }
    }

    /// The wrapped writer, after everything held back has been written: for our own commands.
    ///
    /// # Errors
    /// When the inner writer fails.
    pub fn raw(&mut self) -> io::Result<&mut W> {
        self.flush()?;
        Ok(&mut self.inner)
    }

    fn write_line(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        // A carriage return starts a line for the runner too.
        let text = String::from_utf8_lossy(&line);
        let safe: Vec<_> = text.split('\r').map(escape::log_line).collect();
        self.inner.write_all(safe.join("\r").as_bytes())
    }
}

impl<W: Write> Write for LogWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.line.len() > LINE {
                self.write_line()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.line.is_empty() {
            self.write_line()?;
        }
        self.inner.flush()
    }
}

/// A writer for events of the log: each is written whole and stays one line, whatever names and messages it holds.
pub struct EventWriter<W: Write> {
    inner: W,
    /// Whether events have colours, as on a terminal; what is not ours in them has none.
    colours: bool,
    dialect: LogDialect,
}

impl<W: Write> EventWriter<W> {
    /// Wraps a writer.
    pub fn new(inner: W, colours: bool, dialect: LogDialect) -> Self {
        Self { inner, colours, dialect }
    }
}

impl<W: Write> Write for EventWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let event = text.strip_suffix('\n').unwrap_or(&text);
        let line = if self.colours { event.replace(['\n', '\r'], " ") } else { escape::visible(event) };
        let line = if self.dialect.obeys() { escape::log_line(&line) } else { line };
        self.inner.write_all(line.as_bytes())?;
        if event.len() < text.len() {
            self.inner.write_all(b"\n")?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W: Write> Drop for LogWriter<W> {
    fn drop(&mut self) {
        // Nobody is left to tell when the log cannot be written.
        self.flush().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_and_commands_nothing() {
        let written = |text: &str, dialect: LogDialect| {
            let mut out = Vec::new();
            EventWriter::new(&mut out, false, dialect).write_all(text.as_bytes()).unwrap();
            String::from_utf8(out).unwrap()
        };
        let event = "WARN y\n::error::x\r##[error]z \u{1b}[31m \u{202e}\n";
        assert_eq!(written(event, LogDialect::Plain), "WARN y ::error::x ##[error]z \u{fffd}[31m \u{fffd}\n");
        let disarmed = written(event, LogDialect::Actions);
        assert_eq!(disarmed.lines().count(), 1);
        assert!(!disarmed.contains("##[error]"), "{disarmed}");
    }

    #[test]
    fn commands_are_disarmed_however_the_text_arrives() {
        let text = "fine\n::error::x\n  ::set-env::y\nrow ##[error]z\rover::\r::warning::w\nlast ##[x]";
        for size in [1, 2, 3, 7, 1000] {
            let mut log = LogWriter::new(Vec::new());
            for piece in text.as_bytes().chunks(size) {
                log.write_all(piece).unwrap();
            }
            let out = String::from_utf8(log.raw().unwrap().clone()).unwrap();
            for line in out.split(['\n', '\r']) {
                assert!(!line.trim_start().starts_with("::") && !line.contains("##["), "{size}: {line}");
            }
            assert!(out.starts_with("fine\n") && out.contains("\rover::\r"), "{out}");
        }
    }
}
