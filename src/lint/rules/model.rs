//! A model as rules see it: its node, its neighbours, its layer, its SQL.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use super::columns::{Columns, bare, columns};
use super::tokens::Tokens;
use super::tree::Tree;
use crate::artifacts::{Manifest, Node, ResourceType, UniqueIdRef};
use crate::config::{LayerConfig, LayerRole};
use crate::lint::ephemeral::without_injected;
use crate::lint::text::LintText;
use crate::sql::Dialect;
use crate::text::whole_word::has_word;

/// A macro, and what of its surroundings it reads.
pub(super) type Reader<'m> = (&'m str, String);

/// The macros that read their surroundings, and the names of all.
pub(super) type Surroundings<'m> = (HashMap<&'m str, Reader<'m>>, HashSet<&'m str>);

/// The project around the models.
pub(super) struct Project<'m> {
    pub(super) manifest: &'m Manifest<'m>,
    /// Generic tests by the node that they test.
    tests: HashMap<&'m str, Vec<&'m Node<'m>>>,
    /// What unit tests test.
    unit_tested: HashSet<&'m str>,
    pub(super) layers: Vec<LayerConfig>,
    dialect: Option<Dialect>,
    surroundings: OnceCell<Surroundings<'m>>,
    places: OnceCell<HashSet<&'m str>>,
}

impl<'m> Project<'m> {
    pub(super) fn new(manifest: &'m Manifest<'m>, layers: Option<&[LayerConfig]>) -> Self {
        let mut tests: HashMap<&str, Vec<&Node<'_>>> = HashMap::new();
        for test in manifest.nodes.values().filter(|node| node.resource_type == ResourceType::Test) {
            match &test.attached_node {
                Some(node) => tests.entry(node.as_ref()).or_default().push(test),
                // A singular test tests what it reads.
                None => {
                    test.depends_on.nodes.iter().for_each(|node| tests.entry(node.as_ref()).or_default().push(test))
                }
            }
        }
        let unit_tests = manifest.unit_tests.values();
        let unit_tested = unit_tests.flat_map(|test| test.depends_on.nodes.iter().map(AsRef::as_ref)).collect();
        let dialect = manifest.metadata.adapter_type.as_deref().and_then(Dialect::from_adapter);
        let layers = layers.map_or_else(usual_layers, <[_]>::to_vec);
        Self { manifest, tests, unit_tested, layers, dialect, surroundings: OnceCell::new(), places: OnceCell::new() }
    }

    /// For each macro whose text depends on where dbt runs, the macro that reads that, and what it reads; and the names of
    /// all macros. Both as these find them when a rule first asks.
    pub(super) fn surroundings(
        &self,
        readers: fn(&'m Manifest<'m>) -> HashMap<&'m str, Reader<'m>>,
        names: fn(&'m Manifest<'m>) -> HashSet<&'m str>,
    ) -> &Surroundings<'m> {
        self.surroundings.get_or_init(|| (readers(self.manifest), names(self.manifest)))
    }

    /// Names of databases, schemas and relations that the manifest has.
    pub(super) fn places(&self) -> &HashSet<&'m str> {
        self.places.get_or_init(|| {
            let nodes = self.manifest.nodes.values().flat_map(|node| {
                [node.database.as_deref(), node.schema.as_deref(), node.alias.as_deref(), Some(&*node.name)]
            });
            let sources =
                self.manifest.sources.values().flat_map(|source| {
                    [source.database.as_deref(), source.schema.as_deref(), Some(&*source.identifier)]
                });
            nodes.chain(sources).flatten().collect()
        })
    }

    /// Every model of the project itself.
    pub(super) fn models(&self) -> impl Iterator<Item = &'m Node<'m>> {
        let project = self.manifest.metadata.project_name.as_deref();
        let own = move |node: &&Node<'_>| Some(node.package_name.as_ref()) == project;
        self.manifest
            .nodes
            .values()
            .filter(|node| matches!(node.resource_type, ResourceType::Model | ResourceType::Snapshot))
            .filter(own)
    }

    /// The layer of a node, by its folder.
    pub(super) fn layer(&self, node: &Node<'_>) -> Option<&LayerConfig> {
        let folders: Vec<&str> = node.fqn.iter().map(AsRef::as_ref).collect();
        let inner = folders.get(1..folders.len().saturating_sub(1)).unwrap_or_default();
        // The nearest folder counts: `marts/finance/staging` is staging.
        inner.iter().rev().find_map(|folder| self.layers.iter().find(|layer| layer.folders.iter().any(|f| f == folder)))
    }
}

/// dbt's own guide to structuring projects.
fn usual_layers() -> Vec<LayerConfig> {
    let layer = |role, folders: &[&str], prefixes: &[&str]| LayerConfig {
        role,
        folders: folders.iter().map(|text| (*text).to_owned()).collect(),
        prefixes: prefixes.iter().map(|text| (*text).to_owned()).collect(),
    };
    vec![
        layer(LayerRole::Staging, &["staging"], &["stg_", "base_"]),
        layer(LayerRole::Intermediate, &["intermediate"], &["int_"]),
        layer(LayerRole::Marts, &["marts"], &["fct_", "dim_"]),
    ]
}

/// One model.
pub(super) struct Model<'m> {
    pub(super) project: &'m Project<'m>,
    pub(super) node: &'m Node<'m>,
    /// The author's text with what dbt made of it; `None` without compiled SQL that fits.
    pub(super) text: Option<LintText>,
    pub(super) tokens: Option<Tokens>,
    pub(super) tree: Option<Tree>,
}

impl<'m> Model<'m> {
    pub(super) fn new(project: &'m Project<'m>, node: &'m Node<'m>) -> Self {
        let compiled = node.compiled_code.filter(|code| !code.is_empty() && !node.is_python()).map(|code| code.get());
        let text = compiled.as_ref().and_then(|code| LintText::compiled(&node.raw_code.get(), code, true).ok());
        // Without the author's lines there are still columns.
        let sql = match &text {
            Some(text) => Some(text.rendered.clone()),
            None => compiled.map(|code| without_injected(&code)),
        };
        let dialect = project.dialect;
        let tokens = sql.as_ref().and_then(|sql| Tokens::of(sql, dialect));
        let tree = sql.as_ref().and_then(|sql| Tree::of(sql, dialect));
        Self { project, node, text, tokens, tree }
    }

    pub(super) fn role(&self) -> Option<LayerRole> {
        self.project.layer(self.node).map(|layer| layer.role)
    }

    pub(super) fn is_model(&self) -> bool {
        self.node.resource_type == ResourceType::Model
    }

    /// unique_ids of the parents of a type.
    pub(super) fn parents(&self, kind: ResourceType) -> Vec<&'m str> {
        let of_kind = |id: &&str| UniqueIdRef::new(id).kind() == kind;
        self.node.depends_on.nodes.iter().map(AsRef::as_ref).filter(of_kind).collect()
    }

    pub(super) fn tests(&self) -> &[&'m Node<'m>] {
        self.project.tests.get(self.node.unique_id.as_ref()).map_or(&[], Vec::as_slice)
    }

    pub(super) fn is_unit_tested(&self) -> bool {
        self.project.unit_tested.contains(self.node.unique_id.as_ref())
    }

    pub(super) fn is_of(&self, dialect: Dialect) -> bool {
        self.project.dialect == Some(dialect)
    }

    /// The author's line of a place in the rendered text (line and column from 1); `None` where the author did
    /// not write it: a macro or a `ref` did.
    pub(super) fn written(&self, line: u64, column: u64) -> Option<usize> {
        self.text.as_ref()?.written_line(line, column)
    }

    /// The author's line that a place in the rendered text comes from: where a macro wrote it, that of its call.
    pub(super) fn caused(&self, line: u64, column: u64) -> Option<usize> {
        self.text.as_ref()?.causing_line(line, column)
    }

    /// Whether the author wrote this name, in the model's own text or as a documented column. What a macro wrote may be
    /// a row's value: `dbt_utils.pivot` names columns after them.
    pub(super) fn names(&self, name: &str) -> bool {
        let (text, name) = (self.node.raw_code.get().to_lowercase(), name.to_lowercase());
        let documented = || self.node.columns().values().any(|column| bare(&column.name).eq_ignore_ascii_case(&name));
        !name.is_empty() && (has_word(&text, &name) || documented())
    }

    /// What the last `select` gives; nothing known where the SQL is not a tree.
    pub(super) fn columns(&self) -> Columns {
        let unknown = Columns { more: true, ..Columns::default() };
        let written = |line, column| self.written(line, column).is_some();
        self.tree.as_ref().map_or(unknown, |tree| columns(&tree.query, self.project.dialect, &written))
    }
}
