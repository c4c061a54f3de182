//! Where the time of `premerge plan` goes, by the size of the project.
//!
//! ```text
//! cargo bench --bench planning                          1,000, 5,000, 15,000 and 50,000 models
//! cargo bench --bench planning -- 15000                 other sizes
//! cargo bench --bench planning -- --every-model 15000   a macro that every model calls is changed
//! cargo bench --bench planning -- --write FOLDER 15000  only writes the pair of manifests
//! ```
//!
//! The manifests are generated. A size is measured in a process of its own, so that its peak of memory (Linux
//! only) is its own; of five rounds in it, the shortest time of each step counts. The peak is that of one round.

// The manifest of a model is one `json!`.
#![recursion_limit = "256"]
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::use_debug, missing_docs)]

mod generate;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use generate::{Edit, write_pair};
use premerge::artifacts::{check_compiled, read_pair};
use premerge::changes::{CompareOptions, compare, compare_compiled};
use premerge::plan::{PlanOptions, plan};
use premerge::project::{Graph, IndirectSelection};

const SIZES: [usize; 4] = [1_000, 5_000, 15_000, 50_000];
const ROUNDS: usize = 5;
const STEPS: [&str; 7] = ["read", "parse", "graph", "compare", "compiled", "plan", "check"];

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args.as_slice() {
        ["--measure", folder] => measure(Path::new(folder)),
        ["--write", folder, size, ..] => size.parse().map_err(Failure::from).and_then(|models| {
            let edit = if args.contains(&"--every-model") { Edit::EveryModel } else { Edit::Usual };
            Ok(write_pair(Path::new(folder), models, edit)?)
        }),
        // `cargo test --benches` runs this program too, and means no measuring.
        args if args.contains(&"--bench") => table(args),
        _ => Ok(()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn table(args: &[&str]) -> Result<(), Failure> {
    let edit = if args.contains(&"--every-model") { Edit::EveryModel } else { Edit::Usual };
    let given: Vec<usize> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    let sizes = if given.is_empty() { SIZES.to_vec() } else { given };
    print!("{:>8} {:>8}", "models", "MB");
    for step in STEPS {
        print!(" {step:>9}");
    }
    println!(" {:>9} {:>8} {:>6}", "total", "peak MB", "built");
    for models in sizes {
        let folder = tempfile::tempdir()?;
        write_pair(folder.path(), models, edit)?;
        let output = Command::new(std::env::current_exe()?).arg("--measure").arg(folder.path()).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        print!("{models:>8} {}", String::from_utf8_lossy(&output.stdout));
    }
    Ok(())
}

/// One size; prints the rest of its row, times in milliseconds.
fn measure(folder: &Path) -> Result<(), Failure> {
    let mut best = [Duration::MAX; STEPS.len()];
    let (mut bytes, mut built, mut total, mut peak) = (0, 0, Duration::MAX, None);
    for round in 0..ROUNDS {
        let mut clock = Clock { began: Instant::now(), times: Vec::new() };
        let files = read_pair(&folder.join("state.json"), &folder.join("pr.json"))?;
        bytes = files.state.len() + files.pr.len();
        clock.lap();
        let (state, pr) = files.parse()?;
        clock.lap();
        let graph = Graph::new(&pr);
        clock.lap();
        let mut changes = compare(&state, &pr, &CompareOptions::default());
        clock.lap();
        compare_compiled(&state, &pr, &changes).apply(&mut changes);
        clock.lap();
        let options = PlanOptions {
            schema: "premerge_pr_1".to_owned(),
            select: None,
            exclude: BTreeSet::new(),
            indirect: IndirectSelection::Eager,
            at_turn: None,
        };
        let plan = plan(&state, &pr, &graph, &changes, &options)?;
        clock.lap();
        let ids = plan.nodes.iter().map(|node| node.unique_id.as_str());
        let issues = check_compiled(&pr, ids.chain(plan.tests.iter().map(|test| test.unique_id.as_str())));
        clock.lap();
        if !issues.is_empty() || plan.nodes.is_empty() {
            return Err(format!("the generated manifests are no good: {:?}", issues.first()).into());
        }
        built = plan.nodes.len();
        total = total.min(clock.times.iter().sum());
        for (best, time) in best.iter_mut().zip(&clock.times) {
            *best = (*best).min(*time);
        }
        if round == 0 {
            peak = peak_kib();
        }
    }
    print!("{:>8.1}", bytes as f64 / 1e6);
    for time in best.into_iter().chain([total]) {
        print!(" {:>9.1}", time.as_secs_f64() * 1e3);
    }
    println!(" {:>8} {built:>6}", peak.map_or("?".to_owned(), |peak| format!("{:.0}", peak as f64 * 1.024e-3)));
    Ok(())
}

struct Clock {
    began: Instant,
    times: Vec<Duration>,
}

impl Clock {
    fn lap(&mut self) {
        self.times.push(self.began.elapsed());
        self.began = Instant::now();
    }
}

/// The most memory that this process ever had resident, in KiB.
fn peak_kib() -> Option<u64> {
    let status = fs_err::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
