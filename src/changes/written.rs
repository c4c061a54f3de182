//! The relation names of a manifest as they stand in it, found by their identifier.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use crate::artifacts::Manifest;

/// unique_id and name, as it stands in the manifest, of models, seeds, snapshots and sources.
pub(super) fn written<'m>(manifest: &'m Manifest<'m>) -> impl Iterator<Item = (&'m str, &'m str)> {
    let nodes = manifest.nodes.iter().filter(|(_, node)| node.resource_type.is_relation());
    let nodes = nodes.map(|(id, node)| (id.as_ref(), node.relation_name.as_deref()));
    let sources = manifest.sources.iter().map(|(id, source)| (id.as_ref(), source.relation_name.as_deref()));
    nodes.chain(sources).filter_map(|(id, name)| Some((id, name?)))
}

/// The names of a manifest, not taken apart.
pub(super) struct Written<'m> {
    /// unique_id and name.
    names: Vec<(&'m str, &'m str)>,
    /// From an identifier in small letters to indices in `names`.
    by_identifier: HashMap<Cow<'m, str>, Vec<usize>, RandomState>,
    /// The indices of names whose identifier cannot be told without taking them apart.
    odd: Vec<usize>,
}

impl<'m> Written<'m> {
    pub(super) fn new(manifest: &'m Manifest<'m>) -> Self {
        let names: Vec<_> = written(manifest).collect();
        let mut by_identifier: HashMap<_, Vec<usize>, RandomState> =
            HashMap::with_capacity_and_hasher(names.len(), RandomState::default());
        let mut odd = Vec::new();
        for (index, (_, name)) in names.iter().enumerate() {
            match plain_identifier(name) {
                Some(identifier) => by_identifier.entry(identifier).or_default().push(index),
                None => odd.push(index),
            }
        }
        Self { names, by_identifier, odd }
    }

    /// How many names every text may hold.
    pub(super) fn odd(&self) -> usize {
        self.odd.len()
    }

    /// unique_id and name of those with one of these identifiers, which are in small letters, and of those whose
    /// identifier cannot be told; in the manifest's order.
    pub(super) fn called(&self, identifiers: &HashSet<String>) -> impl Iterator<Item = (&'m str, &'m str)> {
        let named = identifiers.iter().filter_map(|identifier| self.by_identifier.get(identifier.as_str()));
        let mut indices: Vec<usize> = named.flatten().chain(&self.odd).copied().collect();
        indices.sort_unstable();
        indices.into_iter().filter_map(|index| self.names.get(index).copied())
    }
}

/// The identifier of a name in small letters, if it is a plain word.
fn plain_identifier(name: &str) -> Option<Cow<'_, str>> {
    let last = name.rsplit('.').next()?;
    let quoted = ['"', '`'].into_iter().find_map(|quote| last.strip_prefix(quote)?.strip_suffix(quote));
    let bare = quoted.unwrap_or(last);
    let plain = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let is_small = !bare.bytes().any(|byte| byte.is_ascii_uppercase());
    plain.then(|| if is_small { Cow::Borrowed(bare) } else { Cow::Owned(bare.to_ascii_lowercase()) })
}

#[cfg(test)]
mod tests {
    use super::plain_identifier;

    #[test]
    fn only_plain_words_are_identifiers_at_sight() {
        for (name, expected) in [
            (r#""wh"."prod"."orders""#, Some("orders")),
            ("wh.prod.Orders_2", Some("orders_2")),
            ("`project`.`set`.`orders`", Some("orders")),
            ("orders", Some("orders")),
            ("`project.set.orders`", None),
            (r#""wh"."a.b""#, None),
            (r#""wh"."a""b""#, None),
            (r#""wh"."a b""#, None),
            ("wh.é", None),
            ("read_parquet('x.parquet')", None),
            ("wh.", None),
        ] {
            assert_eq!(plain_identifier(name).as_deref(), expected, "{name}");
        }
    }
}
