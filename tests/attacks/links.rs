//! Links in the place of a model's file: what is linted is published in part, and a device never ends.

use std::time::Duration;

use fs_err::os::unix::fs::symlink;

use crate::common::Checkout;

/// The report of a check whose changed model is a link to `target`.
fn check(target: &str) -> String {
    let checkout = Checkout::of("changed_filter");
    fs_err::write(checkout.project().join(".sqlfluff"), "[sqlfluff]\nrules = all\n").unwrap();
    fs_err::write(checkout.dir.path().join("outside.sql"), "select a.b as SECRETALIAS from c as SECRETVALUE\n")
        .unwrap();
    let file = checkout.project().join("models/intermediate/int_sailing_load.sql");
    fs_err::remove_file(&file).unwrap();
    symlink(target, &file).unwrap();
    let run = checkout.check().timeout(Duration::from_secs(60)).output().unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(matches!(run.status.code(), Some(0 | 1 | 3)), "{target}: {:?}\n{said}", run.status);
    let report = fs_err::read_to_string(checkout.report()).unwrap();
    assert_ne!(checkout.read_report()["verdict"], "passed", "{target}\n{said}");
    let published = format!("{}{said}{report}", String::from_utf8_lossy(&run.stdout));
    assert!(!published.contains("SECRET"), "{target}\n{published}");
    report
}

#[test]
fn a_link_out_of_the_checkout_is_not_linted() {
    for target in ["../../../outside.sql", "/dev/zero", "/dev/ptmx"] {
        assert!(check(target).contains("it leads to a file that is not the project's"), "{target}");
    }
}
