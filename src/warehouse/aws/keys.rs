//! Where AWS keys are looked for, in boto3's order.
//! <https://docs.aws.amazon.com/boto3/latest/guide/credentials.html>

use std::collections::BTreeMap;
use std::sync::Arc;

use reqsign_aws_v4::{
    AssumeRoleCredentialProvider, AssumeRoleWithWebIdentityCredentialProvider, Credential, ECSCredentialProvider,
    EnvCredentialProvider, IMDSv2CredentialProvider, ProcessCredentialProvider, ProfileCredentialProvider,
    RequestSigner, SSOCredentialProvider, StaticCredentialProvider,
};
use reqsign_core::{Context, Error, ProvideCredential, ProvideCredentialDyn, Result, Signer};

use super::files::{SharedFiles, default_profile};
use crate::config::{Env, Secret};

/// Whose keys sign the requests.
#[derive(Debug, Clone)]
pub(in crate::warehouse) enum Keys {
    /// Those of dbt's profile.
    Given { id: String, secret: Secret },
    /// Those of a profile in `~/.aws`.
    Profile(String),
    /// Whatever boto3 would find: environment, `~/.aws`, web identity, container, machine.
    Default,
}

/// The session name of roles that are taken on, as CloudTrail shows it.
const SESSION: &str = "premerge";
/// A role may be taken on by a role; more than this is a circle.
const DEPTH: u32 = 5;

type Source = Arc<dyn ProvideCredentialDyn<Credential = Credential>>;

/// Sources, one after the other. Unlike reqsign's own chain it stops at the first that fails: a role that may
/// not be taken on must not end as "no credentials", or as somebody else's.
#[derive(Debug)]
pub(super) struct Chain {
    sources: Vec<(&'static str, Source)>,
}

impl ProvideCredential for Chain {
    type Credential = Credential;

    async fn provide_credential(&self, ctx: &Context) -> Result<Option<Credential>> {
        for (name, source) in &self.sources {
            match source.provide_credential_dyn(ctx).await {
                Ok(Some(credential)) => return Ok(Some(credential)),
                Ok(None) => {}
                // No answer there means that this machine is not one of them.
                Err(_) if *name == MACHINE => {}
                Err(error) => return Err(Error::new(error.kind(), format!("{name}: {error}"))),
            }
        }
        let names: Vec<_> = self.sources.iter().map(|(name, _)| *name).collect();
        Err(Error::credential_invalid(format!("none found; looked at {}", names.join(", "))))
    }
}

const ROLE: &str = "the profile's role";
const MACHINE: &str = "the machine's metadata";

struct Maker<'m> {
    files: SharedFiles,
    region: &'m str,
    context: &'m Context,
}

/// The sources for `keys`.
///
/// # Errors
/// A sentence about a profile of `~/.aws` that is missing or cannot be used without a person.
pub(super) fn chain(keys: &Keys, region: &str, env: &Env, context: &Context) -> std::result::Result<Chain, String> {
    let maker = Maker { files: SharedFiles::read(env)?, region, context };
    let sources = match keys {
        Keys::Given { id, secret } => {
            vec![("the profile's keys", Arc::new(StaticCredentialProvider::new(id, secret.expose())) as Source)]
        }
        Keys::Profile(name) => maker.profile(name, 0)?,
        Keys::Default => {
            let name = default_profile(env);
            let own = if env.get("AWS_PROFILE").is_some() || maker.files.profile(&name).is_some() {
                // With keys in the environment the profile does not matter, not even that it is missing.
                let given = env.get("AWS_ACCESS_KEY_ID").is_some() && env.get("AWS_SECRET_ACCESS_KEY").is_some();
                if given { Vec::new() } else { maker.profile(&name, 0)? }
            } else {
                Vec::new()
            };
            let mut sources: Vec<(&'static str, Source)> =
                vec![("the environment", Arc::new(EnvCredentialProvider::new()))];
            let (roles, rest): (Vec<_>, Vec<_>) = own.into_iter().partition(|(name, _)| *name == ROLE);
            sources.extend(roles);
            sources.push(("the web identity", Arc::new(maker.web_identity())));
            sources.extend(rest);
            sources.push(("the container", Arc::new(ECSCredentialProvider::default())));
            sources.push((MACHINE, Arc::new(IMDSv2CredentialProvider::default())));
            sources
        }
    };
    Ok(Chain { sources })
}

impl Maker<'_> {
    fn profile(&self, name: &str, depth: u32) -> std::result::Result<Vec<(&'static str, Source)>, String> {
        let settings = self.files.required(name)?;
        if settings.contains_key("role_arn") {
            return Ok(vec![(ROLE, self.role(name, &settings, depth)?)]);
        }
        Ok(vec![
            ("single sign-on", Arc::new(SSOCredentialProvider::new().with_profile(name))),
            ("the profile's keys", Arc::new(ProfileCredentialProvider::new().with_profile(name))),
            ("the profile's process", Arc::new(ProcessCredentialProvider::new().with_profile(name))),
        ])
    }

    fn web_identity(&self) -> AssumeRoleWithWebIdentityCredentialProvider {
        AssumeRoleWithWebIdentityCredentialProvider::new()
            .with_region(self.region.to_owned())
            .with_regional_sts_endpoint()
    }

    fn role(&self, name: &str, settings: &BTreeMap<String, String>, depth: u32) -> std::result::Result<Source, String> {
        let get = |key: &str| settings.get(key).cloned();
        let arn = get("role_arn").unwrap_or_default();
        let session = get("role_session_name").unwrap_or_else(|| SESSION.to_owned());
        if let Some(file) = get("web_identity_token_file") {
            let role = self.web_identity().with_role_arn(arn).with_web_identity_token_file(file);
            return Ok(Arc::new(role.with_role_session_name(session)));
        }
        if settings.contains_key("mfa_serial") {
            return Err(format!(
                "the AWS profile `{name}` requires MFA, which premerge does not support; use a role without it"
            ));
        }
        let sources = match (get("source_profile"), get("credential_source").as_deref()) {
            _ if depth >= DEPTH => return Err(format!("the AWS profiles around `{name}` assume each other's roles")),
            // Its own keys, beside the role.
            (Some(source), _) if source == name => {
                vec![("its own keys", Arc::new(ProfileCredentialProvider::new().with_profile(name)) as Source)]
            }
            (Some(source), _) => self.profile(&source, depth + 1)?,
            (None, Some("Environment")) => vec![("the environment", Arc::new(EnvCredentialProvider::new()) as Source)],
            (None, Some("EcsContainer")) => {
                vec![("the container", Arc::new(ECSCredentialProvider::default()) as Source)]
            }
            (None, Some("Ec2InstanceMetadata")) => {
                vec![(MACHINE, Arc::new(IMDSv2CredentialProvider::default()) as Source)]
            }
            _ => {
                return Err(format!(
                    "the AWS profile `{name}` has a `role_arn` but nothing to assume it with: \
                     `source_profile`, `credential_source` or `web_identity_token_file`"
                ));
            }
        };
        let signer = Signer::new(self.context.clone(), Chain { sources }, RequestSigner::new("sts", self.region));
        let mut role = AssumeRoleCredentialProvider::new(arn, signer)
            .with_role_session_name(session)
            .with_region(self.region.to_owned())
            .with_regional_sts_endpoint();
        if let Some(id) = get("external_id") {
            role = role.with_external_id(id);
        }
        if let Some(seconds) = get("duration_seconds").and_then(|text| text.parse().ok()) {
            role = role.with_duration_seconds(seconds);
        }
        Ok(Arc::new(role))
    }
}
