//! The one-way flow between the stages, proved on the source: a module uses those that `src/lib.rs`
//! lists before it, and none after it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, clippy::panic, reason = "a test may")]

#[path = "common/circles.rs"]
mod circles;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use circles::circles;

/// The stages in the order in which data passes them, as `src/lib.rs` lists them.
fn stages() -> Vec<String> {
    let map = fs_err::read_to_string("src/lib.rs").unwrap();
    map.lines().filter_map(|line| line.trim().strip_prefix("pub mod ")?.split(';').next()).map(str::to_owned).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The stage that a file of `src/` belongs to; `None` for `lib.rs` and `main.rs`.
fn stage_of(path: &Path) -> Option<String> {
    let below = path.strip_prefix("src").unwrap();
    let first = below.components().next()?.as_os_str().to_str()?;
    let stage = first.strip_suffix(".rs").unwrap_or(first);
    (!["lib", "main"].contains(&stage)).then(|| stage.to_owned())
}

/// Stages that a source text names as `crate::STAGE`, also inside `use crate::{…}`.
fn named(text: &str) -> Vec<(usize, String)> {
    let mut named = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for rest in code.split("crate::").skip(1) {
            let list = rest.strip_prefix('{').map_or(vec![rest], |inner| inner.split(',').collect());
            for item in list {
                let word: String = item.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                named.push((number + 1, word));
            }
        }
    }
    named
}

#[test]
fn data_moves_one_way() {
    let stages = stages();
    assert!(stages.len() > 10, "src/lib.rs lists the stages");
    let place = |name: &str| stages.iter().position(|stage| stage == name);
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let mut against = Vec::new();
    let mut looked_at = 0;
    for file in files {
        let Some(own) = stage_of(&file) else { continue };
        let own_place = place(&own).unwrap_or_else(|| panic!("{} belongs to no stage of src/lib.rs", file.display()));
        for (line, other) in named(&fs_err::read_to_string(&file).unwrap()) {
            if let Some(other_place) = place(&other) {
                looked_at += 1;
                if other_place > own_place {
                    against.push(format!("{}:{line}: `{own}` uses `{other}`, a later stage", file.display()));
                }
            }
        }
    }
    assert!(looked_at > 50, "the search finds uses at all, not {looked_at}");
    assert!(against.is_empty(), "\n{}", against.join("\n"));
}

#[test]
fn the_search_would_find_a_use_against_the_flow() {
    let found = named("use crate::{sql, publish};\nlet x = crate::report::y(); // crate::build");
    let words: Vec<_> = found.iter().map(|(_, word)| word.as_str()).collect();
    assert_eq!(words, ["sql", "publish", "report"]);
}

/// Path below `src/` and text of every file.
fn texts() -> Vec<(String, String)> {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let text = |file: &PathBuf| {
        let path = file.strip_prefix("src").unwrap().to_string_lossy().replace('\\', "/");
        (path, fs_err::read_to_string(file).unwrap())
    };
    files.iter().map(text).collect()
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let files = texts();
    let uses = circles::count(&files);
    assert!(uses > 3 * files.len(), "the search finds uses at all, not {uses} of {} files", files.len());
    let found: Vec<_> = circles(&files).iter().map(|group| group.join(", ")).collect();
    assert!(found.is_empty(), "these files use each other:\n{}", found.join("\n"));
}

#[test]
fn the_search_would_find_a_circle() {
    let tree = |files: &[(&str, &str)]| {
        let files: Vec<_> = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        circles(&files)
    };
    let found = |files: &[(&str, &str)]| tree(files).concat();
    let (root, folder) = (("lib.rs", "mod a;"), ("a/mod.rs", "mod b; mod c; pub use b::{B, f}; pub use c::C;"));
    let b = "use super::C; pub struct B; pub fn f() {}";
    for c in [
        "pub struct C; fn x(_: super::b::B) {}",
        "pub struct C; use crate::a::B;",
        "pub struct C; use super::b as other; fn x() { other::f() }",
        "pub struct C; #[serde(with = \"super::b::B\")] struct D;",
        "pub struct C; use super::{self, *}; fn x(_: super::B) {}",
        "pub struct C; mod inner { use super::super::B; }",
        "pub struct C; fn x(_: &'static super::B) {}",
        "pub struct C; fn x() { println!(\"{}\", crate::a::f()) }",
    ] {
        assert_eq!(found(&[root, folder, ("a/b.rs", b), ("a/c.rs", c)]), ["a/b.rs", "a/c.rs"], "{c}");
    }
    for c in [
        "pub struct C; // super::B",
        "pub struct C; #[cfg(test)] mod tests { use super::super::B; }",
        "pub struct C; mod inner { use super::C; }",
        "pub struct C; const X: &str = \"see super::b\";",
    ] {
        assert_eq!(found(&[root, folder, ("a/b.rs", b), ("a/c.rs", c)]), Vec::<String>::new(), "{c}");
    }
    // A folder's own code and what it is made of.
    let own = ("a/mod.rs", "mod b; pub struct A; fn x(_: b::B) {}");
    assert_eq!(found(&[root, own, ("a/b.rs", "pub struct B(super::A);")]), ["a/mod.rs", "a/b.rs"]);
}

/// How names of variables begin that CI systems and forges set.
const OF_CI: [&str; 8] = ["GITHUB_", "GITLAB_", "CI_", "CIRCLE", "TF_BUILD", "SYSTEM_", "BUILD_", "BITBUCKET_"];

/// Lines of a file, before its tests, that name a variable of a CI system.
fn variables_of_ci(text: &str) -> Vec<usize> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let names = |line: &str| {
        let line = line.split("//").next().unwrap_or_default();
        line.contains("\"CI\"") || OF_CI.iter().any(|name| line.contains(&format!("\"{name}")))
    };
    (1..).zip(code.lines()).filter(|(_, line)| names(line)).map(|(number, _)| number).collect()
}

#[test]
fn variables_of_ci_are_read_in_one_place() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let (mut found, mut elsewhere) = (0, Vec::new());
    for file in files {
        for line in variables_of_ci(&fs_err::read_to_string(&file).unwrap()) {
            // Tokens are a forge's, whichever system runs the job.
            if file.starts_with("src/publish/ci") || file == Path::new("src/publish/forge_kind.rs") {
                found += 1;
            } else {
                elsewhere.push(format!("{}:{line}", file.display()));
            }
        }
    }
    assert!(found > 20, "the search finds them at all, not {found}");
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}

const DIALECTS: [&str; 6] = ["DuckDb", "Postgres", "Redshift", "Snowflake", "BigQuery", "Databricks"];

/// Whether code outside of tests tells engines apart: by a dialect, or by an adapter's name.
fn tells_engines_apart(text: &str) -> bool {
    let code = ["#[cfg(test)]\nmod tests", "#[cfg(test)]\npub(super) mod tests"];
    let code = code.iter().fold(text, |text, tests| text.split(tests).next().unwrap_or_default());
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).any(|line| {
        DIALECTS.iter().any(|dialect| {
            let used = [format!("Dialect::{dialect}"), format!("Self::{dialect}")];
            let named = format!("\"{}\"", dialect.to_lowercase());
            used.iter().any(|used| line.contains(used)) || (line.contains(&named) && !line.contains("feature ="))
        })
    })
}

#[test]
fn an_engine_is_added_where_contributing_says_and_nowhere_else() {
    let text = fs_err::read_to_string("CONTRIBUTING.md").unwrap();
    let section = text.split("### Add an engine\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let listed: BTreeSet<String> = section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .flat_map(|line| line.split('`').skip(1).step_by(2).filter(|word| word.starts_with("src/")).map(str::to_owned))
        .collect();
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let own = ["src/warehouse/duckdb/", "src/warehouse/postgres/", "src/warehouse/aws/", "src/commands/demo/"];
    let found: BTreeSet<String> = files
        .iter()
        .map(|path| path.to_string_lossy().into_owned())
        .filter(|path| !own.iter().any(|folder| path.starts_with(folder)))
        .filter(|path| tells_engines_apart(&fs_err::read_to_string(path).unwrap()))
        .collect();
    assert!(found.len() > 10, "the search finds files at all");
    let missing: Vec<_> = found.difference(&listed).collect();
    let idle: Vec<_> = listed.difference(&found).collect();
    assert!(missing.is_empty() && idle.is_empty(), "CONTRIBUTING.md lacks {missing:?} and lists {idle:?} for nothing");
}

/// Lines of a file, before its tests, that change a report while it is gathered: a field is set, or a list grows.
fn changes_of_a_draft(text: &str) -> Vec<usize> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let changes = |line: &str| {
        let line = line.split("//").next().unwrap_or_default();
        let field = line.split("draft.").nth(1).unwrap_or_default();
        let name = field.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
        let grows = [".push(", ".extend(", ".insert("].iter().any(|call| field.contains(call));
        let borrowed = line.contains("&mut draft.");
        borrowed || grows || (name.starts_with(" = ") && !field.is_empty()) || line.contains("Draft {")
    };
    (1..).zip(code.lines()).filter(|(_, line)| changes(line)).map(|(number, _)| number).collect()
}

#[test]
fn the_report_is_gathered_in_one_place() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let outside = files.iter().filter(|file| !file.starts_with("src/report"));
    let found: Vec<String> = outside
        .flat_map(|file| {
            let lines = changes_of_a_draft(&fs_err::read_to_string(file).unwrap());
            lines.into_iter().map(move |line| format!("{}:{line}", file.display()))
        })
        .collect();
    assert!(found.is_empty(), "{found:?}");
    for change in [
        "draft.checks.lint = x;",
        "draft.findings.push(x);",
        "let draft = Draft { facts, ..x };",
        "let facts = &mut draft.facts;",
    ] {
        assert_eq!(changes_of_a_draft(change), [1], "the search would find it");
    }
    assert_eq!(changes_of_a_draft("let x = draft.findings.len();"), Vec::<usize>::new());
}
