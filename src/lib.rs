//! premerge: the gate a dbt pull request passes before it is merged.
//!
//! Data moves one way through the stages below, in the order they are listed; a stage uses the
//! stages before it and none after it (`tests/architecture.rs` proves it).

pub mod text; // escaping for each target, and counts in words
pub mod sql; // dialects, tokens, relation names and their relocation
pub mod artifacts; // dbt's manifest.json and its companions, read from files
pub mod project; // a manifest as a graph; dbt's selector grammar
pub mod config; // environment, premerge.yml and profiles.yml, resolved to settings
pub mod changes; // two manifests in, changes with reasons out
pub mod plan; // changes and graph in, what to do out
pub mod lint; // style rules and project rules; what is new against production
pub mod warehouse; // the one door to a database
pub mod compile; // the user's dbt as a living process: parse, and the text of a node at its turn
pub mod build; // the plan carried out: proxies, models, seeds, tests
pub mod report; // the one value that holds the result, and its renderings
pub mod publish; // the report brought to a forge

pub mod commands; // one file a subcommand; each strings stages together
pub mod cli; // the command line as clap sees it
