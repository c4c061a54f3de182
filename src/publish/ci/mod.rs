//! What CI says about a run: which pull request, which commit, where results go. CI's variables are read here and
//! nowhere else.
//!
//! One file a system; to add one is to write the file and name it in [`SYSTEMS`]. What a system leaves open is not
//! guessed: it is asked for by `--pr` and `--repository`.

mod azure;
mod circleci;
mod facts;
mod github;
mod gitlab;
mod other;

use crate::config::Env;

pub use facts::{Ci, DetectError, LogDialect, System};
use facts::{Known, number, text, value};

/// Every system that premerge knows, the most particular first.
const SYSTEMS: [Known; 4] = [github::KNOWN, gitlab::KNOWN, circleci::KNOWN, azure::KNOWN];

/// Reads the environment, and the files that it points to.
///
/// # Errors
/// On an event that gives secrets to untrusted code, and when an event file cannot be read.
pub fn detect(env: &Env) -> Result<Ci, DetectError> {
    match system(env) {
        Some(known) => (known.read)(env),
        None => Ok(other::read(env)),
    }
}

/// What a line of the log can do, known before anything else is.
#[must_use]
pub fn log_dialect(env: &Env) -> LogDialect {
    system(env).map(|known| known.log).unwrap_or_default()
}

fn system(env: &Env) -> Option<&'static Known> {
    SYSTEMS.iter().find(|known| value(env, known.variable).is_some_and(|value| value.eq_ignore_ascii_case("true")))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::Checkout;

    /// What is found in these variables.
    pub(super) fn found(vars: &[(&str, &str)]) -> Ci {
        detect(&Env::new(vars.iter().copied(), PathBuf::from("/"))).unwrap()
    }

    #[test]
    fn a_laptop_is_no_ci() {
        let ci = found(&[]);
        assert_eq!(ci, Ci::default());
        assert_eq!(ci.checkout(Some(7)), Checkout::Own);
    }

    #[test]
    fn an_unknown_ci_holds_a_pull_request_s_checkout_where_it_is_told_which() {
        let ci = found(&[("CI", "true"), ("BUILD_URL", "https://ci.example/7"), ("HOSTNAME", "x")]);
        assert_eq!((ci.system, ci.job.as_deref()), (Some(System::Other), Some("https://ci.example/7")));
        assert_eq!(ci.checkout(None), Checkout::Own);
        assert_eq!(ci.checkout(Some(7)), Checkout::PullRequest { root: None, bases: Vec::new() });
    }

    #[test]
    fn nothing_is_said_in_several_ways() {
        let zeros = "0".repeat(40);
        for nothing in ["", " ", "false", "<nil>", "$(System.AccessToken)", zeros.as_str()] {
            let env = Env::new([("X", nothing)], PathBuf::from("/"));
            assert_eq!(value(&env, "X"), None, "{nothing:?}");
        }
        assert_eq!(value(&Env::new([("X", " 7 ")], PathBuf::from("/")), "X"), Some("7"));
    }

    #[test]
    fn the_log_s_dialect_is_known_without_the_event() {
        let of = |name: &str, value: &str| log_dialect(&Env::new([(name, value)], PathBuf::from("/")));
        assert_eq!(of("GITHUB_ACTIONS", "true"), LogDialect::Actions);
        assert_eq!(of("TF_BUILD", "True"), LogDialect::Azure);
        assert_eq!((of("GITLAB_CI", "true"), of("CI", "true")), (LogDialect::Plain, LogDialect::Plain));
        assert!(LogDialect::Azure.obeys() && !LogDialect::Plain.obeys());
    }
}
