//! The driver's process: lines in, lines out, a time limit on every answer, and nothing left of it at the end.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::error::CompileError;
use super::protocol::{Event, Request};
use crate::config::mask;
use crate::text::escape;

/// The longest line that is read: a text with all that its ephemeral parents hold.
const LONGEST: u64 = 256 << 20;

/// How much of what dbt printed last is kept for messages.
const KEPT: usize = 16 << 10;

#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// All that was started for it.
    #[cfg(unix)]
    group: Option<rustix::process::Pid>,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    printed: Arc<Mutex<String>>,
    limit: Duration,
}

impl Process {
    /// Starts `command`, which answers within `limit` or is ended.
    pub(super) fn start(mut command: Command, limit: Duration) -> Result<Self, CompileError> {
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        // A runner such as `uv` has a child of its own, and both have to end.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(|error| {
            let remedy = "say how dbt is started with --dbt, such as --dbt \"uv run dbt\"";
            CompileError::new(format!("could not start `{program}`: {error}"), remedy)
        })?;
        let (Some(input), Some(output), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(CompileError::new("the process has no pipes", ""));
        };
        #[cfg(unix)]
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        let printed = Arc::new(Mutex::new(String::new()));
        tokio::spawn(keep(errors, Arc::clone(&printed)));
        Ok(Self {
            child,
            #[cfg(unix)]
            group,
            input,
            output: BufReader::new(output),
            printed,
            limit,
        })
    }

    pub(super) async fn say(&mut self, message: &impl serde::Serialize) -> Result<(), CompileError> {
        let mut line = serde_json::to_vec(message).map_err(|error| CompileError::new(error.to_string(), ""))?;
        line.push(b'\n');
        let written = tokio::time::timeout(self.limit, self.input.write_all(&line)).await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.ended().await),
            Err(_) => Err(self.too_slow("read what it was asked")),
        }
    }

    pub(super) async fn ask(&mut self, request: &Request<'_>) -> Result<(), CompileError> {
        self.say(request).await
    }

    /// The next thing that it says. `what`: what it is to do within the limit.
    pub(super) async fn next(&mut self, what: &str) -> Result<Event, CompileError> {
        let mut line = Vec::new();
        let mut output = (&mut self.output).take(LONGEST);
        match tokio::time::timeout(self.limit, output.read_until(b'\n', &mut line)).await {
            Err(_) => return Err(self.too_slow(what)),
            Ok(Err(_) | Ok(0)) => return Err(self.ended().await),
            Ok(Ok(_)) => {}
        }
        serde_json::from_slice(&line).map_err(|_| {
            let remedy = "check that the command of --dbt starts dbt and prints nothing of its own";
            CompileError::new("the process behind --dbt printed what is not an answer", remedy)
                .saying(clean(&String::from_utf8_lossy(&line)))
        })
    }

    fn too_slow(&mut self, what: &str) -> CompileError {
        let error = CompileError::too_slow(what, self.limit).saying(self.printed());
        self.kill();
        error
    }

    /// Why there is no more: it has ended, which nobody asked it to.
    async fn ended(&mut self) -> CompileError {
        let status = tokio::time::timeout(Duration::from_secs(5), self.child.wait()).await;
        let how = match status {
            Ok(Ok(status)) => format!("the process behind --dbt ended ({status})"),
            Ok(Err(_)) | Err(_) => "the process behind --dbt closed its output".to_owned(),
        };
        // What it printed last may still be on its way.
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.kill();
        CompileError::new(how, "run the command of --dbt by hand, and see whether `dbt parse` works")
            .saying(self.printed())
    }

    fn printed(&self) -> String {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner).trim().to_owned()
    }

    fn kill(&mut self) {
        #[cfg(unix)]
        if let Some(group) = self.group.take() {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.start_kill();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Reads what dbt prints, so that it never waits for a full pipe, and keeps the end of it.
async fn keep(mut errors: impl AsyncRead + Unpin, kept: Arc<Mutex<String>>) {
    let mut buffer = vec![0; 8 << 10];
    let mut rest = Vec::new();
    while let Ok(read @ 1..) = errors.read(&mut buffer).await {
        rest.extend_from_slice(buffer.get(..read).unwrap_or_default());
        while let Some(end) = end_of_line(&rest) {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let line = clean(&String::from_utf8_lossy(&line));
            tracing::info!("dbt: {line}");
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push_str(&line);
            kept.push('\n');
            let mut cut = kept.len().saturating_sub(KEPT);
            while !kept.is_char_boundary(cut) {
                cut += 1;
            }
            kept.drain(..cut);
        }
    }
}

/// Where the first line ends, or what is too long for one is cut.
fn end_of_line(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'\n').or_else(|| bytes.len().checked_sub(1).filter(|last| *last >= KEPT))
}

/// dbt's words for a terminal or a log: no secrets, nothing that commands either.
pub(super) fn clean(text: &str) -> String {
    let text = escape::terminal(&mask(text.trim_end()), true);
    text.lines().map(escape::log_line).collect::<Vec<_>>().join("\n")
}
