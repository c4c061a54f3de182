//! `fqn:`, the method of plain names: `model`, `package.folder`, `folder.*`, `stg_*`, `dim.v1`.

use std::borrow::Cow;

use super::fnmatch::{Pattern, is_pattern};

/// A value of `fqn:`, ready to match.
pub(super) struct FqnPattern<'v> {
    value: &'v str,
    parts: Vec<&'v str>,
    /// From the first part with a wildcard on: where, and the pattern of all that follows.
    wildcard: Option<(usize, Pattern)>,
}

impl<'v> FqnPattern<'v> {
    pub(super) fn new(value: &'v str) -> Self {
        let parts: Vec<&str> = value.split('.').collect();
        let wildcard = parts.iter().position(|part| is_pattern(part)).map(|index| {
            let rest: Vec<&str> = parts.iter().skip(index).copied().collect();
            (index, Pattern::new(&rest.join(".")))
        });
        Self { value, parts, wildcard }
    }

    /// Whether the value means this `fqn`, with or without the package in front.
    pub(super) fn matches(&self, fqn: &[Cow<'_, str>], is_versioned: bool) -> bool {
        self.matches_scoped(fqn, is_versioned) || self.matches_scoped(fqn.get(1..).unwrap_or_default(), is_versioned)
    }

    fn matches_scoped(&self, fqn: &[Cow<'_, str>], is_versioned: bool) -> bool {
        let [.., last] = fqn else { return false };
        // The last element of a version's fqn is `v<N>`, the one before it the model's name.
        let name = if is_versioned { fqn.iter().rev().nth(1).unwrap_or(last) } else { last };
        if name == self.value || (is_versioned && self.names_version(name, last)) {
            return true;
        }
        // A dot inside a name separates like a folder.
        let flat: Vec<&str> = fqn.iter().flat_map(|segment| segment.split('.')).collect();
        if flat.len() < self.parts.len() {
            return false;
        }
        let literal = self.wildcard.as_ref().map_or(self.parts.len(), |(index, _)| *index);
        if flat.iter().zip(&self.parts).take(literal).any(|(a, b)| a != b) {
            return false;
        }
        let Some((index, pattern)) = &self.wildcard else { return true };
        let rest: Vec<&str> = flat.iter().skip(*index).copied().collect();
        // A wildcard without a dot also matches the bare name, however deep the node lies.
        pattern.matches(&rest.join(".")) || (!self.value.contains('.') && pattern.matches(name))
    }

    /// `dim.v1` and `dim_v1` both mean version 1 of `dim`.
    fn names_version(&self, name: &str, version: &str) -> bool {
        let wanted = match self.parts.as_slice() {
            [.., a, b] => format!("{a}_{b}"),
            _ => self.value.to_owned(),
        };
        wanted == format!("{name}_{version}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_folders_and_versions_match_as_in_dbt() {
        let matches = |value: &str, fqn: &[&str], versioned| {
            let fqn: Vec<Cow<'_, str>> = fqn.iter().map(|part| Cow::Borrowed(*part)).collect();
            FqnPattern::new(value).matches(&fqn, versioned)
        };
        let model = ["shop", "marts", "core", "orders"];
        for value in ["orders", "shop", "shop.marts", "marts", "marts.core.orders", "shop.*", "ord*", "marts.*.orders"]
        {
            assert!(matches(value, &model, false), "{value}");
        }
        for value in ["core", "core.orders", "orders.x", "", "marts.ord*", "rders"] {
            assert!(!matches(value, &model, false), "{value}");
        }
        let version = ["shop", "marts", "dim", "v1"];
        for value in ["dim", "dim.v1", "dim_v1", "shop.marts.dim.v1", "di*", "marts.dim"] {
            assert!(matches(value, &version, true), "{value}");
        }
        for value in ["v1", "dim.v2", "dim_v2"] {
            assert!(!matches(value, &version, true), "{value}");
        }
    }
}
