//! Artifacts: what dbt wrote, read from files.
//!
//! In: the bytes of a `manifest.json` (plain, gzip or zstd). Out: a [`Manifest`] that borrows from
//! them. Every field is optional and unknown ones are ignored, because dbt adds fields without a new
//! schema number. Nothing here touches a network or a warehouse.

mod load;
mod manifest;
mod metadata;
mod node;
mod text;

pub use load::{ArtifactError, ManifestFile};
pub use manifest::{Disabled, Exposure, Group, Macro, Manifest, UnitTest};
pub use metadata::{Metadata, Quoting};
pub use node::{
    Checksum, Column, Contract, DependsOn, Hook, Node, NodeConfig, ResourceType, Source, TestConfig, TestMetadata,
};
pub use text::Text;
