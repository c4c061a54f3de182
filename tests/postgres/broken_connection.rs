//! Connections that break at every message of a run.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::ferry::{Checkout, ours};
use crate::relay::{Mishap, Relay};
use crate::rough::{ROUGH, run, statuses, times, turn};

/// Whatever message the connection breaks at: the result is that of an undisturbed run, or the run says that
/// it is incomplete. Never a false pass, never a hang, never a schema that cleanup does not know.
#[test]
fn a_connection_that_breaks_at_any_message_never_makes_a_false_result() {
    let _turn = turn();
    let quiet = Relay::start(ROUGH.port, usize::MAX, Mishap::Cut);
    let checkout = Checkout::of("new_column", quiet.port);
    assert!(run(checkout.check()).status.success());
    let expected = statuses(&checkout);
    let messages = quiet.messages.load(Ordering::Relaxed);
    assert!(messages > 20, "only {messages} messages");
    let (mut passed, mut incomplete, mut repeated) = (0, 0, 0);
    // In the suite every third; by hand all of them.
    let step = if times(1) > 1 { 1 } else { 3 };
    for mishap in [Mishap::Cut, Mishap::LoseAnswer] {
        for at in (1..=messages).step_by(step) {
            let relay = Relay::start(ROUGH.port, at, mishap);
            let checkout = Checkout::of("new_column", relay.port);
            let began = Instant::now();
            let output = run(checkout.check());
            assert!(began.elapsed() < Duration::from_secs(60), "{mishap:?} at {at} took {:?}", began.elapsed());
            let said = String::from_utf8_lossy(&output.stderr);
            match output.status.code() {
                Some(0) => {
                    passed += 1;
                    assert_eq!(statuses(&checkout), expected, "{mishap:?} at {at}\n{said}");
                    repeated += usize::from(relay.messages.load(Ordering::Relaxed) > messages);
                }
                Some(3) => incomplete += 1,
                code => panic!("{mishap:?} at {at}: exit code {code:?}\n{said}"),
            }
        }
    }
    println!("{messages} messages; {passed} passed ({repeated} after a repetition), {incomplete} incomplete");
    assert!(passed > incomplete, "{passed} passed, {incomplete} incomplete");
    let direct = Checkout::of("new_column", ROUGH.port);
    direct.premerge("cleanup").args(["--pr", &direct.number.to_string()]).output().unwrap();
    assert_eq!(ours(&ROUGH, "ferry"), "");
}
