//! The ferry project of `fixtures/`, ready for a run: production built with real data, a pull request's
//! checkout, and dbt's own results beside them.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "each test binary uses its own part"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use premerge::artifacts::ManifestFile;
use premerge::commands::demo::make_production;
use serde::Deserialize;

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ferry")
}

/// dbt's results: `expected.json`.
#[derive(Debug, Deserialize)]
pub struct Expected {
    pub exit_code: i32,
    pub results: Vec<ExpectedResult>,
    pub relations: Vec<ExpectedRelation>,
}

#[derive(Debug, Deserialize)]
pub struct ExpectedResult {
    pub unique_id: String,
    pub status: String,
    pub failures: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub struct ExpectedRelation {
    pub schema: String,
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub rows: u64,
    pub columns: Vec<ExpectedColumn>,
    pub content_hash: String,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
pub struct ExpectedColumn {
    pub name: String,
    #[serde(rename = "type")]
    pub data_type: String,
}

impl Expected {
    pub fn read(path: &Path) -> Self {
        serde_json::from_slice(&fs_err::read(path).unwrap()).unwrap()
    }
}

/// Production's database, made once for each test binary from its manifest and the real rows.
pub fn production() -> &'static Path {
    static MADE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, file) = MADE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ferry.duckdb");
        let manifest = ManifestFile::read(&fixtures().join("production.manifest.json.gz")).unwrap();
        let raw = fixtures().join("project/raw");
        let types = serde_json::from_slice(&fs_err::read(raw.join("types.json")).unwrap()).unwrap();
        make_production(&manifest.parse().unwrap(), &fixtures().join("project"), &raw, &types, &file).unwrap();
        (dir, file)
    });
    file
}

/// One pull request's checkout beside a copy of production.
pub struct Checkout {
    pub dir: tempfile::TempDir,
    pub name: String,
    pub number: u64,
}

impl Checkout {
    pub fn of(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy(&fixtures().join("project"), &dir.path().join("project"));
        let request = fixtures().join("prs").join(name);
        let patch = request.join("change.patch");
        if fs_err::metadata(&patch).unwrap().len() > 0 {
            let mut git = Command::new("git");
            // Outside any repository, so that git takes the folder as it is.
            git.args(["apply", "--whitespace=nowarn"]).arg(&patch).env("GIT_CEILING_DIRECTORIES", "/");
            let applied = git.current_dir(dir.path().join("project")).output().unwrap();
            assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
        }
        fs_err::copy(production(), dir.path().join("project/ferry.duckdb")).unwrap();
        let about: serde_json::Value =
            serde_json::from_slice(&fs_err::read(request.join("about.json")).unwrap()).unwrap();
        Self { dir, name: name.to_owned(), number: about["number"].as_u64().unwrap() }
    }

    pub fn project(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    pub fn production(&self) -> PathBuf {
        self.project().join("ferry.duckdb")
    }

    pub fn report(&self) -> PathBuf {
        self.dir.path().join("report.json")
    }

    pub fn manifest(&self) -> PathBuf {
        fixtures().join("prs").join(&self.name).join("pr.manifest.json.gz")
    }

    pub fn expected(&self) -> Expected {
        Expected::read(&fixtures().join("prs").join(&self.name).join("expected.json"))
    }

    /// The file of the temporary schema.
    pub fn temporary(&self) -> PathBuf {
        let name = format!("ferry_premerge_pr_{}.duckdb", self.number);
        temporary_folder(&self.project()).join(name)
    }

    /// `premerge check` of this pull request, in an environment that holds nothing of the developer's.
    pub fn check(&self) -> assert_cmd::Command {
        self.check_of(&fixtures().join("production.manifest.json.gz"), &self.manifest())
    }

    /// The same of these manifests.
    pub fn check_of(&self, state: &Path, manifest: &Path) -> assert_cmd::Command {
        let mut command = premerge();
        command
            .current_dir(self.dir.path())
            .arg("check")
            .arg("--state")
            .arg(state)
            .arg("--manifest")
            .arg(manifest)
            .arg("--project-dir")
            .arg(self.project())
            .arg("--profiles-dir")
            .arg(self.project())
            .args(["--pr", &self.number.to_string()])
            .arg("--output")
            .arg(self.report());
        command
    }

    /// The report that the last `check` wrote.
    pub fn read_report(&self) -> serde_json::Value {
        serde_json::from_slice(&fs_err::read(self.report()).unwrap()).unwrap()
    }
}

/// The binary, with an empty environment.
pub fn premerge() -> assert_cmd::Command {
    let mut command = assert_cmd::Command::cargo_bin("premerge").unwrap();
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", "/nonexistent");
    // The fixtures' manifests are of one day, and no test depends on the clock.
    command.env("PREMERGE_STATE_MAX_AGE_HOURS", "0").env("PREMERGE_CACHE_DIR", cache_dir());
    command
}

/// The folder of premerge's own, for all runs of the test binary.
pub fn cache_dir() -> &'static Path {
    static MADE: OnceLock<tempfile::TempDir> = OnceLock::new();
    MADE.get_or_init(|| tempfile::tempdir().unwrap()).path()
}

/// Where the temporary databases of a project are.
pub fn temporary_folder(project: &Path) -> PathBuf {
    let folder = project.canonicalize().unwrap();
    let hash = <sha2::Sha256 as sha2::Digest>::digest(folder.as_os_str().as_encoded_bytes());
    let hash: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    cache_dir().join("projects").join(hash)
}

pub fn copy(from: &Path, to: &Path) {
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

/// A gzipped manifest, to be changed.
pub fn read_manifest(path: &Path) -> serde_json::Value {
    let file = flate2::read::GzDecoder::new(fs_err::File::open(path).unwrap());
    serde_json::from_reader(std::io::BufReader::new(file)).unwrap()
}

/// Names of all fixture pull requests.
pub fn pull_requests() -> Vec<String> {
    let mut names: Vec<_> = fs_err::read_dir(fixtures().join("prs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
