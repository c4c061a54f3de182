//! A warehouse and a temporary schema as the tests use them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use premerge::config::{AtStart, Env, ProfileSource, Target};
use premerge::warehouse::{
    GuardError, Limits, OpenContext, OpenError, Owner, Protected, RelationConfigs, Session, TempSchema, Warehouse,
    Write, open,
};
use serde_json::{Value, json};

use crate::cluster::Cluster;

/// Configuration of a node that has none.
pub fn plain() -> &'static RelationConfigs {
    static PLAIN: std::sync::LazyLock<RelationConfigs> = std::sync::LazyLock::new(RelationConfigs::default);
    &PLAIN
}

/// Short waits, so that what must not hang shows soon.
pub fn limits() -> Limits {
    Limits {
        statement: Duration::from_secs(20),
        grace: Duration::from_secs(2),
        heartbeat: Duration::from_millis(300),
        lock: Duration::from_millis(700),
        production: Duration::from_millis(300),
        give_way: Duration::from_secs(2),
    }
}

/// A target of profiles.yml; `changes` are merged over the defaults, null removes.
pub fn target(adapter: &str, port: u16, database: &str, changes: Value) -> Target {
    let mut fields = json!({
        "type": adapter, "host": "127.0.0.1", "port": port, "user": "test", "password": "x", "dbname": database,
        "schema": "analytics", "connect_timeout": 5
    });
    for (key, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => fields.as_object_mut().unwrap().remove(key),
            value => fields.as_object_mut().unwrap().insert(key.clone(), value.clone()),
        };
    }
    Target {
        profile: "ferry".to_owned(),
        name: "ci".to_owned(),
        adapter: adapter.to_owned(),
        schema: Some("analytics".to_owned()),
        threads: 2,
        fields: fields.as_object().unwrap().clone(),
        source: ProfileSource::Own,
        chosen_by: ProfileSource::Own,
        has_others: false,
    }
}

/// Opens a target with the given limits and environment.
pub fn try_open(target: &Target, limits: Limits, env: &Env) -> Result<Arc<dyn Warehouse>, OpenError> {
    open(
        target,
        OpenContext {
            project_dir: Path::new("."),
            schema: Some("pr_1"),
            temp_dir: Path::new("."),
            env,
            limits,
            run: None,
        },
    )
}

/// The warehouse of a database.
pub fn warehouse(cluster: &Cluster, database: &str) -> Arc<dyn Warehouse> {
    let env = Env::new::<&str, &str>([], PathBuf::from("/"));
    try_open(&target("postgres", cluster.port, database, json!({})), limits(), &env).unwrap()
}

/// A run of pull request `number` that starts now.
pub fn owner(number: u64, run: &str) -> Owner {
    let now = Timestamp::now();
    Owner {
        repository: "harbour/ferry".to_owned(),
        project: "ferry".to_owned(),
        pull_request: Some(number),
        commit: Some("c0ffee".to_owned()),
        run: run.to_owned(),
        who: "tests".to_owned(),
        started_at: format!("{now:.9}"),
        expires_at: format!("{:.9}", now + jiff::SignedDuration::from_hours(24)),
    }
}

/// Opens the schema `pr_<number>` and a session that holds it.
pub async fn schema(warehouse: &dyn Warehouse, number: u64, run: &str) -> Result<(TempSchema, Session), GuardError> {
    let mut session =
        warehouse.connect().await.map_err(|source| GuardError::Warehouse { schema: format!("pr_{number}"), source })?;
    let protected = Protected::new(["analytics"]);
    let schema = TempSchema::open(
        warehouse,
        &mut session,
        &format!("pr_{number}"),
        &protected,
        owner(number, run),
        AtStart::Drop,
    )
    .await?;
    Ok((schema, session))
}

/// Registers and makes a table of one query.
pub async fn table(
    schema: &TempSchema,
    session: &mut Session,
    name: &str,
    select: &str,
) -> Result<Option<u64>, premerge::warehouse::WarehouseError> {
    schema.register(session, &[name]).await?;
    let at = schema.relation(name);
    let write = Write::Table { at: &at, header: None, select, configs: plain() };
    session.write(&[write]).await.map(|written| written.rows)
}
