//! A reader of results that stops reading, as `head` does.

use std::io::{self, Write};

/// Passes on what is written until nobody reads it any more, and drops the rest: the command comes to its end, and its
/// exit code says what it found.
#[derive(Debug)]
pub struct UntilClosed<W> {
    inner: W,
    closed: bool,
}

impl<W> UntilClosed<W> {
    /// A writer to `inner`.
    pub fn new(inner: W) -> Self {
        Self { inner, closed: false }
    }

    fn unless_closed<T>(&mut self, done: io::Result<T>, instead: T) -> io::Result<T> {
        match done {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(instead)
            }
            other => other,
        }
    }
}

impl<W: Write> Write for UntilClosed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.closed {
            return Ok(bytes.len());
        }
        let done = self.inner.write(bytes);
        self.unless_closed(done, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        let done = self.inner.flush();
        self.unless_closed(done, ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `room` bytes, then fails in this way.
    struct Full {
        room: usize,
        then: io::ErrorKind,
    }

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.room == 0 {
                return Err(self.then.into());
            }
            let taken = bytes.len().min(self.room);
            self.room -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_a_closed_pipe_is_no_error() {
        let mut out = UntilClosed::new(Full { room: 3, then: io::ErrorKind::BrokenPipe });
        out.write_all(b"five!").and_then(|()| out.write_all(b"more")).and_then(|()| out.flush()).unwrap();
        let mut out = UntilClosed::new(Full { room: 3, then: io::ErrorKind::StorageFull });
        assert_eq!(out.write_all(b"five!").unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
