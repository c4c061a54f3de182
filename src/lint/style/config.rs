//! A team's sqlfluff configuration, found as sqlfluff finds it and turned into what the library takes.
//!
//! The library has its own reading of configuration files; it differs from sqlfluff's in the default of
//! `rules`, knows neither old codes nor `setup.cfg`, and panics on some values. So the files are read here
//! and the library is given settings that it is known to take.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqruff_lib::core::config::{ConfigLoader, FluffConfig, Value};
use sqruff_lib_core::dialects::init::{DialectKind, dialect_readout};
use sqruff_lib_core::dialects::syntax::SyntaxKind;

use super::codes;
use super::guard::guarded;
use super::ini;
use super::references::References;
use super::values::{list, plain, refused, taken};
use crate::config::ToolFiles;

/// Later files win (sqlfluff's `load_config_at_path`).
const FILES: [&str; 5] = ["setup.cfg", "tox.ini", "pep8.ini", ".sqlfluff", "pyproject.toml"];

/// Settings of sqlfluff that say how to print, where to look or how to render: nothing for us to do.
const NOT_OURS: [&str; 14] = [
    "verbose",
    "nocolor",
    "output_line_length",
    "templater",
    "library_path",
    "runaway_limit",
    "encoding",
    "sql_file_exts",
    "fix_even_unparsable",
    "large_file_skip_fail",
    "render_variant_limit",
    "ignore_paths",
    "processes",
    "stdin_filename",
];

/// The configuration of one folder.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) fluff: FluffConfig,
    /// Codes whose findings only warn.
    pub(crate) warnings: BTreeSet<String>,
    /// Categories of errors that are ignored: `lexing`, `linting`, `parsing`, `templating`.
    pub(crate) ignore: BTreeSet<String>,
    /// A `-- noqa` that silences nothing is found fault with.
    pub(crate) warn_unused_ignores: bool,
    /// `None`: every `-- noqa` counts; otherwise only those for these codes.
    pub(crate) noqa_only: Option<BTreeSet<String>>,
    /// Files larger than this are skipped; sqlfluff's default is 20,000 bytes.
    byte_limit: Option<u64>,
    /// The same in characters, which sqlfluff still takes.
    char_limit: Option<u64>,
    /// What the rest is made of, for a file that changes some of it.
    settings: Value,
    dialect: Option<String>,
    /// Identifies the settings, for the cache.
    pub(crate) fingerprint: String,
}

impl Resolved {
    /// Why a text is too large to be linted, if it is.
    pub(crate) fn too_large(&self, text: &str) -> Option<String> {
        let of_bytes = self.byte_limit.filter(|limit| text.len() as u64 > *limit);
        let of_characters = self.char_limit.filter(|limit| text.chars().count() as u64 > *limit);
        let bytes = of_bytes.map(|limit| format!("it is larger than {limit} bytes, the `large_file_skip_byte_limit`"));
        bytes.or(of_characters
            .map(|limit| format!("it is larger than {limit} characters, the `large_file_skip_char_limit`")))
    }

    /// This configuration with other values of some settings, each with its keys.
    pub(super) fn with(
        &self,
        own: Value,
        references: &References,
        notes: &mut Vec<String>,
    ) -> Result<Arc<Self>, String> {
        let mut settings = self.settings.clone();
        merge(&mut settings, own);
        resolved(settings, self.dialect.as_deref(), references, notes)
    }
}

/// What a folder's files come to: settings, the files they are from, and what is worth saying about them.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub(crate) settings: Value,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) notes: Vec<String>,
}

impl Loaded {
    /// Whether anybody configured sqlfluff for this folder.
    pub(crate) fn is_configured(&self) -> bool {
        self.settings.as_map().is_some_and(|map| map.keys().any(|key| key != "templater"))
    }
}

/// Reads every configuration that counts for files in `folder`.
///
/// sqlfluff reads the user's own configuration, the folders between home and the file, and those between
/// the working folder and the file; the nearer wins.
pub(crate) fn load(folder: &Path, cwd: &Path, home: Option<&Path>, files: &ToolFiles) -> Loaded {
    let mut loaded = Loaded { settings: empty(), files: Vec::new(), notes: Vec::new() };
    let mut folders: Vec<PathBuf> = Vec::new();
    if let Some(home) = home {
        folders.push(home.join(".config/sqlfluff"));
        folders.push(home.to_owned());
        folders.extend(between(home, folder));
    }
    folders.extend(between(cwd, folder));
    folders.push(folder.to_owned());
    let mut seen = BTreeSet::new();
    folders.reverse();
    folders.retain(|folder| seen.insert(folder.clone()));
    folders.reverse();
    for folder in folders {
        for name in FILES {
            read(&folder.join(name), files, &mut loaded);
        }
    }
    loaded
}

/// The folders from `outer` down to `inner`, if the one is in the other.
fn between(outer: &Path, inner: &Path) -> Vec<PathBuf> {
    if !inner.starts_with(outer) {
        return Vec::new();
    }
    let mut list: Vec<_> = inner.ancestors().take_while(|path| path.starts_with(outer)).map(Path::to_owned).collect();
    list.reverse();
    list
}

fn read(path: &Path, files: &ToolFiles, loaded: &mut Loaded) {
    let Some(text) = files.read(path) else { return };
    let mut own = match settings_of(path, text) {
        Ok(own) => own,
        Err(reason) => return loaded.notes.push(reason),
    };
    let before = loaded.settings.clone();
    drop_refused(&mut own, &path.display().to_string(), &mut Vec::new(), &mut loaded.notes);
    merge(&mut loaded.settings, own);
    if loaded.settings != before {
        loaded.files.push(path.to_owned());
    }
}

/// The settings of one file; `Err` names the file.
fn settings_of(path: &Path, text: std::io::Result<String>) -> Result<Value, String> {
    let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
    let mut own = empty();
    if path.extension().is_some_and(|extension| extension == "toml") {
        if text.contains("sqlfluff") {
            let read = guarded(|| ConfigLoader::try_from_source(&text, Some(path)));
            let named = |error: String| format!("{}: {error}", path.display());
            own = Value::Map(read.map_err(named)?.map_err(|error| error.to_string())?);
        }
    } else {
        for (keys, value) in ini::settings(&text) {
            set(&mut own, &keys, value.parse().unwrap_or(Value::None));
        }
    }
    Ok(own)
}

/// The patterns of `ignore_paths` in one file. A file that cannot be read is said where its other settings are.
pub(super) fn ignore_paths(path: &Path, text: std::io::Result<String>) -> Vec<String> {
    settings_of(path, text).map(|own| list(get(&own, &["core", "ignore_paths"]))).unwrap_or_default()
}

/// Takes out what sqlfluff would refuse, and says so with where it stands and what is allowed.
pub(super) fn drop_refused(value: &mut Value, place: &str, path: &mut Vec<String>, notes: &mut Vec<String>) {
    let Value::Map(map) = value else { return };
    let mut names: Vec<String> = map.keys().cloned().collect();
    names.sort();
    for name in names {
        path.push(name.clone());
        let allowed = map.get(&name).and_then(|value| refused(path, value));
        match allowed {
            Some(allowed) => {
                let value = map.remove(&name).unwrap_or(Value::None);
                let (taken, shown) = taken(path, &value);
                if !taken.is_empty() {
                    map.insert(
                        name.clone(),
                        Value::Array(taken.into_iter().map(|it| Value::String(it.into())).collect()),
                    );
                }
                let key = path.join(":");
                notes.push(format!("{place}: `{key}` cannot be `{shown}`, which has no effect; allowed: {allowed}"));
            }
            None => {
                if let Some(inner) = map.get_mut(&name) {
                    drop_refused(inner, place, path, notes);
                }
            }
        }
        path.pop();
    }
}

fn empty() -> Value {
    Value::Map(Default::default())
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Map(into), Value::Map(from)) => {
            for (key, value) in from {
                match into.get_mut(&key) {
                    Some(old) => merge(old, value),
                    None => {
                        into.insert(key, value);
                    }
                }
            }
        }
        (into, from) => *into = from,
    }
}

/// Sets a value, making the sections on the way.
pub(super) fn set(settings: &mut Value, keys: &[String], value: Value) {
    let mut current = settings;
    let Some((last, sections)) = keys.split_last() else { return };
    for section in sections {
        if !matches!(current, Value::Map(_)) {
            *current = empty();
        }
        let Value::Map(map) = current else { return };
        current = map.entry(section.clone()).or_insert_with(empty);
    }
    if !matches!(current, Value::Map(_)) {
        *current = empty();
    }
    if let Value::Map(map) = current {
        map.insert(last.clone(), value);
    }
}

pub(super) fn get<'v>(settings: &'v Value, keys: &[&str]) -> Option<&'v Value> {
    keys.iter().try_fold(settings, |value, key| value.as_map()?.get(*key)).filter(|value| !value.is_none())
}

/// Turns what was read into a configuration of the library; `Err` says why it cannot be used.
///
/// `dialect` is the warehouse's, for a team that configured none.
pub(crate) fn resolve(
    loaded: &Loaded,
    dialect: Option<&str>,
    references: &References,
    notes: &mut Vec<String>,
) -> Result<Arc<Resolved>, String> {
    notes.extend(loaded.notes.iter().cloned());
    resolved(loaded.settings.clone(), dialect, references, notes)
}

fn resolved(
    mut settings: Value,
    dialect: Option<&str>,
    references: &References,
    notes: &mut Vec<String>,
) -> Result<Arc<Resolved>, String> {
    renamed(&mut settings);
    unsupported(&settings, notes);
    drop_unknown_layout(&mut settings, notes);
    let fluff = resolve_settings(settings.clone(), dialect, references, notes)?;
    let flag = |name: &str| get(&settings, &["core", name]).is_some_and(Value::to_bool);
    let warnings = references.exactly(&list(get(&settings, &["core", "warnings"])), "warnings", notes);
    let ignore = list(get(&settings, &["core", "ignore"])).into_iter().collect();
    let except = list(get(&settings, &["core", "disable_noqa_except"]));
    let noqa_only = match (flag("disable_noqa"), except.is_empty()) {
        (false, true) => None,
        (true, true) => Some(BTreeSet::new()),
        (_, false) => Some(references.expand(&except, "disable_noqa_except", notes)),
    };
    let limit = |name: &str, usual: Option<u64>| match get(&settings, &["core", name]) {
        None => usual,
        Some(value) => u64::try_from(value.as_int().unwrap_or(0)).ok().filter(|limit| *limit > 0),
    };
    Ok(Arc::new(Resolved {
        fluff,
        warnings,
        ignore,
        warn_unused_ignores: flag("warn_unused_ignores"),
        noqa_only,
        byte_limit: limit("large_file_skip_byte_limit", Some(20_000)),
        char_limit: limit("large_file_skip_char_limit", None),
        fingerprint: format!("{:?}", sorted(&settings)) + dialect.unwrap_or_default(),
        settings,
        dialect: dialect.map(str::to_owned),
    }))
}

/// Takes out the layout of kinds of SQL that the library does not have: it panics on some, and sqlfluff heeds none.
fn drop_unknown_layout(settings: &mut Value, notes: &mut Vec<String>) {
    let kinds = settings.as_map_mut().and_then(|map| map.get_mut("layout")?.as_map_mut()?.get_mut("type"));
    let Some(kinds) = kinds.and_then(Value::as_map_mut) else { return };
    let mut unknown: Vec<String> = kinds.keys().filter(|kind| kind.parse::<SyntaxKind>().is_err()).cloned().collect();
    unknown.sort();
    for kind in unknown {
        kinds.remove(&kind);
        notes.push(format!("the setting `layout:type:{kind}` is not supported and has no effect"));
    }
}

/// Makes the library's configuration of settings that are sqlfluff's.
pub(super) fn resolve_settings(
    mut settings: Value,
    dialect: Option<&str>,
    references: &References,
    notes: &mut Vec<String>,
) -> Result<FluffConfig, String> {
    let key = |name: &str| vec!["core".to_owned(), name.to_owned()];
    let strings =
        |codes: BTreeSet<String>| Value::Array(codes.into_iter().map(|code| Value::String(code.into())).collect());
    // sqlfluff runs every rule unless told otherwise; the library only its core rules.
    let wanted = match list(get(&settings, &["core", "rules"])) {
        rules if rules.is_empty() => references.all(),
        rules => references.expand(&rules, "rules", notes),
    };
    let excluded = references.expand(&list(get(&settings, &["core", "exclude_rules"])), "exclude_rules", notes);
    let chosen: BTreeSet<String> =
        wanted.difference(&excluded).filter(|code| references.knows(code)).cloned().collect();
    if chosen.is_empty() {
        // An empty list would mean the default to the library.
        set(&mut settings, &key("exclude_rules"), strings(references.all()));
        set(&mut settings, &key("rules"), Value::String("all".into()));
    } else {
        set(&mut settings, &key("exclude_rules"), Value::None);
        set(&mut settings, &key("rules"), strings(chosen));
    }
    set(&mut settings, &key("warnings"), Value::None);
    set(&mut settings, &key("templater"), Value::String("raw".into()));
    // Ours: see `noqa.rs`, and `engine.rs` for what is ignored.
    set(&mut settings, &key("warn_unused_ignores"), Value::Bool(false));
    set(&mut settings, &key("ignore"), Value::None);
    set(&mut settings, &key("disable_noqa"), Value::Bool(true));
    set(&mut settings, &key("disable_noqa_except"), Value::None);
    if get(&settings, &["core", "dialect"]).is_none() {
        let dialect = dialect.ok_or("no dialect is configured, and the lint library does not support the adapter's")?;
        set(&mut settings, &key("dialect"), Value::String(dialect.into()));
    }
    let dialect = get(&settings, &["core", "dialect"]).map(plain).unwrap_or_default();
    if let Some(reason) = unknown_dialect(&dialect) {
        return Err(reason);
    }
    let Value::Map(mut map) = settings else { return Err("the configuration is empty".to_owned()) };
    // Folders of macros and of the dbt project: nothing is rendered here, and the library panics on some.
    map.remove("templater");
    guarded(move || FluffConfig::new(map, None, None))
        .map_err(|panic| format!("its configuration cannot be used: {panic}"))
}

/// What is wrong with the name of a dialect (sqlfluff's), if the library has none of that name.
pub(crate) fn unknown_dialect(name: &str) -> Option<String> {
    let has = name.parse::<DialectKind>().is_ok();
    (!has).then(|| format!("unknown dialect `{name}`; the known ones are {}", dialect_readout().join(", ")))
}

/// Settings that sqlfluff moved and still takes (its `core/config/removed.py`).
fn renamed(settings: &mut Value) {
    let moves: [(&[&str], &[&str]); 8] = [
        (&["rules", "max_line_length"], &["core", "max_line_length"]),
        (&["rules", "tab_space_size"], &["indentation", "tab_space_size"]),
        (&["rules", "L002", "tab_space_size"], &["indentation", "tab_space_size"]),
        (&["rules", "L003", "tab_space_size"], &["indentation", "tab_space_size"]),
        (&["rules", "L004", "tab_space_size"], &["indentation", "tab_space_size"]),
        (&["rules", "L016", "tab_space_size"], &["indentation", "tab_space_size"]),
        (&["rules", "indent_unit"], &["indentation", "indent_unit"]),
        (&["rules", "comma_style"], &["layout", "type", "comma", "line_position"]),
    ];
    for (from, to) in moves {
        let Some(value) = get(settings, from).cloned() else { continue };
        if get(settings, to).is_none() {
            let to: Vec<_> = to.iter().map(|key| (*key).to_owned()).collect();
            set(settings, &to, value);
        }
        let Some((last, sections)) = from.split_last() else { continue };
        let section = sections.iter().try_fold(&mut *settings, |value, key| value.as_map_mut()?.get_mut(*key));
        if let Some(map) = section.and_then(Value::as_map_mut) {
            map.remove(*last);
        }
    }
}

/// Says which settings the library does not know; sqlfluff warns of such too.
fn unsupported(settings: &Value, notes: &mut Vec<String>) {
    let Ok(known) = guarded(FluffConfig::default) else { return };
    let (Some(map), defaults) = (settings.as_map(), Value::Map(known.raw)) else { return };
    let mut names: Vec<String> = Vec::new();
    for (section, value) in map.iter().filter(|(section, _)| *section != "templater" && *section != "layout") {
        walk(value, &mut vec![section.clone()], &defaults, &mut names);
    }
    names.sort();
    for name in names {
        notes.push(format!("the setting `{name}` is not supported and has no effect"));
    }
}

fn walk(value: &Value, path: &mut Vec<String>, defaults: &Value, names: &mut Vec<String>) {
    let keys: Vec<&str> = path.iter().map(String::as_str).collect();
    let known = keys.iter().try_fold(defaults, |value, key| value.as_map()?.get(*key)).is_some();
    match value {
        Value::Map(map) if known || path.len() < 2 => {
            for (key, value) in map {
                path.push(key.clone());
                walk(value, path, defaults, names);
                path.pop();
            }
        }
        _ if known || (keys.first() == Some(&"core") && keys.last().is_some_and(|key| NOT_OURS.contains(key))) => {}
        _ => {
            let hint = match keys.as_slice() {
                ["rules", old, ..] if codes::current(old) != *old => {
                    format!(" (its section has the rule's name, not `{old}`)")
                }
                _ => String::new(),
            };
            names.push(keys.join(":") + &hint);
        }
    }
}

/// The settings in a fixed order.
fn sorted(value: &Value) -> Vec<String> {
    let mut list = Vec::new();
    fn collect(value: &Value, path: &str, list: &mut Vec<String>) {
        match value {
            Value::Map(map) => map.iter().for_each(|(key, value)| collect(value, &format!("{path}:{key}"), list)),
            other => list.push(format!("{path}={}", plain_or_list(other))),
        }
    }
    collect(value, "", &mut list);
    list.sort();
    list
}

fn plain_or_list(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => plain(other),
    }
}
