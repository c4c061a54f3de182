//! The ferry project on PostgreSQL: production restored from the fixture, a pull request's checkout, and
//! `premerge` run on them as a role that may only read production.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;

use crate::cluster::{Cluster, restore};

/// Names of all pull requests that dbt-postgres was asked about.
pub fn pull_requests() -> Vec<String> {
    let mut names: Vec<_> = fs_err::read_dir(fixtures().join("postgres"))
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ferry")
}

/// A server whose database `ferry` is production. The role `ci` reads it and makes schemas of its own.
pub fn with_production(cluster: Cluster) -> Cluster {
    cluster.sql("postgres", "create database ferry");
    restore(&cluster, "ferry", &fixtures().join("postgres/production.sql.gz"));
    cluster.sql("ferry", "create role ci login; grant create on database ferry to ci");
    let grants = "do $$ declare s text; begin for s in select nspname from pg_namespace where nspname !~ '^pg_' \
                  and nspname <> 'information_schema' loop execute format('grant usage on schema %I to ci', s); \
                  execute format('grant select on all tables in schema %I to ci', s); end loop; end $$";
    cluster.sql("ferry", grants);
    cluster
}

/// Production shared by tests that leave no trace in it; all statements are logged.
pub static PRODUCTION: LazyLock<Cluster> = LazyLock::new(|| {
    with_production(Cluster::start(&[
        "log_statement=all",
        "log_line_prefix=%u|%d|%a|",
        "log_min_error_statement=panic",
    ]))
});

/// A pull request's checkout.
pub struct Checkout {
    dir: tempfile::TempDir,
    pub name: String,
    pub number: u64,
    /// The manifests' adapter, where it is to be another than PostgreSQL.
    adapter: Option<&'static str>,
    /// Where production is, if not in the database of the pull request.
    pub state_database: Option<&'static str>,
    /// A schema of production, and what it is called instead.
    pub state_schema: Option<(&'static str, &'static str)>,
}

impl Checkout {
    pub fn of(name: &str, port: u16) -> Self {
        Self::with_settings(name, port, "")
    }

    /// `settings` is the content of premerge.yml.
    pub fn with_settings(name: &str, port: u16, settings: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let project = dir.path().join("project");
        let copied = Command::new("cp").arg("-r").arg(fixtures().join("project")).arg(&project).status().unwrap();
        assert!(copied.success());
        let request = fixtures().join("prs").join(name);
        let patch = request.join("change.patch");
        if fs_err::metadata(&patch).unwrap().len() > 0 {
            let mut git = Command::new("git");
            git.args(["apply", "--whitespace=nowarn"]).arg(&patch).env("GIT_CEILING_DIRECTORIES", "/");
            assert!(git.current_dir(&project).status().unwrap().success());
        }
        let profile = format!(
            "ferry:\n  target: ci\n  outputs:\n    ci: {{type: postgres, host: 127.0.0.1, port: {port}, user: ci, \
             password: x, dbname: ferry, schema: ci, threads: 2, connect_timeout: 5}}\n"
        );
        fs_err::write(project.join("profiles.yml"), profile).unwrap();
        // Most tests look at what a run has made, views too.
        let keep = if settings.contains("build:") { "" } else { "build: {keep: all}\n" };
        fs_err::write(project.join("premerge.yml"), format!("{keep}{settings}")).unwrap();
        let about: Value = serde_json::from_slice(&fs_err::read(request.join("about.json")).unwrap()).unwrap();
        Self {
            dir,
            name: name.to_owned(),
            number: about["number"].as_u64().unwrap(),
            adapter: None,
            state_database: None,
            state_schema: None,
        }
    }

    /// The same pull request as one of a project on Redshift: dbt-postgres' manifests under the other name.
    pub fn on_redshift(name: &str, port: u16) -> Self {
        let checkout = Self { adapter: Some("redshift"), ..Self::of(name, port) };
        let profile = fs_err::read_to_string(checkout.profiles()).unwrap();
        let profile = profile.replace("type: postgres", "type: redshift, sslmode: disable, query_group: gate");
        fs_err::write(checkout.profiles(), profile).unwrap();
        checkout
    }

    fn of_adapter(&self, manifest: PathBuf, name: &str) -> PathBuf {
        if self.adapter.is_none() && self.state_database.is_none() {
            return manifest;
        }
        let mut text = String::new();
        let packed = fs_err::File::open(manifest).unwrap();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(packed), &mut text).unwrap();
        if let Some((from, to)) = self.state_schema.filter(|_| name == "production.json") {
            text = text.replace(&format!("\"{from}\""), &format!("\"{to}\""));
        }
        let mut document: Value = serde_json::from_str(&text).unwrap();
        if let Some(adapter) = self.adapter {
            document["metadata"]["adapter_type"] = adapter.into();
        }
        if let Some(database) = self.state_database.filter(|_| name == "production.json") {
            for kind in ["nodes", "sources"] {
                for node in document[kind].as_object_mut().unwrap().values_mut() {
                    node["database"] = database.into();
                    let relation =
                        node["relation_name"].as_str().map(|n| n.replace("\"ferry\".", &format!("\"{database}\".")));
                    node["relation_name"] = relation.into();
                }
            }
        }
        let path = self.dir.path().join(name);
        fs_err::write(&path, document.to_string()).unwrap();
        path
    }

    pub fn numbered(self, number: u64) -> Self {
        Self { number, ..self }
    }

    /// A subcommand of the binary in an environment that holds nothing of the developer's.
    pub fn premerge(&self, subcommand: &str) -> Command {
        // Long runs by hand keep a copy of the binary, so that the next build does not change it under them.
        let binary = std::env::var_os("PREMERGE_TEST_BINARY").map(PathBuf::from);
        let mut command = Command::new(binary.unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_premerge"))));
        let project = self.dir.path().join("project");
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.dir.path())
            .current_dir(self.dir.path())
            .arg(subcommand)
            .arg("--project-dir")
            .arg(&project)
            .arg("--profiles-dir")
            .arg(&project)
            .stdin(Stdio::null());
        command
    }

    pub fn manifest(&self) -> PathBuf {
        self.of_adapter(fixtures().join("postgres").join(&self.name).join("pr.manifest.json.gz"), "pr.json")
    }

    pub fn state(&self) -> PathBuf {
        self.of_adapter(fixtures().join("postgres/production.manifest.json.gz"), "production.json")
    }

    /// `premerge check`.
    pub fn check(&self) -> Command {
        let mut command = self.premerge("check");
        command
            .arg("--state")
            .arg(self.state())
            .arg("--manifest")
            .arg(self.manifest())
            .args(["--pr", &self.number.to_string()])
            .arg("--output")
            .arg(self.report_file());
        command
    }

    /// `premerge check` with a model whose statement sleeps first.
    pub fn check_that_sleeps(&self, unique_id: &str, seconds: u32) -> Command {
        self.check_of(|manifest| {
            let code = &mut manifest["nodes"][unique_id]["compiled_code"];
            let sleepy = format!(
                "with nap as materialized (select pg_sleep({seconds})) select model.* from (\n{}\n) as model cross join nap",
                code.as_str().unwrap()
            );
            *code = sleepy.into();
        })
    }

    /// `premerge check` of the manifest as `edit` makes it.
    pub fn check_of(&self, edit: impl FnOnce(&mut Value)) -> Command {
        let file = flate2::read::GzDecoder::new(fs_err::File::open(self.manifest()).unwrap());
        let mut manifest: Value = serde_json::from_reader(std::io::BufReader::new(file)).unwrap();
        edit(&mut manifest);
        let edited = self.dir.path().join("edited.json");
        serde_json::to_writer(fs_err::File::create(&edited).unwrap(), &manifest).unwrap();
        let mut command = self.premerge("check");
        let check = self.check();
        // Behind the subcommand and its folders.
        command.args(
            check
                .get_args()
                .skip(5)
                .map(|arg| if arg == self.manifest() { edited.clone().into_os_string() } else { arg.to_owned() }),
        );
        command
    }

    pub fn profiles(&self) -> PathBuf {
        self.dir.path().join("project/profiles.yml")
    }

    pub fn report_file(&self) -> PathBuf {
        self.dir.path().join("report.json")
    }

    pub fn report(&self) -> Value {
        serde_json::from_slice(&fs_err::read(self.report_file()).unwrap()).unwrap()
    }

    pub fn expected(&self) -> Value {
        let file = fixtures().join("postgres").join(&self.name).join("expected.json");
        serde_json::from_slice(&fs_err::read(file).unwrap()).unwrap()
    }

    pub fn schema(&self) -> String {
        format!("premerge_pr_{}", self.number)
    }
}

/// Names and types of columns, rows, content hash.
pub type Content = (Vec<(String, String)>, u64, String);

/// Columns, rows and content hash of a relation, as fixtures/regenerate_postgres.py asks for them.
pub fn content(cluster: &Cluster, database: &str, schema: &str, name: &str) -> Content {
    let columns: Vec<(String, String)> = cluster
        .sql(
            database,
            &format!(
                "select attname, format_type(atttypid, atttypmod) from pg_attribute \
                 where attrelid = '\"{schema}\".\"{name}\"'::regclass and attnum > 0 and not attisdropped order by attnum"
            ),
        )
        .into_iter()
        .map(|row| (row[0].clone().unwrap(), row[1].clone().unwrap()))
        .collect();
    let volatile = ["dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to"];
    let cells: Vec<_> = columns
        .iter()
        .filter(|(name, _)| !volatile.contains(&name.as_str()))
        .map(|(name, _)| format!("coalesce(\"{name}\"::text, chr(30))"))
        .collect();
    let row = cluster.sql(
        database,
        &format!(
            "select count(*), coalesce(sum(('x' || substr(md5(concat_ws(chr(31), {})), 1, 15))::bit(60)::bigint), 0)::text \
             from \"{schema}\".\"{name}\"",
            cells.join(", ")
        ),
    );
    (columns, row[0][0].as_ref().unwrap().parse().unwrap(), row[0][1].clone().unwrap())
}

/// Everything in a database that is not ours, as one text: names, kinds, content.
pub fn fingerprint(cluster: &Cluster, database: &str) -> String {
    let relations = cluster.sql(
        database,
        "select n.nspname, c.relname, c.relkind from pg_class c join pg_namespace n on n.oid = c.relnamespace \
         where n.nspname !~ '^(pg_|premerge_pr_)' and n.nspname <> 'information_schema' and c.relkind in ('r', 'v', 'm') \
         order by 1, 2",
    );
    let mut text = String::new();
    for row in relations {
        let (schema, name) = (row[0].clone().unwrap(), row[1].clone().unwrap());
        let (columns, rows, hash) = content(cluster, database, &schema, &name);
        text.push_str(&format!("{schema}.{name} {} {columns:?} {rows} {hash}\n", row[2].clone().unwrap()));
    }
    text
}

/// Schemas of ours that are left.
pub fn ours(cluster: &Cluster, database: &str) -> String {
    cluster.value(
        database,
        "select coalesce(string_agg(nspname, ',' order by nspname), '') from pg_namespace where nspname ~ '^premerge_pr_'",
    )
}
