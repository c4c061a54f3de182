//! Behind a pooler in transaction mode: nothing that premerge sets is handed on to its other clients.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::cluster::{Cluster, as_user, unprivileged};
use crate::ferry::{Checkout, with_production};
use crate::warehouse::{limits, target, try_open};

/// pgbouncer with two connections to `cluster` in transaction mode.
struct Pooler {
    port: u16,
    child: Child,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Pooler {
    fn of(cluster: &Cluster) -> Self {
        Self::with_size(cluster, 2)
    }

    fn with_size(cluster: &Cluster, size: usize) -> Self {
        let program =
            ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].into_iter().find(|path| fs_err::metadata(path).is_ok());
        let program = program.expect("this test needs pgbouncer: run `.ci/setup tests`");
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = cluster.dir.join(format!("pgbouncer-{port}.ini"));
        let users = cluster.dir.join("users.txt");
        fs_err::write(&users, "\"ci\" \"\"\n\"test\" \"\"\n").unwrap();
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={} user=test\nferry = host=127.0.0.1 port={} dbname=ferry\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port={port}\n\
             unix_socket_dir=\nauth_type=trust\nauth_file={}\npool_mode=transaction\ndefault_pool_size={size}\n",
            cluster.port,
            cluster.port,
            users.display()
        );
        fs_err::write(&config, text).unwrap();
        let child =
            as_user(&unprivileged(), program.as_ref()).arg(&config).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let pooler = Self { port, child: child.unwrap() };
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "pgbouncer does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        pooler
    }

    /// What another client finds set, on both connections.
    async fn settings(&self, database: &str, user: &str) -> Vec<String> {
        let config = format!("host=127.0.0.1 port={} user={user} dbname={database} application_name=other", self.port);
        let mut clients = Vec::new();
        for _ in 0..2 {
            let (client, connection) = tokio_postgres::connect(&config, NoTls).await.unwrap();
            tokio::spawn(connection);
            // In a transaction, so that each has a connection of its own.
            client.batch_execute("begin").await.unwrap();
            clients.push(client);
        }
        let mut found = Vec::new();
        for client in clients {
            let sql = "select concat_ws(' ', current_setting('statement_timeout'), current_setting('lock_timeout'), \
                       current_setting('datestyle'), current_setting('search_path'), current_user, \
                       current_setting('default_transaction_read_only'), current_setting('deadlock_timeout'))";
            let answer = client.simple_query(sql).await.unwrap();
            found.extend(answer.iter().filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            }));
            client.batch_execute("rollback").await.unwrap();
        }
        found
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_hands_no_setting_on() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    cluster.sql("postgres", "create role reader; grant reader to test");
    let pooler = Pooler::of(&cluster);
    let before = pooler.settings(&database, "test").await;
    let profile = json!({"role": "reader", "search_path": "nowhere, public"});
    let house = try_open(&target("postgres", pooler.port, &database, profile), limits(), &Default::default()).unwrap();
    let mut sessions =
        vec![house.connect().await.unwrap(), house.connect().await.unwrap(), house.connect().await.unwrap()];
    let ours = "select concat_ws(' ', current_setting('statement_timeout'), current_setting('search_path'), current_user, \
                current_setting('transaction_read_only'))";
    for _ in 0..4 {
        for session in &mut sessions {
            assert_eq!(session.read(ours).await.unwrap().scalar(), Some("20s nowhere, public reader on"));
        }
        assert_eq!(pooler.settings(&database, "test").await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_check_goes_through_a_pooler() {
    let cluster = with_production(Cluster::start(&[]));
    let pooler = Pooler::of(&cluster);
    let before = pooler.settings("ferry", "ci").await;
    let checkout = Checkout::of("changed_filter", pooler.port);
    let status = checkout.check().status().unwrap();
    assert_eq!(status.code(), Some(0), "{}", checkout.report());
    assert_eq!(pooler.settings("ferry", "ci").await, before);
}

/// A check that is stopped ends its statement through the pooler, and leaves the pooler to its other clients.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_check_ends_its_statement_and_not_the_pooler() {
    let cluster = with_production(Cluster::start(&[]));
    let mut pooler = Pooler::with_size(&cluster, 6);
    let checkout = Checkout::of("changed_filter", pooler.port);
    assert!(checkout.check().status().unwrap().success());
    let model = checkout.report()["nodes"][0]["unique_id"].as_str().unwrap().to_owned();
    let running = "select count(*)::text from pg_stat_activity where query like '%pg_sleep(30)%' and state = 'active' \
                   and pid <> pg_backend_pid()";
    for signal in ["TERM", "INT", "TERM", "INT", "TERM", "INT"] {
        let mut child = checkout.check_that_sleeps(&model, 30).stderr(Stdio::null()).spawn().unwrap();
        cluster.wait_for("ferry", running, "1");
        std::process::Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
        let began = Instant::now();
        assert_eq!(child.wait().unwrap().code(), Some(3));
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
        cluster.wait_for("ferry", running, "0");
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
        assert!(pooler.child.try_wait().unwrap().is_none(), "the pooler has ended");
    }
}

/// Ends when its statement does; what became of it.
fn foreign(config: String, sql: String) -> std::thread::JoinHandle<Result<String, String>> {
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let (client, connection) = tokio_postgres::connect(&config, NoTls).await.map_err(|e| e.to_string())?;
            tokio::spawn(connection);
            let answer = client.simple_query(&sql).await.map_err(|error| format!("{error:?}"))?;
            let row = answer.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            });
            Ok(row.unwrap_or_default())
        })
    })
}

/// Clients that say no name get connections which premerge had before.
#[test]
fn other_clients_of_the_pool_are_not_taken_for_premerge() {
    let cluster = with_production(Cluster::start(&[]));
    let pooler = Pooler::with_size(&cluster, 6);
    let checkout = Checkout::of("changed_filter", pooler.port);
    assert!(checkout.check().status().unwrap().success());
    let model = checkout.report()["nodes"][0]["unique_id"].as_str().unwrap().to_owned();
    let mut older = checkout.check_that_sleeps(&model, 20).stderr(Stdio::null()).spawn().unwrap();
    let running = |what: &str, count: &str| {
        let sql = format!(
            "select count(*)::text from pg_stat_activity where query like '%pg_sleep({what})%' and state = 'active' \
             and pid <> pg_backend_pid()"
        );
        cluster.wait_for("ferry", &sql, count);
    };
    running("20", "1");
    let tag = cluster.value("ferry", "select application_name from pg_stat_activity where query like '%pg_sleep(20)%'");
    assert!(tag.starts_with("premerge "), "{tag}");

    let of_the_pool = format!("host=127.0.0.1 port={} user=ci dbname=ferry", pooler.port);
    let sleeps = "select pg_sleep(6), current_setting('application_name') as name from raw.vessels limit 1";
    let sleeps = format!("select name from ({sleeps}) s");
    let mut others: Vec<_> = (0..3).map(|_| foreign(of_the_pool.clone(), sleeps.clone())).collect();
    // Whatever a client calls itself, and whoever runs a text of premerge's again.
    let direct = format!("host=127.0.0.1 port={} user=ci dbname=ferry", cluster.port);
    others.push(foreign(format!("{direct} application_name='{tag}'"), sleeps.clone()));
    others.push(foreign(direct, format!("/* {tag} #1 */ {sleeps}")));
    running("6", "5");

    // A newer run ends the older one's statement and no other, and gives way with its own only.
    let mut newer = checkout.check_that_sleeps(&model, 12).stderr(Stdio::null()).spawn().unwrap();
    running("20", "0");
    assert_eq!(older.wait().unwrap().code(), Some(3));
    cluster.sql("ferry", "begin; lock table raw.vessels; commit");
    let became: Vec<_> = others.into_iter().map(|other| other.join().unwrap()).collect();
    let names: Vec<_> = became.iter().map(|became| became.as_deref().unwrap_or_else(|why| panic!("{why}"))).collect();
    assert_eq!(names, ["", "", "", tag.as_str(), ""]);
    assert_eq!(newer.wait().unwrap().code(), Some(0), "{}", checkout.report());
}

/// Others have all that the pool has beside the check's statement, and still the check sees who waits for it.
#[test]
fn a_statement_gives_way_where_the_pool_is_used_up() {
    let cluster = with_production(Cluster::start(&[]));
    let pooler = Pooler::with_size(&cluster, 2);
    let checkout = Checkout::of("changed_filter", pooler.port);
    assert!(checkout.check().status().unwrap().success());
    let said = checkout.report()["findings"].to_string();
    assert!(said.contains("the pooler has 1 of its connections for this run's statements"), "{said}");
    let model = checkout.report()["nodes"][0]["unique_id"].as_str().unwrap().to_owned();
    let mut child = checkout.check_that_sleeps(&model, 12).stderr(Stdio::null()).spawn().unwrap();
    let sleeps = "select count(*)::text from pg_stat_activity where query like '%pg_sleep(12)%' and state = 'active' \
                  and pid <> pg_backend_pid()";
    cluster.wait_for("ferry", sleeps, "1");
    let of_the_pool = format!("host=127.0.0.1 port={} user=ci dbname=ferry", pooler.port);
    let other = foreign(of_the_pool, "select pg_sleep(6)::text".to_owned());
    std::thread::sleep(Duration::from_millis(500));
    let began = Instant::now();
    cluster.sql("ferry", "begin; lock table raw.vessels; commit");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    other.join().unwrap().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{}", checkout.report());
    // One connection is not enough, and the check says so.
    drop(pooler);
    let pooler = Pooler::with_size(&cluster, 1);
    let checkout = Checkout::of("changed_filter", pooler.port);
    assert_eq!(checkout.check().status().unwrap().code(), Some(0), "{}", checkout.report());
    let said = checkout.report()["findings"].to_string();
    assert!(said.contains("nobody sees whether production waits"), "{said}");
}
