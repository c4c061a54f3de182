//! Redshift's own faults, which come as "internal error" or under a code that says little, by their texts.
//!
//! From AWS's documentation of errors and from what dbt-redshift retries; no cluster was at hand to see them.

use crate::warehouse::{FaultClass, Repeat, WarehouseError};

/// What a text means.
struct Known {
    /// In small letters; all of them have to be there.
    words: &'static [&'static str],
    class: FaultClass,
    repeat: Repeat,
    remedy: Option<&'static str>,
}

const AGAIN: Option<&str> = Some("run the check again");

/// From special to general.
const KNOWN: &[Known] = &[
    Known {
        words: &["serializable isolation violation"],
        class: FaultClass::Conflict,
        repeat: Repeat::Safe,
        remedy: AGAIN,
    },
    Known {
        words: &["conflict with concurrent transaction"],
        class: FaultClass::Conflict,
        repeat: Repeat::Safe,
        remedy: AGAIN,
    },
    // A relation that another session replaced while the statement was planned.
    Known {
        words: &["could not open relation with oid"],
        class: FaultClass::Conflict,
        repeat: Repeat::Safe,
        remedy: AGAIN,
    },
    Known {
        words: &["disk full"],
        class: FaultClass::Resources,
        repeat: Repeat::Never,
        remedy: Some("the cluster's disk is full: free some, or drop old schemas with `premerge cleanup --expired`"),
    },
    Known {
        words: &["query monitoring rule"],
        class: FaultClass::Resources,
        repeat: Repeat::Never,
        remedy: Some(
            "a rule of the cluster's workload management ended the statement: change it, or `query_group` in the profile",
        ),
    },
    Known {
        words: &["cancelled by wlm"],
        class: FaultClass::Resources,
        repeat: Repeat::Never,
        remedy: Some(
            "the cluster's workload management ended the statement: see its queues, or `query_group` in the profile",
        ),
    },
    Known { words: &["out of memory"], class: FaultClass::Resources, repeat: Repeat::Never, remedy: None },
    Known {
        words: &["connection limit", "exceeded"],
        class: FaultClass::TooManyConnections,
        repeat: Repeat::Safe,
        remedy: Some("lower --threads, or raise the connection limit of the user or database"),
    },
    Known {
        words: &["resize"],
        class: FaultClass::Restart,
        repeat: Repeat::Safe,
        remedy: Some("the cluster is being resized: run the check again when that is over"),
    },
    Known {
        words: &["read-only mode"],
        class: FaultClass::Restart,
        repeat: Repeat::Safe,
        remedy: Some("the cluster is read-only (for example during a resize): run the check again later"),
    },
    Known {
        words: &["cluster is", "paus"],
        class: FaultClass::Restart,
        repeat: Repeat::Never,
        remedy: Some("resume the cluster"),
    },
    Known { words: &["invalid digit"], class: FaultClass::Data, repeat: Repeat::Never, remedy: None },
    Known { words: &["numeric data overflow"], class: FaultClass::Data, repeat: Repeat::Never, remedy: None },
    Known { words: &["out of range"], class: FaultClass::Data, repeat: Repeat::Never, remedy: None },
    Known { words: &["divide by zero"], class: FaultClass::Data, repeat: Repeat::Never, remedy: None },
    Known { words: &["value too long"], class: FaultClass::Data, repeat: Repeat::Never, remedy: None },
    Known { words: &["not supported"], class: FaultClass::Unsupported, repeat: Repeat::Never, remedy: None },
];

/// The fault behind a state that Redshift uses for many; `None` where the state itself says it.
pub(super) fn of(state: &str, message: &str) -> Option<WarehouseError> {
    // XX000 is "internal error", 57014 any cancellation, 0A000 and 53xxx are PostgreSQL's too.
    if !matches!(state, "XX000" | "57014" | "53000" | "53100") {
        return None;
    }
    let text = message.to_ascii_lowercase();
    let known = KNOWN.iter().find(|known| known.words.iter().all(|word| text.contains(word)))?;
    let fault = WarehouseError::new(known.class, format!("{message} (SQLSTATE {state})")).with_repeat(known.repeat);
    Some(match known.remedy {
        Some(remedy) => fault.with_remedy(remedy),
        None => fault,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_classes_and_only_conflicts_and_pauses_are_repeated() {
        use FaultClass as C;
        for (state, message, class, repeat) in [
            (
                "XX000",
                "1023; Serializable isolation violation on table - 1256109, transactions forming the cycle are: 1, 2 (pid:8)",
                C::Conflict,
                Repeat::Safe,
            ),
            ("XX000", "could not complete because of conflict with concurrent transaction", C::Conflict, Repeat::Safe),
            ("XX000", "could not open relation with OID 123", C::Conflict, Repeat::Safe),
            ("XX000", "Disk Full; code: 1016 context: node: 0", C::Resources, Repeat::Never),
            ("53100", "Disk Full", C::Resources, Repeat::Never),
            (
                "57014",
                "Query (12) cancelled by WLM abort action of Query Monitoring Rule \"long\".",
                C::Resources,
                Repeat::Never,
            ),
            ("XX000", "connection limit \"500\" exceeded for non-bootstrap users", C::TooManyConnections, Repeat::Safe),
            ("XX000", "Cannot execute query because system is in resize mode", C::Restart, Repeat::Safe),
            ("XX000", "Invalid digit, Value 'a', Pos 0, Type: Integer; code: 1207", C::Data, Repeat::Never),
            ("XX000", "Numeric data overflow (result precision)", C::Data, Repeat::Never),
        ] {
            let fault = of(state, message).unwrap_or_else(|| panic!("{message}"));
            assert_eq!((fault.class, fault.repeat), (class, repeat), "{message}");
        }
        // What the state says itself, and what nobody knows.
        for (state, message) in [
            ("40001", "1023"),
            ("57014", "Query cancelled on user's request"),
            ("22012", "division by zero; disk full"),
            ("XX000", "Assert"),
        ] {
            assert!(of(state, message).is_none(), "{message}");
        }
    }
}
