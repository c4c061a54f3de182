//! Signed requests to AWS: as much of it as a temporary login to Redshift needs.
//!
//! In: a service, a region and where the keys are. Out: an answer's status and bytes. Signing and reading most
//! sources of keys are reqsign's work; this folder gives it the environment, files, HTTP and commands, and puts
//! the sources into the order of boto3, which is dbt-redshift's library.

mod context;
mod files;
mod keys;

use std::fmt::Write as _;

use http::{Request, StatusCode, header};
use reqsign_aws_v4::{Credential, RequestSigner};
use reqsign_core::{Context, Signer};
use sha2::{Digest as _, Sha256};

pub(super) use keys::Keys;

use super::{FaultClass, WarehouseError};
use crate::config::Env;

/// One AWS service in one region.
pub(super) struct Service {
    endpoint: http::Uri,
    context: Context,
    signer: Signer<Credential>,
}

/// What a service answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: String,
}

/// What is asked: a POST to the service's root, as both of AWS's older protocols have it.
pub(super) struct Question<'q> {
    pub(super) content_type: &'static str,
    /// `X-Amz-Target` of the JSON protocol.
    pub(super) target: Option<&'static str>,
    pub(super) body: &'q str,
}

impl Service {
    /// `name` is that of the host, which for all services used here is also the one signed for.
    ///
    /// # Errors
    /// A sentence about the setting that cannot be used.
    pub(super) fn new(name: &str, region: &str, keys: &Keys, env: &Env) -> Result<Self, String> {
        let context = context::of(env)?;
        let source = keys::chain(keys, region, env, &context)?;
        let signer = Signer::new(context.clone(), source, RequestSigner::new(name, region));
        // China's regions have a domain of their own; other partitions name theirs by AWS_ENDPOINT_URL.
        let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let address = context::endpoint(env, name).unwrap_or_else(|| format!("https://{name}.{region}.{suffix}/"));
        let endpoint = address.parse().map_err(|error| format!("`{address}` is not a valid AWS address: {error}"))?;
        Ok(Self { endpoint, context, signer })
    }

    /// Signs and sends a question. The time is limited.
    pub(super) async fn ask(&self, question: &Question<'_>) -> Result<Answer, WarehouseError> {
        let bytes = bytes::Bytes::copy_from_slice(question.body.as_bytes());
        let mut request = Request::post(self.endpoint.clone())
            .header(header::CONTENT_TYPE, question.content_type)
            // Without this header the library signs for a body that is not looked at, which only S3 takes.
            .header("x-amz-content-sha256", hex_sha256(question.body));
        if let Some(target) = question.target {
            request = request.header("x-amz-target", target);
        }
        let request = request.body(bytes).map_err(|error| unreachable(&self.endpoint, &error))?;
        let (mut parts, body) = request.into_parts();
        self.signer.sign(&mut parts, None).await.map_err(|error| no_keys(&error))?;
        if let Some(value) = parts.headers.get_mut(header::AUTHORIZATION) {
            value.set_sensitive(true);
        }
        let answer = self.context.http_send(Request::from_parts(parts, body)).await;
        let (parts, body) = answer.map_err(|error| unreachable(&self.endpoint, &error))?.into_parts();
        Ok(Answer { status: parts.status, body: String::from_utf8_lossy(&body).into_owned() })
    }
}

/// The region that the environment or the profile of `~/.aws` names.
pub(super) fn region(keys: &Keys, env: &Env) -> Option<String> {
    let named = match keys {
        Keys::Profile(name) => Some(name.as_str()),
        _ => None,
    };
    files::SharedFiles::read(env).ok().and_then(|files| files.region(named, env))
}

fn hex_sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        // Writing into a String does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn unreachable(endpoint: &http::Uri, error: &dyn std::fmt::Display) -> WarehouseError {
    let host = endpoint.host().unwrap_or_default();
    WarehouseError::new(FaultClass::Connection, format!("could not request a login from AWS at {host}: {error}"))
        .with_remedy("check that this machine reaches AWS, and the region in the profile")
}

fn no_keys(error: &reqsign_core::Error) -> WarehouseError {
    WarehouseError::new(FaultClass::Authentication, format!("AWS credentials: {error}"))
        .with_remedy("see docs/redshift.md for where premerge looks for AWS credentials, in which order")
}
