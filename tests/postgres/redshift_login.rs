//! Logins of Redshift: the emulated AWS gives a user and a password, and a real server with passwords and
//! certificates takes them. Nothing between is ours but premerge.

use std::sync::LazyLock;

use premerge::config::Env;
use premerge::warehouse::{FaultClass, WarehouseError};
use serde_json::{Value, json};

use crate::aws::{env, env_of, text};
use crate::cluster::Cluster;
use crate::connecting::STRICT;
use crate::warehouse::{limits, target, try_open};

/// The strict server with the users whom AWS names.
static SERVER: LazyLock<&Cluster> = LazyLock::new(|| {
    for user in ["IAM:ci", "IAMA:ci", "IAMR:gate"] {
        STRICT.sql("postgres", &format!("create role \"{user}\" login password '{}'", text("/password")));
    }
    &STRICT
});

fn base(changes: Value) -> Value {
    let mut fields = json!({
        "host": "localhost", "user": null, "password": null, "dbname": "postgres", "region": "eu-west-1",
        "sslrootcert": SERVER.dir.join("ca.crt").display().to_string()
    });
    fields.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    fields
}

/// Who the server says we are.
async fn log_in(changes: Value, env: &Env) -> Result<String, WarehouseError> {
    let target = target("redshift", SERVER.port, "postgres", base(changes));
    let house = try_open(&target, limits(), env).map_err(|e| WarehouseError::new(FaultClass::Other, e.to_string()))?;
    assert!(house.describe().contains("(AWS IAM)") && !house.describe().contains(&text("/password")));
    let mut session = house.connect().await?;
    let rows = session.read("select current_user, ssl from pg_stat_ssl where pid = pg_backend_pid()").await?.rows;
    assert_eq!(rows[0][1].as_deref(), Some("t"), "a login from AWS went over the line in the clear");
    Ok(rows[0][0].clone().unwrap())
}

#[tokio::test]
async fn every_method_without_a_browser_logs_in() {
    let env = env_of("ci");
    let cluster = json!({"method": "iam", "cluster_id": "harbour", "user": "ci"});
    assert_eq!(log_in(cluster.clone(), &env).await.unwrap(), "IAM:ci");
    let mut create = cluster.clone();
    create["autocreate"] = json!(true);
    create["db_groups"] = json!(["readers", "gate"]);
    assert_eq!(log_in(create, &env).await.unwrap(), "IAMA:ci");
    let role = json!({"method": "iam_role", "cluster_id": "harbour"});
    assert_eq!(log_in(role, &env).await.unwrap(), "IAMR:gate");
    for method in ["iam", "iam_role"] {
        let workgroup = json!({"method": method, "is_serverless": true, "serverless_work_group": "gate"});
        assert_eq!(log_in(workgroup, &env).await.unwrap(), "IAMR:gate", "{method}");
    }
}

/// The sources of keys, each with nothing else in the environment.
#[tokio::test]
async fn keys_are_found_where_boto3_finds_them() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = dir.path().join(name);
        fs_err::write(&path, content).unwrap();
        path.display().to_string()
    };
    let keys = |user: &str| {
        let (id, secret) = (text(&format!("/{user}/id")), text(&format!("/{user}/secret")));
        format!("aws_access_key_id = {id}\naws_secret_access_key = {secret}\n")
    };
    let process = json!({"Version": 1, "AccessKeyId": text("/ci/id"), "SecretAccessKey": text("/ci/secret")});
    let process = file("process.json", &process.to_string());
    let config = file(
        "config",
        &format!(
            "[profile taken]\nrole_arn = {role}\nsource_profile = taker\nregion = eu-west-1\n\
             [profile asked]\ncredential_process = cat {process}\n\
             [profile circle]\nrole_arn = {role}\nsource_profile = elcric\n\
             [profile elcric]\nrole_arn = {role}\nsource_profile = circle\n\
             [profile person]\nrole_arn = {role}\nsource_profile = taker\nmfa_serial = arn:aws:iam::1:mfa/me\n",
            role = text("/role")
        ),
    );
    let credentials =
        file("credentials", &format!("[default]\n{}[taker]\n{}[spare]\n{}", keys("ci"), keys("taker"), keys("ci")));
    let files = [("AWS_CONFIG_FILE", config.as_str()), ("AWS_SHARED_CREDENTIALS_FILE", credentials.as_str())];
    let env = |more: &[(&str, &str)]| env(&[&files, more].concat());
    let cluster = |changes: Value| {
        let mut fields = json!({"method": "iam", "cluster_id": "harbour", "user": "ci"});
        fields.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        fields
    };

    let given = cluster(json!({"access_key_id": text("/ci/id"), "secret_access_key": text("/ci/secret")}));
    assert_eq!(log_in(given, &env(&[])).await.unwrap(), "IAM:ci", "keys of the profile");
    assert_eq!(log_in(cluster(json!({})), &env(&[])).await.unwrap(), "IAM:ci", "the default profile");
    for profile in ["spare", "taken", "asked"] {
        let named = cluster(json!({"iam_profile": profile}));
        // A named profile comes before keys in the environment.
        let other = env(&[("AWS_ACCESS_KEY_ID", "AKIAOTHER"), ("AWS_SECRET_ACCESS_KEY", "other")]);
        assert_eq!(log_in(named, &other).await.unwrap(), "IAM:ci", "{profile}");
        assert_eq!(log_in(cluster(json!({})), &env(&[("AWS_PROFILE", profile)])).await.unwrap(), "IAM:ci", "{profile}");
    }
    // The region stands in the profile too.
    let region = cluster(json!({"iam_profile": "taken", "region": null}));
    assert_eq!(log_in(region, &env(&[])).await.unwrap(), "IAM:ci");

    // What aws-actions/configure-aws-credentials leaves, or a pod of EKS.
    let token = file("token", &text("/token"));
    let web = [("AWS_ROLE_ARN", text("/role")), ("AWS_WEB_IDENTITY_TOKEN_FILE", token)];
    let web = crate::aws::env(&web.each_ref().map(|(name, value)| (*name, value.as_str())));
    assert_eq!(log_in(cluster(json!({})), &web).await.unwrap(), "IAM:ci", "web identity");
    let forged = file("token", "forged");
    let web = [("AWS_ROLE_ARN", text("/role")), ("AWS_WEB_IDENTITY_TOKEN_FILE", forged)];
    let web = crate::aws::env(&web.each_ref().map(|(name, value)| (*name, value.as_str())));
    let error = log_in(cluster(json!({})), &web).await.unwrap_err();
    assert!(error.message.contains("the web identity") && !error.message.contains("forged"), "{error}");

    for (profile, part) in [
        ("missing", "the AWS profile `missing` is not in"),
        ("circle", "assume each other's roles"),
        ("person", "requires MFA"),
    ] {
        let error = log_in(cluster(json!({"iam_profile": profile})), &env(&[])).await.unwrap_err();
        assert!(error.message.contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_refused_login_says_why() {
    let cluster = |name: &str| json!({"method": "iam", "cluster_id": name, "user": "ci"});
    let wrong = [("AWS_ACCESS_KEY_ID", text("/ci/id")), ("AWS_SECRET_ACCESS_KEY", "wrong".to_owned())];
    let wrong = env(&wrong.each_ref().map(|(name, value)| (*name, value.as_str())));
    let workgroup = json!({"method": "iam_role", "is_serverless": true, "serverless_work_group": "other"});
    for (changes, env, part) in [
        (cluster("harbour"), env_of("nobody"), "AccessDenied"),
        (cluster("elsewhere"), env_of("ci"), "ClusterNotFound"),
        (workgroup, env_of("ci"), "ResourceNotFoundException"),
        // The emulator computes the signature anew, so a wrong one is seen.
        (cluster("harbour"), wrong, "SignatureDoesNotMatch"),
        (cluster("harbour"), env(&[]), "none found; looked at the environment, the web identity"),
        // A user whom the server does not have.
        (json!({"method": "iam", "cluster_id": "harbour", "user": "stranger"}), env_of("ci"), "28P01"),
    ] {
        let error = log_in(changes.clone(), &env).await.unwrap_err();
        assert!(error.class == FaultClass::Authentication && error.message.contains(part), "{changes}: {error}");
        assert!(error.remedy.is_some() && !format!("{error:?}").contains(&text("/password")), "{error:?}");
    }
    let nowhere = Env::new(
        [
            ("AWS_ENDPOINT_URL_REDSHIFT", "http://127.0.0.1:1"),
            ("AWS_ACCESS_KEY_ID", "a"),
            ("AWS_SECRET_ACCESS_KEY", "b"),
        ],
        "/".into(),
    );
    let error = log_in(cluster("harbour"), &nowhere).await.unwrap_err();
    assert!(error.class == FaultClass::Connection && error.message.contains("127.0.0.1"), "{error}");
}

#[tokio::test]
async fn fields_that_do_not_fit_are_named() {
    let env = env_of("ci");
    for (changes, part) in [
        (json!({"method": "iam", "cluster_id": "harbour"}), "`user` is missing"),
        (json!({"method": "iam", "user": "ci"}), "`cluster_id` is missing"),
        (json!({"method": "iam", "cluster_id": "c", "user": "ci", "region": null}), "`region` is missing"),
        (json!({"method": "iam", "cluster_id": "c", "user": "ci", "access_key_id": "a"}), "belong together"),
        (json!({"method": "iam", "cluster_id": "c", "user": "ci", "sslmode": "disable"}), "requires encryption"),
        (json!({"method": "iam", "cluster_id": "c", "user": "ci", "db_groups": "a"}), "`db_groups` is not a list"),
        (json!({"method": "browser_identity_center"}), "needs a browser"),
        (json!({"method": "oauth_token_identity_center"}), "cannot log in by"),
    ] {
        let error = log_in(changes.clone(), &env).await.unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("`ferry`"), "{changes}: {error}");
    }
}

/// Ten sessions need one login, and a session that lost its connection gets in again.
#[tokio::test]
async fn sessions_share_a_login() {
    let mut fields = base(json!({"method": "iam_role", "cluster_id": "harbour"}));
    fields["retries"] = json!(0);
    let house = try_open(&target("redshift", SERVER.port, "postgres", fields), limits(), &env_of("ci")).unwrap();
    let sessions = futures::future::join_all((0..10).map(|_| house.connect())).await;
    let mut session = sessions.into_iter().map(Result::unwrap).next().unwrap();
    let pid = session.read("select pg_backend_pid()").await.unwrap().scalar().unwrap().to_owned();
    SERVER.sql("postgres", &format!("select pg_terminate_backend({pid})"));
    let again = session.read("select current_user").await.unwrap();
    assert_eq!(again.scalar(), Some("IAMR:gate"));
}

/// The binary as a job runs it, as talkative as it can be: no key, token or password is shown.
#[test]
fn no_secret_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let project = dir.path();
    fs_err::write(project.join("dbt_project.yml"), "name: ferry\nprofile: ferry\n").unwrap();
    let fields = base(json!({"method": "iam_role", "cluster_id": "harbour", "schema": "ci", "type": "redshift",
                             "port": SERVER.port}));
    let profiles = json!({"ferry": {"target": "ci", "outputs": {"ci": fields}}});
    // JSON is YAML.
    fs_err::write(project.join("profiles.yml"), profiles.to_string()).unwrap();
    for (user, told) in [("ci", "connected as `IAMR:gate`"), ("nobody", "the warehouse refused the login")] {
        let secrets = [text(&format!("/{user}/secret")), text("/password")];
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_premerge"))
            .env_clear()
            .env("PREMERGE_LOG", "trace")
            .env("AWS_ENDPOINT_URL", text("/address"))
            .env("AWS_ACCESS_KEY_ID", text(&format!("/{user}/id")))
            .env("AWS_SECRET_ACCESS_KEY", &secrets[0])
            .args(["debug", "--project-dir"])
            .arg(project)
            .output()
            .unwrap();
        let (page, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        // The role may not create schemas on this server, so even the welcome one is told off.
        assert_eq!(output.status.code(), Some(1), "{page}\n{log}");
        assert!(page.contains("as an IAM role (AWS IAM)") && page.contains(told), "{page}\n{log}");
        assert!(!secrets.iter().any(|secret| page.contains(secret) || log.contains(secret)), "{page}\n{log}");
        assert!(log.contains("TRACE") || log.contains("DEBUG"), "the log is not as talkative as it can be: {log}");
    }
}

/// As dbt-redshift: whatever `sslmode` says but `disable`, the line is encrypted and the certificate checked.
#[tokio::test]
async fn the_certificate_is_checked_in_every_mode() {
    let with = |changes: Value| {
        let mut fields = json!({"user": "keeper", "password": "s3cret", "host": "localhost", "dbname": "postgres"});
        fields.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let target = target("redshift", SERVER.port, "postgres", fields);
        async move { try_open(&target, limits(), &Env::default()).unwrap().connect().await.map(|_| ()) }
    };
    let file = |name: &str| SERVER.dir.join(name).display().to_string();
    for mode in ["allow", "prefer", "require", "verify-ca", "verify-full"] {
        with(json!({"sslmode": mode, "sslrootcert": file("ca.crt")})).await.unwrap();
        // The tests' own authority is none that a machine knows.
        let error = with(json!({"sslmode": mode})).await.unwrap_err();
        assert_eq!(error.class, FaultClass::Encryption, "{mode}: {error}");
    }
    with(json!({"sslmode": "verify-ca", "sslrootcert": file("ca.crt"), "host": "127.0.0.1"})).await.unwrap();
    with(json!({"sslmode": "verify-full", "sslrootcert": file("ca.crt"), "host": "127.0.0.1"})).await.unwrap_err();
    with(json!({"sslmode": "disable"})).await.unwrap();
}
