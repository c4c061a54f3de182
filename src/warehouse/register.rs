//! The register: two tables in each temporary schema that say who made it, until when it is kept, and
//! everything that was made in it.

use crate::sql::Dialect;

use super::guard::Guard;
use super::owner::Owner;
use super::temp_schema::TempSchema;
pub(super) use super::temp_schema::{OBJECTS, RUNS};
use super::write::{ColumnDef, RegisterSql};

/// The mark of a schema that premerge made, which a server shows beside it. A model can have the register's name and
/// columns; no statement that dbt builds a model with can make this.
pub(super) const MARK: &str = "temporary schema, made by premerge and dropped by `premerge cleanup`";
/// The constraint of [`RUNS`] that bears the mark where schemas have no comments.
pub(super) const MARKED: &str = "premerge";

/// What stands in the place of the run that took the schema over when clean-up did.
pub(super) const CLEAN_UP: &str = "cleanup";

/// Columns of [`RUNS`]. All are text: times are RFC 3339 in UTC, which sort as text.
pub(super) const RUN_COLUMNS: [&str; 12] = [
    "repository",
    "project",
    "pull_request",
    "commit_sha",
    "run_id",
    "who",
    "session_tag",
    "started_at",
    "heartbeat_at",
    "expires_at",
    "ended_at",
    "superseded_by",
];
/// Columns of [`OBJECTS`].
pub(super) const OBJECT_COLUMNS: [&str; 2] = ["run_id", "identifier"];

/// The row of [`RUNS`] of a run.
pub(super) fn row(owner: &Owner, session_tag: Option<&str>) -> Vec<Option<String>> {
    vec![
        Some(owner.repository.clone()),
        Some(owner.project.clone()),
        Some(owner.pull_request_text()),
        owner.commit.clone(),
        Some(owner.run.clone()),
        Some(owner.who.clone()),
        session_tag.map(str::to_owned),
        Some(owner.started_at.clone()),
        Some(owner.started_at.clone()),
        Some(owner.expires_at.clone()),
        None,
        None,
    ]
}

/// Statements over the register of one schema.
pub(super) struct Register<'s> {
    schema: &'s TempSchema,
    dialect: Dialect,
}

impl<'s> Register<'s> {
    pub(super) fn of(schema: &'s TempSchema) -> Self {
        Self { schema, dialect: schema.dialect() }
    }

    fn runs(&self) -> String {
        self.schema.relation(RUNS).sql().to_owned()
    }

    fn name(&self, column: &str) -> String {
        self.dialect.quote(column)
    }

    /// `column = 'value'`.
    fn equals(&self, column: &str, value: &str) -> String {
        format!("{} = {}", self.name(column), self.dialect.literal(value))
    }

    pub(super) fn guard(&self, run: &str) -> Guard {
        Guard(format!(
            "select cast(case when count(*) > 0 then '1' else 'premerge-superseded' end as integer) as held from {} \
             where {} and {} is null",
            self.runs(),
            self.equals("run_id", run),
            self.name("superseded_by")
        ))
    }

    /// As [`Self::guard`], but holds while no run has the schema.
    pub(super) fn nobody(&self) -> Guard {
        Guard(format!(
            "select cast(case when count(*) = 0 then '1' else 'premerge-superseded' end as integer) as free from {} \
             where {} is null",
            self.runs(),
            self.name("superseded_by")
        ))
    }

    /// Makes other takers wait until the transaction ends; `None` where no other process can be in it.
    pub(super) fn lock(&self) -> Option<RegisterSql> {
        matches!(self.dialect, Dialect::Postgres | Dialect::Redshift).then(|| {
            let mode = if self.dialect == Dialect::Postgres { " in exclusive mode" } else { "" };
            // Without the database: Redshift's grammar of `lock` has none.
            let (schema, table) = (self.name(self.schema.name()), self.name(RUNS));
            RegisterSql(format!("lock table {schema}.{table}{mode}"))
        })
    }

    /// Adds a run to a register that holds runs of the same pull request only; adds nothing to another's, and
    /// nothing twice.
    pub(super) fn enter(&self, owner: &Owner, session_tag: Option<&str>) -> RegisterSql {
        let value = |value: &Option<String>| {
            value.as_deref().map_or_else(|| "null".to_owned(), |text| self.dialect.literal(text))
        };
        let values: Vec<_> = row(owner, session_tag).iter().map(value).collect();
        let number = owner.pull_request_text();
        RegisterSql(format!(
            "insert into {runs} select {} where not exists (select 1 from {runs} where not ({} and {} and {}) or {})",
            values.join(", "),
            self.equals("repository", &owner.repository),
            self.equals("project", &owner.project),
            self.equals("pull_request", &number),
            self.equals("run_id", &owner.run),
            runs = self.runs()
        ))
    }

    /// Takes the schema from older runs, or gives it to a newer one: the later start wins, and of two at the
    /// same instant the greater run. A run that ended in the future was on a machine whose clock is ahead of this
    /// one's: it is over, and counts as older.
    pub(super) fn take(&self, owner: &Owner, now: &str) -> [RegisterSql; 2] {
        let runs = self.runs();
        let (by, run, started) = (self.name("superseded_by"), self.name("run_id"), self.name("started_at"));
        let (ended, now) = (self.name("ended_at"), self.dialect.literal(now));
        let (me, at) = (self.dialect.literal(&owner.run), self.dialect.literal(&owner.started_at));
        let older = RegisterSql(format!(
            "update {runs} set {by} = {me} where {by} is null \
             and ({ended} > {now} or {started} < {at} or ({started} = {at} and {run} < {me}))"
        ));
        let newer = RegisterSql(format!(
            "update {runs} set {by} = (select max({run}) from {runs} where ({ended} is null or {ended} <= {now}) \
             and ({started} > {at} or ({started} = {at} and {run} > {me}))) \
             where {run} = {me} and {by} is null"
        ));
        [older, newer]
    }

    /// A sign of life. Changes no row when a newer run has the schema.
    pub(super) fn beat(&self, run: &str, now: &str, expires_at: &str) -> RegisterSql {
        RegisterSql(format!(
            "update {} set {}, {} where {} and {} is null",
            self.runs(),
            self.equals("heartbeat_at", now),
            self.equals("expires_at", expires_at),
            self.equals("run_id", run),
            self.name("superseded_by")
        ))
    }

    /// The run is over.
    pub(super) fn end(&self, run: &str, now: &str) -> RegisterSql {
        RegisterSql(format!(
            "update {} set {} where {}",
            self.runs(),
            self.equals("ended_at", now),
            self.equals("run_id", run)
        ))
    }

    /// Takes the schema from every run, for clean-up.
    pub(super) fn close(&self) -> RegisterSql {
        let by = CLEAN_UP;
        RegisterSql(format!(
            "update {} set {} where {} is null",
            self.runs(),
            self.equals("superseded_by", by),
            self.name("superseded_by")
        ))
    }

    /// Forgets what was made.
    pub(super) fn forget_objects(&self) -> RegisterSql {
        RegisterSql(format!("delete from {}", self.schema.relation(OBJECTS).sql()))
    }

    /// Forgets what was made, but for what `run` has made.
    pub(super) fn forget_all_but(&self, run: &str, made: &[&str]) -> RegisterSql {
        let made: Vec<_> = made.iter().map(|name| self.dialect.literal(name)).collect();
        let kept = if made.is_empty() {
            String::new()
        } else {
            format!(
                " where {} <> {} or {} not in ({})",
                self.name("run_id"),
                self.dialect.literal(run),
                self.name("identifier"),
                made.join(", ")
            )
        };
        RegisterSql(format!("delete from {}{kept}", self.schema.relation(OBJECTS).sql()))
    }

    /// One row for each run, of the given columns.
    pub(super) fn read_runs(&self, columns: &[&str]) -> String {
        let columns: Vec<_> = columns.iter().map(|column| self.name(column)).collect();
        format!("select distinct {} from {}", columns.join(", "), self.runs())
    }

    /// Tags of runs that have lost the schema and may still be at work.
    pub(super) fn losers(&self) -> String {
        format!(
            "select distinct {} from {} where {} is not null and {} is null and {} is not null",
            self.name("session_tag"),
            self.runs(),
            self.name("superseded_by"),
            self.name("ended_at"),
            self.name("session_tag")
        )
    }

    /// Whether the run has lost the schema: one row when it has.
    pub(super) fn lost(&self, run: &str) -> String {
        format!(
            "select 1 from {} where {} and {} is not null",
            self.runs(),
            self.equals("run_id", run),
            self.name("superseded_by")
        )
    }

    /// Who has taken the schema from the run.
    pub(super) fn taker(&self, run: &str) -> String {
        let by = self.name("superseded_by");
        format!("select {by} from {} where {} and {by} is not null", self.runs(), self.equals("run_id", run))
    }

    /// The names of everything that was made.
    pub(super) fn read_objects(&self) -> String {
        format!("select distinct {} from {}", self.name("identifier"), self.schema.relation(OBJECTS).sql())
    }

    /// Columns for a `create table`.
    pub(super) fn columns(&self, names: &[&str]) -> Vec<ColumnDef> {
        let text = match self.dialect {
            Dialect::Redshift => "varchar(1024)",
            Dialect::BigQuery | Dialect::Databricks => "string",
            _ => "varchar",
        };
        names.iter().map(|name| ColumnDef { name: self.name(name), definition: text.to_owned() }).collect()
    }
}
