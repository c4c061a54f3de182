//! The report brought to everybody who waits for it.

use serde_json::Value;

use super::args::CheckArgs;
use crate::commands::publish;
use crate::commands::render::Format;
use crate::commands::{CommandError, Io, ResultFile, runtime};
use crate::config::{Env, mask_variables};
use crate::publish::ci::{Ci, LogDialect};
use crate::publish::write_to_ci;
use crate::report::{Report, json};

/// Writes the report's file, posts the comment, fills what CI offers, and prints the result.
pub(super) fn deliver(args: &CheckArgs, report: &Report, ci: &Ci, io: &mut Io<'_>) -> Result<(), CommandError> {
    let masked = for_others(report, ci, &io.env);
    let report = masked.as_ref().unwrap_or(report);
    let unwritten = |what: &str, source| CommandError::Write { what: what.to_owned(), source };
    write_files(args, report, io)?;
    let json = args.output.iter().find(|file| file.format.unwrap_or(Format::Json) == Format::Json);
    let path = json.map(|file| file.path.as_path());
    let told = if comments(args, ci, io) {
        let token = publish::token(ci, &io.env);
        runtime()?.block_on(publish::deliver(report, ci, token, path, io.log)).map(|_| ())
    } else {
        write_to_ci(report, ci, None, path, io.log)
    };
    if let Err(error) = told {
        io.say(format_args!("warning: the CI summary is incomplete: {error}"));
    }
    let colours = io.colours();
    let out: &mut dyn std::io::Write = match (args.format.commands_the_runner(), ci.log) {
        // They are in its log already.
        (true, LogDialect::Actions) => return Ok(()),
        (true, LogDialect::Plain | LogDialect::Azure) => io.log,
        (false, _) => io.out,
    };
    args.format.write(report, colours, out).map_err(|source| unwritten("the result", source))
}

/// Writes the files that are asked for.
fn write_files(args: &CheckArgs, report: &Report, io: &Io<'_>) -> Result<(), CommandError> {
    let write = |file: &ResultFile| file.write(report, Format::Json, &io.env.cwd);
    args.output
        .iter()
        .try_for_each(write)
        .map_err(|source| CommandError::Write { what: "the report".to_owned(), source })
}

/// Says on the pull request that a run has begun, so that nobody merges on the last run's word; and writes the
/// report that stands when the process does not live to write its own: an engine within it may end it.
pub(super) fn announce(args: &CheckArgs, report: &Report, ci: &Ci, io: &mut Io<'_>) -> Result<(), CommandError> {
    let last_word = Report::conclude(report.cut_off());
    write_files(args, for_others(&last_word, ci, &io.env).as_ref().unwrap_or(&last_word), io)?;
    // Outside CI somebody looks at a terminal and sees the progress there.
    if ci.system.is_some() && comments(args, ci, io) {
        let masked = for_others(report, ci, &io.env);
        let report = masked.as_ref().unwrap_or(report);
        let token = publish::token(ci, &io.env);
        // What goes wrong here goes wrong again at the end, and is said then.
        let _ = runtime()?.block_on(publish::comment(report, ci, token, &mut std::io::sink()));
    }
    Ok(())
}

/// The report with secrets masked and without the machine's own paths; `None` when there are none in it. Texts of the
/// warehouse are masked where they come in; this is for names, as of a database that only a secret variable tells, and
/// for messages of the system, which name files in full.
fn for_others(report: &Report, ci: &Ci, env: &Env) -> Option<Report> {
    let mut document = serde_json::to_value(report).ok()?;
    if !change_texts(&mut document, &|text| without_folders(&mask_variables(text), ci, env)) {
        return None;
    }
    json::read(&serde_json::to_vec(&document).ok()?).ok()
}

/// Whether any text was changed.
fn change_texts(value: &mut Value, change: &dyn Fn(&str) -> String) -> bool {
    let all = |values: &mut dyn Iterator<Item = &mut Value>| {
        // All of them, also behind one that was changed.
        values.fold(false, |changed, value| change_texts(value, change) | changed)
    };
    match value {
        Value::String(text) => {
            let new = change(text);
            let changed = new != *text;
            *text = new;
            changed
        }
        Value::Array(items) => all(&mut items.iter_mut()),
        Value::Object(map) => all(&mut map.values_mut()),
        _ => false,
    }
}

/// A text without the folders in which files of this machine are: what is below stays.
fn without_folders(text: &str, ci: &Ci, env: &Env) -> String {
    let users = ["TMPDIR", "HOME"].iter().filter_map(|name| env.get(name)).map(str::to_owned);
    let known = ci.workspace.iter().chain([&env.cwd]).map(|folder| folder.to_string_lossy().into_owned());
    let mut folders: Vec<String> = users.chain(known).collect();
    let canonical = |folder: &String| fs_err::canonicalize(folder).ok().map(|path| path.to_string_lossy().into_owned());
    folders.extend(folders.iter().filter_map(canonical).collect::<Vec<_>>());
    folders.iter_mut().for_each(|folder| *folder = folder.trim_end_matches(['/', '\\']).to_owned());
    // The root of everything, and what is too short to be a path of somebody's own.
    folders.retain(|folder| folder.len() > 4 && folder.contains(['/', '\\']));
    folders.sort_by_key(|folder| std::cmp::Reverse(folder.len()));
    folders.iter().fold(text.to_owned(), |text, folder| {
        text.replace(&format!("{folder}/"), "").replace(&format!("{folder}\\"), "")
    })
}

/// A comment is wanted in the forge's own CI, and elsewhere where repository and token say where it goes.
fn comments(args: &CheckArgs, ci: &Ci, io: &Io<'_>) -> bool {
    !args.no_comment && ci.forge.is_some() && (ci.comments_by_default || publish::token(ci, &io.env).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Checkout, ProfileQuery, Target};

    #[test]
    fn texts_of_a_document_are_masked_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let profile = "p: {outputs: {default: {type: duckdb, path: a.duckdb}}}\n";
        fs_err::write(dir.path().join("profiles.yml"), profile).unwrap();
        let env = Env::new([("DBT_ENV_SECRET_DB", "hushdb-yx"), ("DBT_ENV_SECRET_PORT", "64873")], dir.path().into());
        Target::find(&ProfileQuery::default(), &env, &Checkout::Own).unwrap();
        let mut document = serde_json::json!({"rows": 64873, "names": ["hushdb-yx.s", "64873"], "a": {"b": "c"}});
        let mask = |text: &str| mask_variables(text).into_owned();
        assert!(change_texts(&mut document, &mask));
        assert_eq!(document, serde_json::json!({"rows": 64873, "names": ["***.s", "***"], "a": {"b": "c"}}));
        assert!(!change_texts(&mut document, &mask));
    }

    #[test]
    fn no_folder_of_the_machine_is_named() {
        let env = Env::new([("HOME", "/made-up/someone")], "/".into());
        let ci = Ci { workspace: Some("/made-up/someone/builds/shop/shop".into()), ..Ci::default() };
        for (text, shown) in [
            ("could not read `/made-up/someone/builds/shop/shop/seeds/a.csv`: x", "could not read `seeds/a.csv`: x"),
            ("/made-up/someone/.cache/premerge/lint", ".cache/premerge/lint"),
            ("https://github.com/made-up/someone is no path", "https://github.com/made-up/someone is no path"),
            ("models/a.sql and and/or", "models/a.sql and and/or"),
        ] {
            assert_eq!(without_folders(text, &ci, &env), shown);
        }
    }
}
