//! profiles.yml of a pull request: it is acted on before the engine is locked.

use std::path::{Path, PathBuf};
use std::process::Command;

use duckdb::{Config, Connection};

use crate::common::{Checkout, cache_dir};
use crate::duckdb::files;

/// A library that makes a file when it is loaded, as an extension without signature, in a folder like DuckDB's own.
struct NativeCode {
    extension: PathBuf,
    canary: PathBuf,
}

impl NativeCode {
    fn build(folder: &Path) -> Self {
        let canary = folder.join("canary");
        let source = folder.join("evil.c");
        fs_err::write(
            &source,
            format!(
                "#include <stdio.h>\n__attribute__((constructor)) static void run(void) \
                 {{ FILE *f = fopen(\"{}\", \"w\"); if (f) fclose(f); }}\n",
                canary.display()
            ),
        )
        .unwrap();
        let extension = folder.join("evil.duckdb_extension");
        let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&extension).arg(&source).status();
        assert!(compiled.unwrap().success());
        // Where an extension says what it was made for, and has its signature: nothing, and none.
        let mut bytes = fs_err::read(&extension).unwrap();
        bytes.extend([0; 512]);
        fs_err::write(&extension, bytes).unwrap();
        Self { extension, canary }
    }

    /// Whether it was loaded since it was last asked.
    fn ran(&self) -> bool {
        fs_err::remove_file(&self.canary).is_ok()
    }
}

/// Runs `check` with the target's further fields; production's file must be the same afterwards, and nothing else new.
fn check(checkout: &Checkout, fields: &str) -> String {
    let profile = format!(
        "ferry:\n  target: ci\n  outputs:\n    ci:\n      type: duckdb\n      path: ferry.duckdb\n      schema: ci\n      threads: 2\n{fields}"
    );
    fs_err::write(checkout.project().join("profiles.yml"), profile).unwrap();
    let production = fs_err::read(checkout.production()).unwrap();
    let before = files(checkout.dir.path());
    let mut check = checkout.check();
    check.current_dir(checkout.project());
    let run = check.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(fs_err::read(checkout.production()).unwrap() == production, "production was written to\n{said}");
    let after = files(checkout.dir.path());
    let new: Vec<_> =
        after.keys().filter(|path| !path.ends_with("/report.json") && !before.contains_key(*path)).collect();
    assert!(new.is_empty(), "{new:?}\n{said}");
    assert_eq!(run.status.code(), Some(0), "{said}");
    said
}

#[test]
fn it_loads_no_code() {
    let folder = tempfile::tempdir_in(cache_dir().parent().unwrap()).unwrap();
    let code = NativeCode::build(folder.path());
    // The library is one: an engine that is told to take it runs it.
    let config = Config::default().with("allow_unsigned_extensions", "true").unwrap();
    let engine = Connection::open_in_memory_with_flags(config).unwrap();
    let _ = engine.execute_batch("set allow_extensions_metadata_mismatch = true");
    assert!(engine.execute_batch(&format!("load '{}'", code.extension.display())).is_err());
    assert!(code.ran());

    let engine = Connection::open_in_memory().unwrap();
    let version: String = engine.query_row("select version()", [], |row| row.get(0)).unwrap();
    let platform: String = engine.query_row("pragma platform", [], |row| row.get(0)).unwrap();
    let checkout = Checkout::of("changed_filter");
    let below = checkout.project().join("ext").join(version).join(platform);
    fs_err::create_dir_all(&below).unwrap();
    for name in ["evil", "sqlite_scanner", "zz9"] {
        fs_err::copy(&code.extension, below.join(format!("{name}.duckdb_extension"))).unwrap();
    }
    // A file that the engine opens with another extension, as its first bytes say.
    let mut sqlite = b"SQLite format 3\0".to_vec();
    sqlite.resize(4096, 0);
    fs_err::write(checkout.project().join("x.db"), sqlite).unwrap();

    let allowed = format!(
        "      config_options: {{allow_unsigned_extensions: true, extension_directory: '{0}/ext'}}\n      \
         settings: {{allow_extensions_metadata_mismatch: true, autoload_known_extensions: true, \
         ALLOW_UNSIGNED_EXTENSIONS: true, home_directory: '{0}', extension_directory: '{0}/ext'}}\n",
        checkout.project().display()
    );
    for (fields, named) in [
        ("extensions: [evil]".to_owned(), "`evil` is not loaded"),
        (format!("extensions: ['{}']", code.extension.display()), "1 without a plain name is not loaded"),
        (format!("extensions: [{{name: '{}', repo: core}}]", code.extension.display()), "is not loaded"),
        ("extensions: [sqlite_scanner]".to_owned(), "`sqlite_scanner` is not loaded"),
        ("attach: [{path: 'zz9:x.db', alias: other}]".to_owned(), "`other` is not attached"),
        ("attach: [{path: x.db, alias: other, type: sqlite}]".to_owned(), "`other` is not attached"),
        ("plugins: [{module: evil}]".to_owned(), "`plugins` is not used"),
        ("module_paths: [.]".to_owned(), "`module_paths` is not used"),
    ] {
        let said = check(&checkout, &format!("{allowed}      {fields}\n"));
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(named), "{fields}\n{said}");
        assert!(said.contains("`allow_unsigned_extensions`"), "{fields}\n{said}");
        assert!(!code.ran(), "{fields}\n{said}");
    }
    // It is not DuckDB's, whatever it begins with: that is an error of the profile, as it is of dbt.
    fs_err::remove_file(checkout.report()).unwrap();
    let profile = fs_err::read_to_string(checkout.project().join("profiles.yml")).unwrap();
    fs_err::write(
        checkout.project().join("profiles.yml"),
        profile.replace("module_paths: [.]", "attach: [{path: x.db, alias: other}]"),
    )
    .unwrap();
    let run = checkout.check().output().unwrap();
    assert_eq!(run.status.code(), Some(3), "{}", String::from_utf8_lossy(&run.stderr));
    assert!(String::from_utf8_lossy(&run.stderr).contains("not a valid DuckDB database file"));
    assert!(!code.ran());
}

#[test]
fn it_writes_nothing() {
    let checkout = Checkout::of("changed_filter");
    let other = checkout.dir.path().join("other.duckdb");
    fs_err::copy(checkout.production(), &other).unwrap();
    for (fields, named) in [
        (
            "attach: [{path: ferry.duckdb, alias: again, read_only: false}, \
             {path: ../other.duckdb, read_only: false, options: {read_only: false}}, \
             {path: 'duckdb:ferry.duckdb', alias: prefixed}, {path: 'ducklake:lake.ducklake', alias: lake}, \
             {path: 'md:shop', alias: cloud}, {path: 'postgres:host=127.0.0.1', alias: pg}, \
             {path: 'https://made-up.example/x.duckdb', alias: web}, {path: ':memory:', alias: mem}]",
            vec!["`prefixed`, `lake`, `cloud`, `pg`, `web`, `mem` are not attached"],
        ),
        ("settings: {log_query_path: ferry.duckdb}", vec!["`log_query_path` is not used"]),
        (
            "settings: {Profiling_Output: ferry.duckdb, enable_profiling: json, profile_output: ferry.duckdb, \
             logging_storage: file, enable_logging: true, temp_directory: spill, access_mode: read_write, \
             \"threads = 1; copy (select 1) to 'x.csv'; set threads\": 1}\n      \
             config_options: {enable_external_access: true, lock_configuration: false, allowed_directories: ['/'], \
             allowed_paths: ['/']}",
            vec![
                "`temp_directory` is not used",
                "`enable_external_access`, `lock_configuration`, `allowed_directories`, `allowed_paths`, \
                 `profiling_output`, `enable_profiling`, `profile_output`, `logging_storage`, `enable_logging`, \
                 `access_mode`, 1 without a plain name are not used",
            ],
        ),
    ] {
        // The terminal breaks lines.
        let said = check(&checkout, &format!("      {fields}\n"));
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        for named in named {
            assert!(said.contains(named), "{fields}\n{said}");
        }
    }
    assert!(fs_err::read(&other).unwrap() == fs_err::read(checkout.production()).unwrap());
}

#[test]
fn harmless_settings_hold() {
    let checkout = Checkout::of("changed_filter");
    let said = check(
        &checkout,
        "      settings: {TimeZone: Europe/Berlin, memory_limit: 1GB}\n      config_options: {threads: 1, default_null_order: nulls_first}\n",
    );
    assert!(!said.contains("not used"), "{said}");
}
