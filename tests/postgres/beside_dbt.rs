//! Production's own `dbt build`, with twelve threads, after checks and beside them: none fails for premerge, and none of
//! its statements waits for premerge longer than configured. The same is printed for dbt's own slim CI.
//!
//! `PREMERGE_BESIDE=20` makes it twenty builds of each kind; a few are made otherwise.

#![allow(clippy::print_stdout, reason = "numbers for people")]

use std::process::{Child, Output};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::harbour::{File, Harbour};

fn rounds() -> u32 {
    std::env::var("PREMERGE_BESIDE").ok().and_then(|text| text.parse().ok()).unwrap_or(2)
}

const FILES: &[(&str, &str)] = &[
    (
        "dbt_project.yml",
        "name: harbour\nversion: '1.0'\nprofile: harbour\nflags: {send_anonymous_usage_stats: false}\n",
    ),
    ("models/sources.yml", "sources: [{name: raw, tables: [{name: events}]}]\n"),
    ("models/stg.sql", "select id, kind, amount, at from {{ source('raw', 'events') }}"),
    ("models/t_1.sql", "{{ config(materialized='table') }} select id, kind, amount from {{ ref('stg') }}"),
    (
        "models/t_2.sql",
        "{{ config(materialized='table') }} select t.id, k.label, t.amount from {{ ref('t_1') }} t join {{ ref('kinds') }} k on k.kind = t.kind",
    ),
    (
        "models/t_3.sql",
        "{{ config(materialized='table') }} select kind, count(*) as n from {{ ref('t_1') }} group by kind",
    ),
    (
        "models/inc.sql",
        "{{ config(materialized='incremental', on_schema_change='sync_all_columns', unique_key='id', \
         post_hook=\"alter table {{ this }} alter column amount type numeric(\" ~ (18 if var('wide', true) else 20) ~ \",4)\") }} \
         select id, amount::numeric(18,4) as amount {% if var('wide', true) %}, kind {% endif %} from {{ ref('t_1') }}",
    ),
    (
        "models/mv.sql",
        "{{ config(materialized='materialized_view') }} select kind, sum(amount) as amount from {{ source('raw', 'events') }} group by kind",
    ),
    ("models/v_3.sql", "select kind, n from {{ ref('t_3') }}"),
    (
        "models/last.sql",
        "{{ config(materialized='table') }} select a.id, a.label, i.amount, v.n, m.amount as total from {{ ref('t_2') }} a join {{ ref('inc') }} i on i.id = a.id left join {{ ref('v_3') }} v on v.kind = a.label left join {{ ref('mv') }} m on m.kind = v.kind left join (select id from {{ ref('snap') }} where dbt_valid_to is null) s on s.id = a.id",
    ),
    (
        "models/schema.yml",
        "models:\n  - {name: t_2, columns: [{name: id, data_tests: [unique, not_null]}]}\n  - {name: last, columns: [{name: id, data_tests: [not_null, {relationships: {arguments: {to: ref('inc'), field: id}}}]}]}\n",
    ),
    ("seeds/kinds.csv", "kind,label\na,a\nb,b\nc,c\n"),
    (
        "snapshots/snap.sql",
        "{% snapshot snap %}{{ config(unique_key='id', strategy='check', check_cols=['amount']) }} select id, amount from {{ source('raw', 'events') }}{% endsnapshot %}",
    ),
];

/// Production and two pull requests, which differ in what they build.
fn harbour() -> Harbour {
    let files: Vec<File> = FILES.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
    let edited = |file: &str, from: &str, to: &str| {
        files.iter().filter(|(name, _)| *name == file).map(|(name, text)| (*name, text.replace(from, to))).collect()
    };
    Harbour::new(
        "create table raw.events as select i as id, chr(97 + i % 3) as kind, (i % 100)::numeric as amount, now() as at \
         from generate_series(1, 20000) i",
        &files,
        &[
            ("tables", edited("models/t_2.sql", "k.label,", "upper(k.label) as label,")),
            (
                "views",
                edited(
                    "models/v_3.sql",
                    "from {{ ref('t_3') }}",
                    "from {{ ref('t_3') }} where n > (select min(amount) - 1000 from {{ ref('inc') }})",
                ),
            ),
        ],
    )
}

impl Harbour {
    /// Production's build: each second one drops a column of the incremental model, and each retypes one.
    fn build(&self, round: u32) -> Output {
        let vars = format!("{{wide: {}}}", round.is_multiple_of(2));
        self.dbt("production", &["build", "--target", "prod", "--vars", &vars]).output().unwrap()
    }

    /// The longest that one of production's statements waits for a session of `ci`'s until `over`.
    fn longest_wait(&self, over: &AtomicBool) -> Duration {
        let waits = "select coalesce(max(extract(epoch from clock_timestamp() - l.waitstart)), 0)::text \
                     from pg_locks l join pg_stat_activity a on a.pid = l.pid where not l.granted and a.usename = 'prod' \
                     and exists (select from pg_stat_activity b where b.pid = any (pg_blocking_pids(l.pid)) and b.usename = 'ci')";
        let mut longest = 0.0_f64;
        while !over.load(Ordering::Relaxed) {
            longest = longest.max(self.server.value("harbour", waits).parse().unwrap_or_default());
            std::thread::sleep(Duration::from_millis(25));
        }
        Duration::from_secs_f64(longest.max(0.0))
    }

    /// Production's builds, and before or beside each what `other` does with its number until the build is over; how many
    /// failed, and the longest wait.
    fn builds(&self, what: &str, before: impl Fn(u32), beside: impl Fn(u32, &AtomicBool) + Sync) -> (u32, Duration) {
        let (over, mut failed) = (AtomicBool::new(false), 0);
        let longest = std::thread::scope(|scope| {
            let sampler = scope.spawn(|| self.longest_wait(&over));
            for round in 1..=rounds() {
                before(round);
                let built = AtomicBool::new(false);
                std::thread::scope(|scope| {
                    scope.spawn(|| beside(round, &built));
                    let output = self.build(round);
                    built.store(true, Ordering::Relaxed);
                    if !output.status.success() {
                        failed += 1;
                        let said = String::from_utf8_lossy(&output.stdout).into_owned();
                        let errors = said.lines().filter(|line| line.contains("rror") || line.contains("because"));
                        println!("{what}, build {round}:\n{}", errors.take(12).collect::<Vec<_>>().join("\n"));
                    }
                });
            }
            over.store(true, Ordering::Relaxed);
            sampler.join().unwrap()
        });
        println!("{what}: {failed} of {} builds failed, the longest wait was {} ms", rounds(), longest.as_millis());
        (failed, longest)
    }
}

/// A moment within the first seconds, other for each number.
fn moment(round: u32) -> Duration {
    Duration::from_millis(u64::from(round.wrapping_mul(2_654_435_761) % 3000))
}

fn wait_or_kill(mut child: Child, kill_after: Option<Duration>) -> Option<i32> {
    if let Some(after) = kill_after {
        std::thread::sleep(after);
        child.kill().unwrap();
    }
    child.wait().unwrap().code()
}

#[test]
fn productions_build_does_not_notice_premerge() {
    let harbour = harbour();
    let nothing = |_: u32, _: &AtomicBool| {};
    let (alone, _) = harbour.builds("alone", |_| {}, nothing);

    let checked = |name: &'static str| {
        let harbour = &harbour;
        move |round: u32| {
            let code = harbour.check(name, u64::from(round)).status().unwrap().code();
            assert_eq!(code, Some(0), "{}", harbour.report(u64::from(round)));
        }
    };
    let (behind, _) = harbour.builds("after checks that build tables", checked("tables"), nothing);
    let (behind_views, _) = harbour.builds("after checks that build views", checked("views"), nothing);

    // Checks one after the other as long as production builds, each third of them killed.
    let checks = |round: u32, over: &AtomicBool| {
        let mut number = 0;
        while !over.load(Ordering::Relaxed) {
            number += 1;
            std::thread::sleep(moment(round * 31 + number) / 6);
            let name = if number.is_multiple_of(2) { "tables" } else { "views" };
            let child = harbour.check(name, 900 + u64::from(number % 2)).spawn().unwrap();
            let killed = number.is_multiple_of(3).then(|| moment(round * 7 + number) / 6);
            let code = wait_or_kill(child, killed);
            let report =
                || fs_err::read_to_string(harbour.report_file(900 + u64::from(number % 2))).unwrap_or_default();
            assert!(killed.is_some() || matches!(code, Some(0 | 3)), "{code:?} {}", report());
        }
        println!("round {round}: {number} checks");
    };
    let (beside, waited) = harbour.builds("beside checks", |_| {}, checks);

    // dbt's exit code is 1 where a node failed, and 2 where it did not begin.
    let (passed, failed) = (AtomicU32::new(0), AtomicU32::new(0));
    let slim_of = |name: &str| {
        let output = harbour.slim(name).output().unwrap();
        match output.status.code() {
            Some(0) => passed.fetch_add(1, Ordering::Relaxed),
            Some(1) => failed.fetch_add(1, Ordering::Relaxed),
            code => panic!("{code:?} {}", String::from_utf8_lossy(&output.stderr)),
        };
    };
    let slim = |round: u32, over: &AtomicBool| {
        while !over.load(Ordering::Relaxed) {
            std::thread::sleep(moment(round) / 6);
            slim_of("tables");
        }
    };
    harbour.builds("beside dbt's own slim CI", |_| {}, slim);
    let count = |of: &AtomicU32| of.swap(0, Ordering::Relaxed);
    println!("dbt's own slim CI beside production's build: {} passed, {} failed", count(&passed), count(&failed));
    harbour.builds("after dbt's own slim CI that builds views", |_| slim_of("views"), nothing);
    println!("dbt's own slim CI before production's build: {} passed, {} failed", count(&passed), count(&failed));

    assert_eq!((behind, behind_views, beside), (alone, alone, alone), "production failed for premerge");
    assert!(waited < Duration::from_secs(2), "production waited {waited:?}");
}

/// A check at any moment of production's rebuilding ends as before it, as after it, or incomplete.
#[test]
fn a_check_beside_a_rebuild_never_fails_for_it() {
    let harbour = harbour();
    let began = Instant::now();
    let over = AtomicBool::new(false);
    let mut codes = std::collections::BTreeMap::<i32, u32>::new();
    let races = rounds() * 3;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let sql = "set role prod; \
                begin; create table analytics.t_1__tmp as select * from analytics.t_1; alter table analytics.t_1 rename to t_1__old; \
                alter table analytics.t_1__tmp rename to t_1; commit; drop table analytics.t_1__old cascade; \
                begin; truncate analytics.kinds; insert into analytics.kinds values ('a','a'),('b','b'),('c','c'); commit; \
                refresh materialized view analytics.mv; \
                update analytics.snap set dbt_updated_at = dbt_updated_at where id < 10; \
                drop view analytics.v_3 cascade; select pg_sleep(0.05); \
                create view analytics.v_3 as select kind, n from analytics.t_3";
            while !over.load(Ordering::Relaxed) {
                harbour.server.sql("harbour", sql);
                std::thread::sleep(moment(began.elapsed().subsec_nanos()));
            }
        });
        for race in 0..races {
            std::thread::sleep(moment(race) / 10);
            let code = harbour.check("tables", 77).status().unwrap().code().unwrap();
            let report = fs_err::read_to_string(harbour.report_file(77)).unwrap();
            assert!(matches!(code, 0 | 3), "race {race}: {report}");
            *codes.entry(code).or_default() += 1;
        }
        over.store(true, Ordering::Relaxed);
    });
    println!("{races} races: {codes:?}");
}

/// The same beside dbt's own commands, as production's jobs run them.
#[test]
fn a_check_beside_productions_jobs_never_fails_for_them() {
    let harbour = harbour();
    let over = AtomicBool::new(false);
    let mut codes = std::collections::BTreeMap::<i32, u32>::new();
    let races = rounds() * 3;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let jobs: [&[&str]; 6] = [
                &["build"],
                &["seed", "--full-refresh"],
                &["run", "--full-refresh", "--select", "t_1+"],
                &["snapshot"],
                &["run", "--select", "mv"],
                &["build", "--full-refresh"],
            ];
            for job in jobs.iter().cycle().take_while(|_| !over.load(Ordering::Relaxed)) {
                let arguments: Vec<&str> = job.iter().copied().chain(["--target", "prod"]).collect();
                let output = harbour.dbt("production", &arguments).output().unwrap();
                assert!(output.status.success(), "{job:?}: {}", String::from_utf8_lossy(&output.stdout));
            }
        });
        for race in 0..races {
            std::thread::sleep(moment(race) / 3);
            let name = if race.is_multiple_of(2) { "tables" } else { "views" };
            let code = harbour.check(name, 78).status().unwrap().code().unwrap();
            if !matches!(code, 0 | 3) {
                over.store(true, Ordering::Relaxed);
                panic!("race {race}: {}", harbour.report(78));
            }
            *codes.entry(code).or_default() += 1;
        }
        over.store(true, Ordering::Relaxed);
    });
    println!("{races} races beside production's jobs: {codes:?}");
}
