//! Lets binaries and tests find the prebuilt libduckdb that the `duckdb` feature links.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-env-changed=DUCKDB_LIB_DIR");
    let linked = std::env::var_os("CARGO_FEATURE_DUCKDB").is_some();
    let bundled = std::env::var_os("CARGO_FEATURE_DUCKDB_BUNDLED").is_some();
    if !linked || bundled {
        return;
    }
    let Some(dir) = std::env::var_os("DUCKDB_LIB_DIR") else { return };
    let dir = Path::new(&dir);
    println!("cargo::rerun-if-changed={}", dir.display());
    assert!(
        dir.exists(),
        "no libduckdb in {}: run `.ci/setup` once, or set DUCKDB_LIB_DIR, or build with --no-default-features",
        dir.display()
    );
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", dir.display());
}
