//! Macros of a project that take the place of those by which dbt judges data tests.

use std::collections::BTreeSet;

use super::build_macros::{is_dbts_own, name};
use crate::artifacts::{Manifest, UniqueId, UniqueIdRef};
use crate::config::PackageOverrides;
use crate::sql::Dialect;

/// dbt's macros that make and send a test's statement. What a test selects is in its compiled SQL.
const JUDGES: &[&str] = &["get_test_sql", "get_limit_subquery_sql", "statement"];

/// How materializations of tests begin.
const MATERIALIZATION: &str = "materialization_test_";

/// How a project judges its data tests, where that is not left to dbt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JudgedBy<'m> {
    /// By dbt's statement, in a materialization that hands over to dbt's (Elementary's does).
    Wrapper(&'m str),
    /// By a macro that says for itself what fails.
    Own(&'m str),
}

impl<'m> JudgedBy<'m> {
    /// Of the macros that judge the tests of `manifest`, one that is not dbt's; one that says for itself goes first.
    #[must_use]
    pub fn of(manifest: &'m Manifest<'_>, packages: PackageOverrides) -> Option<Self> {
        let mut wrapper = None;
        for id in overriding(manifest, packages) {
            let text = manifest.macros.get(id).map(|own| own.macro_sql.get()).unwrap_or_default();
            // `dbt.materialization_test_default()`, `elementary.materialization_test_default.call_macro()`.
            if name(id).starts_with(MATERIALIZATION) && text.contains(&format!(".{MATERIALIZATION}")) {
                wrapper = Some(Self::Wrapper(id));
            } else {
                return Some(Self::Own(id));
            }
        }
        wrapper
    }
}

/// The macros that judge data tests and differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedTestMacros {
    /// Those that an overriding macro calls included. Sorted, never empty.
    pub macros: Vec<UniqueId>,
    /// All of them are of packages whose materialization handed over to dbt's before, and still does.
    pub are_wrapping_packages: bool,
}

/// What judges data tests otherwise than before. A macro that did not count, because the project did not let its package
/// replace dbt's, is as good as new.
#[must_use]
pub fn changed_test_macros(
    (before, packages_before): (&Manifest<'_>, PackageOverrides),
    (pr, packages): (&Manifest<'_>, PackageOverrides),
) -> Option<ChangedTestMacros> {
    let old = called_by(before, overriding(before, packages_before));
    let new = called_by(pr, overriding(pr, packages));
    let text = |manifest: &Manifest<'_>, ids: &BTreeSet<&str>, id: &str| {
        ids.contains(id).then(|| manifest.macros.get(id).map(|own| own.macro_sql.get().into_owned()))
    };
    let ids: BTreeSet<&str> = old.union(&new).copied().collect();
    let changed: Vec<&str> = ids.into_iter().filter(|id| text(before, &old, id) != text(pr, &new, id)).collect();
    if changed.is_empty() {
        return None;
    }
    let wraps = |judge: Option<JudgedBy<'_>>| matches!(judge, Some(JudgedBy::Wrapper(_)));
    let project = pr.metadata.project_name.as_deref();
    let are_wrapping_packages = wraps(JudgedBy::of(before, packages_before))
        && wraps(JudgedBy::of(pr, packages))
        && changed.iter().all(|id| project != Some(UniqueIdRef::new(id).package()));
    Some(ChangedTestMacros { macros: changed.into_iter().map(UniqueId::from).collect(), are_wrapping_packages })
}

/// Macros that dbt finds before its own: under the same name, or with the prefix of its dispatch.
fn overriding<'m>(manifest: &'m Manifest<'_>, packages: PackageOverrides) -> BTreeSet<&'m str> {
    let replaces = may_replace(manifest, packages);
    let project = manifest.metadata.project_name.as_deref();
    let overrides = |id: &&str| {
        let name = name(id);
        let bare = match name.split_once("__") {
            Some((prefix, bare)) if prefix == "default" || Dialect::from_adapter(prefix).is_some() => bare,
            Some(_) | None => name,
        };
        let of_adapter = name.strip_prefix(MATERIALIZATION).filter(|adapter| is_found(adapter, manifest));
        let may = replaces || project == Some(UniqueIdRef::new(id).package());
        !is_dbts_own(id) && (JUDGES.contains(&bare) || (may && of_adapter.is_some()))
    };
    manifest.macros.keys().map(AsRef::as_ref).filter(overrides).collect()
}

/// Whether a package's materialization takes the place of dbt's of the same name. dbt 1.8 and later want the project's
/// word for it, which is the flag `require_explicit_package_overrides_for_builtin_materializations: false`; before, its
/// word could forbid it.
pub(crate) fn may_replace(manifest: &Manifest<'_>, packages: PackageOverrides) -> bool {
    match packages {
        PackageOverrides::Allowed | PackageOverrides::Unknown => true,
        PackageOverrides::Refused => false,
        PackageOverrides::Unsaid => manifest.metadata.dbt_minor().is_none_or(|version| version < (1, 8)),
    }
}

/// Whether dbt looks for a materialization of this adapter, which may be the parent of the project's own.
fn is_found(adapter: &str, manifest: &Manifest<'_>) -> bool {
    match manifest.metadata.adapter_type.as_deref() {
        None => true,
        Some(own) => {
            adapter == own
                || ["default", "postgres", "spark"].contains(&adapter)
                || Dialect::from_adapter(own).is_none()
        }
    }
}

/// These and what they call of their own packages: another package's macros change with its version.
fn called_by<'m>(manifest: &'m Manifest<'_>, ids: BTreeSet<&'m str>) -> BTreeSet<&'m str> {
    let mut open: Vec<&str> = ids.iter().copied().collect();
    let mut found = ids;
    while let Some(id) = open.pop() {
        let package = UniqueIdRef::new(id).package();
        let calls = manifest.macros.get(id).into_iter().flat_map(|own| &own.depends_on.macros);
        for call in calls.map(AsRef::as_ref).filter(|call| UniqueIdRef::new(call).package() == package) {
            if found.insert(call) {
                open.push(call);
            }
        }
    }
    found
}
