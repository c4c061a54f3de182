//! `sslmode` with libpq's meaning: <https://www.postgresql.org/docs/current/libpq-ssl.html>.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::certificate::{Trust, Verifier, public_key};

/// How a connection is encrypted, and what of the server's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum SslMode {
    /// Never.
    Disable,
    /// Only when the server refuses a plain connection.
    Allow,
    /// When the server can; libpq's default.
    #[default]
    Prefer,
    /// Always. The certificate is checked only when a root certificate is at hand.
    Require,
    /// Always, and the certificate's chain must lead to a root.
    VerifyCa,
    /// As before, and the certificate must be for this host.
    VerifyFull,
}

impl SslMode {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "disable" => Self::Disable,
            "allow" => Self::Allow,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return None,
        })
    }
}

/// The profile's certificate fields, as paths.
#[derive(Debug, Clone, Default)]
pub(super) struct Certificates {
    /// `sslrootcert`: a file, or `system` for the machine's own roots.
    pub(super) root: Option<PathBuf>,
    /// `sslcert`.
    pub(super) client: Option<PathBuf>,
    /// `sslkey`.
    pub(super) key: Option<PathBuf>,
    /// The home folder, where libpq's default files are.
    pub(super) home: Option<PathBuf>,
    /// The server's certificate comes from a public authority, so that without `root` the machine's own roots
    /// count, in every mode, and libpq's default files do not.
    pub(super) public_authority: bool,
}

/// The `sslrootcert` that stands for the machine's own roots.
const SYSTEM: &str = "system";

impl Certificates {
    /// The root file: the profile's, else libpq's default if it is there.
    fn root_file(&self) -> Option<PathBuf> {
        let found = || if self.public_authority { Some(SYSTEM.into()) } else { self.default_file("root.crt") };
        self.root.clone().or_else(found)
    }

    fn default_file(&self, name: &str) -> Option<PathBuf> {
        Some(self.home.as_ref()?.join(".postgresql").join(name)).filter(|path| path.is_file())
    }
}

/// What rustls needs for a mode.
///
/// # Errors
/// A sentence about the file that is missing or no certificate.
pub(super) fn connector(mode: SslMode, files: &Certificates) -> Result<MakeRustlsConnect, String> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier::new(trust(mode, files, &provider)?, &provider);
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let client = files.client.clone().or_else(|| files.default_file("postgresql.crt"));
    let key = files.key.clone().or_else(|| files.default_file("postgresql.key"));
    let config = match (client, key) {
        (Some(client), Some(key)) => {
            let key = client_key(certificates(&client, "sslcert")?, &key, &provider)?;
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key)))
        }
        (Some(_), None) => return Err("`sslcert` requires `sslkey`".to_owned()),
        (None, _) => builder.with_no_client_auth(),
    };
    Ok(MakeRustlsConnect::new(config))
}

/// The client's certificate and key. The library's own comparison knows certificates of version 3 only.
fn client_key(
    chain: Vec<CertificateDer<'static>>,
    path: &Path,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, String> {
    let fail = |error: &dyn std::fmt::Display| format!("`sslkey` {} cannot be used: {error}", path.display());
    let key = PrivateKeyDer::from_pem_file(path).map_err(|error| fail(&error))?;
    let key = provider.key_provider.load_private_key(key).map_err(|error| fail(&error))?;
    let own = chain.first().map(public_key).transpose();
    let own = own.map_err(|error| format!("`sslcert` cannot be used: {error}"))?;
    let fits = match (key.public_key(), own) {
        (Some(of_key), Some(of_certificate)) => of_key == of_certificate,
        // Kinds of keys that cannot be compared are left to the server.
        _ => true,
    };
    if !fits {
        return Err(format!("`sslcert` and `sslkey` {} do not match", path.display()));
    }
    Ok(CertifiedKey::new(chain, key))
}

fn trust(mode: SslMode, files: &Certificates, provider: &Arc<CryptoProvider>) -> Result<Trust, String> {
    let root = files.root_file();
    let system = root.as_deref().is_some_and(|path| path == Path::new(SYSTEM));
    let mode = match mode {
        // libpq refuses weaker modes with the machine's own roots, because anyone can get such a certificate.
        SslMode::VerifyFull => SslMode::VerifyFull,
        _ if system && !files.public_authority => {
            return Err("`sslrootcert: system` needs `sslmode: verify-full`".to_owned());
        }
        // As libpq for backward compatibility: with a root certificate at hand, `require` checks the chain.
        SslMode::Require if root.is_some() => SslMode::VerifyCa,
        mode => mode,
    };
    if !matches!(mode, SslMode::VerifyCa | SslMode::VerifyFull) {
        return Ok(Trust::Anyone);
    }
    let mut roots = RootCertStore::empty();
    let mut own = Vec::new();
    match root {
        _ if system => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
        Some(path) => {
            own = certificates(&path, "sslrootcert")?;
            for certificate in &own {
                roots.add(certificate.clone()).map_err(|error| format!("`sslrootcert` {}: {error}", path.display()))?;
            }
        }
        None => {
            return Err("`sslmode` asks for a checked certificate but there is no root certificate: name one with \
                 `sslrootcert`, or `sslrootcert: system` with `sslmode: verify-full`"
                .to_owned());
        }
    }
    let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| format!("the root certificates cannot be used: {error}"))?;
    Ok(Trust::Roots { chains, roots: own, host: mode == SslMode::VerifyFull })
}

fn certificates(path: &Path, field: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let fail = |error: &dyn std::fmt::Display| format!("`{field}` {} cannot be used: {error}", path.display());
    let list: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(|error| fail(&error))?.collect();
    let list = list.map_err(|error| fail(&error))?;
    if list.is_empty() { Err(fail(&"it contains no certificate")) } else { Ok(list) }
}
