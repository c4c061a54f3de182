//! dbt-redshift's own profile fields: how to log in, and how the connection is encrypted.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::iam::{Iam, Who};
use super::profile::{Fields, Profile};
use super::tls::SslMode;
use crate::config::{Env, Secret};
use crate::warehouse::OpenError;
use crate::warehouse::aws::{self, Keys, Service};

/// `<cluster>.<hash>.<region>.redshift.amazonaws.com`
static CLUSTER_HOST: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)^[^.]+\.[^.]+\.([^.]+)\.redshift\.amazonaws\.com(\.cn)?$").ok());
/// `<workgroup>.<account>.<region>.redshift-serverless.amazonaws.com`
static WORKGROUP_HOST: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)^(?:([^.]+)\.)?[^.]+\.([^.]+)\.redshift-serverless\.amazonaws\.com(\.cn)?$").ok()
});

/// How a profile logs in.
pub(super) enum Method {
    /// `user` and `password` of the profile.
    Password,
    /// A login from AWS.
    Temporary(Box<Iam>),
}

/// The login that `method` asks for.
///
/// # Errors
/// A field that is missing, does not belong there, or asks for a method that premerge lacks.
pub(super) fn method(fields: &Fields<'_>, env: &Env) -> Result<Method, OpenError> {
    let method = fields.text("method");
    let by_role = match method.as_deref() {
        None | Some("database") => {
            for name in ["cluster_id", "iam_profile"] {
                if fields.text(name).is_some() {
                    return Err(fields.wrong(format_args!("`{name}` belongs to `method: iam`, as in dbt-redshift")));
                }
            }
            return Ok(Method::Password);
        }
        Some("iam") => false,
        Some("iam_role") => true,
        Some(method @ "browser_identity_center") => {
            return Err(fields.wrong(format_args!(
                "`method: {method}` needs a browser and a person; use a target with `method: iam_role` \
                 (in GitHub Actions with the keys of aws-actions/configure-aws-credentials), `iam` or `database`"
            )));
        }
        Some(method @ "oauth_token_identity_center") => {
            return Err(fields.wrong(format_args!(
                "premerge cannot log in by `method: {method}`: Redshift accepts such tokens only from its own drivers; \
                 use a target with `method: iam_role`, `iam` or `database`"
            )));
        }
        Some(method) => return Err(fields.wrong(format_args!("`method: {method}` is unknown to dbt-redshift"))),
    };
    temporary(fields, env, by_role).map(|iam| Method::Temporary(Box::new(iam)))
}

fn temporary(fields: &Fields<'_>, env: &Env, by_role: bool) -> Result<Iam, OpenError> {
    let host = fields.required("host")?;
    // As dbt-redshift decides it.
    let serverless = host.contains("serverless") || fields.flag("is_serverless")? == Some(true);
    let keys = keys(fields, by_role)?;
    let region = fields.text("region").or_else(|| region_of_host(&host)).or_else(|| aws::region(&keys, env));
    let region =
        region.ok_or_else(|| fields.wrong("the field `region` is missing, and cannot be derived from `host`"))?;
    let who = if serverless {
        match fields.text("serverless_work_group").or_else(|| workgroup_of_host(&host)) {
            Some(name) => Who::Workgroup { name },
            None => Who::Domain { name: host },
        }
    } else {
        let cluster = fields.required("cluster_id")?;
        if by_role {
            Who::ClusterRole { cluster }
        } else {
            let user = fields.required("user")?;
            let create = fields.flag("autocreate")?.unwrap_or(false);
            Who::ClusterUser { cluster, user, groups: groups(fields)?, create }
        }
    };
    let service = Service::new(who.service(), &region, &keys, env).map_err(|why| fields.wrong(why))?;
    Ok(Iam::new(service, who, &fields.required("dbname")?))
}

fn keys(fields: &Fields<'_>, by_role: bool) -> Result<Keys, OpenError> {
    let profile = || fields.text("iam_profile").map_or(Keys::Default, Keys::Profile);
    // dbt-redshift reads the keys for `method: iam` only.
    if by_role {
        return Ok(profile());
    }
    match (fields.text("access_key_id"), fields.text("secret_access_key")) {
        (Some(id), Some(secret)) => Ok(Keys::Given { id, secret: Secret::new(secret) }),
        (None, None) => Ok(profile()),
        _ => Err(fields.wrong("`access_key_id` and `secret_access_key` belong together; one of them is missing")),
    }
}

fn groups(fields: &Fields<'_>) -> Result<Vec<String>, OpenError> {
    let wrong = || fields.wrong("`db_groups` is not a list of names");
    match fields.value("db_groups") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => {
            list.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

fn region_of_host(host: &str) -> Option<String> {
    let cluster = CLUSTER_HOST.as_ref().and_then(|regex| regex.captures(host)).and_then(|found| found.get(1));
    let workgroup = || WORKGROUP_HOST.as_ref().and_then(|regex| regex.captures(host)).and_then(|found| found.get(2));
    cluster.or_else(workgroup).map(|region| region.as_str().to_ascii_lowercase())
}

fn workgroup_of_host(host: &str) -> Option<String> {
    let found = WORKGROUP_HOST.as_ref()?.captures(host)?;
    Some(found.get(1)?.as_str().to_owned())
}

/// What `sslmode` means to dbt-redshift, which is stricter than libpq: any mode but `disable` encrypts and checks
/// who signed the certificate. Redshift's are signed by a public authority, so the machine's own roots will do.
///
/// # Errors
/// A temporary login over a line that anybody can read.
pub(super) fn encrypt(fields: &Fields<'_>, profile: &mut Profile, method: &Method) -> Result<(), OpenError> {
    profile.sslmode = match profile.sslmode {
        SslMode::Disable if matches!(method, Method::Temporary(_)) => {
            return Err(fields.wrong("IAM login requires encryption: remove `sslmode: disable`"));
        }
        SslMode::Disable => SslMode::Disable,
        SslMode::VerifyFull => SslMode::VerifyFull,
        _ => SslMode::VerifyCa,
    };
    profile.certificates.public_authority = true;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_tell_region_and_workgroup() {
        for (host, region, workgroup) in [
            ("harbour.abc123.eu-west-1.redshift.amazonaws.com", Some("eu-west-1"), None),
            ("harbour.abc123.cn-north-1.redshift.amazonaws.com.cn", Some("cn-north-1"), None),
            ("ci.123456789012.eu-central-1.redshift-serverless.amazonaws.com", Some("eu-central-1"), Some("ci")),
            ("123456789012.us-east-1.redshift-serverless.amazonaws.com", Some("us-east-1"), None),
            ("warehouse.example.com", None, None),
            ("localhost", None, None),
        ] {
            assert_eq!(region_of_host(host).as_deref(), region, "{host}");
            assert_eq!(workgroup_of_host(host).as_deref(), workgroup, "{host}");
        }
    }
}
