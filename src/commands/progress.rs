//! What the user sees while the warehouse works: a bar on a terminal, timed lines elsewhere.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::build::{Ended, Event, NodeStatus, Observer, TestStatus};
use crate::text::escape;
use crate::text::words::count_of;

/// A bar at the bottom of a terminal, with what ended above it.
pub(super) struct Bar {
    bar: ProgressBar,
    running: Mutex<Vec<String>>,
}

impl Bar {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{elapsed:>4} [{bar:24}] {pos}/{len} {wide_msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, running: Mutex::new(Vec::new()) }
    }
}

impl Observer for Bar {
    fn on(&self, event: &Event<'_>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Begin { tasks, proxies } => {
                self.bar.set_length(*tasks as u64);
                self.bar.set_message(format!("making {}", count_of(*proxies, "proxy view")));
            }
            Event::Proxies { .. } => self.bar.set_message(""),
            Event::Started { name } => running.push((*name).to_owned()),
            Event::Node { ended, .. } | Event::Test { ended, .. } => {
                running.retain(|other| other != ended.name);
                if let Some(line) = line(event) {
                    self.bar.println(line);
                }
                self.bar.set_position(ended.done as u64);
            }
        }
        if !running.is_empty() {
            self.bar.set_message(running.join(", "));
        }
        if let Event::Node { ended, .. } | Event::Test { ended, .. } = event
            && ended.done == ended.of
        {
            self.bar.finish_and_clear();
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// One line an event, with the seconds since the start.
pub(super) struct Lines<W: Write + Send> {
    out: Mutex<W>,
    started: Instant,
}

impl<W: Write + Send> Lines<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out: Mutex::new(out), started: Instant::now() }
    }
}

impl<W: Write + Send> Observer for Lines<W> {
    fn on(&self, event: &Event<'_>) {
        if let Some(line) = line(event) {
            let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
            // Progress that cannot be shown is not a reason to stop.
            let _ = writeln!(out, "{:>7.1}s  {line}", self.started.elapsed().as_secs_f64());
        }
    }
}

fn line(event: &Event<'_>) -> Option<String> {
    Some(match event {
        Event::Begin { tasks, proxies } => {
            let tasks = if *tasks == 1 { "1 node or test".to_owned() } else { format!("{tasks} nodes and tests") };
            format!("{tasks}, {}", count_of(*proxies, "proxy view"))
        }
        Event::Proxies { made, duration } => {
            format!("made {} ({:.2}s)", count_of(*made, "proxy view"), duration.as_secs_f64())
        }
        Event::Started { .. } => return None,
        Event::Node { status, ended } => {
            let said = match status {
                NodeStatus::Built { rows: Some(rows) } => format!("{rows} rows"),
                NodeStatus::Built { rows: None } => "view".to_owned(),
                NodeStatus::Error(failure) => format!("ERROR {}", failure.message),
                NodeStatus::Skipped { because } => format!("skipped: {} failed", because.short_name()),
                NodeStatus::NotRun => "not run".to_owned(),
            };
            ended_line("", ended, &said)
        }
        Event::Test { status, ended } => {
            let said = match status {
                TestStatus::Pass => "pass".to_owned(),
                TestStatus::Warn { failures } => format!("WARN {failures}"),
                TestStatus::Fail { failures } => format!("FAIL {failures}"),
                TestStatus::Error(failure) => format!("ERROR {}", failure.message),
                TestStatus::Skipped { because } => format!("skipped: {} failed", because.short_name()),
                TestStatus::NotRun => "not run".to_owned(),
            };
            ended_line("test ", ended, &said)
        }
    })
}

fn ended_line(what: &str, Ended { name, duration, done, of }: &Ended<'_>, said: &str) -> String {
    let width = of.to_string().len();
    let name = escape::log_line(&escape::terminal(name, false));
    format!("{done:>width$}/{of}  {what}{name}  {said}  ({:.2}s)", duration.as_secs_f64())
}
