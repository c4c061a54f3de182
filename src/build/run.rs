//! A prepared plan carried out.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use super::event::{Event, Observer};
use super::job::{Job, Prepared, Proxy};
use super::meeting::misfit;
use super::outcome::{Failure, JobResult, JobStatus, Outcome, RowCount, Stop};
use super::schedule;
use crate::sql::{Dialect, RelationName};
use crate::warehouse::{FaultClass, Session, TempSchema, Warehouse, WarehouseError, Write};

/// How to run.
#[derive(Debug, Clone, Copy)]
pub struct RunOptions {
    /// Jobs at once: sessions opened. At least 1.
    pub threads: usize,
    /// Stop at the first failure.
    pub fail_fast: bool,
}

/// Makes the proxies, then builds and tests in dependency order, then counts rows.
///
/// `first` is a session that is open already; `stop` turns true when the run is to end early.
///
/// # Errors
/// When no connection can be had or the register cannot be written: nothing was built then. What fails
/// later is part of the outcome.
pub async fn run(
    warehouse: &dyn Warehouse,
    schema: &TempSchema,
    prepared: Prepared,
    first: Session,
    options: RunOptions,
    stop: watch::Receiver<bool>,
    observer: &dyn Observer,
) -> Result<Outcome, WarehouseError> {
    let Prepared { mut jobs, proxies, counts, meetings, identifiers } = prepared;
    observer.on(&Event::Begin { jobs: jobs.len(), proxies: proxies.len() });

    let mut session = first;
    let names: Vec<&str> = identifiers.iter().map(String::as_str).collect();
    session.begin().until(stop.clone(), async |session| schema.register(session, &names).await).await?;

    let began = Instant::now();
    let making = async |session: &mut Session| make_proxies(&proxies, schema, session).await;
    let (failed_proxies, mut statements) = session.begin().until(stop.clone(), making).await;
    let mut waited = began.elapsed();
    observer.on(&Event::Proxies { made: proxies.len() - failed_proxies.len(), duration: waited });
    block(&mut jobs, &failed_proxies);
    let before = reads_of(&proxies, schema, &mut session).await;

    let mut sessions = vec![session];
    let threads = options.threads.clamp(1, jobs.len().max(1));
    while sessions.len() < threads {
        sessions.push(schema.connect(warehouse).await?);
    }
    let jobs = Arc::new(jobs);
    let done = schedule::run(Arc::clone(&jobs), sessions, options.fail_fast, stop.clone(), observer).await;
    statements += done.statements;
    waited += done.waited;

    let (mut row_counts, mut misfits, mut left_behind) = (Vec::new(), Vec::new(), None);
    let mut last = done.sessions.into_iter().next();
    let mut results = done.results;
    let mut rebuilt = Vec::new();
    if let (Some(session), Some(before)) = (&mut last, before) {
        rebuilt = rebuilt_since(&before, &proxies, schema, session).await;
    }
    if !rebuilt.is_empty() {
        results.iter_mut().for_each(excuse);
    }
    if let Some(mut session) = last.filter(|_| done.stopped.is_none()) {
        let built: HashMap<&str, &JobStatus> =
            results.iter().map(|result| (result.unique_id.as_str(), &result.status)).collect();
        let began = Instant::now();
        for count in counts.iter().filter(|c| built.get(c.unique_id.as_str()) == Some(&&JobStatus::Built)) {
            statements += 1;
            let counting = async |session: &mut Session| count_rows(count, warehouse.dialect(), session).await;
            let counted = session.begin().until(stop.clone(), counting).await;
            // What was stopped says nothing.
            if !*stop.borrow() {
                row_counts.push(counted);
            }
        }
        for meeting in meetings.iter().filter(|m| built.get(m.unique_id.as_str()) == Some(&&JobStatus::Built)) {
            statements += 2;
            let comparing = async |session: &mut Session| misfit(meeting, warehouse.dialect(), session).await;
            misfits.extend(session.begin().until(stop.clone(), comparing).await);
        }
        if !*stop.borrow() {
            let made = made(&jobs, &results, &proxies, &failed_proxies);
            let sweeping = async |session: &mut Session| schema.sweep(session, &made).await;
            left_behind = session.begin().until(stop.clone(), sweeping).await.err().map(Failure::from);
        }
        waited += began.elapsed();
    }
    Ok(Outcome {
        results,
        rebuilt,
        proxies: proxies.len() - failed_proxies.len(),
        failed_proxies,
        misfits,
        row_counts,
        left_behind,
        statements,
        waited,
        // A signal while proxies are made or rows are counted is not seen by the schedule.
        stopped: done.stopped.or_else(|| (*stop.borrow()).then_some(Stop::Signal)),
    })
}

/// What the proxy views read, as the server sees it; `None` where it does not tie them to it.
async fn reads_of(proxies: &[Proxy], schema: &TempSchema, session: &mut Session) -> Option<BTreeSet<[String; 3]>> {
    if proxies.is_empty() || !session.traits().binds_proxies {
        return None;
    }
    // Beside the point where it cannot be asked: the statements that follow say why.
    session.reads_outside(schema.name()).await.ok().map(|reads| reads.into_iter().collect())
}

/// The nodes whose proxy views have gone with a relation of production, or read one that has stepped aside.
async fn rebuilt_since(
    before: &BTreeSet<[String; 3]>,
    proxies: &[Proxy],
    schema: &TempSchema,
    session: &mut Session,
) -> Vec<String> {
    let Some(after) = reads_of(proxies, schema, session).await else { return Vec::new() };
    let changed: BTreeSet<&str> = before.difference(&after).map(|[view, ..]| view.as_str()).collect();
    let rebuilt = proxies.iter().filter(|proxy| changed.contains(proxy.at.name().identifier.as_str()));
    rebuilt.map(|proxy| proxy.unique_id.clone()).collect()
}

/// What failed while production was rebuilt may have failed for that, and what a test found may be a mixture of old and
/// new.
fn excuse(result: &mut JobResult) {
    let excused = match &result.status {
        JobStatus::Fail { .. } => true,
        JobStatus::Error(failure) => matches!(failure.class, Some(FaultClass::MissingRelation | FaultClass::Binding)),
        JobStatus::Built | JobStatus::Pass | JobStatus::Warn { .. } | JobStatus::Skipped { .. } | JobStatus::NotRun => {
            false
        }
    };
    if excused {
        result.status = JobStatus::Error(Failure {
            class: Some(FaultClass::Conflict),
            remedy: Some("run the check again".to_owned()),
            ..Failure::refused("production was rebuilt while the check read it")
        });
    }
}

/// Identifiers of what this run has made.
fn made<'a>(
    jobs: &'a [Job],
    results: &[JobResult],
    proxies: &'a [Proxy],
    failed_proxies: &[(String, Failure)],
) -> Vec<&'a str> {
    let built = jobs.iter().zip(results).filter(|(_, result)| result.status == JobStatus::Built);
    let built = built.filter_map(|(job, _)| job.work.makes());
    let failed = |proxy: &Proxy| failed_proxies.iter().any(|(id, _)| *id == proxy.unique_id);
    let proxies = proxies.iter().filter(|proxy| !failed(proxy)).map(|proxy| &proxy.at);
    built.chain(proxies).map(|at| at.name().identifier.as_str()).collect()
}

/// All in one batch; where that fails, one by one, to know which.
async fn make_proxies(proxies: &[Proxy], schema: &TempSchema, session: &mut Session) -> (Vec<(String, Failure)>, u64) {
    if proxies.is_empty() {
        return (Vec::new(), 0);
    }
    let views: Vec<Write<'_>> =
        proxies.iter().map(|proxy| Write::Proxy { at: &proxy.at, select: &proxy.select }).collect();
    if let Ok(written) = session.write(&views).await {
        return (Vec::new(), written.statements);
    }
    let mut failed = Vec::new();
    for (proxy, view) in proxies.iter().zip(views) {
        // The batch may have made it before it failed at another; an earlier run's is replaced, not dropped.
        let drop = (!schema.replaces()).then_some(Write::Drop { at: &proxy.at });
        let writes: Vec<_> = drop.into_iter().chain([view]).collect();
        if let Err(error) = session.write(&writes).await {
            let failure = Failure {
                message: format!("no proxy view could be made of {}", proxy.production),
                remedy: error.remedy.clone().or_else(|| {
                    Some("production's manifest names it; does the relation exist, and may the role read it?".into())
                }),
                ..error.into()
            };
            failed.push((proxy.unique_id.clone(), failure));
        }
    }
    (failed, 3 * u64::try_from(proxies.len()).unwrap_or(u64::MAX))
}

/// Jobs that read a proxy that could not be made fail with its reason instead of the warehouse's.
fn block(jobs: &mut [Job], failed: &[(String, Failure)]) {
    if failed.is_empty() {
        return;
    }
    let failed: HashMap<&str, &Failure> = failed.iter().map(|(id, failure)| (id.as_str(), failure)).collect();
    for job in jobs {
        if let Some(failure) = job.reads.iter().find_map(|id| failed.get(id.as_str())) {
            job.work = super::job::Work::Refused((*failure).clone());
        }
    }
}

/// A relation whose rows are to be counted on both sides.
#[derive(Debug)]
pub struct Count {
    /// The node.
    pub unique_id: String,
    /// Its relation in production, if it has one.
    pub production: Option<RelationName>,
    /// Its relation in the temporary schema.
    pub pull_request: RelationName,
}

/// Both in one statement; where that fails, each alone, so that one side's fault does not cost the other's number.
async fn count_rows(count: &Count, dialect: Dialect, session: &mut Session) -> RowCount {
    let rows = |name: &RelationName| format!("(select count(*) from {})", name.quoted(dialect));
    let production = count.production.as_ref().map(rows);
    let pull_request = rows(&count.pull_request);
    let both = format!("select {}, {pull_request}", production.as_deref().unwrap_or("null"));
    let (production, pull_request) = match numbers(&both, session).await {
        Ok(numbers) => (numbers.first().copied().flatten(), numbers.get(1).copied().flatten()),
        Err(_) => {
            let mut alone = async |rows: String| {
                let numbers = numbers(&format!("select {rows}"), session).await.ok()?;
                numbers.first().copied().flatten()
            };
            let production = match production {
                Some(rows) => alone(rows).await,
                None => None,
            };
            (production, alone(pull_request).await)
        }
    };
    let uncounted = pull_request.is_none() || (production.is_none() && count.production.is_some());
    RowCount { unique_id: count.unique_id.clone(), production, pull_request, uncounted }
}

/// The numbers of a query of one row.
async fn numbers(sql: &str, session: &mut Session) -> Result<Vec<Option<u64>>, WarehouseError> {
    let answer = session.read(sql).await?;
    let row = answer.rows.into_iter().next().unwrap_or_default();
    Ok(row.into_iter().map(|value| value?.parse().ok()).collect())
}
