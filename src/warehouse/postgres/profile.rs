//! dbt-postgres' profile fields, which dbt-redshift shares.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

use super::pgpass;
use super::tls::{Certificates, SslMode};
use crate::config::{Env, Secret, Target, mask};
use crate::warehouse::{OpenContext, OpenError};

/// Where the server is and who we are there.
#[derive(Debug, Clone)]
pub(super) struct Profile {
    /// A name, an address, or the folder of a socket; several after commas are tried in order.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) password: Option<Secret>,
    pub(super) dbname: String,
    pub(super) sslmode: SslMode,
    pub(super) certificates: Certificates,
    /// `set role` after connecting.
    pub(super) role: Option<String>,
    pub(super) search_path: Option<String>,
    /// Redshift: the queue of the workload manager.
    pub(super) query_group: Option<String>,
    /// Zero leaves it to the system.
    pub(super) keepalives_idle: Duration,
    pub(super) connect_timeout: Duration,
    /// Repetitions of a connection that could not be made.
    pub(super) retries: u32,
    pub(super) application_name: String,
    /// What `PGOPTIONS` says.
    pub(super) options: Option<String>,
    /// What `PGTZ` says.
    pub(super) timezone: Option<String>,
    /// What `PGGEQO` says.
    pub(super) geqo: Option<String>,
    /// What a reader should know about the profile.
    pub(super) notices: Vec<String>,
}

/// Names of one field; dbt refuses two at once.
const ALIASES: [(&str, &str); 2] = [("dbname", "database"), ("password", "pass")];

/// The fields of a target, with messages that name it.
pub(super) struct Fields<'t> {
    target: &'t Target,
    map: &'t Map<String, Value>,
}

impl<'t> Fields<'t> {
    pub(super) fn of(target: &'t Target) -> Result<Self, OpenError> {
        let fields = Self { target, map: &target.fields };
        for (name, alias) in ALIASES {
            if fields.map.contains_key(name) && fields.map.contains_key(alias) {
                return Err(fields.wrong(format_args!("`{name}` and `{alias}` are the same field; keep one of them")));
            }
        }
        Ok(fields)
    }

    pub(super) fn wrong(&self, why: impl std::fmt::Display) -> OpenError {
        OpenError::Field {
            profile: self.target.profile.clone(),
            target: self.target.name.clone(),
            why: mask(&why.to_string()).into_owned(),
        }
    }

    /// A field as text; numbers too, because a password of digits is a number in YAML.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let alias = ALIASES.iter().find(|(first, _)| *first == name).map(|(_, alias)| *alias);
        let value = self.map.get(name).or_else(|| self.map.get(alias?))?;
        match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(value) => Some(value.to_string()),
            _ => None,
        }
        .filter(|text| !text.is_empty())
    }

    /// A field that is not a single value.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.map.get(name)
    }

    pub(super) fn required(&self, name: &str) -> Result<String, OpenError> {
        self.text(name).ok_or_else(|| self.wrong(format_args!("the field `{name}` is missing")))
    }

    /// A number, also as text, which is what rendering leaves of `{{ env_var('PORT') }}`.
    pub(super) fn number<N: std::str::FromStr>(&self, name: &str, default: N) -> Result<N, OpenError> {
        match self.text(name) {
            None => Ok(default),
            Some(text) => {
                text.trim().parse().map_err(|_| self.wrong(format_args!("`{name}: {text}` is not a number that fits")))
            }
        }
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, OpenError> {
        match self.text(name).map(|text| text.to_ascii_lowercase()).as_deref() {
            None => Ok(None),
            Some("true" | "yes" | "on" | "1") => Ok(Some(true)),
            Some("false" | "no" | "off" | "0") => Ok(Some(false)),
            Some(other) => Err(self.wrong(format_args!("`{name}: {other}` is neither true nor false"))),
        }
    }
}

impl Profile {
    /// Reads a target; `port` is the adapter's default. With a `temporary` login, user and password come from
    /// elsewhere.
    pub(super) fn read(
        fields: &Fields<'_>,
        port: u16,
        context: OpenContext<'_>,
        temporary: bool,
    ) -> Result<Self, OpenError> {
        let OpenContext { env, project_dir, .. } = context;
        let host = fields.required("host")?;
        let sockets = hosts(&host).filter(|host| host.starts_with('/')).count();
        if hosts(&host).any(str::is_empty) || (sockets > 0 && sockets < hosts(&host).count()) {
            return Err(fields.wrong(format_args!(
                "`host: {host}`: a list of hosts has a name or address between each two commas, and no socket's \
                 folder beside them"
            )));
        }
        let port = fields.number("port", port)?;
        let user = if temporary { fields.text("user").unwrap_or_default() } else { fields.required("user")? };
        let dbname = fields.required("dbname")?;
        let mut notices = Vec::new();
        let password = match fields.text("password") {
            _ if temporary => None,
            Some(password) => Some(Secret::new(password)),
            None => match env.get("PGPASSWORD") {
                Some(password) => Some(Secret::new(password)),
                None => from_file(fields, env, &host, port, &dbname, &user, &mut notices)?,
            },
        };
        let sslmode = match fields.text("sslmode").or_else(|| env.get("PGSSLMODE").map(str::to_owned)) {
            None => SslMode::default(),
            Some(text) => SslMode::parse(&text).ok_or_else(|| {
                fields.wrong(format_args!(
                    "`sslmode: {text}` is not one of disable, allow, prefer, require, verify-ca, verify-full"
                ))
            })?,
        };
        let file = |name: &str| fields.text(name).map(|path| resolve(&path, env, project_dir));
        let certificates = Certificates {
            root: file("sslrootcert"),
            client: file("sslcert"),
            key: file("sslkey"),
            home: env.get("HOME").map(PathBuf::from),
            public_authority: false,
        };
        Ok(Self {
            host,
            port,
            user,
            password,
            dbname,
            sslmode,
            certificates,
            role: fields.text("role"),
            search_path: fields.text("search_path"),
            query_group: None,
            keepalives_idle: Duration::from_secs(fields.number("keepalives_idle", 0)?),
            connect_timeout: match fields.number("connect_timeout", 10)? {
                // libpq's zero waits for ever; nothing here does.
                0 => Duration::from_secs(60),
                seconds => Duration::from_secs(seconds),
            },
            retries: fields.number("retries", 1)?,
            options: None,
            timezone: None,
            geqo: None,
            application_name: fields.text("application_name").unwrap_or_else(|| "premerge".to_owned()),
            notices,
        })
    }
}

/// Variables of libpq that change how or where dbt connects, and that premerge does not read.
const UNREAD: &[&str] = &[
    "PGSERVICE",
    "PGHOSTADDR",
    "PGTARGETSESSIONATTRS",
    "PGCHANNELBINDING",
    "PGREQUIREAUTH",
    "PGREQUIREPEER",
    "PGREQUIRESSL",
    "PGGSSENCMODE",
    "PGSSLCRL",
    "PGSSLCRLDIR",
    "PGSSLMINPROTOCOLVERSION",
    "PGSSLMAXPROTOCOLVERSION",
    "PGLOADBALANCEHOSTS",
];

impl Profile {
    /// Adds what libpq, dbt-postgres' driver, takes from the environment where the profile says nothing.
    /// <https://www.postgresql.org/docs/current/libpq-envars.html>
    pub(super) fn add_environment(&mut self, context: OpenContext<'_>) {
        let OpenContext { env, project_dir, .. } = context;
        let said = |name: &str| env.get(name).filter(|value| !value.is_empty());
        let unless_default = |name: &str| said(name).filter(|value| !value.eq_ignore_ascii_case("default"));
        // dbt passes the search path as `options`, which takes the place of the variable.
        self.options = said("PGOPTIONS").filter(|_| self.search_path.is_none()).map(str::to_owned);
        self.timezone = unless_default("PGTZ").map(str::to_owned);
        self.geqo = unless_default("PGGEQO").map(str::to_owned);
        let file = |name: &str| said(name).map(|path| resolve(path, env, project_dir));
        let Certificates { root, client, key, .. } = &mut self.certificates;
        for (path, name) in [(root, "PGSSLROOTCERT"), (client, "PGSSLCERT"), (key, "PGSSLKEY")] {
            *path = path.take().or_else(|| file(name));
        }
        let unread: Vec<_> =
            UNREAD.iter().filter(|name| said(name).is_some()).map(|name| format!("`{name}`")).collect();
        if !unread.is_empty() {
            let (verb, it) = if unread.len() == 1 { ("is", "it") } else { ("are", "them") };
            let notice = format!("{} {verb} set, and premerge does not read {it}, unlike dbt", unread.join(", "));
            self.notices.push(notice);
        }
    }
}

/// The hosts of a list; one host is a list too.
pub(super) fn hosts(host: &str) -> impl Iterator<Item = &str> {
    host.split(',').map(str::trim)
}

/// The password of `.pgpass`. It has one for each host, and a connection takes one for all.
fn from_file(
    fields: &Fields<'_>,
    env: &Env,
    host: &str,
    port: u16,
    dbname: &str,
    user: &str,
    notices: &mut Vec<String>,
) -> Result<Option<Secret>, OpenError> {
    let mut found: Vec<Option<Secret>> = Vec::new();
    for host in hosts(host) {
        let (password, notice) = pgpass::look_up(env, host, port, dbname, user);
        if let Some(notice) = notice.filter(|notice| !notices.contains(notice)) {
            notices.push(notice);
        }
        if !found.contains(&password) {
            found.push(password);
        }
    }
    if found.len() > 1 {
        return Err(fields.wrong(format_args!(
            "`host: {host}`: .pgpass has not the same password for each of these hosts; name one host"
        )));
    }
    Ok(found.pop().flatten())
}

/// A path of the profile: `~` is the home folder, relative ones start in the project as dbt changes there.
fn resolve(path: &str, env: &Env, project_dir: &Path) -> PathBuf {
    if path == "system" {
        return PathBuf::from(path);
    }
    match (path.strip_prefix("~/"), env.get("HOME")) {
        (Some(rest), Some(home)) => Path::new(home).join(rest),
        _ => env.cwd.join(project_dir).join(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ProfileSource;

    fn read(json: &str) -> Result<Profile, OpenError> {
        let target = Target {
            profile: "ferry".to_owned(),
            name: "ci".to_owned(),
            adapter: "postgres".to_owned(),
            schema: None,
            threads: 1,
            fields: serde_json::from_str(json).unwrap(),
            source: ProfileSource::Own,
            chosen_by: ProfileSource::Own,
            has_others: false,
        };
        let env = Env::new([("HOME", "/nowhere")], PathBuf::from("/checkout"));
        let limits = crate::warehouse::Limits::default();
        let (project_dir, temp_dir) = (Path::new("project"), Path::new("."));
        let context = OpenContext { project_dir, schema: Some("pr_1"), temp_dir, env: &env, limits, run: None };
        Profile::read(&Fields::of(&target)?, 5432, context, false)
    }

    #[test]
    fn numbers_may_be_text_and_texts_may_be_numbers() {
        let profile = read(
            r#"{"host": "h", "port": "5433", "user": "u", "password": 1234, "dbname": "d", "connect_timeout": "3",
                "sslmode": "verify-full", "sslrootcert": "certs/root.pem"}"#,
        )
        .unwrap();
        assert_eq!((profile.port, profile.connect_timeout.as_secs()), (5433, 3));
        assert_eq!(profile.password.as_ref().map(Secret::expose), Some("1234"));
        assert_eq!(profile.certificates.root.as_deref(), Some(Path::new("/checkout/project/certs/root.pem")));
        assert!(!format!("{profile:?}").contains("1234"), "a password was printed");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, part) in [
            (r#"{"host": "h", "user": "u", "dbname": "d", "database": "d"}"#, "`dbname` and `database`"),
            (r#"{"host": "h", "user": "u", "dbname": "d", "pass": "x", "password": "x"}"#, "`password` and `pass`"),
            (r#"{"user": "u", "dbname": "d"}"#, "`host` is missing"),
            (r#"{"host": "h", "user": "u", "dbname": "d", "port": "70000"}"#, "`port: 70000`"),
            (r#"{"host": "h", "user": "u", "dbname": "d", "sslmode": "on"}"#, "`sslmode: on`"),
            (r#"{"host": "a,,b", "user": "u", "dbname": "d"}"#, "`host: a,,b`"),
            (r#"{"host": "a,/tmp", "user": "u", "dbname": "d"}"#, "a list of hosts"),
        ] {
            let error = read(json).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("`ferry`"), "{error}");
        }
    }
}
