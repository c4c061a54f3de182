//! Where user and password come from.

use super::profile::Profile;
use crate::config::Secret;
use crate::warehouse::WarehouseError;

/// The way to log in.
pub(super) enum Credentials {
    /// As the profile says.
    Profile,
}

/// What is sent.
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: Option<Secret>,
}

impl Credentials {
    /// The login for one connection.
    pub(super) async fn login(&self, profile: &Profile) -> Result<Login, WarehouseError> {
        match self {
            Self::Profile => Ok(Login { user: profile.user.clone(), password: profile.password.clone() }),
        }
    }
}
