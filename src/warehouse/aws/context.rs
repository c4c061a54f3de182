//! What reqsign may use of this machine: environment, files, commands, and HTTP within limits.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use reqsign_core::{CommandExecute, CommandOutput, Context, Error, FileRead, HttpSend, Result, StaticEnv};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

use crate::config::Env;
use crate::warehouse::error::with_causes;

/// For one exchange with AWS.
const EXCHANGE: Duration = Duration::from_secs(20);
/// For the machine's own metadata, which either answers at once or is not there.
const METADATA: Duration = Duration::from_secs(2);
/// For `credential_process`, which may itself ask somewhere.
const COMMAND: Duration = Duration::from_secs(60);
/// No answer used here is longer.
const ANSWER: usize = 1024 * 1024;

/// Everything that reqsign may use.
///
/// # Errors
/// A sentence when there is no way to check AWS's certificates.
pub(super) fn of(env: &Env) -> std::result::Result<Context, String> {
    let envs: HashMap<_, _> =
        env.with_prefix("AWS_").map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let home_dir = env.get("HOME").map(PathBuf::from);
    Ok(Context::new()
        .with_env(StaticEnv { home_dir, envs })
        .with_file_read(Files)
        .with_command_execute(Commands)
        .with_http_send(Http::new(endpoint(env, "sts").and_then(|address| address.parse().ok()))?))
}

/// The address that the environment gives for a service: `AWS_ENDPOINT_URL_<SERVICE>`, then `AWS_ENDPOINT_URL`.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>
pub(super) fn endpoint(env: &Env, service: &str) -> Option<String> {
    if env.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return None;
    }
    let own = format!("AWS_ENDPOINT_URL_{}", service.to_ascii_uppercase().replace('-', "_"));
    let address = env.get(&own).or_else(|| env.get("AWS_ENDPOINT_URL"))?;
    Some(format!("{}/", address.trim_end_matches('/')))
}

#[derive(Debug)]
struct Files;

impl FileRead for Files {
    async fn file_read(&self, path: &str) -> Result<Vec<u8>> {
        // Small files of the home folder; a thread of their own would cost more than reading them.
        fs_err::read(path).map_err(|error| Error::config_invalid(error.to_string()))
    }
}

#[derive(Debug)]
struct Commands;

impl CommandExecute for Commands {
    async fn command_execute<'a>(&'a self, program: &'a str, args: &'a [&'a str]) -> Result<CommandOutput> {
        let command = tokio::process::Command::new(program)
            .args(args)
            .stdin(std::process::Stdio::null())
            // A command that runs out of time is not left behind.
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(COMMAND, command).await;
        let output = output.map_err(|_| {
            Error::unexpected(format!("`{program}` of credential_process took longer than {} s", COMMAND.as_secs()))
        })?;
        let output =
            output.map_err(|error| Error::config_invalid(format!("`{program}` of credential_process: {error}")))?;
        Ok(CommandOutput { status: output.status.code().unwrap_or(-1), stdout: output.stdout, stderr: output.stderr })
    }
}

/// HTTP/1.1 over rustls with the machine's own root certificates.
#[derive(Debug)]
struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// Where the environment wants the Security Token Service to be.
    sts: Option<Uri>,
}

impl Http {
    fn new(sts: Option<Uri>) -> std::result::Result<Self, String> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            // The metadata of machines and containers is plain HTTP on link-local addresses.
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(connector), sts })
    }

    /// The request as it is to be sent: to the place that the environment names, with the host that was signed.
    fn addressed(&self, request: Request<Bytes>) -> Request<Full<Bytes>> {
        let (mut parts, body) = request.into_parts();
        let host = parts.uri.host().unwrap_or_default().to_owned();
        if let (true, Some(sts)) = (host.starts_with("sts."), &self.sts) {
            if let Some(value) = header_value(&host) {
                parts.headers.entry(header::HOST).or_insert(value);
            }
            let mut uri = parts.uri.into_parts();
            uri.scheme = sts.scheme().cloned();
            uri.authority = sts.authority().cloned();
            parts.uri = Uri::from_parts(uri).unwrap_or_else(|_| sts.clone());
        }
        Request::from_parts(parts, Full::new(body))
    }
}

impl HttpSend for Http {
    async fn http_send(&self, request: Request<Bytes>) -> Result<Response<Bytes>> {
        let link_local =
            request.uri().host().is_some_and(|host| host.starts_with("169.254.") || host == "[fd00:ec2::254]");
        let limit = if link_local { METADATA } else { EXCHANGE };
        let request = self.addressed(request);
        let host = request.uri().host().unwrap_or_default().to_owned();
        let exchange = async {
            let answer = self.client.request(request).await.map_err(|error| failed(&host, &error))?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER).collect().await.map_err(|error| failed(&host, error.as_ref()))?;
            Ok(Response::from_parts(parts, body.to_bytes()))
        };
        tokio::time::timeout(limit, exchange)
            .await
            .unwrap_or_else(|_| Err(Error::unexpected(format!("{host}: no answer within {} s", limit.as_secs()))))
    }
}

/// hyper's own text is "client error (Connect)". Nothing of a request is in the causes.
fn failed(host: &str, error: &(dyn std::error::Error + 'static)) -> Error {
    Error::unexpected(format!("{host}: {}", with_causes(error)))
}

/// A header's value, or nothing where the text cannot be one.
fn header_value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok()
}
