//! The report brought to everybody who waits for it.

use std::io::Write;

use serde_json::Value;

use super::args::CheckArgs;
use crate::commands::publish::{self, token};
use crate::commands::{CommandError, Io, runtime};
use crate::config::mask_variables;
use crate::publish::detect::Ci;
use crate::publish::write_to_ci;
use crate::report::{Report, json};

/// Writes the report's file, posts the comment, fills what CI offers, and prints the result.
pub(super) fn deliver(args: &CheckArgs, report: &Report, ci: &Ci, io: &mut Io<'_>) -> Result<(), CommandError> {
    let masked = without_secrets(report);
    let report = masked.as_ref().unwrap_or(report);
    let unwritten = |what: &str, source| CommandError::Write { what: what.to_owned(), source };
    if let Some(path) = &args.output {
        let path = io.env.cwd.join(path);
        let write = || -> std::io::Result<()> {
            let mut file = std::io::BufWriter::new(fs_err::File::create(&path)?);
            json::write(report, &mut file)?;
            file.flush()
        };
        write().map_err(|source| unwritten("the report", source))?;
    }
    let path = args.output.as_deref();
    let told = if comments(args, ci, io) {
        let token = token(&|name| io.env.get(name).map(str::to_owned));
        runtime()?.block_on(publish::deliver(report, ci, token, path, io.log)).map(|_| ())
    } else {
        write_to_ci(report, ci, None, path, io.log)
    };
    if let Err(error) = told {
        io.say(format_args!("warning: CI's own summary is incomplete: {error}"));
    }
    args.format.write(report, io.colours(), io.out).map_err(|source| unwritten("the result", source))
}

/// Says on the pull request that a run has begun, so that nobody merges on the last run's word.
pub(super) fn announce(args: &CheckArgs, report: &Report, ci: &Ci, io: &mut Io<'_>) -> Result<(), CommandError> {
    // Outside CI somebody looks at a terminal and sees the progress there.
    if ci.event.is_some() && comments(args, ci, io) {
        let masked = without_secrets(report);
        let report = masked.as_ref().unwrap_or(report);
        let token = token(&|name| io.env.get(name).map(str::to_owned));
        // What goes wrong here goes wrong again at the end, and is said then.
        let _ = runtime()?.block_on(publish::comment(report, ci, token, &mut std::io::sink()));
    }
    Ok(())
}

/// The report with secrets masked, `None` when there are none in it. Texts of the warehouse are masked where they
/// come in; this is for names, as of a database that only a secret variable tells.
fn without_secrets(report: &Report) -> Option<Report> {
    let mut document = serde_json::to_value(report).ok()?;
    if !mask_texts(&mut document) {
        return None;
    }
    json::read(&serde_json::to_vec(&document).ok()?).ok()
}

/// Whether anything was masked.
fn mask_texts(value: &mut Value) -> bool {
    match value {
        Value::String(text) => {
            let masked = mask_variables(text).into_owned();
            let changed = masked != *text;
            *text = masked;
            changed
        }
        Value::Array(items) => mask_all(items),
        Value::Object(map) => mask_all(map.values_mut()),
        _ => false,
    }
}

/// All of them, also behind one in which something was.
fn mask_all<'v>(values: impl IntoIterator<Item = &'v mut Value>) -> bool {
    values.into_iter().fold(false, |masked, value| mask_texts(value) | masked)
}

/// A comment is wanted in CI, and elsewhere where repository and token say where it goes.
fn comments(args: &CheckArgs, ci: &Ci, io: &Io<'_>) -> bool {
    let elsewhere =
        io.env.get("GITHUB_REPOSITORY").is_some() && token(&|name| io.env.get(name).map(str::to_owned)).is_some();
    !args.no_comment && (ci.event.is_some() || elsewhere)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Env, ProfileQuery, Target};

    #[test]
    fn texts_of_a_document_are_masked_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let profile = "p: {outputs: {default: {type: duckdb, path: a.duckdb}}}\n";
        fs_err::write(dir.path().join("profiles.yml"), profile).unwrap();
        let env = Env::new([("DBT_ENV_SECRET_DB", "hushdb-yx"), ("DBT_ENV_SECRET_PORT", "64873")], dir.path().into());
        Target::find(&ProfileQuery::default(), &env).unwrap();
        let mut document = serde_json::json!({"rows": 64873, "names": ["hushdb-yx.s", "64873"], "a": {"b": "c"}});
        assert!(mask_texts(&mut document));
        assert_eq!(document, serde_json::json!({"rows": 64873, "names": ["***.s", "***"], "a": {"b": "c"}}));
        assert!(!mask_texts(&mut document));
    }
}
