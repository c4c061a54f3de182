//! What will be built, proxied, tested and skipped, in which order, each with its why.
//!
//! In: both manifests, the graph and the changes. Out: a [`Plan`]. Pure: no network, no warehouse.
