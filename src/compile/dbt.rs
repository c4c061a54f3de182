//! dbt as a process that gives texts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::process::Command;

use super::catalogue::Catalogue;
use super::error::CompileError;
use super::interpreter::interpreter;
use super::process::{Process, clean};
use super::protocol::{Answer, Event, Place, Request, Stage};
use crate::artifacts::UniqueId;
use crate::sql::{ProjectText, judge};
use crate::warehouse::{FaultClass, NOT_SENT, Session, WarehouseError};

/// The driver, one script with what it reads values by: Python that runs in the interpreter of the user's dbt.
const DRIVER: &str = concat!(include_str!("values.py"), include_str!("driver.py"));

/// Adapters whose statements the driver can hand over.
const ADAPTERS: [&str; 2] = ["duckdb", "postgres"];

/// The most values that a macro is answered with: more would be data, not what a text is made of.
const VALUES: usize = 1_000_000;

/// How dbt is started, and for what.
#[derive(Debug, Clone)]
pub struct Options {
    /// The command that starts dbt: `dbt`, `uv run dbt`.
    pub command: String,
    /// Where it is started.
    pub working_dir: PathBuf,
    /// The dbt project's folder.
    pub project_dir: PathBuf,
    /// The folder of profiles.yml, where it was given.
    pub profiles_dir: Option<PathBuf>,
    /// The text of another profiles.yml than dbt would find.
    pub profiles: Option<String>,
    /// Name of the profile.
    pub profile: String,
    /// Name of the profile's output.
    pub target: String,
    /// `--vars`, as dbt takes them.
    pub vars: Option<String>,
    /// Environment variables that dbt must not see.
    pub hidden: Vec<String>,
    /// How long one answer may take.
    pub limit: Duration,
}

/// How long each part took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// From starting the process until dbt was imported.
    pub start: Duration,
    /// Parsing the project.
    pub parse: Duration,
    /// Making texts, without what their macros asked.
    pub compile: Duration,
    /// Texts that were made.
    pub texts: usize,
}

/// What became of a text.
#[derive(Debug, Clone)]
pub enum Made {
    /// The SQL.
    Text(String),
    /// It asks the warehouse, which could not be asked yet.
    Asks,
    /// A macro wanted something that premerge does not do. Holds the rule, and no values.
    Refused(String),
    /// A macro asked for values of this type, which are not handed over.
    NoValues(String),
    /// dbt could not: its own words, for the terminal only.
    Failed(String),
    /// What it asked could not be answered, for no fault of its own.
    Unanswered(WarehouseError),
}

/// What macros asked while a text was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// The warehouse, about anything.
    pub(super) anything: bool,
    /// More of its catalog than can be shown as dbt would see it.
    pub(super) more_catalogue: bool,
}

/// The user's dbt, with the project parsed.
#[derive(Debug)]
pub struct Dbt {
    process: Process,
    version: String,
    adapter: String,
    manifest: PathBuf,
    times: Times,
    /// Holds the driver, dbt's target folder and its log.
    _folder: tempfile::TempDir,
}

impl Dbt {
    /// Starts dbt and lets it parse the project.
    ///
    /// # Errors
    /// When dbt cannot be started, is not one that the driver knows, or cannot parse the project.
    pub async fn start(options: &Options) -> Result<Self, CompileError> {
        let began = Instant::now();
        let folder = tempfile::Builder::new().prefix("premerge-dbt-").tempdir();
        let folder = folder.map_err(|error| CompileError::new(format!("no folder for dbt's files: {error}"), ""))?;
        let driver = folder.path().join("driver.py");
        fs_err::write(&driver, DRIVER).map_err(|error| CompileError::new(error.to_string(), ""))?;
        if let Some(profiles) = &options.profiles {
            let written = fs_err::write(folder.path().join("profiles.yml"), profiles);
            written.map_err(|error| CompileError::new(error.to_string(), ""))?;
        }
        let command = command(options, &driver)?;
        let mut process = Process::start(command, options.limit)?;
        let version = match process.next("start").await? {
            Event::Started { dbt, python } => {
                tracing::info!("dbt {dbt} on Python {python}");
                dbt
            }
            Event::Ended { failed, .. } => {
                let remedy = "give the command that starts the project's dbt with --dbt; --compile works with dbt Core 1.7 to 1.11";
                return Err(CompileError::new("the Python behind --dbt has no dbt that premerge knows", remedy)
                    .saying(clean(&failed)));
            }
            other => return Err(unexpected(&other)),
        };
        let start = began.elapsed();
        let began = Instant::now();
        let arguments = arguments(options, folder.path());
        let (own, project) = (folder.path().to_string_lossy(), options.project_dir.to_string_lossy());
        process.ask(&Request::Start { folder: &own, project: &project, arguments: &arguments }).await?;
        let (manifest, adapter) = match process.next("parse the project").await? {
            Event::Parsed { manifest, adapter } => (PathBuf::from(manifest), adapter),
            Event::Ended { failed, stage } => {
                let what = match stage {
                    Stage::Import | Stage::Run => "dbt could not be used",
                    Stage::Parse => "dbt could not parse the project",
                };
                let remedy = "see what `dbt parse` says";
                return Err(CompileError::new(what, remedy).saying(clean(&failed)));
            }
            other => return Err(unexpected(&other)),
        };
        if !ADAPTERS.contains(&adapter.as_str()) {
            let message = format!("--compile works on {}, not on {adapter}", ADAPTERS.join(" and "));
            return Err(CompileError::new(message, "run `dbt compile`, and leave --compile out"));
        }
        let times = Times { start, parse: began.elapsed(), ..Times::default() };
        Ok(Self { process, version, adapter, manifest, times, _folder: folder })
    }

    /// dbt's version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// dbt's name of the adapter.
    #[must_use]
    pub fn adapter(&self) -> &str {
        &self.adapter
    }

    /// The manifest of the parsed project, without any text.
    #[must_use]
    pub fn manifest(&self) -> &Path {
        &self.manifest
    }

    /// How long each part took so far.
    #[must_use]
    pub fn times(&self) -> Times {
        self.times
    }

    /// The texts of those that ask nothing. The names in them are those of the profile's target.
    ///
    /// # Errors
    /// When the process ends or takes too long.
    pub async fn texts_that_ask_nothing(&mut self, ids: &[&str]) -> Result<Vec<(UniqueId, Made)>, CompileError> {
        let began = Instant::now();
        self.process.ask(&Request::Texts { ids, offline: true }).await?;
        let mut made = Vec::with_capacity(ids.len());
        loop {
            let what = ids.get(made.len()).map_or("end".to_owned(), |id| format!("compile {id}"));
            match self.process.next(&what).await? {
                Event::Done => break,
                event @ Event::Text { .. } => made.extend(made_of(event).map(|(id, made)| (id.into(), made))),
                other => return Err(unexpected(&other)),
            }
        }
        self.times.compile += began.elapsed();
        self.times.texts += made.iter().filter(|(_, made)| matches!(made, Made::Text(_))).count();
        Ok(made)
    }

    /// From now on nodes are there.
    ///
    /// # Errors
    /// When the process ends or takes too long.
    pub async fn place(&mut self, places: &BTreeMap<&str, Place<'_>>) -> Result<(), CompileError> {
        self.process.ask(&Request::Place { places }).await
    }

    /// The text of a node, all that it reads being in place. What its macros ask is read on `session`, as `catalogue`
    /// has it. `asked` says what that was, and is there also where the text is not.
    ///
    /// # Errors
    /// When the process ends or takes too long.
    pub(super) async fn text(
        &mut self,
        id: &UniqueId,
        session: &mut Session,
        catalogue: &mut Catalogue,
        asked: &mut Asked,
    ) -> Result<Made, CompileError> {
        let began = Instant::now();
        let mut answering = Duration::ZERO;
        self.process.ask(&Request::Texts { ids: &[id.as_str()], offline: false }).await?;
        let (mut made, mut broken) = (None, None);
        loop {
            match self.process.next(&format!("compile {id}")).await? {
                Event::Query { sql, own } => {
                    let began = Instant::now();
                    asked.anything = true;
                    // What dbt's own methods ask names the places already.
                    let about = if own { None } else { Some((&mut *catalogue, &mut asked.more_catalogue)) };
                    let answer = match answer(&sql, session, about).await {
                        Ok(answer) => answer,
                        Err(error) => {
                            broken = Some(error.clone());
                            Answer::Failed { error: error.message }
                        }
                    };
                    answering += began.elapsed();
                    self.process.say(&answer).await?;
                }
                event @ Event::Text { .. } => made = made_of(event).map(|(_, made)| made),
                Event::Done => break,
                other => return Err(unexpected(&other)),
            }
        }
        self.times.compile += began.elapsed().saturating_sub(answering);
        self.times.texts += 1;
        if let Some(error) = broken {
            return Ok(Made::Unanswered(error));
        }
        made.ok_or_else(|| CompileError::new("dbt gave no answer for a text", ""))
    }
}

/// What became of the text that an event is about; `None` for other events.
fn made_of(event: Event) -> Option<(String, Made)> {
    let Event::Text { id, sql, asks, refused, valueless, failed } = event else { return None };
    let made = match (sql, refused, valueless, failed) {
        _ if asks => Made::Asks,
        (_, Some(rule), _, _) => Made::Refused(rule),
        (_, None, Some(kind), _) => Made::NoValues(kind),
        (_, None, None, Some(words)) => Made::Failed(clean(&words)),
        (Some(sql), None, None, None) => Made::Text(sql),
        (None, None, None, None) => Made::Failed(String::new()),
    };
    Some((id, made))
}

/// What a macro asks, read by premerge: judged as every text of the project, and nothing that could write is sent.
///
/// # Errors
/// When the warehouse is not there, or another run has the temporary schema.
async fn answer(
    sql: &str,
    session: &mut Session,
    about: Option<(&mut Catalogue, &mut bool)>,
) -> Result<Answer, WarehouseError> {
    let mut sql = without_end(sql).to_owned();
    if let Some((catalogue, asks_catalogue)) = about {
        let (moved, more) = catalogue.apply(&sql, session).await?;
        *asks_catalogue |= more;
        sql = moved;
    }
    let sql = sql.as_str();
    if let Err(refusal) = judge(ProjectText::Query(sql), session.dialect()) {
        let refused = not_a_query(sql).map_or_else(|| refusal.to_string(), |word| format!("`{word}` is not a query"));
        return Ok(Answer::Refused { refused });
    }
    match read(sql, session).await {
        Err(error) if error.message.starts_with(NOT_SENT) => {
            let rule = error.message.strip_prefix(NOT_SENT).unwrap_or_default();
            Ok(Answer::Refused { refused: rule.trim_start_matches(": ").to_owned() })
        }
        Err(error) if error.class.is_infrastructure() && error.class != FaultClass::Unsupported => Err(error),
        Err(error) => Ok(Answer::Failed { error: error.message }),
        Ok(answer) => Ok(answer),
    }
}

/// dbt's macros may end a statement with the sign for it; nothing follows.
fn without_end(sql: &str) -> &str {
    let sql = sql.trim_end();
    sql.strip_suffix(';').unwrap_or(sql)
}

/// Statements that macros send and that are not queries, by their first word.
const STATEMENTS: &[&str] = &[
    "alter", "analyze", "attach", "begin", "call", "comment", "commit", "copy", "create", "delete", "detach", "drop",
    "execute", "explain", "export", "grant", "import", "insert", "install", "load", "lock", "merge", "pragma",
    "prepare", "refresh", "reset", "revoke", "rollback", "set", "truncate", "update", "use", "vacuum",
];

/// The first word of a statement that is not a query.
fn not_a_query(sql: &str) -> Option<&'static str> {
    let mut rest = sql.trim_start();
    loop {
        let behind = match (rest.strip_prefix("/*"), rest.strip_prefix("--")) {
            (Some(comment), _) => comment.split_once("*/")?.1,
            (None, Some(comment)) => comment.split_once('\n')?.1,
            (None, None) => break,
        };
        rest = behind.trim_start();
    }
    let word: String = rest.chars().take_while(char::is_ascii_alphabetic).collect();
    STATEMENTS.iter().find(|statement| word.eq_ignore_ascii_case(statement)).copied()
}

async fn read(sql: &str, session: &mut Session) -> Result<Answer, WarehouseError> {
    let columns = session.columns_of(sql).await?;
    let rows = session.read_as_text(sql).await?;
    if rows.rows.len().saturating_mul(columns.len()) > VALUES {
        return Ok(Answer::Refused { refused: format!("more than {VALUES} values are not handed over") });
    }
    let columns = columns.into_iter().map(|column| (column.name, column.data_type)).collect();
    Ok(Answer::Rows { columns, rows: rows.rows })
}

fn command(options: &Options, driver: &Path) -> Result<Command, CompileError> {
    let words = interpreter(&options.command, std::env::var_os("PATH").as_deref())?;
    let (program, before) = words.split_first().ok_or_else(|| CompileError::new("no command", ""))?;
    let mut command = Command::new(program);
    command.args(before).arg(driver).current_dir(&options.working_dir);
    command.env("PYTHONUNBUFFERED", "1").env("PYTHONUTF8", "1");
    for name in &options.hidden {
        command.env_remove(name);
    }
    Ok(command)
}

/// `dbt build` as the user's job would say it, but for where it leaves files.
fn arguments(options: &Options, folder: &Path) -> Vec<String> {
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let mut arguments: Vec<String> =
        ["--no-use-colors", "--no-send-anonymous-usage-stats", "build"].map(str::to_owned).into();
    let mut add = |flag: &str, value: String| arguments.extend([flag.to_owned(), value]);
    add("--project-dir", path(&options.project_dir));
    if options.profiles.is_some() {
        add("--profiles-dir", path(folder));
    } else if let Some(folder) = &options.profiles_dir {
        add("--profiles-dir", path(folder));
    }
    add("--profile", options.profile.clone());
    add("--target", options.target.clone());
    if let Some(vars) = &options.vars {
        add("--vars", vars.clone());
    }
    add("--target-path", path(&folder.join("target")));
    add("--log-path", path(&folder.join("logs")));
    arguments.extend(["--no-defer".to_owned(), "--no-write-json".to_owned()]);
    arguments
}

fn unexpected(event: &Event) -> CompileError {
    let what = match event {
        Event::Started { .. } => "started",
        Event::Parsed { .. } => "parsed",
        Event::Query { .. } => "query",
        Event::Text { .. } => "text",
        Event::Done => "done",
        Event::Ended { failed, .. } => {
            return CompileError::new("dbt ended", "see what `dbt build` says").saying(clean(failed));
        }
    };
    CompileError::new(format!("dbt said `{what}` out of turn"), "this is a fault of premerge: please report it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_called_by_its_name() {
        for (sql, word) in [
            ("/* {\"app\": \"dbt\"} */\n  DELETE from a", Some("delete")),
            ("-- x\n/* y */ copy a to 'b'", Some("copy")),
            ("select 1", None),
            ("/* delete", None),
            ("deleted", None),
        ] {
            assert_eq!(not_a_query(sql), word, "{sql}");
        }
    }
}
