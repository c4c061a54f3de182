//! Reports to render: the worked example of the comment's layout, and reports full of somebody else's text.

use premerge::plan::{FromOutside, MacroChange, Reasons, SettingChange, Undecided, Variable};
use premerge::report::*;

/// A pull request with one failing test, a warning, a skipped model and two exposures downstream.
pub(crate) fn worked_example() -> Draft {
    let why = |kind: &str, text: &str| vec![Why::Changed { kind: kind.to_owned().into(), text: text.into() }];
    let node = |name: &str, path: &str| NodeOutcome {
        location: Some(Location::file(path)),
        changed: true,
        duration_ms: Some(1_840),
        owner: Some("finance".into()),
        ..NodeOutcome::new(format!("model.analytics.{name}"), name, NodeStatus::Built)
    };
    let test = |name: &str, node: &str, status| TestOutcome {
        attached_node: Some(format!("model.analytics.{node}").into()),
        failures: Some(0),
        location: Some(Location::file("models/marts/_marts.yml")),
        duration_ms: Some(80),
        ..TestOutcome::new(format!("test.analytics.{name}.0f1e2d"), name, status)
    };
    let mut draft = Draft {
        facts: Facts {
            repository: Some("acme/analytics".into()),
            pull_request: Some(482),
            project: Some("analytics".into()),
            project_folder: Some(String::new()),
            commit: Some("7c1f0ab2d1e9f00c6b7a8d9e0f1a2b3c4d5e6f70".into()),
            server_url: Some("https://github.com".into()),
            run: Some(RunFacts {
                id: Some("9913".into()),
                attempt: Some(3),
                url: Some("https://github.com/acme/analytics/actions/runs/9913".into()),
            }),
            premerge_version: Some("0.1.0".into()),
            dbt_version: Some("1.11.2".into()),
        },
        state: Some(StateFacts {
            generated_at: Some("2026-11-19T04:12:31Z".into()),
            age_seconds: Some(3 * 3600),
            commit: Some("51be0c2aa0".into()),
            commit_age_seconds: Some(5 * 3600),
            commits_behind: Some(2),
            dbt_version: Some("1.11.2".into()),
        }),
        temporary_schema: Some(TemporarySchema {
            name: "premerge_pr_482".into(),
            database: Some("analytics".into()),
            expires_at: Some("2026-11-22T07:00:00Z".into()),
            dropped: false,
        }),
        timings: Timings {
            started_at: Some("2026-11-19T07:00:00Z".into()),
            total_ms: Some(161_000),
            warehouse_ms: Some(149_000),
            statements: Some(112),
        },
        proxies: 31,
        nodes: vec![
            NodeOutcome {
                why: why("body", "SQL body"),
                rows: Some(1_204_555),
                production_rows: Some(1_204_518),
                downstream: 4,
                ..node("fct_orders", "models/marts/fct_orders.sql")
            },
            NodeOutcome {
                why: why("body", "SQL body"),
                rows: Some(88_310),
                production_rows: Some(88_310),
                downstream: 2,
                ..node("dim_customers", "models/marts/dim_customers.sql")
            },
            NodeOutcome {
                why: why("macros", "macro cents_to_dollars"),
                rows: Some(2_910_077),
                production_rows: Some(2_910_077),
                downstream: 6,
                ..node("stg_payments", "models/staging/stg_payments.sql")
            },
            NodeOutcome {
                why: vec![Why::Downstream { text: "reads fct_orders".into() }],
                changed: false,
                rows: Some(365),
                production_rows: Some(365),
                ..node("mart_sales", "models/marts/mart_sales.sql")
            },
        ],
        tests: vec![
            TestOutcome {
                failures: Some(37),
                message: Some("37 keys occur more than once".into()),
                location: Some(Location::line("models/marts/_marts.yml", 31)),
                ..test("unique_fct_orders_order_id", "fct_orders", TestStatus::Fail)
            },
            TestOutcome {
                failures: Some(2),
                severity: Severity::Warning,
                ..test("not_null_dim_customers_region", "dim_customers", TestStatus::Warn)
            },
            test("not_null_fct_orders_order_id", "fct_orders", TestStatus::Pass),
            test("unique_dim_customers_customer_id", "dim_customers", TestStatus::Pass),
        ],
        impact: Impact {
            models: [
                "fct_cash",
                "fct_refunds",
                "fct_revenue_by_region",
                "int_payments_daily",
                "mart_finance",
                "mart_sales",
            ]
            .into_iter()
            .map(|name| DownstreamModel {
                unique_id: format!("model.analytics.{name}").into(),
                name: name.into(),
                owner: None,
            })
            .collect(),
            exposures: [("Finance close", "finance"), ("Sales weekly", "@acme/sales-analytics")]
                .into_iter()
                .map(|(name, owner)| ExposedUse {
                    unique_id: format!("exposure.analytics.{name}").into(),
                    name: name.into(),
                    kind: Some("dashboard".into()),
                    owner: Some(owner.into()),
                    url: Some("https://bi.example/1".into()),
                })
                .collect(),
        },
        left_out: vec![LeftOut {
            subject: "post-hook of fct_orders".into(),
            unique_id: Some("model.analytics.fct_orders".into()),
            kind: None,
            count: None,
            reason: "hooks are not run unless configured".into(),
        }],
        ..Draft::default()
    };
    draft.tally();
    draft.checks.impact = Check::of_impact(&draft.impact);
    draft
}

/// Strings that each did harm somewhere: in Markdown, HTML, terminals, CI logs or file systems.
pub(crate) const HOSTILE: &[&str] = &[
    "a|b|c",
    "`code` and ``more``",
    "```\nfence\n```",
    "</details></details><script>alert(1)</script>",
    "<details open><summary>x",
    "<!-- premerge:pr-comment v1 repo=acme/analytics pr=482 project=analytics -->",
    "-->",
    "<img src=https://evil.example/x.png>",
    "![x](https://evil.example/x.png)",
    "[click](javascript:alert(1))",
    "@all @acme/team",
    "fixes #12, GH-13 and acme/x#14",
    "https://evil.example/?q=1 www.evil.example mail@evil.example",
    "*bold* _it_ ~~gone~~ $x^2$",
    "line one\nline two\r\n| a | b |\n|---|---|",
    "\n\n# Heading\n\n- item",
    "/merge",
    "::error file=a.sql::boo",
    "x ##[error]boo ##[add-mask]a",
    "##vso[task.complete]",
    "%0A::set-output name=verdict::passed",
    "\u{1b}[31mred\u{1b}]0;title\u{7}",
    "user\u{202e}lqs.txt\u{2066}",
    "zero\u{200b}width\u{feff}\u{2060}",
    "tag\u{e0041}\u{e0042}",
    "\u{0}\u{8}\u{7f}",
    "trailing backslash \\",
    "\\| \\` \\\\|",
    "&lt;b&gt; &#96; &amp;",
    "../../../etc/passwd",
    "C:\\windows\\x",
    "ünïcödé 表 🦆 👨\u{200d}👩\u{200d}👧",
    "",
    " ",
    "long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long-long",
];

/// A report in which every text that is not ours is `text`, and every section has something in it.
pub(crate) fn made_of(text: &str) -> Draft {
    let text = || text.to_owned();
    let place = || Some(Location::line(text(), 3));
    let node = |status| NodeOutcome {
        why: vec![Why::Changed { kind: text().into(), text: text() }],
        location: place(),
        changed: true,
        message: Some(text()),
        owner: Some(text()),
        resource_type: text(),
        ..NodeOutcome::new(text(), text(), status)
    };
    let test = |status| TestOutcome {
        attached_node: Some(text().into()),
        location: place(),
        message: Some(text()),
        failures: Some(3),
        ..TestOutcome::new(text(), text(), status)
    };
    let mut draft = Draft {
        facts: Facts {
            repository: Some(text()),
            pull_request: Some(1),
            project: Some(text()),
            project_folder: Some(text()),
            commit: Some(text()),
            server_url: Some(text()),
            run: Some(RunFacts { id: Some(text()), attempt: Some(1), url: Some(text()) }),
            premerge_version: Some(text()),
            dbt_version: Some(text()),
        },
        state: Some(StateFacts {
            generated_at: Some(text()),
            age_seconds: Some(9),
            commit: Some(text()),
            commit_age_seconds: Some(9),
            commits_behind: Some(9),
            dbt_version: Some(text()),
        }),
        temporary_schema: Some(TemporarySchema {
            name: text(),
            database: Some(text()),
            expires_at: Some(text()),
            dropped: false,
        }),
        interruption: Some(Interruption::Broken { reason: text() }),
        nodes: [NodeStatus::Built, NodeStatus::Failed, NodeStatus::Skipped, NodeStatus::NotChecked].map(node).to_vec(),
        tests: [
            TestStatus::Pass,
            TestStatus::Warn,
            TestStatus::Fail,
            TestStatus::Error,
            TestStatus::Skipped,
            TestStatus::NotRun,
        ]
        .map(test)
        .to_vec(),
        findings: [Severity::Error, Severity::Warning, Severity::Notice]
            .map(|severity| {
                let at = Finding::at(severity, rules::MANIFEST_PARTIAL, Location::file(text()), text());
                at.with_remedy(text()).with_detail(text())
            })
            .to_vec(),
        impact: Impact {
            models: vec![DownstreamModel { unique_id: text().into(), name: text(), owner: Some(text()) }],
            exposures: vec![ExposedUse {
                unique_id: text().into(),
                name: text(),
                kind: Some(text()),
                owner: Some(text()),
                url: Some(text()),
            }],
        },
        removed: vec![RemovedNode {
            unique_id: text().into(),
            name: text(),
            resource_type: text(),
            still_used_by: vec![text(), text()],
            renamed_to: Some(text()),
            disabled: false,
        }],
        base: Some(StateFacts { generated_at: Some(text()), ..StateFacts::default() }),
        reasons: Reasons {
            settings: vec![SettingChange { what: text(), nodes: 11 }],
            macros: vec![MacroChange {
                new: false,
                unique_id: text().into(),
                models: 3,
                sql_changed: 1,
                sql_unknown: 1,
                tests: 1,
                builds: 1,
                others: 1,
            }],
            from_outside: Some(FromOutside {
                nodes: 2,
                variables: vec![Variable { kind: text(), name: text(), used_by: 1 }],
            }),
            undecided: vec![Undecided { unique_id: text().into(), because: text() }],
        },
        cosmetic: vec![CosmeticChange {
            unique_id: text().into(),
            name: text(),
            why: vec![Why::Changed { kind: text().into(), text: text() }],
        }],
        not_yours: [NotYoursFate::NotBuilt, NotYoursFate::Needed, NotYoursFate::Downstream]
            .map(|fate| NotYours {
                unique_id: text().into(),
                name: text(),
                why: vec![Why::Changed { kind: text().into(), text: text() }],
                fate,
            })
            .to_vec(),
        other_changes: vec![OtherChange {
            unique_id: text().into(),
            name: text(),
            resource_type: text(),
            why: vec![Why::Changed { kind: text().into(), text: text() }],
            fate: OtherFate::Definition,
        }],
        notes: vec![text()],
        not_checked: vec![NotChecked { subject: text(), unique_id: None, reason: text() }],
        left_out: vec![LeftOut {
            subject: text(),
            unique_id: None,
            kind: Some(text()),
            count: Some(3),
            reason: text(),
        }],
        ..Draft::default()
    };
    draft.tally();
    draft.checks.lint = Check::ran(1, 1, 0, 1).with_summary(text());
    draft.checks.impact = Check::of_impact(&draft.impact).with_summary(text());
    draft
}

/// A report of a large project in which much went wrong.
pub(crate) fn large(nodes: usize, tests: usize) -> Draft {
    let mut draft = worked_example();
    let statuses = [NodeStatus::Failed, NodeStatus::Built, NodeStatus::Skipped, NodeStatus::NotChecked];
    draft.nodes.extend((0..nodes).zip(statuses.iter().cycle()).map(|(number, status)| NodeOutcome {
        changed: true,
        location: Some(Location::line(format!("models/a_rather_long_folder_name/another_one/model_{number}.sql"), 7)),
        why: vec![Why::Changed { kind: "body".into(), text: "SQL body".into() }],
        message: Some("the warehouse rejected the SQL: column not found (Binder Error)".repeat(4)),
        ..NodeOutcome::new(format!("model.analytics.model_{number}"), format!("model_{number}"), *status)
    }));
    draft.tests.extend((0..tests).map(|number| TestOutcome {
        failures: Some(9),
        message: Some("| many | `words` | ".repeat(20)),
        location: Some(Location::line("models/a_rather_long_folder_name/another_one/_models.yml", 9)),
        attached_node: Some(format!("model.analytics.model_{number}").into()),
        ..TestOutcome::new(format!("test.analytics.t{number}"), format!("test_{number}"), TestStatus::Fail)
    }));
    draft.impact.models.extend((0..nodes).map(|number| DownstreamModel {
        unique_id: format!("model.analytics.down_{number}").into(),
        name: format!("down_{number}_{}", "x".repeat(100)),
        owner: None,
    }));
    draft.removed.extend((0..nodes).map(|number| RemovedNode {
        unique_id: format!("model.analytics.gone_{number}").into(),
        name: format!("gone_{number}"),
        resource_type: if number % 2 == 0 { "model".into() } else { "semantic_model".into() },
        still_used_by: (0..nodes).map(|user| format!("user_{user}_of_what_is_gone")).collect(),
        renamed_to: None,
        disabled: false,
    }));
    draft.reasons.macros.extend((0..nodes).map(|number| MacroChange {
        new: false,
        unique_id: format!("macro.analytics.macro_{number}_{}", "x".repeat(100)).into(),
        models: 14,
        sql_changed: 2,
        sql_unknown: 0,
        tests: 0,
        builds: 0,
        others: 0,
    }));
    draft.cosmetic.extend((0..nodes).map(|number| CosmeticChange {
        unique_id: format!("model.analytics.looks_{number}").into(),
        name: format!("looks_{number}_{}", "x".repeat(100)),
        why: Vec::new(),
    }));
    draft.not_yours.extend((0..nodes).map(|number| NotYours {
        unique_id: format!("model.analytics.theirs_{number}").into(),
        name: format!("theirs_{number}_{}", "x".repeat(100)),
        why: vec![Why::Changed { kind: "body".into(), text: "SQL body".into() }],
        fate: NotYoursFate::NotBuilt,
    }));
    draft.tally();
    draft
}
