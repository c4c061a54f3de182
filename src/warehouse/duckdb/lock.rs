//! The engine locked down: once production and the temporary database are attached, this process reaches no other file
//! than those that sources name, and no setting changes any more.

use std::path::Path;

use duckdb::Connection;
use tempfile::TempDir;

use super::fault::classify;
use super::profile::Attach;
use crate::sql::Dialect;
use crate::warehouse::{FaultClass, WarehouseError};

/// Settings that a header may still change: they are a connection's own, and name no file.
const CHANGEABLE: [&str; 2] = ["Calendar", "TimeZone"];

/// What of the file system the engine may reach.
#[derive(Debug, Default)]
pub(super) struct Places {
    folders: Vec<String>,
    files: Vec<String>,
}

impl Places {
    /// Everything below a folder.
    pub(super) fn folder(&mut self, path: &Path) {
        self.folders.push(format!("{}/", path.to_string_lossy().trim_end_matches('/')));
    }

    /// A file that a source names, or all that its pattern could mean: the folder before the first wildcard.
    pub(super) fn file(&mut self, path: &str) {
        let Some(wildcard) = path.find(['*', '?', '[']) else {
            self.files.push(path.to_owned());
            return;
        };
        // Of `/*.csv` or `*.csv` that would be everything.
        let folder = path.get(..wildcard).and_then(|before| before.rsplit_once('/')).filter(|(at, _)| !at.is_empty());
        self.folders.extend(folder.map(|(folder, _)| format!("{folder}/")));
    }
}

/// Attaches a database under a name of its file that is gone afterwards.
///
/// DuckDB before 2.0 lets statements write to the files of all databases that are attached, those for reading too
/// (`copy … to`); from 2.0 on it refuses that. A library of the user's own (`DUCKDB_LIB_DIR`) may be either, so
/// it knows the database by a second name, and never hears the first. Where the file system gives none, because
/// the folder lies in another, the engine's own refusal is the wall, and an engine without it is not used.
///
/// # Errors
/// When the engine cannot attach it, or nothing would keep statements from its file.
pub(super) fn attach_apart(connection: &Connection, database: &Attach, folder: &Path) -> Result<(), WarehouseError> {
    let attach = |attach: &Attach| connection.execute_batch(&attach.sql()).map_err(|error| classify(&error));
    let guards_itself = guards_itself(connection).map_err(|error| classify(&error))?;
    match second_name(database, folder) {
        Some((_folder, apart)) if guards_itself => attach(&apart).or_else(|_| attach(database)),
        Some((_folder, apart)) => attach(&apart),
        // A file that is not there has no second name; the engine says which it is.
        None if guards_itself || !Path::new(&database.path).exists() => attach(database),
        None => Err(WarehouseError::new(
            FaultClass::Unsupported,
            format!(
                "this DuckDB is older than 2.0 and could be made to write to {}: premerge keeps it from that with a \
                 hard link in its cache directory, which is on another file system",
                database.path
            ),
        )
        .with_remedy("link DuckDB 2.0 or newer, or choose a `--cache-dir` on the file system of the database")),
    }
}

fn guards_itself(connection: &Connection) -> duckdb::Result<bool> {
    let version: String = connection.query_row("select version()", [], |row| row.get(0))?;
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    Ok(major.is_some_and(|major| major >= 2))
}

/// The database with hard links as its file and write-ahead log; they are gone with the folder.
fn second_name(database: &Attach, folder: &Path) -> Option<(TempDir, Attach)> {
    let folder = tempfile::tempdir_in(folder).ok()?;
    let link = folder.path().join("production");
    fs_err::hard_link(&database.path, &link).ok()?;
    let log = format!("{}.wal", database.path);
    if Path::new(&log).exists() {
        fs_err::hard_link(log, folder.path().join("production.wal")).ok()?;
    }
    let apart = Attach::new(link.to_string_lossy(), database.alias());
    Some((folder, apart))
}

/// # Errors
/// When the engine does not take a setting: nothing may run then.
pub(super) fn lock_down(connection: &Connection, places: &Places) -> duckdb::Result<()> {
    // A source in a bucket needs its extension now; later nothing can be loaded.
    if places.files.iter().chain(&places.folders).any(|path| path.contains("://")) {
        let _ = connection.execute_batch("load httpfs");
    }
    let list = |texts: &[String]| {
        format!("[{}]", texts.iter().map(|text| Dialect::DuckDb.literal(text)).collect::<Vec<_>>().join(", "))
    };
    let changeable = CHANGEABLE.map(str::to_owned);
    connection.execute_batch(&format!(
        "set autoinstall_known_extensions = false; set autoload_known_extensions = false; \
         set allow_community_extensions = false; set allowed_directories = {}; set allowed_paths = {}; \
         set enable_external_access = false; set allowed_configs = {}; set lock_configuration = true",
        list(&places.folders),
        list(&places.files),
        list(&changeable),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The wall behind the grammar: what it would have to hold if a statement got past the first.
    #[test]
    fn a_locked_engine_reaches_no_other_file() {
        locked(true);
    }

    /// As where the cache folder lies in another file system.
    #[test]
    fn nor_where_production_has_no_second_name() {
        locked(false);
    }

    fn locked(second_name: bool) {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
        let production = file("prod.duckdb");
        crate::warehouse::create_database(Path::new(&production), ["create table t as select range a from range(9)"])
            .unwrap();
        fs_err::write(file("secret.csv"), "a\n1\n").unwrap();
        fs_err::create_dir(file("open")).unwrap();
        fs_err::write(file("open/a.csv"), "a\n1\n").unwrap();
        let before = fs_err::read(&production).unwrap();

        let connection = Connection::open_in_memory().unwrap();
        let attach = Attach::new(production.clone(), "prod");
        let folder = if second_name { dir.path().to_owned() } else { dir.path().join("nowhere") };
        let attached = attach_apart(&connection, &attach, &folder);
        if !second_name && !guards_itself(&connection).unwrap() {
            let said = attached.unwrap_err().message;
            assert!(said.contains("older than 2.0"), "{said}");
            return;
        }
        attached.unwrap();
        let known: String = connection
            .query_row("select path from duckdb_databases() where database_name = 'prod'", [], |row| row.get(0))
            .unwrap();
        assert_eq!(known != production, second_name, "{known}");
        connection.execute_batch(&format!("attach '{}' as work", file("work.duckdb"))).unwrap();
        let mut places = Places::default();
        places.folder(&dir.path().join("open"));
        lock_down(&connection, &places).unwrap();

        connection.execute_batch("create table work.x as select * from prod.t").unwrap();
        connection.execute_batch(&format!("create table work.y as from '{}'", file("open/*.csv"))).unwrap();
        connection.execute_batch("set session timezone = 'Europe/Berlin'").unwrap();
        for sql in [
            "insert into prod.t values (1)".to_owned(),
            "drop table prod.t".to_owned(),
            "create table prod.x as select 1".to_owned(),
            format!("copy (select 1) to '{production}' (format csv, use_tmp_file false)"),
            format!("copy (select 1) to '{production}.wal' (format csv, use_tmp_file false)"),
            format!("copy (select 1) to '{}' (format csv, use_tmp_file false)", file("open/../prod.duckdb")),
            format!("copy (select 1) to 'file:{production}' (format csv, use_tmp_file false)"),
            format!("copy (select 1) to '{production}' (format parquet)"),
            format!("copy (select 1 as a, 2 as b) to '{production}' (format csv, partition_by (a), overwrite)"),
            format!("export database '{production}'"),
            format!("attach '{production}' as again (read_only false)"),
            format!("call enable_logging(storage = 'file', storage_path = '{production}')"),
            format!("attach '{production}' as again"),
            format!("from '{}'", file("secret.csv")),
            format!("from read_text('{}')", file("open/../secret.csv")),
            format!("export database '{}'", file("out")),
            format!("set log_query_path = '{production}'"),
            format!("set profiling_output = '{production}'"),
            format!("set secret_directory = '{}'", dir.path().display()),
            format!("set temp_directory = '{}'", dir.path().display()),
            "set enable_external_access = true".to_owned(),
            "reset enable_external_access".to_owned(),
            "set lock_configuration = false".to_owned(),
            "set allowed_directories = ['/']".to_owned(),
            "set threads = 1".to_owned(),
            "install httpfs".to_owned(),
        ] {
            assert!(connection.execute_batch(&sql).is_err(), "{sql}");
        }
        drop(connection);
        assert!(fs_err::read(&production).unwrap() == before);
        let left: Vec<_> = fs_err::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 4, "{left:?}");
    }

    #[test]
    fn a_pattern_opens_its_folder_and_nothing_above() {
        let mut places = Places::default();
        for path in ["data/raw/*.csv", "s3://bucket/in/{a,b}/x.parquet", "/*.csv", "*.csv", "/srv/a?/x", "data/x.csv"] {
            places.file(path);
        }
        assert_eq!(places.folders, ["data/raw/", "/srv/"]);
        assert_eq!(places.files, ["s3://bucket/in/{a,b}/x.parquet", "data/x.csv"]);
    }
}
