//! `action.yml`: its scripts, run as a runner runs them, against a release on disk.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use sha2::{Digest, Sha256};

const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// A runner with a release of version 1.2.3, whose program prints its arguments and its folder.
struct Runner {
    folder: tempfile::TempDir,
    digest: String,
}

impl Runner {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let release = folder.path().join("releases/v1.2.3");
        fs_err::create_dir_all(&release).expect("a folder");
        for name in ["temp", "project"] {
            fs_err::create_dir_all(folder.path().join(name)).expect("a folder");
        }
        let program = "#!/bin/sh\necho \"in ${PWD##*/}, output ${PREMERGE_OUTPUT##*/}\"\nfor a in \"$@\"; do echo \"<$a>\"; done\n";
        fs_err::write(release.join("premerge"), program).expect("a file");
        let archive = format!("premerge-v1.2.3-{PLATFORM}.tar.gz");
        let made = Command::new("sh")
            .args(["-c", &format!("chmod +x premerge && tar -czf {archive} premerge && rm premerge")])
            .current_dir(&release)
            .status();
        assert!(made.expect("tar runs").success());
        let bytes = fs_err::read(release.join(&archive)).expect("the archive");
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        fs_err::write(release.join(format!("{archive}.sha256")), format!("{digest}  {archive}\n")).expect("a file");
        Self { folder, digest }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, step: usize, environment: &[(&str, &str)]) -> Output {
        let action = fs_err::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/action.yml")).expect("action.yml");
        let action: Value = serde_saphyr::from_str(&action).expect("YAML");
        let script = action.pointer(&format!("/runs/steps/{step}/run")).and_then(Value::as_str).expect("a script");
        let file = self.path("step.sh");
        fs_err::write(&file, script).expect("a file");
        Command::new("bash")
            .args(["--noprofile", "--norc", "-eo", "pipefail"])
            .arg(&file)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("RUNNER_OS", "Linux")
            .env("RUNNER_ARCH", "X64")
            .env("RUNNER_TEMP", self.path("temp"))
            .env("GITHUB_OUTPUT", self.path("outputs"))
            .env("PREMERGE_RELEASES", format!("file://{}", self.path("releases").display()))
            .envs(environment.iter().copied())
            .output()
            .expect("bash runs")
    }

    fn install(&self, version: &str, sha256: &str) -> Output {
        self.run(0, &[("VERSION", version), ("SHA256", sha256)])
    }

    /// Whether anything was unpacked.
    fn is_installed(&self) -> bool {
        self.path("temp/premerge-1.2.3/premerge").exists()
    }

    fn start(&self, command: &str, args: &str) -> Output {
        let program = self.path("temp/premerge-1.2.3/premerge").display().to_string();
        self.run(1, &[("PROGRAM", &program), ("COMMAND", command), ("ARGS", args), ("FOLDER", "project")])
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_release_with_the_right_checksum_is_installed() {
    for pinned in [true, false] {
        let runner = Runner::new();
        let output = runner.install("1.2.3", if pinned { runner.digest.as_str() } else { "" });
        assert!(output.status.success(), "{output:?}");
        assert!(runner.is_installed());
        let outputs = fs_err::read_to_string(runner.path("outputs")).unwrap();
        assert!(outputs.starts_with("program=") && outputs.ends_with("/premerge\n"), "{outputs}");
    }
}

#[test]
fn a_release_with_another_checksum_is_not_unpacked() {
    let runner = Runner::new();
    let output = runner.install("1.2.3", &"0".repeat(64));
    assert!(!output.status.success());
    assert!(text(&output).contains("::error title=premerge::the checksum of premerge-v1.2.3"), "{output:?}");
    assert!(!runner.is_installed());

    let archive = runner.path(&format!("releases/v1.2.3/premerge-v1.2.3-{PLATFORM}.tar.gz.sha256"));
    fs_err::write(archive, format!("{}  x\n", "1".repeat(64))).unwrap();
    assert!(!runner.install("1.2.3", "").status.success());
    assert!(!runner.is_installed());
}

#[test]
fn inputs_that_are_no_version_or_checksum_are_refused_before_any_download() {
    let runner = Runner::new();
    for version in ["latest", "1.2", "1.2.3; id", "../1.2.3", "1.2.3\n1.2.3", ""] {
        let output = runner.install(version, "");
        assert!(!output.status.success(), "{version}");
        assert!(text(&output).contains("exact release"), "{version}: {output:?}");
    }
    for sha256 in ["abc", "$(id)", &"A".repeat(64)] {
        assert!(text(&runner.install("1.2.3", sha256)).contains("64 hexadecimal digits"), "{sha256}");
    }
    assert!(
        text(&runner.run(0, &[("VERSION", "1.2.3"), ("SHA256", ""), ("RUNNER_OS", "Windows")])).contains("no release")
    );
    assert!(text(&runner.install("9.9.9", "")).contains("could not download premerge-v9.9.9"));
    assert!(!runner.is_installed());
}

#[test]
fn arguments_are_one_a_line_and_nothing_in_them_is_run() {
    let runner = Runner::new();
    assert!(runner.install("1.2.3", "").status.success());
    let output = runner.start("check", "--state\n$(touch pwned) `id`; *\n\n  two words  \n");
    assert!(output.status.success(), "{output:?}");
    let expected =
        "in project, output premerge-report.json\n<check>\n<--state>\n<$(touch pwned) `id`; *>\n<  two words  >\n";
    assert_eq!(text(&output), expected);
    assert!(!runner.path("project/pwned").exists());
    assert_eq!(text(&runner.start("publish", "")), "in project, output \n<publish>\n");
    for command in ["cleanup", "check --x", ""] {
        assert!(!runner.start(command, "").status.success(), "{command}");
    }
}

#[test]
fn the_action_runs_the_release_it_came_with() {
    let action = fs_err::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("action.yml")).unwrap();
    let action: Value = serde_saphyr::from_str(&action).unwrap();
    assert_eq!(action["inputs"]["version"]["default"], env!("CARGO_PKG_VERSION"));
    for output in ["verdict", "report-path", "comment-url", "schema"] {
        assert_eq!(action["outputs"][output]["value"], format!("${{{{ steps.run.outputs.{output} }}}}"));
    }
    for step in action["runs"]["steps"].as_array().unwrap() {
        assert!(!step["run"].as_str().unwrap().contains("${{"), "an expression in a script is code");
    }
}
