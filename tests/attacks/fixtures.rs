//! What is refused of the SQL that dbt compiled: of the fixtures here, and of a folder of manifests that
//! `PREMERGE_CORPUS` names.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use premerge::sql::{Dialect, ProjectText, judge};
use serde_json::Value;

fn manifests(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs_err::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            manifests(&path, found);
        } else if path.file_name().is_some_and(|name| name.to_string_lossy().contains("manifest.json")) {
            found.push(path);
        }
    }
}

fn read(path: &Path) -> Option<Value> {
    let mut text = String::new();
    let file = fs_err::File::open(path).ok()?;
    let read = match path.extension() {
        Some(gz) if gz == "gz" => flate2::read::GzDecoder::new(file).read_to_string(&mut text),
        _ => std::io::BufReader::new(file).read_to_string(&mut text),
    };
    read.ok()?;
    serde_json::from_str(&text).ok()
}

/// Texts that are meant to be broken.
const BROKEN: &[&str] = &["broken_sql"];

#[test]
fn compiled_sql_of_projects_is_taken() {
    let mut files = Vec::new();
    manifests(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), &mut files);
    if let Some(corpus) = std::env::var_os("PREMERGE_CORPUS") {
        manifests(Path::new(&corpus), &mut files);
    }
    let (mut texts, mut refused) = (BTreeSet::new(), Vec::new());
    for file in files.iter().filter(|file| !BROKEN.iter().any(|name| file.to_string_lossy().contains(name))) {
        let Some(manifest) = read(file) else { continue };
        let adapter = manifest["metadata"]["adapter_type"].as_str().unwrap_or_default();
        let Some(dialect) = Dialect::from_adapter(adapter) else { continue };
        if !matches!(dialect, Dialect::Postgres | Dialect::Redshift | Dialect::DuckDb)
            || (dialect == Dialect::DuckDb && cfg!(not(feature = "duckdb")))
        {
            continue;
        }
        for (id, node) in manifest["nodes"].as_object().into_iter().flatten() {
            let is_sql = node["language"].as_str() != Some("python");
            let Some(code) = node["compiled_code"].as_str().filter(|code| is_sql && !code.trim().is_empty()) else {
                continue;
            };
            // Fixtures of lint's rules say which engines they are for.
            let dialects = code.trim_start().lines().next().and_then(|line| line.strip_prefix("-- dialects:"));
            if dialects.is_some_and(|dialects| !dialects.split_whitespace().any(|name| name == adapter)) {
                continue;
            }
            // The text of real projects in the corpus is a hash.
            if code.starts_with("sha256:") || !texts.insert((adapter.to_owned(), code.to_owned())) {
                continue;
            }
            let text = code.trim().trim_end_matches(';');
            if let Err(refusal) = judge(ProjectText::Query(text), dialect) {
                refused.push(format!("{} {adapter}: {id}: {refusal}\n{text}", file.display()));
            }
        }
    }
    println!("{} texts of {} manifests, {} refused", texts.len(), files.len(), refused.len());
    assert!(refused.is_empty(), "{} of {} refused:\n{}", refused.len(), texts.len(), refused.join("\n"));
    assert!(texts.len() > 100, "{}", texts.len());
}
