//! Who calls which macro.

use std::collections::{HashMap, HashSet};

use crate::artifacts::{Manifest, UniqueIdRef};

/// What templates may call: every macro's name, and that of every package with macros.
pub(crate) fn callable_names<'m>(manifest: &'m Manifest<'_>) -> HashSet<&'m str> {
    manifest.macros.keys().map(|id| UniqueIdRef::new(id)).flat_map(|id| [id.name(), id.package()]).collect()
}

/// `found` with all that calls one of those macros, by however many steps: each caller takes over what one of its calls
/// has. Only macros of which `is_caller` holds are callers.
pub(crate) fn with_callers<'m, T: Clone>(
    manifest: &'m Manifest<'_>,
    mut found: HashMap<&'m str, T>,
    is_caller: impl Fn(&str) -> bool,
) -> HashMap<&'m str, T> {
    // In the manifest's order, so that the same manifest gives the same answer.
    let mut fresh: Vec<&str> = manifest.macros.keys().map(AsRef::as_ref).filter(|id| found.contains_key(id)).collect();
    if fresh.is_empty() {
        return found;
    }
    let mut callers: HashMap<&str, Vec<&str>> = HashMap::new();
    for (id, of) in manifest.macros.iter().filter(|(id, _)| is_caller(id)) {
        of.depends_on.macros.iter().for_each(|called| callers.entry(called.as_ref()).or_default().push(id.as_ref()));
    }
    while let Some(id) = fresh.pop() {
        let Some(what) = found.get(id).cloned() else { continue };
        for caller in callers.get(id).into_iter().flatten() {
            if !found.contains_key(caller) {
                found.insert(caller, what.clone());
                fresh.push(caller);
            }
        }
    }
    found
}
