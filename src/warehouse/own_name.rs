//! The temporary schema's name where the usual one is another project's.

use sha2::{Digest, Sha256};

use super::owner::Owner;

/// PostgreSQL's limit, the smallest of all warehouses.
const LIMIT: usize = 63;

impl Owner {
    /// A name that only this pull request of this project of this repository has; `None` without a pull request.
    /// Always the same, so that every run of it and clean-up come to the same schema.
    #[must_use]
    pub fn own_schema(&self) -> Option<String> {
        let number = self.pull_request?;
        let project: String = self
            .project
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
            .collect();
        let head = format!("premerge_pr_{number}_");
        let tail = self.key();
        let room = LIMIT.saturating_sub(head.len() + tail.len() + 1);
        // Only ASCII is left, so any place is a character's boundary.
        let project = project.get(..room.min(project.len())).unwrap_or_default();
        Some(format!("{head}{project}_{tail}"))
    }

    /// Eight hexadecimal digits that tell repository, project and pull request from others.
    pub(super) fn key(&self) -> String {
        let whose = format!("{}\0{}\0{}", self.repository, self.project, self.pull_request_text());
        Sha256::digest(whose.as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(repository: &str, project: &str) -> Owner {
        Owner {
            repository: repository.to_owned(),
            project: project.to_owned(),
            pull_request: Some(7),
            commit: None,
            run: "r".to_owned(),
            who: "w".to_owned(),
            started_at: "2026-11-21T09:00:00Z".to_owned(),
            expires_at: "2026-11-24T09:00:00Z".to_owned(),
        }
    }

    #[test]
    fn names_are_short_plain_and_different() {
        let name = |repository: &str, project: &str| owner(repository, project).own_schema().unwrap();
        let names = [
            name("harbour/ferry", "ferry"),
            name("harbour/ferry-eu", "ferry"),
            name("harbour/ferry", "Fährbetrieb & Söhne"),
            name("harbour/ferry", &"x".repeat(300)),
        ];
        for (at, name) in names.iter().enumerate() {
            assert!(name.len() <= LIMIT && name.starts_with("premerge_pr_7_"), "{name}");
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{name}");
            assert!(!names[at + 1..].contains(name));
        }
        assert_eq!(name("harbour/ferry", "ferry"), names[0]);
    }
}
