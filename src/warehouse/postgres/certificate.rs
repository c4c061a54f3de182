//! Is the server's certificate good enough: libpq's answer, where that of the TLS library is stricter.
//!
//! The library knows certificates as public authorities issue them. A database's is often made by hand: of
//! version 1, as PostgreSQL's manual has it, with a name in the subject only, or its own root. OpenSSL, and
//! with it libpq, takes those.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerMisbehaved, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::asn1::AnyRef;
use x509_cert::der::{Decode as _, Encode as _, Tag, Tagged as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::spki::{AlgorithmIdentifierOwned, ObjectIdentifier};

/// The subject's common name (X.520).
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// Constraints on names, which a root may put on what it signs (RFC 5280).
const NAME_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.30");

/// What the server's certificate has to be.
#[derive(Debug)]
pub(super) enum Trust {
    /// Anything: encrypted, but by whom is not asked. The handshake's signature is checked all the same.
    Anyone,
    /// It leads to a root.
    Roots {
        /// The library's judge of chains.
        chains: Arc<WebPkiServerVerifier>,
        /// The roots as they stand in the file.
        roots: Vec<CertificateDer<'static>>,
        /// Whether it must be for this host, too.
        host: bool,
    },
}

/// A judge of server certificates.
#[derive(Debug)]
pub(super) struct Verifier {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(super) fn new(trust: Trust, provider: &CryptoProvider) -> Self {
        Self { trust, algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Trust::Roots { chains, roots, host } = &self.trust else { return Ok(ServerCertVerified::assertion()) };
        match chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Ok(verified) => return Ok(verified),
            // The library looks at the name last, so this error means that all else is well.
            Err(error) if is_about_the_name(&error) => {}
            Err(error) => {
                if !self.is_trusted_by_hand(end_entity, roots, now) {
                    return Err(refusal(error, end_entity, now));
                }
            }
        }
        if !host || is_for(end_entity, server_name) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::NotValidForName.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if ParsedCertificate::try_from(cert).is_ok() {
            return rustls::crypto::verify_tls12_signature(message, cert, signed, &self.algorithms);
        }
        // The library has this for keys without a certificate in TLS 1.3 only.
        let key = parse(cert)?.tbs_certificate.subject_public_key_info;
        let id = content(&key.algorithm).ok_or(CertificateError::BadEncoding)?;
        let candidates = self.algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
        let (_, candidates) = candidates.ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
        let fits = candidates.iter().filter(|algorithm| algorithm.public_key_alg_id().as_ref() == id.as_slice());
        let bits = key.subject_public_key.raw_bytes();
        for algorithm in fits {
            if algorithm.verify_signature(bits, message, signed.signature()).is_ok() {
                return Ok(HandshakeSignatureValid::assertion());
            }
        }
        Err(CertificateError::BadSignature.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if ParsedCertificate::try_from(cert).is_ok() {
            return rustls::crypto::verify_tls13_signature(message, cert, signed, &self.algorithms);
        }
        let key = public_key(cert)?;
        rustls::crypto::verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl Verifier {
    /// What the library refuses and OpenSSL takes: a certificate that is itself in the root file, and one of
    /// version 1 that a root has signed without another between. Such a certificate has no extensions, so
    /// there is none to be overlooked.
    fn is_trusted_by_hand(&self, cert: &CertificateDer<'_>, roots: &[CertificateDer<'static>], now: UnixTime) -> bool {
        let Ok(parsed) = parse(cert) else { return false };
        if !is_current(&parsed, now) {
            return false;
        }
        if roots.iter().any(|root| root.as_ref() == cert.as_ref()) {
            return true;
        }
        parsed.tbs_certificate.version == x509_cert::Version::V1
            && parsed.tbs_certificate.extensions.is_none()
            && roots
                .iter()
                .filter_map(|root| parse(root).ok())
                .any(|root| is_current(&root, now) && !has_name_constraints(&root) && self.has_signed(&root, &parsed))
    }

    fn has_signed(&self, root: &Certificate, cert: &Certificate) -> bool {
        let (issuer, subject) = (&root.tbs_certificate, &cert.tbs_certificate);
        if issuer.subject != subject.issuer || subject.signature != cert.signature_algorithm {
            return false;
        }
        let (Some(signature_id), Some(key_id), Ok(signed)) =
            (content(&cert.signature_algorithm), content(&issuer.subject_public_key_info.algorithm), subject.to_der())
        else {
            return false;
        };
        let bits = issuer.subject_public_key_info.subject_public_key.raw_bytes();
        self.algorithms.all.iter().any(|algorithm| {
            algorithm.signature_alg_id().as_ref() == signature_id.as_slice()
                && algorithm.public_key_alg_id().as_ref() == key_id.as_slice()
                && algorithm.verify_signature(bits, &signed, cert.signature.raw_bytes()).is_ok()
        })
    }
}

/// Why a certificate is refused: of those made by hand the library says only that it does not know their like.
fn refusal(error: Error, cert: &CertificateDer<'_>, now: UnixTime) -> Error {
    match parse(cert) {
        Ok(parsed) if !is_current(&parsed, now) => error,
        Ok(parsed) => {
            let tbs = &parsed.tbs_certificate;
            let by_hand = tbs.version == x509_cert::Version::V1 || tbs.issuer == tbs.subject;
            if by_hand { CertificateError::UnknownIssuer.into() } else { error }
        }
        Err(_) => error,
    }
}

/// The public key of a certificate of any version.
pub(super) fn public_key(cert: &CertificateDer<'_>) -> Result<SubjectPublicKeyInfoDer<'static>, Error> {
    let key = parse(cert)?.tbs_certificate.subject_public_key_info.to_der();
    Ok(SubjectPublicKeyInfoDer::from(key.map_err(|_| CertificateError::BadEncoding)?))
}

fn parse(cert: &CertificateDer<'_>) -> Result<Certificate, CertificateError> {
    Certificate::from_der(cert).map_err(|_| CertificateError::BadEncoding)
}

/// The encoding without its outer header, which is how the library names algorithms.
fn content(algorithm: &AlgorithmIdentifierOwned) -> Option<Vec<u8>> {
    let encoded = algorithm.to_der().ok()?;
    Some(AnyRef::from_der(&encoded).ok()?.value().to_vec())
}

fn is_current(cert: &Certificate, now: UnixTime) -> bool {
    let validity = &cert.tbs_certificate.validity;
    let (from, to) = (validity.not_before.to_unix_duration(), validity.not_after.to_unix_duration());
    (from.as_secs()..=to.as_secs()).contains(&now.as_secs())
}

fn has_name_constraints(cert: &Certificate) -> bool {
    cert.tbs_certificate.extensions.iter().flatten().any(|extension| extension.extn_id == NAME_CONSTRAINTS)
}

fn is_about_the_name(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. })
    )
}

/// Whether the certificate is for the host: by its alternative names, else, if it has none of the host's kind,
/// by its common name (<https://www.postgresql.org/docs/current/libpq-ssl.html>).
fn is_for(cert: &CertificateDer<'_>, host: &ServerName<'_>) -> bool {
    if ParsedCertificate::try_from(cert).is_ok_and(|parsed| verify_server_name(&parsed, host).is_ok()) {
        return true;
    }
    let Ok(parsed) = parse(cert) else { return false };
    let of_its_kind = |name: &GeneralName| match host {
        ServerName::IpAddress(_) => matches!(name, GeneralName::IpAddress(_)),
        _ => matches!(name, GeneralName::DnsName(_)),
    };
    match parsed.tbs_certificate.get::<SubjectAltName>() {
        Ok(Some((_, names))) if names.0.iter().any(of_its_kind) => return false,
        // A list of names that cannot be read may hold one of the host's kind.
        Err(_) => return false,
        Ok(_) => {}
    }
    let is_address = matches!(host, ServerName::IpAddress(_));
    common_name(&parsed).is_some_and(|name| {
        let host = host.to_str();
        name.eq_ignore_ascii_case(&host) || (!is_address && wildcard_fits(&name, &host))
    })
}

fn common_name(cert: &Certificate) -> Option<String> {
    let mut parts = cert.tbs_certificate.subject.0.iter().flat_map(|part| part.0.iter());
    let value = &parts.find(|part| part.oid == COMMON_NAME)?.value;
    let text = match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::TeletexString => {
            std::str::from_utf8(value.value()).ok()?
        }
        _ => return None,
    };
    (!text.contains('\0')).then(|| text.to_owned())
}

/// `*.example.com` stands for one more label.
fn wildcard_fits(pattern: &str, host: &str) -> bool {
    let (Some(rest), Some((label, domain))) = (pattern.strip_prefix("*."), host.split_once('.')) else { return false };
    !label.is_empty() && domain.eq_ignore_ascii_case(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        for (pattern, host, fits) in [
            ("*.example.com", "db.Example.com", true),
            ("*.example.com", "a.db.example.com", false),
            ("*.example.com", "example.com", false),
            ("*", "db", false),
            ("d*.example.com", "db.example.com", false),
        ] {
            assert_eq!(wildcard_fits(pattern, host), fits, "{pattern} for {host}");
        }
    }
}
