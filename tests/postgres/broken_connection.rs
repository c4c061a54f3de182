//! Connections that break, lose, stall or dawdle at every message and byte of a run.
//!
//! Whatever happens: the result is that of an undisturbed run, or the run says that it is incomplete. Never a false
//! pass, never a hang, never a schema that cleanup does not know.

use std::time::{Duration, Instant};

use crate::ferry::{Checkout, ours};
use crate::relay::{Mishap, Moment, Relay};
use crate::rough::{ROUGH, run, statuses, times, turn};

/// What a run is that nothing disturbs.
struct Calm {
    statuses: Vec<String>,
    messages: usize,
    sent: usize,
    answered: usize,
}

/// How many runs came to what.
#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    /// Of those, the ones that sent a message again.
    repeated: usize,
    incomplete: usize,
}

/// A run that gives up soon when nothing comes back.
fn impatient(port: u16) -> Checkout {
    let checkout = Checkout::with_settings("new_column", port, "statement_timeout_seconds: 2\n");
    let profiles = fs_err::read_to_string(checkout.profiles()).unwrap();
    assert!(profiles.contains("connect_timeout: 5"));
    fs_err::write(checkout.profiles(), profiles.replace("connect_timeout: 5", "connect_timeout: 1")).unwrap();
    checkout
}

fn calm(checkout: impl Fn(u16) -> Checkout) -> Calm {
    let relay = Relay::start(ROUGH.port, Moment::Never, Mishap::Cut);
    let checkout = checkout(relay.port);
    let output = run(checkout.check());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (messages, sent, answered) = (relay.traffic.messages(), relay.traffic.sent(), relay.traffic.answered());
    assert!(messages > 20 && sent > 2_000 && answered > 2_000, "{messages} messages, {sent} and {answered} bytes");
    Calm { statuses: statuses(&checkout), messages, sent, answered }
}

fn disturb(checkout: impl Fn(u16) -> Checkout, calm: &Calm, moment: Moment, mishap: Mishap, tally: &mut Tally) {
    let relay = Relay::start(ROUGH.port, moment, mishap);
    let checkout = checkout(relay.port);
    let began = Instant::now();
    let output = run(checkout.check());
    assert!(began.elapsed() < Duration::from_secs(60), "{mishap:?}, {moment:?} took {:?}", began.elapsed());
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => {
            tally.passed += 1;
            assert_eq!(statuses(&checkout), calm.statuses, "{mishap:?}, {moment:?}\n{said}");
            tally.repeated += usize::from(relay.traffic.messages() > calm.messages);
        }
        Some(3) => {
            tally.incomplete += 1;
            assert_eq!(checkout.report()["verdict"], "incomplete", "{mishap:?}, {moment:?}\n{said}");
            let report = fs_err::read_to_string(checkout.report_file()).unwrap();
            let why = ["connection to the warehouse failed", "ran longer than the time limit", "reported an error"];
            assert!(why.iter().any(|why| report.contains(why)), "{mishap:?}, {moment:?}\n{report}");
        }
        code => panic!("{mishap:?}, {moment:?}: exit code {code:?}\n{said}"),
    }
}

/// Nothing is left that cleanup does not know.
fn clean_up() {
    let direct = Checkout::of("new_column", ROUGH.port);
    direct.premerge("cleanup").args(["--pr", &direct.number.to_string()]).output().unwrap();
    assert_eq!(ours(&ROUGH, "ferry"), "");
}

#[test]
fn a_connection_that_breaks_at_any_message_never_makes_a_false_result() {
    let _turn = turn();
    let checkout = |port| Checkout::of("new_column", port);
    let calm = calm(checkout);
    let mut tally = Tally::default();
    // In the suite every fourth; by hand all of them.
    let step = if times(1) > 1 { 1 } else { 4 };
    for mishap in [Mishap::Cut, Mishap::Reset, Mishap::LoseAnswer] {
        for at in (1..=calm.messages).step_by(step) {
            disturb(checkout, &calm, Moment::Message(at), mishap, &mut tally);
        }
    }
    println!("{} messages: {tally:?}", calm.messages);
    assert!(tally.passed > tally.incomplete, "{tally:?}");
    clean_up();
}

#[test]
fn a_connection_that_tears_or_drops_a_byte_never_makes_a_false_result() {
    let _turn = turn();
    let calm = calm(impatient);
    let mut tally = Tally::default();
    // So many places in each direction; after a lost byte both sides may wait for the rest of a message.
    for (mishap, places) in [(Mishap::Cut, times(6)), (Mishap::LoseByte, times(1))] {
        for place in 0..places {
            let at = |bytes: usize| 1 + (bytes * (2 * place + 1)) / (2 * places);
            disturb(impatient, &calm, Moment::Sent(at(calm.sent)), mishap, &mut tally);
            disturb(impatient, &calm, Moment::Answered(at(calm.answered)), mishap, &mut tally);
        }
    }
    println!("{} bytes sent, {} answered: {tally:?}", calm.sent, calm.answered);
    assert!(tally.passed > 0, "{tally:?}");
    clean_up();
}

#[test]
fn a_connection_that_falls_silent_is_not_waited_for_for_ever() {
    let _turn = turn();
    let calm = calm(impatient);
    let mut tally = Tally::default();
    let step = if times(1) > 1 { 1 } else { calm.messages / 2 };
    for at in (2..=calm.messages).step_by(step) {
        disturb(impatient, &calm, Moment::Message(at), Mishap::Silence, &mut tally);
    }
    println!("{} messages: {tally:?}", calm.messages);
    assert!(tally.incomplete > 0, "{tally:?}");
    clean_up();
}

#[test]
fn a_slow_connection_changes_nothing() {
    let _turn = turn();
    let checkout = |port| Checkout::of("new_column", port);
    let calm = calm(checkout);
    let mut tally = Tally::default();
    disturb(checkout, &calm, Moment::Never, Mishap::Delay(Duration::from_millis(50)), &mut tally);
    assert_eq!(tally.passed, 1);
    clean_up();
}
