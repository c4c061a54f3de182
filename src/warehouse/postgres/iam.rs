//! Temporary logins of Redshift: AWS is asked for a user and a password that hold for a quarter of an hour.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::config::Secret;
use crate::warehouse::aws::{Answer, Question, Service};
use crate::warehouse::{FaultClass, WarehouseError};

/// A login that is this close to its end is asked for anew.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);

/// Whom AWS is asked to let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    /// `GetClusterCredentials`: a database user of a provisioned cluster.
    ClusterUser { cluster: String, user: String, groups: Vec<String>, create: bool },
    /// `GetClusterCredentialsWithIAM`: the database user of the role that asks.
    ClusterRole { cluster: String },
    /// `GetCredentials` of a serverless workgroup: the same.
    Workgroup { name: String },
    /// The same, of a workgroup known by its custom domain.
    Domain { name: String },
}

/// A user and a password for a while.
#[derive(Debug, Clone)]
pub(super) struct TemporaryLogin {
    pub(super) user: String,
    pub(super) password: Secret,
    expires: Timestamp,
}

impl TemporaryLogin {
    /// Whether a connection that is begun now gets in with it.
    fn holds_at(&self, now: Timestamp) -> bool {
        self.expires.duration_since(now) > MARGIN
    }
}

/// Asks AWS for logins and keeps the last while it is good, so that a run's sessions share one.
pub(super) struct Iam {
    service: Service,
    who: Who,
    dbname: String,
    last: Mutex<Option<TemporaryLogin>>,
}

impl Who {
    /// The service that is asked, by the name of its host.
    pub(super) fn service(&self) -> &'static str {
        match self {
            Self::ClusterUser { .. } | Self::ClusterRole { .. } => "redshift",
            Self::Workgroup { .. } | Self::Domain { .. } => "redshift-serverless",
        }
    }
}

impl Iam {
    pub(super) fn new(service: Service, who: Who, dbname: &str) -> Self {
        Self { service, who, dbname: dbname.to_owned(), last: Mutex::new(None) }
    }

    /// A login that holds for at least a minute.
    pub(super) async fn login(&self) -> Result<TemporaryLogin, WarehouseError> {
        // Held while asking: ten sessions that start together need one login.
        let mut last = self.last.lock().await;
        if let Some(login) = last.as_ref().filter(|login| login.holds_at(Timestamp::now())) {
            return Ok(login.clone());
        }
        let body = body(&self.who, &self.dbname);
        let serverless = self.who.service() == "redshift-serverless";
        let question = if serverless {
            Question {
                content_type: "application/x-amz-json-1.1",
                target: Some("RedshiftServerless.GetCredentials"),
                body: &body,
            }
        } else {
            Question { content_type: "application/x-www-form-urlencoded; charset=utf-8", target: None, body: &body }
        };
        let answer = self.service.ask(&question).await?;
        let login = if serverless { of_json(&answer) } else { of_xml(&answer) }?;
        *last = Some(login.clone());
        Ok(login)
    }

    /// Forgets a login that the server refused.
    pub(super) async fn forget(&self) {
        *self.last.lock().await = None;
    }
}

/// The question, in the protocol of the service: a form for clusters, JSON for workgroups.
/// <https://docs.aws.amazon.com/redshift/latest/APIReference/API_GetClusterCredentials.html>
/// <https://docs.aws.amazon.com/redshift-serverless/latest/APIReference/API_GetCredentials.html>
fn body(who: &Who, dbname: &str) -> String {
    let form = |action: &str, more: &[(String, &str)]| {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", action).append_pair("Version", "2012-12-01").append_pair("DbName", dbname);
        form.extend_pairs(more);
        form.finish()
    };
    match who {
        Who::ClusterUser { cluster, user, groups, create } => {
            let mut more = vec![
                ("ClusterIdentifier".to_owned(), cluster.as_str()),
                ("DbUser".to_owned(), user),
                ("AutoCreate".to_owned(), if *create { "true" } else { "false" }),
            ];
            let groups = groups.iter().enumerate();
            more.extend(groups.map(|(at, group)| (format!("DbGroups.DbGroup.{}", at + 1), group.as_str())));
            form("GetClusterCredentials", &more)
        }
        Who::ClusterRole { cluster } => {
            form("GetClusterCredentialsWithIAM", &[("ClusterIdentifier".to_owned(), cluster)])
        }
        Who::Workgroup { name } => serde_json::json!({"dbName": dbname, "workgroupName": name}).to_string(),
        Who::Domain { name } => serde_json::json!({"dbName": dbname, "customDomainName": name}).to_string(),
    }
}

#[derive(Deserialize)]
struct ClusterAnswer {
    #[serde(rename = "GetClusterCredentialsResult", alias = "GetClusterCredentialsWithIAMResult")]
    result: ClusterLogin,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ClusterLogin {
    db_user: String,
    db_password: Secret,
    expiration: Timestamp,
}

/// AWS's services do not agree on whether there is a list around the one error.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ClusterRefusal {
    error: Option<ClusterFault>,
    errors: Option<Box<ClusterRefusal>>,
}

impl ClusterRefusal {
    fn fault(self) -> Option<ClusterFault> {
        self.error.or_else(|| self.errors?.fault())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ClusterFault {
    code: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WorkgroupLogin {
    db_user: String,
    db_password: Secret,
    /// Seconds since 1970.
    expiration: f64,
}

#[derive(Deserialize)]
struct WorkgroupRefusal {
    #[serde(rename = "__type", default)]
    kind: String,
    /// Some answers have it in both spellings.
    message: Option<String>,
    #[serde(rename = "Message")]
    capital: Option<String>,
}

fn of_xml(answer: &Answer) -> Result<TemporaryLogin, WarehouseError> {
    if !answer.status.is_success() {
        let refusal = quick_xml::de::from_str::<ClusterRefusal>(&answer.body).ok().and_then(ClusterRefusal::fault);
        return Err(refused(answer, refusal.map(|fault| (fault.code, fault.message))));
    }
    let found: ClusterAnswer = quick_xml::de::from_str(&answer.body).map_err(|_| garbled())?;
    let ClusterLogin { db_user: user, db_password: password, expiration: expires } = found.result;
    Ok(TemporaryLogin { user, password, expires })
}

fn of_json(answer: &Answer) -> Result<TemporaryLogin, WarehouseError> {
    if !answer.status.is_success() {
        let refusal = serde_json::from_str::<WorkgroupRefusal>(&answer.body).ok();
        // The name may stand behind a namespace: `com.amazonaws…#ResourceNotFoundException`.
        let code = |kind: String| kind.rsplit('#').next().unwrap_or_default().to_owned();
        return Err(refused(
            answer,
            refusal.map(|fault| (code(fault.kind), fault.message.or(fault.capital).unwrap_or_default())),
        ));
    }
    let found: WorkgroupLogin = serde_json::from_str(&answer.body).map_err(|_| garbled())?;
    let expires = SignedDuration::try_from_secs_f64(found.expiration).ok();
    let expires = expires.and_then(|seconds| Timestamp::from_duration(seconds).ok()).ok_or_else(garbled)?;
    Ok(TemporaryLogin { user: found.db_user, password: found.db_password, expires })
}

/// Nothing of such an answer is shown: it may hold a password.
fn garbled() -> WarehouseError {
    WarehouseError::new(FaultClass::Authentication, "unexpected answer from AWS to the login request")
        .with_remedy("if AWS_ENDPOINT_URL is set, check what answers there")
}

fn refused(answer: &Answer, fault: Option<(String, String)>) -> WarehouseError {
    let (code, message) = fault.unwrap_or_else(|| (answer.status.as_u16().to_string(), String::new()));
    let class = match code.as_str() {
        "Throttling" | "ThrottlingException" | "RequestLimitExceeded" => FaultClass::TooManyConnections,
        _ if answer.status.is_server_error() => FaultClass::Connection,
        _ => FaultClass::Authentication,
    };
    let error = WarehouseError::new(class, format!("AWS refused the login: {message} ({code})"));
    match code.as_str() {
        "AccessDenied" | "AccessDeniedException" => error.with_remedy(
            "allow the AWS identity redshift:GetClusterCredentials, redshift:GetClusterCredentialsWithIAM or \
             redshift-serverless:GetCredentials; docs/redshift.md has the policy",
        ),
        "ClusterNotFound" => error.with_remedy("check `cluster_id` and `region` of the profile"),
        "ResourceNotFoundException" => {
            error.with_remedy("check `serverless_work_group`, `host` and `region` of the profile")
        }
        "SignatureDoesNotMatch"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "ExpiredToken"
        | "ExpiredTokenException" => error.with_remedy("the AWS keys are wrong or have expired"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    #[test]
    fn questions_are_those_of_the_api() {
        let cluster = || "harbour".to_owned();
        for (who, expected) in [
            (
                Who::ClusterUser { cluster: cluster(), user: "ci".to_owned(), groups: Vec::new(), create: false },
                "Action=GetClusterCredentials&Version=2012-12-01&DbName=ferry&ClusterIdentifier=harbour&DbUser=ci&AutoCreate=false",
            ),
            (
                Who::ClusterUser {
                    cluster: cluster(),
                    user: "c i".to_owned(),
                    groups: vec!["a".to_owned(), "b&c".to_owned()],
                    create: true,
                },
                "Action=GetClusterCredentials&Version=2012-12-01&DbName=ferry&ClusterIdentifier=harbour&DbUser=c+i\
                 &AutoCreate=true&DbGroups.DbGroup.1=a&DbGroups.DbGroup.2=b%26c",
            ),
            (
                Who::ClusterRole { cluster: cluster() },
                "Action=GetClusterCredentialsWithIAM&Version=2012-12-01&DbName=ferry&ClusterIdentifier=harbour",
            ),
            (Who::Workgroup { name: "ci".to_owned() }, r#"{"dbName":"ferry","workgroupName":"ci"}"#),
            (
                Who::Domain { name: "wh.example.com".to_owned() },
                r#"{"dbName":"ferry","customDomainName":"wh.example.com"}"#,
            ),
        ] {
            assert_eq!(body(&who, "ferry"), expected);
        }
    }

    #[test]
    fn a_login_is_renewed_a_minute_before_its_end() {
        let body = r#"{"dbUser":"u","dbPassword":"secret","expiration":1795264213.851}"#;
        let login = of_json(&Answer { status: StatusCode::OK, body: body.to_owned() }).unwrap();
        assert!(login.holds_at("2026-11-21T12:29:13Z".parse().unwrap()));
        assert!(!login.holds_at("2026-11-21T12:29:14Z".parse().unwrap()));
        assert!(!format!("{login:?}").contains("secret"));
    }

    const LISTED: &str = "<ErrorResponse><Errors><Error><Code>AccessDenied</Code></Error></Errors></ErrorResponse>";

    #[test]
    fn refusals_say_what_to_do() {
        let answer =
            |status: u16, body: &str| Answer { status: StatusCode::from_u16(status).unwrap(), body: body.to_owned() };
        let xml = |code: &str| {
            format!("<ErrorResponse><Error><Code>{code}</Code><Message>m</Message></Error></ErrorResponse>")
        };
        for (error, class, part) in [
            (of_xml(&answer(404, &xml("ClusterNotFound"))), FaultClass::Authentication, "cluster_id"),
            (of_xml(&answer(403, &xml("AccessDenied"))), FaultClass::Authentication, "allow the AWS identity"),
            (of_xml(&answer(403, LISTED)), FaultClass::Authentication, "allow the AWS identity"),
            (of_xml(&answer(400, &xml("Throttling"))), FaultClass::TooManyConnections, ""),
            (of_xml(&answer(503, "<html>")), FaultClass::Connection, ""),
            (
                of_json(&answer(400, r#"{"__type":"a#ResourceNotFoundException","message":"m"}"#)),
                FaultClass::Authentication,
                "serverless_work_group",
            ),
            (of_json(&answer(200, "{}")), FaultClass::Authentication, "AWS_ENDPOINT_URL"),
            (of_xml(&answer(200, "secret")), FaultClass::Authentication, "AWS_ENDPOINT_URL"),
        ] {
            let error = error.unwrap_err();
            assert_eq!(error.class, class, "{error}");
            assert!(
                error.remedy.clone().unwrap_or_default().contains(part) && !error.message.contains("secret"),
                "{error:?}"
            );
        }
    }
}
