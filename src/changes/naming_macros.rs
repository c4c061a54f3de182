//! Macros that say where relations lie and what they are called, and differ.

use std::collections::{BTreeSet, HashSet};

use super::build_macros::{bare, changed_macros, is_dbts_own, name};
use super::schemas::DefaultSchema;
use crate::artifacts::{Manifest, Node, UniqueIdRef};
use crate::sql::jinja::{Piece, pieces, words};

/// Which part of a relation's name a macro gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Database,
    Schema,
    Alias,
}

const NAMING: [(&str, Part); 3] = [
    ("generate_database_name", Part::Database),
    ("generate_schema_name", Part::Schema),
    ("generate_alias_name", Part::Alias),
];

/// The changed macros that name relations. dbt never looks at them, as no node's text calls them.
pub(super) struct NamingMacros<'m> {
    changed: Vec<Changed<'m>>,
    state: DefaultSchema<'m>,
    pr: DefaultSchema<'m>,
}

/// Where a relation lies that one of them names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Elsewhere than in production, for these macros, sorted.
    Moved(Vec<String>),
    /// Elsewhere as everything is for another target. The macro of this name may have moved it, too.
    Perhaps(&'static str),
}

struct Changed<'m> {
    /// dbt's name of the macro.
    naming: &'static str,
    part: Part,
    /// The package whose nodes it names; `None` for all nodes.
    package: Option<&'m str>,
    /// unique_ids.
    macros: BTreeSet<String>,
}

impl<'m> NamingMacros<'m> {
    pub(super) fn new(state: &'m Manifest<'m>, pr: &'m Manifest<'m>) -> Self {
        let mut differing: HashSet<&str> = changed_macros(state, pr).into_iter().collect();
        differing.retain(|id| match (state.macros.get(*id), pr.macros.get(*id)) {
            (Some(old), Some(new)) => !same_code(&old.macro_sql.get(), &new.macro_sql.get()),
            _ => true,
        });
        let mut changed: Vec<Changed<'m>> = Vec::new();
        let manifests = if differing.is_empty() { Vec::new() } else { vec![state, pr] };
        for manifest in manifests {
            for id in manifest.macros.keys() {
                let Some((naming, part)) = NAMING.iter().find(|(naming, _)| *naming == bare(name(id))) else {
                    continue;
                };
                let macros = reached(manifest, id).into_iter().filter(|id| differing.contains(id));
                let macros: BTreeSet<String> = macros.map(str::to_owned).collect();
                let package = UniqueIdRef::new(id).package();
                // The root project's names all nodes, a package's only its own.
                let is_for_all = is_dbts_own(id) || pr.metadata.project_name.as_deref() == Some(package);
                if !macros.is_empty() {
                    changed.push(Changed { naming, part: *part, package: (!is_for_all).then_some(package), macros });
                }
            }
        }
        let default =
            |manifest| if changed.is_empty() { DefaultSchema::default() } else { DefaultSchema::of(manifest) };
        Self { state: default(state), pr: default(pr), changed }
    }

    /// Where a node's relation lies that a changed macro names, if not where production's does.
    ///
    /// Another target gives it another place, too, and no manifest names its target. Where the targets' own schemas
    /// have nothing in common, they are taken for two, and a place is only surely another if it is another beside them.
    pub(super) fn of(&self, old: &Node<'_>, new: &Node<'_>) -> Option<Place> {
        if self.changed.is_empty() || old.relation_name.is_none() || new.relation_name.is_none() {
            return None;
        }
        let mut macros: BTreeSet<&String> = BTreeSet::new();
        let mut perhaps = None;
        for changed in &self.changed {
            if changed.package.is_some_and(|package| package != new.package_name) {
                continue;
            }
            let beside = match changed.part {
                Part::Database => beside(&old.database, &new.database, self.state.database, self.pr.database),
                Part::Schema => beside(&old.schema, &new.schema, self.state.schema, self.pr.schema),
                Part::Alias => beside(&old.alias, &new.alias, None, None),
            };
            match beside {
                Beside::Here => {}
                Beside::Same => perhaps = Some(Place::Perhaps(changed.naming)),
                Beside::Elsewhere => macros.extend(&changed.macros),
            }
        }
        if macros.is_empty() { perhaps } else { Some(Place::Moved(macros.into_iter().cloned().collect())) }
    }
}

/// How two names compare beside the defaults of their targets.
#[derive(Debug, PartialEq, Eq)]
enum Beside {
    /// They are one name.
    Here,
    /// They differ as their targets do.
    Same,
    Elsewhere,
}

fn beside<T: AsRef<str> + PartialEq>(
    old: &Option<T>,
    new: &Option<T>,
    old_default: Option<&str>,
    new_default: Option<&str>,
) -> Beside {
    if old == new {
        return Beside::Here;
    }
    let (Some(old), Some(new), Some(old_default), Some(new_default)) = (old, new, old_default, new_default) else {
        return Beside::Elsewhere;
    };
    let are_two = !old_default.contains(new_default) && !new_default.contains(old_default);
    let rest = |name: &str, default: &str| name.replacen(default, "\u{0}", 1);
    let is_same = are_two && rest(old.as_ref(), old_default) == rest(new.as_ref(), new_default);
    if is_same { Beside::Same } else { Beside::Elsewhere }
}

/// Whether two macros differ in comments and white space only.
fn same_code(old: &str, new: &str) -> bool {
    let meaning = |text: &str| {
        let pieces = pieces(text).into_iter();
        let meant = pieces.filter_map(|piece| match piece {
            Piece::Text(text) => (!text.trim().is_empty()).then(|| vec![text.trim().to_owned()]),
            Piece::Code(code) => {
                Some(words(code.trim_matches(['-', '+'])).iter().map(|word| format!("{word:?}")).collect())
            }
        });
        meant.collect::<Vec<Vec<String>>>()
    };
    meaning(old) == meaning(new)
}

/// A macro and those that it calls, themselves or through others.
fn reached<'m>(manifest: &'m Manifest<'_>, id: &'m str) -> HashSet<&'m str> {
    let mut found = HashSet::new();
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        if found.insert(id) {
            let calls = manifest.macros.get(id).into_iter().flat_map(|macro_| &macro_.depends_on.macros);
            open.extend(calls.map(AsRef::as_ref));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_beside_the_target_s() {
        let of = |old: &str, new: &str, defaults: (&str, &str)| {
            beside(&Some(old), &Some(new), Some(defaults.0), Some(defaults.1))
        };
        assert_eq!(of("prod_stg", "ci_stg", ("prod", "ci")), Beside::Same);
        assert_eq!(of("prod", "ci", ("prod", "ci")), Beside::Same);
        assert_eq!(of("prod_stg", "stg", ("prod", "ci")), Beside::Elsewhere);
        assert_eq!(of("prod_stg", "ci_core", ("prod", "ci")), Beside::Elsewhere);
        // Either the target is another, or the macro puts something before it.
        assert_eq!(of("prod", "zz_prod", ("prod", "zz_prod")), Beside::Elsewhere);
        assert_eq!(of("core", "core", ("prod", "zz_prod")), Beside::Here);
    }

    #[test]
    fn a_comment_in_a_macro_moves_nothing() {
        assert!(same_code(
            "{% macro f(a) %}x_{{ a }}{% endmacro %}",
            "{%- macro f( a ) %}\n {# why #} x_{{a}}{% endmacro %}"
        ));
        assert!(!same_code("{% macro f(a) %}x_{{ a }}{% endmacro %}", "{% macro f(a) %}y_{{ a }}{% endmacro %}"));
        assert!(!same_code("{{ 'a b' }}", "{{ 'a  b' }}"));
    }
}
