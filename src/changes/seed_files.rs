//! Seeds whose files git knows to be others.

use std::collections::BTreeSet;

use super::{Change, ChangeKind, Changes, Reason};
use crate::artifacts::{Manifest, ResourceType};

impl Changes {
    /// Adds the project's own seeds among `files`, paths below the project: dbt takes the checksum of a seed without
    /// the white space at its ends, and one more line there is one more row to the warehouse.
    pub fn add_seed_files(&mut self, pr: &Manifest<'_>, files: &BTreeSet<String>) {
        let own = pr.metadata.project_name.as_deref();
        for (id, seed) in &pr.nodes {
            let is_named = || files.contains(&seed.original_file_path.replace('\\', "/"));
            if seed.resource_type == ResourceType::Seed && Some(seed.package_name.as_ref()) == own && is_named() {
                let change = Change { kind: ChangeKind::Modified, reasons: vec![Reason::Body] };
                self.nodes.entry(id.as_ref().into()).or_insert(change);
            }
        }
    }
}
