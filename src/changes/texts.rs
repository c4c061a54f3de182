//! Two compiled texts of one node, token by token.

use std::collections::HashSet;

use super::schemas::Schemas;
use crate::sql::equal_but_embedded;

/// Tokens of production's text and the pull request's, with unique_ids for relations.
#[derive(Debug)]
pub(super) struct Texts {
    /// Production's, with the pull request's spelling where a string holds the name of a relation.
    production: Vec<String>,
    /// The same, also with the pull request's names of schemas and databases.
    placed: Vec<String>,
    pr: Vec<String>,
}

impl Texts {
    /// `spelled`: how each spells the relations that the text may name.
    pub(super) fn new(old: &[String], new: &[String], spelled: &[(&str, &str)], places: &Schemas) -> Self {
        let production = translated(old, new, spelled);
        let placed = if production == new {
            production.clone()
        } else {
            let moved: Vec<(&str, &str)> = spelled.iter().copied().chain(places.moved()).collect();
            translated(&production, new, &moved)
        };
        Self { production, placed, pr: new.to_vec() }
    }

    /// Whether they say the same. `names_places`: whether the node's text may have names of schemas and databases from
    /// its target; else a string that is one by chance counts.
    pub(super) fn are_same(&self, names_places: impl FnOnce() -> bool) -> bool {
        self.production == self.pr || (self.placed == self.pr && names_places())
    }

    /// Production's tokens and the pull request's.
    pub(super) fn tokens(&self, names_places: bool) -> (&[String], &[String]) {
        (if names_places { &self.placed } else { &self.production }, &self.pr)
    }
}

/// `old` with the tokens of `new` where the two differ in `pairs` only.
fn translated(old: &[String], new: &[String], pairs: &[(&str, &str)]) -> Vec<String> {
    /// More pairs of differing tokens than this are not compared.
    const MOST: usize = 100_000;
    // A number is not a name.
    let is_name = |token: &str| token.contains(|c: char| c.is_alphabetic());
    let same = |old: &str, new: &str| is_name(old) && is_name(new) && equal_but_embedded(old, new, pairs);
    if old.len() == new.len() {
        let token =
            |(old, new): (&String, &String)| if old != new && same(old, new) { new.clone() } else { old.clone() };
        return old.iter().zip(new).map(token).collect();
    }
    // One has more than the other, so places say nothing.
    let (olds, news): (HashSet<&String>, HashSet<&String>) = (old.iter().collect(), new.iter().collect());
    let only_old: Vec<&String> = olds.difference(&news).copied().collect();
    let mut only_new: Vec<&String> = news.difference(&olds).copied().collect();
    if only_old.len().saturating_mul(only_new.len()) > MOST {
        return old.to_vec();
    }
    only_new.sort_unstable();
    let only_old: HashSet<&String> = only_old.into_iter().collect();
    let find = |token: &String| only_new.iter().find(|new| only_old.contains(token) && same(token, new));
    old.iter().map(|token| find(token).copied().unwrap_or(token).clone()).collect()
}
