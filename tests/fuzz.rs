//! Random mutations of a small corpus: nothing that a manifest, a selector or a text of SQL can hold makes
//! premerge panic, hang, or contradict itself.
//!
//! Runs a fixed number of mutations of a fixed seed. `PREMERGE_FUZZ_SECONDS=600 cargo test --release --test fuzz`
//! runs that long per target and from another seed each time, unless `PREMERGE_FUZZ_SEED` names one; an input
//! that fails is written to the folder of temporary files. The same targets run under cargo-fuzz (CONTRIBUTING.md).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr, clippy::use_debug, reason = "a test may")]

#[path = "fuzz/targets.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// Mutations without `PREMERGE_FUZZ_SECONDS`.
const FEW: u64 = 400;
/// An input of at most [`LONGEST`] bytes that takes longer counts as a hang.
const HANG: Duration = Duration::from_secs(30);
const LONGEST: usize = 64 * 1024;

/// What the three languages are made of.
const WORDS: &[&str] = &[
    "\"",
    "'",
    "`",
    "''",
    "--",
    "/*",
    "*/",
    "//",
    "#",
    "$$",
    "$a$",
    "\\",
    "\\u0000",
    "\u{202e}",
    "é",
    "\r",
    "\n",
    ";",
    "(",
    ")",
    ".",
    ",",
    ":",
    "::",
    "=>",
    "||",
    "[",
    "]",
    "{",
    "}",
    "null",
    "1e999",
    "-0",
    "true",
    "{}",
    "[]",
    "@",
    "+",
    "2+",
    "+3",
    "*",
    "**",
    "?",
    "[!a-",
    "state:modified",
    "tag:",
    "config.",
    "from ",
    "select ",
    "join ",
    " as ",
    "with ",
    "lateral ",
    "table ",
    "wh.prod.b",
    "prod.c",
    "\"wh\".\"prod\".\"a\"",
    "`wh`.`prod`.`ab`",
    "\"nodes\":",
    "model.a.b",
    "99999999999999999999",
    "{% if %}",
    "e'",
    "r'",
    "'''",
    "\"\"\"",
    "U&'",
    "x'",
    "b'",
    "N'",
    "q'[",
];

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // SplitMix64 (Steele, Lea, Flood 2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let most = if self.below(4) == 0 { length } else { 24 };
        start..(start + self.below(most + 1)).min(length)
    }
}

fn mutated(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len() + 1);
        match random.below(8) {
            0 | 1 => drop(bytes.splice(at..at, WORDS[random.below(WORDS.len())].bytes())),
            2 => {
                let range = random.range(bytes.len());
                bytes.splice(range, WORDS[random.below(WORDS.len())].bytes());
            }
            3 => drop(bytes.drain(random.range(bytes.len()))),
            4 => {
                let copy: Vec<u8> = bytes[random.range(bytes.len())].to_vec();
                let times = if random.below(8) == 0 { random.below(200) } else { 1 };
                bytes.splice(at..at, copy.repeat(times));
            }
            5 => {
                let other = &corpus[random.below(corpus.len())];
                bytes.splice(at..at, other[random.range(other.len())].iter().copied());
            }
            6 => {
                let byte = random.next().to_le_bytes()[0];
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            _ if random.below(6) == 0 => bytes.truncate(at),
            _ => {
                if let Some(place) = bytes.get_mut(at) {
                    *place ^= 1 << random.below(8);
                }
            }
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut files: Vec<_> = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs_err::read(file).unwrap()).collect()
}

fn fuzz(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name);
    fuzz_corpus(name, &files(&folder), FEW, target);
}

fn fuzz_corpus(name: &str, corpus: &[Vec<u8>], few: u64, target: fn(&[u8])) {
    for bytes in corpus {
        target(bytes);
    }
    let number = |variable: &str| std::env::var(variable).ok().and_then(|text| text.parse::<u64>().ok());
    let seconds = number("PREMERGE_FUZZ_SECONDS").map(Duration::from_secs);
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let seed = number("PREMERGE_FUZZ_SEED").unwrap_or(if seconds.is_some() { clock } else { 7 });
    let (began, mut runs, mut slowest) = (Instant::now(), 0_u64, Duration::ZERO);
    let mut random = Random(seed);
    while seconds.map_or(runs < few, |seconds| began.elapsed() < seconds) {
        let bytes = mutated(corpus, &mut random);
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| target(&bytes)));
        slowest = slowest.max(start.elapsed());
        runs += 1;
        if outcome.is_err() || start.elapsed() > HANG {
            let file = std::env::temp_dir().join(format!("premerge-fuzz-{name}-{seed}-{runs}"));
            fs_err::write(&file, &bytes).unwrap();
            assert!(outcome.is_ok(), "panicked; the input is {}", file.display());
            assert!(seconds.is_none(), "took {:?}; the input is {}", start.elapsed(), file.display());
        }
    }
    eprintln!("{name}: {runs} inputs from seed {seed} in {:?}, the slowest {slowest:?}", began.elapsed());
}

#[test]
fn any_bytes_are_no_manifest_or_one_that_premerge_can_plan() {
    fuzz("manifest", targets::manifest);
}

#[test]
fn any_text_is_a_selector_or_an_error() {
    fuzz("selector", targets::selector);
}

#[test]
fn any_text_is_sql_or_an_error() {
    fuzz("sql", targets::sql);
}

/// The lint corpus and the models of the ferry project, each behind a byte that chooses the dialect.
#[test]
#[cfg(feature = "lint")]
fn any_text_is_linted_or_named() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut corpus = files(&fixtures.join("lint/corpus"));
    // The YAML beside the models does no harm.
    corpus.extend(files(&fixtures.join("ferry/project/models/intermediate")));
    for (number, file) in corpus.iter_mut().enumerate() {
        file.insert(0, u8::try_from(number % 256).unwrap());
    }
    let quick = std::env::var_os("PREMERGE_FUZZ_SECONDS").is_none();
    let corpus: Vec<_> = if quick { corpus.into_iter().step_by(8).collect() } else { corpus };
    fuzz_corpus("lint", &corpus, 60, targets::lint);
}
