//! Artifacts: what dbt wrote, read from files.
//!
//! In: the bytes of a `manifest.json` (plain, gzip or zstd). Out: a [`Manifest`] that borrows from
//! them. Every field is optional and unknown ones are ignored, because dbt adds fields without a new
//! schema number. Nothing here touches a network or a warehouse.

mod checks;
mod column;
mod config;
mod equality;
mod exposure;
mod load;
mod manifest;
mod members;
mod metadata;
mod node;
mod other_file;
mod resource;
mod resource_type;
mod run_results;
mod semantic;
mod source;
mod state_facts;
mod text;
mod tolerant;
mod unique_id;
mod unit_test;

pub(crate) use checks::compiled_incrementally;
pub use checks::{
    IssueCode, IssueSeverity, ManifestIssue, check_base, check_compiled, check_pair, check_state, check_texts,
};
pub use column::Column;
pub use config::{Hook, NodeConfig, TestConfig};
pub use equality::equal;
pub use exposure::{Exposure, Group};
pub(crate) use load::both;
pub use load::{ArtifactError, ManifestFile, ManifestPair, read_pair};
pub use manifest::{Disabled, Macro, Manifest};
pub use members::Members;
pub use metadata::{Metadata, Quoting};
pub use node::{Checksum, Contract, DependsOn, Node, TestMetadata};
pub use other_file::OtherFile;
pub use resource::Resource;
pub use resource_type::ResourceType;
pub use run_results::{RunResult, RunResults};
pub use semantic::{Metric, SavedQuery, SemanticModel};
pub use source::Source;
pub use state_facts::StateFacts;
pub use text::Text;
pub use unique_id::{UniqueId, UniqueIdRef};
pub use unit_test::UnitTest;
