//! The flags of `premerge demo`.

use std::path::PathBuf;

use clap::Args;

/// `premerge demo`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The bundled project is a small ferry company's. Its pull request adds the payment method to the bookings by a
join that repeats bookings with several payments: the gate catches it. The demo itself then exits with 0.")]
pub struct DemoArgs {
    /// Folder for the demo's files; must not exist [default: a new temporary folder, which is kept]
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
}
