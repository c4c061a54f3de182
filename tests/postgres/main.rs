//! PostgreSQL, for real: every test talks to a server that the tests bring up themselves.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]
#![allow(missing_docs, unreachable_pub, reason = "a test binary has no users")]

#[path = "../attacks/table.rs"]
mod attack_table;
mod as_dbt;
mod attacks;
mod aws;
mod beside_dbt;
mod breakages;
mod broken_connection;
#[path = "../common/breakages.rs"]
mod cases;
mod cleaning;
mod cluster;
mod compiling;
mod connecting;
#[path = "../common/dbt.rs"]
mod dbt;
mod faults;
mod ferry;
mod harbour;
mod in_place;
mod killed;
#[path = "../attacks/kinds.rs"]
mod kinds;
mod meeting;
mod physical;
mod pooler;
#[path = "../common/places.rs"]
mod places;
mod properties;
mod redshift;
mod redshift_job;
mod redshift_login;
mod relay;
mod replacing;
mod rough;
mod sessions;
#[path = "../common/compiling.rs"]
mod shelf;
mod shim;
mod staying_inside;
mod temp_schema;
mod undisturbed;
mod warehouse;
mod whole_job;
