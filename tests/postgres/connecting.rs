//! Logging in: every field of the profile that can go wrong, against a server that is strict.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use premerge::config::{Env, ProfileQuery, Target};
use premerge::warehouse::{FaultClass, Limits, WarehouseError};
use serde_json::{Value, json};

use crate::cluster::{Cluster, SHARED};
use crate::warehouse::{limits, target, try_open};

/// A server with certificates and passwords.
pub static STRICT: LazyLock<Cluster> = LazyLock::new(|| {
    let cluster = Cluster::start(&[]);
    cluster.sql("postgres", "create role keeper login password 's3cret'; create role reader; grant reader to keeper");
    cluster.sql("postgres", "create database plain");
    let data = cluster.dir.join("data");
    let openssl = |args: &str| {
        let out = Command::new("openssl").args(args.split_whitespace()).current_dir(&cluster.dir).output();
        let out = out.expect("these tests need openssl: run `.ci/setup tests`");
        assert!(out.status.success(), "openssl {args}: {}", String::from_utf8_lossy(&out.stderr));
    };
    openssl("req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ca.key -out ca.crt -subj /CN=tests");
    openssl("req -x509 -newkey rsa:2048 -nodes -days 2 -keyout other.key -out other.crt -subj /CN=others");
    for (name, subject) in [("server", "localhost"), ("client", "keeper")] {
        openssl(&format!("req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={subject}"));
        fs_err::write(cluster.dir.join("san"), format!("subjectAltName=DNS:{subject}")).unwrap();
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out {name}.crt -extfile san"
        ));
    }
    for file in ["server.crt", "server.key", "ca.crt"] {
        fs_err::copy(cluster.dir.join(file), data.join(file)).unwrap();
    }
    let owner = Command::new("chown").arg("--reference").arg(&data).arg("-R").arg(&data).status().unwrap();
    assert!(owner.success());
    Command::new("chmod").arg("600").arg(data.join("server.key")).status().unwrap();
    Command::new("chmod").arg("600").arg(cluster.dir.join("client.key")).status().unwrap();
    cluster.sql("postgres", "alter system set ssl = on");
    cluster.sql("postgres", "alter system set ssl_ca_file = 'ca.crt'");
    fs_err::write(
        data.join("pg_hba.conf"),
        "host all test 127.0.0.1/32 trust\n\
         hostssl plain all 127.0.0.1/32 reject\n\
         hostnossl plain all 127.0.0.1/32 scram-sha-256\n\
         hostssl template1 all 127.0.0.1/32 cert\n\
         host all all 127.0.0.1/32 scram-sha-256\n\
         local all all trust\n",
    )
    .unwrap();
    cluster.sql("postgres", "select pg_reload_conf()");
    std::thread::sleep(Duration::from_millis(300));
    cluster
});

async fn log_in_with(changes: Value, env: &Env, limits: Limits) -> Result<(bool, String), WarehouseError> {
    let mut base = json!({"user": "keeper", "password": "s3cret", "host": "localhost"});
    base.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let target = target("postgres", STRICT.port, "postgres", base);
    let house = try_open(&target, limits, env).map_err(|e| WarehouseError::new(FaultClass::Other, e.to_string()))?;
    let mut session = house.connect().await?;
    let sql = "select (select ssl from pg_stat_ssl where pid = pg_backend_pid()), current_user";
    let row = session.read(sql).await?.rows.remove(0);
    Ok((row[0].as_deref() == Some("t"), row[1].clone().unwrap()))
}

async fn log_in(changes: Value) -> Result<(bool, String), WarehouseError> {
    log_in_with(changes, &Env::new::<&str, &str>([], PathBuf::from("/")), limits()).await
}

#[tokio::test]
async fn sslmode_means_what_it_means_to_libpq() {
    let file = |name: &str| STRICT.dir.join(name).display().to_string();
    for (changes, encrypted) in [
        (json!({"sslmode": "disable"}), false),
        (json!({"sslmode": "allow"}), false),
        (json!({}), true),
        (json!({"sslmode": "prefer"}), true),
        (json!({"sslmode": "require"}), true),
        // No check of the name, so an address will do.
        (json!({"sslmode": "verify-ca", "sslrootcert": file("ca.crt"), "host": "127.0.0.1"}), true),
        (json!({"sslmode": "verify-full", "sslrootcert": file("ca.crt")}), true),
        // A socket is never encrypted.
        (json!({"sslmode": "verify-full", "host": STRICT.dir.display().to_string()}), false),
    ] {
        let found = log_in(changes.clone()).await.map(|(encrypted, _)| encrypted);
        assert_eq!(found.ok(), Some(encrypted), "{changes}");
    }
    for (changes, class) in [
        (json!({"sslmode": "verify-full", "sslrootcert": file("ca.crt"), "host": "127.0.0.1"}), FaultClass::Encryption),
        (json!({"sslmode": "verify-ca", "sslrootcert": file("other.crt")}), FaultClass::Encryption),
        // With a root at hand `require` checks the chain.
        (json!({"sslmode": "require", "sslrootcert": file("other.crt")}), FaultClass::Encryption),
        (json!({"sslmode": "verify-full"}), FaultClass::Other),
        (json!({"sslmode": "require", "sslrootcert": "system"}), FaultClass::Other),
        (json!({"sslmode": "require", "dbname": "plain"}), FaultClass::Authentication),
    ] {
        assert_eq!(log_in(changes.clone()).await.unwrap_err().class, class, "{changes}");
    }
    // The server takes this database without encryption only; `prefer` gives way as libpq does.
    assert_eq!(log_in(json!({"dbname": "plain"})).await.unwrap(), (false, "keeper".to_owned()));
    let client = json!({"sslmode": "require", "sslcert": file("client.crt"), "sslkey": file("client.key"),
                        "dbname": "template1", "password": null});
    assert_eq!(log_in(client).await.unwrap(), (true, "keeper".to_owned()));
}

/// Certificates as people make them, by PostgreSQL's manual or in one line.
static BY_HAND: LazyLock<Cluster> = LazyLock::new(|| {
    let cluster = Cluster::start(&[]);
    let openssl = |args: &str| {
        let out = Command::new("openssl").args(args.split_whitespace()).current_dir(&cluster.dir).output();
        let out = out.expect("these tests need openssl: run `.ci/setup tests`");
        assert!(out.status.success(), "openssl {args}: {}", String::from_utf8_lossy(&out.stderr));
    };
    for name in ["ca", "other"] {
        openssl(&format!(
            "req -x509 -newkey rsa:2048 -nodes -days 2 -keyout {name}.key -out {name}.crt -subj /CN={name}"
        ));
    }
    // A root of the same name as ours, with another key.
    openssl("req -x509 -newkey rsa:2048 -nodes -days 2 -keyout false.key -out false.crt -subj /CN=ca");
    fs_err::write(cluster.dir.join("common"), "basicConstraints=CA:FALSE").unwrap();
    fs_err::write(cluster.dir.join("elsewhere"), "subjectAltName=DNS:elsewhere").unwrap();
    for (name, subject, extensions) in [
        ("v1", "localhost", ""),
        ("v1else", "elsewhere", ""),
        ("common", "LOCALHOST", "-extfile common"),
        ("named", "localhost", "-extfile elsewhere"),
        ("client", "test", ""),
    ] {
        openssl(&format!("req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={subject}"));
        let sign = "-CA ca.crt -CAkey ca.key -CAcreateserial -days 2";
        openssl(&format!("x509 -req -in {name}.csr {sign} -out {name}.crt {extensions}"));
    }
    openssl("req -x509 -newkey rsa:2048 -nodes -days 2 -keyout self.key -out self.crt -subj /CN=localhost");
    openssl("ecparam -name secp521r1 -genkey -noout -out large.key");
    openssl("req -x509 -key large.key -days 2 -out large.crt -subj /CN=localhost");
    let mut version = Command::new("openssl");
    let version = version.args(["x509", "-noout", "-text", "-in"]).arg(cluster.dir.join("v1.crt")).output().unwrap();
    assert!(String::from_utf8_lossy(&version.stdout).contains("Version: 1"), "openssl makes no version 1 any more");
    cluster
});

/// Gives the server another certificate.
fn serve(name: &str) {
    let data = BY_HAND.dir.join("data");
    for end in ["crt", "key"] {
        fs_err::copy(BY_HAND.dir.join(format!("{name}.{end}")), data.join(format!("server.{end}"))).unwrap();
    }
    Command::new("chmod").arg("600").arg(data.join("server.key")).status().unwrap();
    Command::new("chown").arg("--reference").arg(&data).arg("-R").arg(&data).status().unwrap();
    BY_HAND.sql("postgres", "alter system set ssl = on");
    BY_HAND.sql("postgres", "select pg_reload_conf()");
    std::thread::sleep(Duration::from_millis(300));
}

async fn encrypted(changes: Value) -> (Result<bool, WarehouseError>, Vec<String>) {
    let target = target("postgres", BY_HAND.port, "postgres", changes);
    let house = try_open(&target, limits(), &Env::default()).unwrap();
    let row = async {
        let sql = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
        Ok(house.connect().await?.read(sql).await?.scalar() == Some("t"))
    };
    (row.await, house.notices())
}

#[tokio::test]
async fn certificates_made_by_hand_are_judged_as_libpq_judges_them() {
    let file = |name: &str| BY_HAND.dir.join(name).display().to_string();
    // Served, mode, root, whether libpq takes it.
    let cases = [
        ("v1", "require", "", true),
        ("v1", "prefer", "", true),
        ("v1", "verify-ca", "ca.crt", true),
        ("v1", "verify-full", "ca.crt", true),
        ("v1", "verify-ca", "other.crt", false),
        ("v1", "verify-ca", "false.crt", false),
        ("v1else", "verify-ca", "ca.crt", true),
        ("v1else", "verify-full", "ca.crt", false),
        ("common", "verify-full", "ca.crt", true),
        ("common", "verify-full", "other.crt", false),
        // Where there are alternative names, the common name does not count.
        ("named", "verify-full", "ca.crt", false),
        ("named", "verify-ca", "ca.crt", true),
        ("self", "verify-full", "self.crt", true),
        ("self", "verify-ca", "self.crt", true),
        ("self", "verify-ca", "ca.crt", false),
    ];
    let mut served = "";
    for (name, mode, root, good) in cases {
        if served != name {
            serve(name);
            served = name;
        }
        let root = if root.is_empty() { Value::Null } else { file(root).into() };
        let changes = json!({"host": "localhost", "sslmode": mode, "sslrootcert": root});
        match encrypted(changes).await.0 {
            Ok(encrypted) => assert!(good && encrypted, "{name} {mode}"),
            Err(error) => assert!(!good && error.class == FaultClass::Encryption, "{name} {mode}: {error}"),
        }
    }
    // The client's may be of version 1 as well; a key of another one is told from it.
    let client = |key: &str| json!({"sslmode": "require", "sslcert": file("client.crt"), "sslkey": file(key)});
    assert!(encrypted(client("client.key")).await.0.unwrap());
    let other = target("postgres", BY_HAND.port, "postgres", client("v1.key"));
    let refused = try_open(&other, limits(), &Env::default()).err().unwrap().to_string();
    assert!(refused.contains("do not match"), "{refused}");

    // A key that the TLS library does not know: `prefer` goes on without encryption, and says so.
    serve("large");
    let (connected, notices) = encrypted(json!({"host": "localhost"})).await;
    assert!(!connected.unwrap());
    assert!(notices.iter().any(|notice| notice.contains("is not encrypted")), "{notices:?}");
    assert_eq!(encrypted(json!({"sslmode": "require"})).await.0.unwrap_err().class, FaultClass::Encryption);
}

#[tokio::test]
async fn a_list_of_hosts_is_tried_in_order() {
    let dead = json!({"host": "127.0.0.77, 127.0.0.1"});
    let target = target("postgres", SHARED.port, "postgres", dead);
    let house = try_open(&target, limits(), &Env::default()).unwrap();
    assert_eq!(house.connect().await.unwrap().read("select 1").await.unwrap().scalar(), Some("1"));
}

#[tokio::test]
async fn values_of_secret_variables_are_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(
        dir.path().join("profiles.yml"),
        "p: {outputs: {default: {type: postgres, host: localhost, port: \"{{ env_var('PORT') | int }}\", \
         user: \"{{ env_var('DBT_ENV_SECRET_USER') }}\", password: Passw0rd-zq, dbname: postgres, schema: s, \
         application_name: \"{{ env_var('DBT_ENV_SECRET_NAME').upper() }}\", \
         sslmode: \"{{ env_var('MODE', '') }}{{ env_var('DBT_ENV_SECRET_MODE', '') }}\"}}}\n",
    )
    .unwrap();
    let port = STRICT.port.to_string();
    let mut vars =
        vec![("PORT", port.as_str()), ("DBT_ENV_SECRET_USER", "hushuser-zq"), ("DBT_ENV_SECRET_NAME", "hushname-zq")];
    let open = |vars: &[(&str, &str)]| {
        let env = Env::new(vars.iter().copied(), dir.path().to_owned());
        let target = Target::find(&ProfileQuery::default(), &env, &premerge::config::Checkout::Own).unwrap();
        try_open(&target, limits(), &env)
    };
    let house = open(&vars).unwrap();
    let error = house.connect().await.err().unwrap();
    assert_eq!(error.class, FaultClass::Authentication);
    vars.push(("DBT_ENV_SECRET_MODE", "hushmode-zq"));
    let wrong = open(&vars).err().unwrap().to_string();
    assert!(wrong.contains("`sslmode: ***`"), "{wrong}");
    for text in [&error.message, &house.describe(), house.session_tag().unwrap(), &wrong] {
        let text = text.to_lowercase();
        assert!(!text.contains("hush") && !text.contains("passw0rd"), "{text}");
    }
    assert!(house.describe().contains("as ***"), "{}", house.describe());
}

#[tokio::test]
async fn a_server_without_encryption_is_refused_where_it_is_asked_for() {
    for (mode, works) in [("prefer", true), ("allow", true), ("require", false)] {
        let target = target("postgres", SHARED.port, "postgres", json!({"sslmode": mode}));
        let house = try_open(&target, limits(), &Env::default()).unwrap();
        match house.connect().await {
            Ok(_) => assert!(works, "{mode}"),
            Err(error) => assert!(!works && error.class == FaultClass::Encryption, "{mode}: {error}"),
        }
    }
}

#[tokio::test]
async fn a_statement_is_cancelled_over_tls_too() {
    let target = target("postgres", STRICT.port, "postgres", json!({"sslmode": "require"}));
    let house = try_open(&target, limits(), &Env::default()).unwrap();
    let mut session = house.connect().await.unwrap();
    let mut running = session.begin();
    let canceller = running.canceller();
    let began = Instant::now();
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        canceller.cancel();
    };
    let (result, ()) = tokio::join!(running.session().read("select pg_sleep(15)"), cancel);
    assert_eq!(result.unwrap_err().class, FaultClass::Cancelled);
    assert!(began.elapsed() < Duration::from_secs(5));
    let sql = "select count(*) from pg_stat_activity where query like '%pg_sleep(15)%' and state = 'active' \
               and pid <> pg_backend_pid()";
    STRICT.wait_for("postgres", sql, "0");
}

#[tokio::test]
async fn passwords_come_from_the_profile_the_environment_or_the_password_file() {
    assert_eq!(log_in(json!({"password": null, "pass": "s3cret"})).await.unwrap().1, "keeper");
    let wrong = log_in(json!({"password": "wr0ng"})).await.unwrap_err();
    assert_eq!(wrong.class, FaultClass::Authentication);
    assert!(!wrong.message.contains("wr0ng"));
    assert_eq!(log_in(json!({"password": null})).await.unwrap_err().class, FaultClass::Authentication);

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pass");
    fs_err::write(&file, format!("localhost:{}:postgres:keeper:s3cret\n", STRICT.port)).unwrap();
    Command::new("chmod").arg("600").arg(&file).status().unwrap();
    for env in [("PGPASSFILE", file.to_str().unwrap()), ("PGPASSWORD", "s3cret")] {
        let env = Env::new([env], PathBuf::from("/"));
        assert_eq!(log_in_with(json!({"password": null}), &env, limits()).await.unwrap().1, "keeper");
    }
}

#[tokio::test]
async fn role_and_search_path_are_set() {
    assert_eq!(log_in(json!({"role": "reader"})).await.unwrap().1, "reader");
    assert_eq!(log_in(json!({"role": "nobody_there"})).await.unwrap_err().class, FaultClass::Data);
    let target =
        target("postgres", SHARED.port, "postgres", json!({"search_path": "a, \"B\"", "application_name": "ours"}));
    let house = try_open(&target, limits(), &Env::default()).unwrap();
    let mut session = house.connect().await.unwrap();
    assert_eq!(session.read("select current_setting('search_path')").await.unwrap().scalar(), Some("a, \"B\""));
    let name = session.read("select current_setting('application_name')").await.unwrap();
    assert!(name.scalar().unwrap().starts_with("ours "));
}

#[tokio::test]
async fn what_is_not_there_is_named_and_nothing_hangs() {
    let missing = log_in(json!({"dbname": "nowhere"})).await.unwrap_err();
    assert_eq!(missing.class, FaultClass::MissingDatabase);
    assert!(missing.class.phrase().contains("database") && missing.remedy.unwrap().contains("dbname"));

    let forbidden = log_in(json!({"role": "test"})).await.unwrap_err();
    assert_eq!(forbidden.class, FaultClass::Permission);
    assert!(forbidden.remedy.unwrap().contains("must be a member of its `role`"));

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert_eq!(log_in(json!({"port": closed})).await.unwrap_err().class, FaultClass::Connection);

    // Takes connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let began = Instant::now();
    let error = log_in(json!({"port": silent.local_addr().unwrap().port(), "connect_timeout": 1, "retries": 1})).await;
    assert_eq!(error.unwrap_err().class, FaultClass::Connection);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_statement_has_a_time_limit() {
    let short = Limits { statement: Duration::from_millis(500), ..limits() };
    let target = target("postgres", SHARED.port, "postgres", json!({}));
    let mut session = try_open(&target, short, &Env::default()).unwrap().connect().await.unwrap();
    let error = session.read("select pg_sleep(20)").await.unwrap_err();
    assert_eq!(error.class, FaultClass::Timeout);
    assert!(error.remedy.unwrap().contains("statement_timeout_seconds"));
    assert_eq!(session.read("select 1").await.unwrap().scalar(), Some("1"));
}
