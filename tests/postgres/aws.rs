//! An emulated AWS, brought up by `.ci/aws-bench`: it checks signatures by botocore and rights by policies.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use premerge::config::Env;
use serde_json::Value;

/// Address, role and keys, as `tests/aws-bench/server.py` tells them.
pub static AWS: LazyLock<Value> = LazyLock::new(|| {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/aws-bench");
    let output = Command::new(script).arg("start").stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "no emulated AWS: `.ci/aws-bench start` failed (it needs python3 and PyPI)");
    serde_json::from_slice(&output.stdout).unwrap()
});

pub fn text(path: &str) -> String {
    AWS.pointer(path).and_then(Value::as_str).unwrap().to_owned()
}

/// An environment that finds the emulated AWS, and no other machine's metadata.
pub fn env(more: &[(&str, &str)]) -> Env {
    let address = text("/address");
    let own = [("AWS_ENDPOINT_URL", address.as_str()), ("AWS_EC2_METADATA_DISABLED", "true")];
    Env::new(own.into_iter().chain(more.iter().copied()), PathBuf::from("/"))
}

/// The same with the keys of a user.
pub fn env_of(user: &str) -> Env {
    let (id, secret) = (text(&format!("/{user}/id")), text(&format!("/{user}/secret")));
    env(&[("AWS_ACCESS_KEY_ID", &id), ("AWS_SECRET_ACCESS_KEY", &secret)])
}
