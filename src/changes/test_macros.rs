//! Macros of a project that take the place of those by which dbt judges data tests.

use std::collections::BTreeSet;

use super::build_macros::{is_dbts_own, name};
use crate::artifacts::{Manifest, UniqueId, UniqueIdRef};
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
    pub fn of(manifest: &'m Manifest<'_>) -> Option<Self> {
        let mut wrapper = None;
        for id in overriding(manifest) {
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

/// The macros that judge data tests and differ, those included that an overriding macro calls. Sorted.
#[must_use]
pub fn changed_test_macros(before: &Manifest<'_>, pr: &Manifest<'_>) -> Vec<UniqueId> {
    let mut judging: BTreeSet<&str> = called_by(before, overriding(before));
    judging.extend(called_by(pr, overriding(pr)));
    let text = |manifest: &Manifest<'_>, id: &str| manifest.macros.get(id).map(|own| own.macro_sql.get().into_owned());
    judging.into_iter().filter(|id| text(before, id) != text(pr, id)).map(UniqueId::from).collect()
}

/// Macros that dbt finds before its own: under the same name, or with the prefix of its dispatch. Since dbt 1.8 only the
/// root project can replace a materialization.
fn overriding<'m>(manifest: &'m Manifest<'_>) -> BTreeSet<&'m str> {
    let project = manifest.metadata.project_name.as_deref();
    let overrides = |id: &&str| {
        let name = name(id);
        let bare = match name.split_once("__") {
            Some((prefix, bare)) if prefix == "default" || Dialect::from_adapter(prefix).is_some() => bare,
            Some(_) | None => name,
        };
        let is_root = project == Some(UniqueIdRef::new(id).package());
        !is_dbts_own(id) && (JUDGES.contains(&bare) || (is_root && name.starts_with(MATERIALIZATION)))
    };
    manifest.macros.keys().map(AsRef::as_ref).filter(overrides).collect()
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
