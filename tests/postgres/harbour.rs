//! A server, production built by dbt, and pull requests of it that dbt has compiled.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::cluster::Cluster;
use crate::dbt::dbt;

/// A file of a project and its text.
pub type File = (&'static str, String);

pub struct Harbour {
    pub server: Cluster,
    dir: tempfile::TempDir,
}

impl Harbour {
    /// `sql` is run as production's role before dbt builds production, in which `raw` is there for sources. A pull request has
    /// production's files, and its own instead of those of the same name.
    pub fn new(sql: &str, production: &[File], requests: &[(&str, Vec<File>)]) -> Self {
        let server = Cluster::start(&["deadlock_timeout=1s"]);
        server.sql("postgres", "create database harbour");
        server.sql("postgres", "create role prod login; create role ci login");
        server.sql(
            "harbour",
            &format!(
                "create schema raw authorization prod; create schema analytics authorization prod; \
                 grant create on database harbour to ci; grant create on database harbour to prod; grant usage on schema raw, analytics to ci; \
                 set role prod; alter default privileges in schema raw grant select on tables to ci; \
                 alter default privileges in schema analytics grant select on tables to ci; {sql}"
            ),
        );
        let harbour = Self { server, dir: tempfile::tempdir().unwrap() };
        let nothing = Vec::new();
        for (name, own) in
            std::iter::once(("production", &nothing)).chain(requests.iter().map(|(name, own)| (*name, own)))
        {
            for (file, text) in
                production.iter().filter(|(file, _)| own.iter().all(|(other, _)| other != file)).chain(own)
            {
                let path = harbour.project(name).join(file);
                fs_err::create_dir_all(path.parent().unwrap()).unwrap();
                fs_err::write(path, text).unwrap();
            }
            let target = |role: &str, schema: &str| {
                format!(
                    "    {role}: {{type: postgres, host: 127.0.0.1, port: {}, user: {role}, password: x, dbname: harbour, \
                     schema: {schema}, threads: 12}}\n",
                    harbour.server.port
                )
            };
            let profile =
                format!("harbour:\n  target: ci\n  outputs:\n{}{}", target("prod", "analytics"), target("ci", "ci"));
            fs_err::write(harbour.project(name).join("profiles.yml"), profile).unwrap();
        }
        harbour.succeeds(harbour.dbt("production", &["build", "--target", "prod"]));
        // Production's next builds write its manifest again.
        fs_err::create_dir(harbour.state()).unwrap();
        fs_err::copy(harbour.project("production").join("target/manifest.json"), harbour.state().join("manifest.json"))
            .unwrap();
        for (name, _) in requests {
            harbour.succeeds(harbour.dbt(name, &["compile", "--target", "ci"]));
        }
        harbour
    }

    fn succeeds(&self, mut command: Command) {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    pub fn project(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub fn dbt(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(dbt().join("dbt"));
        let (subcommand, options) = arguments.split_first().unwrap();
        command.arg(subcommand).args(["--profiles-dir", "."]).args(options).current_dir(self.project(name));
        command.env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false").stdin(Stdio::null());
        command
    }

    /// dbt's own slim CI.
    pub fn slim(&self, name: &str) -> Command {
        let mut command =
            self.dbt(name, &["build", "--target", "ci", "--select", "state:modified+", "--defer", "--state"]);
        command.arg(self.state()).args(["--target-path", "target-slim"]);
        command
    }

    pub fn check(&self, name: &str, number: u64) -> Command {
        let binary = std::env::var_os("PREMERGE_TEST_BINARY").map(PathBuf::from);
        let mut command = Command::new(binary.unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_premerge"))));
        let project = self.project(name);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.dir.path());
        command
            .current_dir(self.dir.path())
            .arg("check")
            .arg("--project-dir")
            .arg(&project)
            .arg("--profiles-dir")
            .arg(&project);
        command.arg("--state").arg(self.dir.path().join("state/manifest.json"));
        command.arg("--manifest").arg(project.join("target/manifest.json"));
        command.args(["--pr", &number.to_string(), "--output"]).arg(self.report_file(number));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    pub fn report_file(&self, number: u64) -> PathBuf {
        self.dir.path().join(format!("report-{number}.json"))
    }

    pub fn report(&self, number: u64) -> Value {
        serde_json::from_slice(&fs_err::read(self.report_file(number)).unwrap()).unwrap()
    }
}
