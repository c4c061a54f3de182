//! `check --compile` of the project of `fixtures/compiling`, beside the slim build of real dbt.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::dbt::dbt;

/// The project in its production state, and a pull request of it, beside each other.
pub struct Shelf {
    pub dir: tempfile::TempDir,
    /// Variables that the profile reads.
    pub env: Vec<(&'static str, String)>,
}

/// What became of a node or test: its status in dbt's words, and failures of a test.
pub type Results = BTreeMap<String, (String, Option<u64>)>;

impl Shelf {
    /// `files`: those of the pull request that differ, path and text.
    pub fn new(profiles: &str, env: Vec<(&'static str, String)>, files: &[(String, String)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy(&fixtures().join("project"), &dir.path().join("base"));
        fs_err::write(dir.path().join("base/profiles.yml"), profiles).unwrap();
        let shelf = Self { dir, env };
        shelf.lay_out(profiles, files);
        shelf
    }

    /// The pull request's checkout, anew: the production state but for these files.
    pub fn lay_out(&self, profiles: &str, files: &[(String, String)]) {
        let checkout = self.path("pr");
        if checkout.exists() {
            fs_err::remove_dir_all(&checkout).unwrap();
        }
        copy(&fixtures().join("project"), &checkout);
        fs_err::write(checkout.join("profiles.yml"), profiles).unwrap();
        for (file, text) in files {
            let path = checkout.join(file);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
    }

    /// The files of one of the fixture's pull requests.
    pub fn pull_request(name: &str) -> Vec<(String, String)> {
        let root = fixtures().join(name);
        let mut found = Vec::new();
        let mut open = vec![root.clone()];
        while let Some(folder) = open.pop() {
            for entry in fs_err::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    let below = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                    found.push((below, fs_err::read_to_string(&path).unwrap()));
                }
            }
        }
        assert!(!found.is_empty());
        found
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn dbt(&self, project: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(dbt().join("dbt"));
        command.args(arguments).current_dir(self.path(project)).env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false");
        for (name, value) in &self.env {
            command.env(name, value);
        }
        command.output().unwrap()
    }

    /// Production is built, and its manifest kept.
    pub fn build_production(&self) {
        let built = self.dbt("base", &["build", "--target", "prod", "--exclude", "resource_type:test"]);
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stdout));
        fs_err::create_dir(self.path("state")).unwrap();
        fs_err::copy(self.path("base/target/manifest.json"), self.path("state/manifest.json")).unwrap();
    }

    /// dbt's slim build of the pull request, and what became of each node.
    pub fn slim_build(&self) -> Results {
        let state = self.path("state");
        let target = self.path("slim");
        let ran = self.dbt(
            "pr",
            &[
                "build",
                "--select",
                "state:modified+",
                "--defer",
                "--favor-state",
                "--state",
                state.to_str().unwrap(),
                "--target",
                "ci",
                "--target-path",
                target.to_str().unwrap(),
            ],
        );
        let results = fs_err::read(target.join("run_results.json"))
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&ran.stdout)));
        let results: Value = serde_json::from_slice(&results).unwrap();
        let result = |result: &Value| {
            let id = result["unique_id"].as_str().unwrap().to_owned();
            let status = result["status"].as_str().unwrap().to_owned();
            (id, (status, result["failures"].as_u64()))
        };
        results["results"].as_array().unwrap().iter().map(result).collect()
    }

    /// `premerge check --compile`, ready for more arguments.
    pub fn check(&self) -> assert_cmd::Command {
        let mut command = assert_cmd::Command::cargo_bin("premerge").unwrap();
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.dir.path());
        command.env("PREMERGE_COMPILE", "true");
        command
            .env("PREMERGE_STATE_MAX_AGE_HOURS", "0")
            .current_dir(self.path("pr"))
            .args(["check", "--pr", "1", "--target", "ci"]);
        command.env("PREMERGE_DBT", dbt().join("dbt")).arg("--state").arg(self.path("state"));
        command.arg("--output").arg(self.path("report.json")).env("PREMERGE_CACHE_DIR", self.path("cache"));
        for (name, value) in &self.env {
            command.env(name, value);
        }
        command
    }

    pub fn report(&self) -> Value {
        serde_json::from_slice(&fs_err::read(self.path("report.json")).unwrap()).unwrap()
    }

    /// What became of each node and test of the last check, in dbt's words.
    pub fn results(&self) -> Results {
        let report = self.report();
        let word = |status: &str| {
            match status {
                "built" => "success",
                "failed" => "error",
                other => other,
            }
            .to_owned()
        };
        let mut results = Results::new();
        for node in report["nodes"].as_array().unwrap() {
            let id = node["unique_id"].as_str().unwrap().to_owned();
            results.insert(id, (word(node["status"].as_str().unwrap()), None));
        }
        for test in report["tests"].as_array().unwrap() {
            let id = test["unique_id"].as_str().unwrap().to_owned();
            results.insert(id, (word(test["status"].as_str().unwrap()), test["failures"].as_u64()));
        }
        results
    }
}

/// Statuses and failures are the same, but for nodes that only premerge builds: those named in `more`.
pub fn same(dbts: &Results, ours: &Results, more: &[&str]) {
    let mut differences = Vec::new();
    for (id, (status, failures)) in dbts {
        match ours.get(id) {
            None => differences.push(format!("{id}: dbt {status}, premerge nothing")),
            Some((own, number)) => {
                let is_run = ["pass", "fail", "warn"].contains(&status.as_str());
                if own != status || (is_run && number != failures) {
                    differences.push(format!("{id}: dbt {status} {failures:?}, premerge {own} {number:?}"));
                }
            }
        }
    }
    let extra: BTreeSet<&str> = ours.keys().filter(|id| !dbts.contains_key(*id)).map(String::as_str).collect();
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
    assert_eq!(extra, more.iter().copied().collect(), "only premerge builds or runs these");
}

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/compiling")
}

fn copy(from: &Path, to: &Path) {
    fs_err::create_dir_all(to).unwrap();
    for entry in fs_err::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs_err::copy(entry.path(), target).unwrap();
        }
    }
}
