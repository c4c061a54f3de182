//! What a team may write where a rule is meant: a code, a name, a group, an old code, or a glob of these.

use std::collections::{BTreeMap, BTreeSet};

use glob::Pattern;
use sqruff_lib::rules::rules;

use super::codes;

/// Every reference that the library's rules have.
#[derive(Debug)]
pub(crate) struct References {
    codes: BTreeMap<String, BTreeSet<String>>,
    all: BTreeSet<String>,
}

impl References {
    pub(crate) fn new() -> Self {
        let mut references: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut all = BTreeSet::new();
        for rule in rules() {
            let code = rule.code().to_owned();
            all.insert(code.clone());
            let groups = rule.groups().iter().map(|group| group.as_ref().to_owned());
            for name in groups.chain([code.clone(), rule.name().to_owned()]) {
                references.entry(name).or_default().insert(code.clone());
            }
        }
        Self { codes: references, all }
    }

    pub(crate) fn all(&self) -> BTreeSet<String> {
        self.all.clone()
    }

    pub(crate) fn knows(&self, code: &str) -> bool {
        self.all.contains(code)
    }

    /// The codes that one reference means; empty if it means none.
    pub(crate) fn one(&self, reference: &str) -> BTreeSet<String> {
        if let Some(codes) = self.codes.get(codes::current(reference)) {
            return codes.clone();
        }
        let Ok(pattern) = Pattern::new(reference) else { return BTreeSet::new() };
        let named = self.codes.iter().filter(|(name, _)| pattern.matches(name)).flat_map(|(_, codes)| codes.clone());
        let old = codes::matching(&pattern).filter(|code| self.knows(code)).map(str::to_owned);
        named.chain(old).collect()
    }

    /// The codes of a list that sqlfluff compares with each finding: today's codes, and names of rules; no group, glob
    /// or old code.
    pub(crate) fn exactly(&self, list: &[String], setting: &str, notes: &mut Vec<String>) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for item in list {
            match self.codes.get(item).filter(|codes| codes.len() == 1 && (self.knows(item) || item.contains('.'))) {
                Some(codes) => found.extend(codes.iter().cloned()),
                None if ERRORS.contains(&item.as_str()) => {
                    found.insert(item.clone());
                }
                None if item.eq_ignore_ascii_case("none") => {}
                None => notes.push(format!("`{setting}` takes codes and names of rules; `{item}` has no effect")),
            }
        }
        found
    }

    /// The codes that a list means; what means nothing is said.
    pub(crate) fn expand(&self, list: &[String], setting: &str, notes: &mut Vec<String>) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for reference in list {
            let codes = self.one(reference);
            if codes.is_empty() {
                if ERRORS.contains(&reference.as_str()) {
                    found.insert(reference.clone());
                } else if !reference.eq_ignore_ascii_case("none") {
                    notes.push(format!("`{setting}` names a rule that is not supported: `{reference}`"));
                }
            }
            found.extend(codes);
        }
        found
    }
}

/// Not rules: sqlfluff's codes for errors.
const ERRORS: [&str; 3] = ["PRS", "LXR", "TMP"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_a_name_a_group_an_old_code_and_a_glob_are_understood() {
        let references = References::new();
        let one = |reference: &str| references.one(reference).into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(one("LT01"), "LT01");
        assert_eq!(one("layout.spacing"), "LT01");
        assert_eq!(one("L039"), "LT01");
        assert_eq!(one("jinja"), "JJ01");
        assert_eq!(one("CP0[12]"), "CP01 CP02");
        assert_eq!(one("nothing"), "");
        assert!(references.all().len() >= 78);
    }
    #[test]
    fn what_is_compared_with_findings_is_a_code_or_a_name() {
        let (references, mut notes) = (References::new(), Vec::new());
        let list: Vec<String> = ["LT01", "layout.indent", "L010", "CP*", "layout", "PRS"].map(str::to_owned).into();
        let found = references.exactly(&list, "warnings", &mut notes);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["LT01", "LT02", "PRS"]);
        assert_eq!(notes.len(), 3, "{notes:?}");
    }
}
