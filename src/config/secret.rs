//! Values that must not be shown.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{PoisonError, RwLock};

use super::env::Env;

/// What stands in a secret's place.
const MASK: &str = "***";

/// dbt's prefix of environment variables that are never shown.
const SECRET_PREFIX: &str = "DBT_ENV_SECRET";

/// Shorter values would mask half of every text, and hide nothing.
const SHORTEST: usize = 3;

/// Values up to here are masked only where they stand alone: `5432`, but not within `154321`.
const SHORT: usize = 7;

/// The secrets of this process: values of variables, and passwords. Global, because texts leave by many doors, and
/// whoever writes the text of a server or a library cannot know what is in it.
static VARIABLES: RwLock<BTreeSet<String>> = RwLock::new(BTreeSet::new());
static PASSWORDS: RwLock<BTreeSet<String>> = RwLock::new(BTreeSet::new());

/// From now on the value is masked.
pub(super) fn hide(value: &str) {
    add(&VARIABLES, value);
}

fn add(known: &RwLock<BTreeSet<String>>, value: &str) {
    if value.trim().len() >= SHORTEST {
        known.write().unwrap_or_else(PoisonError::into_inner).insert(value.trim().to_owned());
    }
}

/// The same for all variables that dbt calls secret, as dbt scrubs them from its own log.
pub(super) fn hide_variables(env: &Env) {
    env.with_prefix(SECRET_PREFIX).for_each(|(_, value)| hide(value));
}

/// Whether a variable is one that dbt calls secret.
pub(super) fn is_secret_variable(name: &str) -> bool {
    name.starts_with(SECRET_PREFIX)
}

/// The same for a password, unless it is such that everybody would guess it: a word like `postgres` masked
/// everywhere makes texts unreadable and keeps no secret.
pub(super) fn hide_password(value: &str) {
    if value.len() > SHORT && !value.chars().all(char::is_alphabetic) {
        add(&PASSWORDS, value);
    }
}

/// The text of an error or a message with `***` in place of each known secret.
#[must_use]
pub fn mask(text: &str) -> Cow<'_, str> {
    masked_by(&[&VARIABLES, &PASSWORDS], text)
}

/// The same for texts that hold names, which must not suffer from a password that is part of one: only the
/// values of variables that dbt calls secret are masked.
#[must_use]
pub fn mask_variables(text: &str) -> Cow<'_, str> {
    masked_by(&[&VARIABLES], text)
}

fn masked_by<'t>(known: &[&RwLock<BTreeSet<String>>], text: &'t str) -> Cow<'t, str> {
    let known: Vec<_> = known.iter().map(|known| known.read().unwrap_or_else(PoisonError::into_inner)).collect();
    let mut secrets: Vec<&String> = known.iter().flat_map(|known| known.iter()).collect();
    // Longest first: one secret may be part of another.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let mut masked = Cow::Borrowed(text);
    for secret in secrets {
        if masked.contains(secret.as_str()) {
            masked = Cow::Owned(without(&masked, secret));
        }
    }
    masked
}

fn without(text: &str, secret: &str) -> String {
    if secret.len() > SHORT {
        return text.replace(secret, MASK);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(secret) {
        out.push_str(before);
        let within = out.ends_with(char::is_alphanumeric) || after.starts_with(char::is_alphanumeric);
        out.push_str(if within { secret } else { MASK });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// A writer for messages that masks what passes it. Each call is looked at alone, which is enough for texts
/// that are written whole, as formatted arguments and the lines of the log are.
pub struct Masked<W>(pub W);

impl<W: Write> Write for Masked<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.0.write_all(mask(text).as_bytes())?,
            Err(_) => self.0.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// A string that prints as `***`.
#[derive(Clone, Default, PartialEq, Eq, serde::Deserialize)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(MASK)
    }
}

impl std::fmt::Display for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_secrets_are_masked_wherever_they_stand() {
        let env = Env::new(
            [("DBT_ENV_SECRET_A", "zq-long-Secret"), ("DBT_ENV_SECRET_B", "7391"), ("C", "zq-plain")],
            "".into(),
        );
        hide_variables(&env);
        hide_password("zq-long-Secret-and-more");
        hide_password("zqword");
        for (text, masked) in [
            ("user \"zq-long-Secret\" at host", "user \"***\" at host"),
            ("xzq-long-Secret-and-morex", "x***x"),
            ("port 7391: no", "port ***: no"),
            ("17391 rows", "17391 rows"),
            ("zq-plain zqword", "zq-plain zqword"),
        ] {
            assert_eq!(mask(text), masked);
        }
        hide_password("zq-pass-1");
        assert_eq!(mask("no zq-pass-1"), "no ***");
        assert_eq!(mask_variables("schema zq-pass-1_pr of zq-long-Secret"), "schema zq-pass-1_pr of ***");
        let mut out = Vec::new();
        writeln!(Masked(&mut out), "a zq-long-Secret b").unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a *** b\n");
    }
}
