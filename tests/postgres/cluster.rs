//! A private PostgreSQL, brought up for the tests: real, on a loopback port, gone with the test process.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio_postgres::{NoTls, SimpleQueryMessage};

/// One server process with its folder.
pub struct Cluster {
    pub port: u16,
    pub dir: PathBuf,
    // Its standard input is a pipe from this process: when that ends, however it ends, so does the server.
    _keeper: Child,
}

/// The server that most tests share; each has a database of its own in it.
pub static SHARED: LazyLock<Cluster> = LazyLock::new(|| Cluster::start(&[]));

/// Starts the server, waits for the tests' end on its input, and takes everything away.
const KEEPER: &str = r#"
dir=$1; shift
"$@" & server=$!
read -r _ || true
# A restarted server has another number.
now=$(head -n 1 "$dir/data/postmaster.pid" 2>/dev/null || echo $server)
kill -QUIT $now 2>/dev/null; wait $server 2>/dev/null
while kill -0 $now 2>/dev/null; do sleep 0.05; done
rm -rf "$dir"
"#;

impl Cluster {
    /// A new cluster; `settings` are `name=value` for the server.
    pub fn start(settings: &[&str]) -> Self {
        Self::start_with(settings, |_| Vec::new())
    }

    /// The same in an environment; `environment` is told the cluster's folder.
    pub fn start_with(settings: &[&str], environment: impl Fn(&Path) -> Vec<(&'static str, PathBuf)>) -> Self {
        let bin = binaries();
        let dir = tempfile::Builder::new().prefix("pmpg").tempdir().unwrap().keep();
        let user = unprivileged();
        if let Some(user) = &user {
            assert!(Command::new("chown").arg(user).arg(&dir).status().unwrap().success());
        }
        let data = dir.join("data");
        let init = as_user(&user, &bin.join("initdb"))
            .args(["-U", "test", "-A", "trust", "-E", "UTF8", "--no-locale", "-N", "-D"])
            .arg(&data)
            .current_dir(&dir)
            .output()
            .unwrap();
        assert!(init.status.success(), "initdb: {}", String::from_utf8_lossy(&init.stderr));
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = as_user(&user, &bin.join("postgres"));
        server.arg("-D").arg(&data).args(["-p", &port.to_string()]).arg("-k").arg(&dir);
        for setting in [
            "listen_addresses=127.0.0.1",
            "fsync=off",
            "full_page_writes=off",
            "synchronous_commit=off",
            "max_connections=200",
            "autovacuum=off",
        ]
        .iter()
        .chain(settings)
        {
            server.args(["-c", setting]);
        }
        let log = fs_err::File::create(dir.join("log")).unwrap();
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "keeper"]).arg(&dir).arg(server.get_program()).args(server.get_args());
        let keeper = keeper
            .envs(environment(&dir))
            .current_dir(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::from(log.into_parts().0))
            .spawn()
            .unwrap();
        let cluster = Self { port, dir, _keeper: keeper };
        let began = Instant::now();
        while cluster.try_sql("postgres", "select 1").is_err() {
            assert!(began.elapsed() < Duration::from_secs(60), "the server does not start:\n{}", cluster.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        cluster
    }

    /// Stops the server as `mode` says (`fast`, `immediate`) and starts it again; back when it takes connections.
    pub fn restart(&self, mode: &str) {
        let restarted = as_user(&unprivileged(), &binaries().join("pg_ctl"))
            .args(["-w", "-s", "-m", mode, "-l"])
            .arg(self.dir.join("restarted.log"))
            .arg("-D")
            .arg(self.dir.join("data"))
            .arg("restart")
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(restarted.unwrap().success(), "{}", self.log());
    }

    /// A new database; its name.
    pub fn database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("d{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("create database {name}"));
        name
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs_err::read(self.dir.join("log")).unwrap_or_default()).into_owned()
    }

    /// Runs SQL as the superuser; the rows of all results.
    pub fn sql(&self, database: &str, sql: &str) -> Vec<Vec<Option<String>>> {
        self.try_sql(database, sql).unwrap_or_else(|error| panic!("{error:?}\n{sql}"))
    }

    /// The first value of the first row.
    pub fn value(&self, database: &str, sql: &str) -> String {
        self.sql(database, sql).first().and_then(|row| row.first().cloned().flatten()).unwrap_or_default()
    }

    /// Waits until the first value is `wanted`.
    pub fn wait_for(&self, database: &str, sql: &str, wanted: &str) {
        let began = Instant::now();
        while self.value(database, sql) != wanted {
            assert!(began.elapsed() < Duration::from_secs(15), "never {wanted}: {sql}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn try_sql(&self, database: &str, sql: &str) -> Result<Vec<Vec<Option<String>>>, tokio_postgres::Error> {
        let config = format!("host=127.0.0.1 port={} user=test dbname={database} application_name=tests", self.port);
        let sql = sql.to_owned();
        // A thread of its own, because tests may call this within a runtime.
        std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                let (client, connection) = tokio_postgres::connect(&config, NoTls).await?;
                tokio::spawn(connection);
                let messages = client.simple_query(&sql).await?;
                Ok(messages
                    .iter()
                    .filter_map(|message| match message {
                        SimpleQueryMessage::Row(row) => {
                            Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
                        }
                        _ => None,
                    })
                    .collect())
            })
        })
        .join()
        .unwrap()
    }
}

/// Runs a gzipped dump in a database.
pub fn restore(cluster: &Cluster, database: &str, dump: &Path) {
    let mut sql = Vec::new();
    std::io::copy(&mut flate2::read::GzDecoder::new(fs_err::File::open(dump).unwrap()), &mut sql).unwrap();
    let mut psql = Command::new(binaries().join("psql"))
        .args(["-q", "-X", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", &cluster.port.to_string(), "-U", "test"])
        .args(["-d", database])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(psql.stdin.as_mut().unwrap(), &sql).unwrap();
    drop(psql.stdin.take());
    assert!(psql.wait().unwrap().success());
}

/// `initdb` and `postgres` refuse to run as root, so root lends them another user: `uid:gid`.
pub fn unprivileged() -> Option<String> {
    let id = |args: &[&str]| {
        let out = Command::new("id").args(args).output().unwrap();
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
    };
    if id(&["-u"])? != "0" {
        return None;
    }
    // Debian's package makes the user postgres; nobody is everywhere.
    ["postgres", "nobody"].iter().find_map(|name| Some(format!("{}:{}", id(&["-u", name])?, id(&["-g", name])?)))
}

pub fn as_user(user: &Option<String>, program: &Path) -> Command {
    match user.as_deref().and_then(|user| user.split_once(':')) {
        None => Command::new(program),
        Some((uid, gid)) => {
            let mut command = Command::new("setpriv");
            command.args([&format!("--reuid={uid}"), &format!("--regid={gid}"), "--clear-groups"]).arg(program);
            command
        }
    }
}

fn binaries() -> PathBuf {
    // The newest of Debian's, which are off PATH, before whatever is on it.
    let debian = fs_err::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<_> = debian.map(|entry| entry.path().join("bin")).collect();
    debian.sort();
    let mut found: Vec<_> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    found.extend(debian);
    found
        .into_iter()
        .rev()
        .find(|bin| ["postgres", "initdb", "psql"].iter().all(|program| bin.join(program).is_file()))
        .expect("these tests need a PostgreSQL server: run `.ci/setup tests`, or put its programs on PATH")
}
