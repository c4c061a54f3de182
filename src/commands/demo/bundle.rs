//! The bundled project: the ferry company of `fixtures/`, with one pull request.

use std::path::Path;

macro_rules! bundled {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_bytes!(concat!("../../../fixtures/ferry/", $path)))),+]
    };
}

const FILES: &[(&str, &[u8])] = bundled![
    "production.manifest.json.gz",
    "project/dbt_project.yml",
    "project/profiles.yml",
    "project/raw/types.json",
    "project/raw/raw.bookings.csv",
    "project/raw/raw.customers.csv",
    "project/raw/raw.fuel_logs.csv",
    "project/raw/raw.incidents.csv",
    "project/raw/raw.payments.csv",
    "project/raw/raw.routes.csv",
    "project/raw/raw.sailings.csv",
    "project/raw/raw.vessels.csv",
    "project/raw/raw.weather_readings.csv",
    "project/seeds/ports.csv",
    "project/seeds/tariff_seasons.csv",
    "project/seeds/terminals.csv",
    "prs/demo/about.json",
    "prs/demo/change.patch",
    "prs/demo/pr.manifest.json.gz",
];

/// Writes the bundled files below `folder`.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn unpack(folder: &Path) -> std::io::Result<()> {
    for (path, bytes) in FILES {
        let file = folder.join(path);
        if let Some(parent) = file.parent() {
            fs_err::create_dir_all(parent)?;
        }
        fs_err::File::create(&file).and_then(|mut file| std::io::Write::write_all(&mut file, bytes))?;
    }
    Ok(())
}
