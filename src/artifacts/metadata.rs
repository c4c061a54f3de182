//! `metadata` of a manifest.

use std::borrow::Cow;

use serde::Deserialize;

use super::tolerant::{object, opt, opt_flag};

/// Who wrote a manifest, when and for which warehouse.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Metadata<'a> {
    /// The URL whose last segment is `v<N>.json`.
    #[serde(borrow, deserialize_with = "opt")]
    pub dbt_schema_version: Option<Cow<'a, str>>,
    /// `1.11.16`, or `2.…` for dbt's second engine.
    #[serde(borrow, deserialize_with = "opt")]
    pub dbt_version: Option<Cow<'a, str>>,
    /// RFC 3339 time of writing.
    #[serde(borrow, deserialize_with = "opt")]
    pub generated_at: Option<Cow<'a, str>>,
    /// Identifies the dbt command that wrote it.
    #[serde(borrow, deserialize_with = "opt")]
    pub invocation_id: Option<Cow<'a, str>>,
    /// The root project.
    #[serde(borrow, deserialize_with = "opt")]
    pub project_name: Option<Cow<'a, str>>,
    /// The warehouse: `duckdb`, `postgres`, `snowflake`, … The only place where a manifest names it.
    #[serde(borrow, deserialize_with = "opt")]
    pub adapter_type: Option<Cow<'a, str>>,
    /// The project's quoting defaults.
    #[serde(deserialize_with = "object")]
    pub quoting: Quoting,
}

/// Which parts of a relation name dbt quotes; `None` leaves it to the adapter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Quoting {
    /// Quote the database.
    #[serde(deserialize_with = "opt_flag")]
    pub database: Option<bool>,
    /// Quote the schema.
    #[serde(deserialize_with = "opt_flag")]
    pub schema: Option<bool>,
    /// Quote the identifier.
    #[serde(deserialize_with = "opt_flag")]
    pub identifier: Option<bool>,
}

impl Metadata<'_> {
    /// Whether one and the same dbt command wrote both, at the same time: one is a copy of the other.
    #[must_use]
    pub fn is_copy_of(&self, other: &Metadata<'_>) -> bool {
        let known = self.invocation_id.is_some() && self.generated_at.is_some();
        known && self.invocation_id == other.invocation_id && self.generated_at == other.generated_at
    }

    /// `N` of `…/manifest/v<N>.json`.
    #[must_use]
    pub fn schema_number(&self) -> Option<u32> {
        let url = self.dbt_schema_version.as_deref()?;
        url.rsplit('/').next()?.strip_prefix('v')?.strip_suffix(".json")?.parse().ok()
    }

    /// `manifest` of `https://schemas.getdbt.com/dbt/manifest/v12.json`.
    pub(super) fn artifact(url: &str) -> Option<&str> {
        url.rsplit('/').nth(1)
    }

    /// dbt's major and minor version.
    #[must_use]
    pub fn dbt_minor(&self) -> Option<(u32, u32)> {
        let mut parts = self.dbt_version.as_deref()?.split('.').map(str::parse);
        Some((parts.next()?.ok()?, parts.next()?.ok()?))
    }

    /// dbt's major version: 1, or 2 for the Rust engine.
    #[must_use]
    pub fn dbt_major(&self) -> Option<u32> {
        self.dbt_version.as_deref()?.split('.').next()?.parse().ok()
    }
}
