//! Random statements at each place where an author's text goes: premerge takes a text exactly where the server would
//! take it for one query that reads.

use premerge::sql::{Dialect, ProjectText, judge};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

use crate::cluster::Cluster;
use crate::kinds::{POSTGRES_READS, READS, cases, query, smuggled};

/// What the server's parser says, and its analysis: nothing is run. It takes one statement at a time this way.
struct Server {
    runtime: tokio::runtime::Runtime,
    client: Client,
}

impl Server {
    fn start() -> Self {
        let cluster = Cluster::start(&[]);
        cluster.sql("postgres", "create schema prod; create table prod.orders (a int); create table t1 (a int)");
        cluster.sql("postgres", "create procedure prod.wipe() language sql as 'delete from prod.orders'");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let address = format!("host=127.0.0.1 port={} user=test dbname=postgres", cluster.port);
            let (client, connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
            tokio::spawn(connection);
            client
        });
        // The server ends with the test's process.
        std::mem::forget(cluster);
        Self { runtime, client }
    }

    fn prepared(&self, sql: &str) -> Result<(), Option<SqlState>> {
        let prepared = self.runtime.block_on(self.client.prepare(sql));
        prepared.map(|_| ()).map_err(|error| error.code().cloned())
    }

    /// A cursor is for one query, and for none that writes.
    fn is_one_query(&self, text: &str) -> Result<(), Option<SqlState>> {
        self.prepared(&format!("declare c cursor for {text}"))
    }
}

fn check(strategy: impl Strategy<Value = String>, holds: impl Fn(String) -> Result<(), TestCaseError>) {
    let config = Config { failure_persistence: None, cases: cases(), ..Config::default() };
    TestRunner::new(config).run(&strategy, holds).unwrap();
}

#[test]
fn a_query_is_what_the_server_takes_for_one() {
    let server = Server::start();
    check(prop_oneof![query([READS, POSTGRES_READS].concat(), 4), smuggled()], |text| {
        let (ours, servers) = (judge(ProjectText::Query(&text), Dialect::Postgres), server.is_one_query(&text));
        prop_assert_eq!(ours.is_ok(), servers.is_ok(), "{}: {:?}, {:?}", text, ours, servers);
        Ok(())
    });
}
