//! Tests that production has and the pull request has no longer.

use std::collections::{BTreeMap, HashMap};

use super::document::{Weakening, WeakerTest};
use super::facts::Facts;
use super::weakenings::{arguments, weakenings};
use crate::artifacts::{Node, ResourceType, UniqueId};
use crate::changes::{Change, ChangeKind};

/// Tests that are removed or disabled while what they test stays, and those whose place a weaker one takes.
pub(super) fn gone_tests(facts: &Facts<'_>) -> Vec<WeakerTest> {
    let mut gone = tests_that_are(facts, &[ChangeKind::Removed, ChangeKind::Disabled]).peekable();
    if gone.peek().is_none() {
        return Vec::new();
    }
    let renamed = renamed(facts);
    let replacements = replacements(facts);
    let successors = Successors::of(facts, &renamed);
    gone.filter(|(id, _)| !renamed.contains_key(id.as_str()))
        .filter_map(|(id, change)| {
            let was = facts.state.resource(id)?;
            let tested = was.depends_on().into_iter().flat_map(|depends_on| &depends_on.nodes);
            // A test that went with all that it tested is not news beside that.
            let still_there = tested.into_iter().any(|parent| successors.of_node(parent).is_some());
            if !still_there || has_moved(facts, id, was.name()) {
                return None;
            }
            // Other arguments are another test to dbt, with another id.
            let old = facts.state.nodes.get(id.as_str());
            let how = old.and_then(|old| replaced(old, &replacements, &successors)).unwrap_or_else(|| {
                vec![if change.kind == ChangeKind::Disabled { Weakening::Disabled } else { Weakening::Removed }]
            });
            (!how.is_empty()).then(|| WeakerTest { unique_id: id.clone(), name: was.name().to_owned(), how })
        })
        .collect()
}

/// Data and unit tests whose change is of one of these kinds.
fn tests_that_are<'f>(
    facts: &'f Facts<'_>,
    kinds: &'f [ChangeKind],
) -> impl Iterator<Item = (&'f UniqueId, &'f Change)> {
    facts.changes.nodes.iter().filter(move |(id, change)| {
        matches!(id.kind(), ResourceType::Test | ResourceType::UnitTest) && kinds.contains(&change.kind)
    })
}

/// By the id that production has: what it is called now.
fn renamed<'f>(facts: &'f Facts<'_>) -> BTreeMap<&'f str, &'f UniqueId> {
    let to_new = |(to, change): (&'f UniqueId, &'f Change)| match &change.kind {
        ChangeKind::Renamed { from } => Some((from.as_str(), to)),
        ChangeKind::Added | ChangeKind::Modified | ChangeKind::Removed | ChangeKind::Disabled => None,
    };
    facts.changes.nodes.iter().filter_map(to_new).collect()
}

/// Whether a unit test of that name is new: its id holds the name of its model, which may be another now.
fn has_moved(facts: &Facts<'_>, id: &UniqueId, name: &str) -> bool {
    id.kind() == ResourceType::UnitTest
        && tests_that_are(facts, &[ChangeKind::Added])
            .any(|(new, _)| facts.pr.unit_tests.get(new.as_str()).is_some_and(|test| test.name == name))
}

/// What makes a test one that another may take the place of: the generic test, and what it is about.
type Subject<'m> = (&'m str, Option<&'m str>, Option<&'m str>);

fn subject<'m>(node: &'m Node<'_>) -> Option<Subject<'m>> {
    let metadata = node.test_metadata.as_ref()?;
    Some((&metadata.name, node.attached_node.as_deref(), node.column_name.as_deref()))
}

/// The new generic tests, by what they are about.
fn replacements<'f>(facts: &'f Facts<'_>) -> BTreeMap<Subject<'f>, Vec<&'f Node<'f>>> {
    let mut replacements: BTreeMap<Subject<'_>, Vec<&Node<'_>>> = BTreeMap::new();
    let added = tests_that_are(facts, &[ChangeKind::Added]);
    for node in added.filter_map(|(id, _)| facts.pr.nodes.get(id.as_str())) {
        if let Some(subject) = subject(node) {
            replacements.entry(subject).or_default().push(node);
        }
    }
    replacements
}

/// In which ways the new test that takes the place of `old` is weaker; `None` where no one does.
fn replaced<'f>(
    old: &'f Node<'_>,
    replacements: &BTreeMap<Subject<'f>, Vec<&'f Node<'f>>>,
    successors: &Successors<'f, '_>,
) -> Option<Vec<Weakening>> {
    let (name, attached, column) = subject(old)?;
    let now = (name, attached.map(|id| successors.of_node(id).unwrap_or(id)), column);
    let [new] = replacements.get(&now)?.as_slice() else { return Some(vec![Weakening::Arguments]) };
    let mut how = weakenings(old, new);
    how.extend(arguments(old, new));
    Some(how)
}

/// Where nodes of production are now: under their id, renamed, or another node that builds the same relation.
struct Successors<'f, 'm> {
    facts: &'f Facts<'m>,
    renamed: &'f BTreeMap<&'f str, &'f UniqueId>,
    builds: HashMap<&'f str, &'f str>,
}

impl<'f, 'm> Successors<'f, 'm> {
    fn of(facts: &'f Facts<'m>, renamed: &'f BTreeMap<&'f str, &'f UniqueId>) -> Self {
        let nodes = facts.pr.nodes.iter().filter(|(_, node)| node.resource_type != ResourceType::Test);
        let builds = nodes.filter_map(|(id, node)| Some((node.relation_name.as_deref()?, id.as_ref()))).collect();
        Self { facts, renamed, builds }
    }

    fn of_node(&self, id: &'f str) -> Option<&'f str> {
        let same = || self.facts.graph.id(id).map(|_| id);
        let renamed = || self.renamed.get(id).map(|to| to.as_str());
        let builds = || {
            let relation = self.facts.state.nodes.get(id)?.relation_name.as_deref()?;
            self.builds.get(relation).copied()
        };
        same().or_else(renamed).or_else(builds)
    }
}
