//! What the pull request removes, and what still refers to it.

use serde_json::{Value, json};

use super::{CHANGED, manifest, manifest_with, options, plan_files, text};

#[test]
fn removed_nodes_name_who_still_refers_to_them() {
    let state = manifest(&[
        ("model.p.gone", json!({})),
        ("model.p.c", json!({"parents": ["model.p.gone"]})),
        ("model.p.rewired", json!({"parents": ["model.p.gone"]})),
    ]);
    let pr = manifest(&[
        ("model.p.c", json!({"parents": ["model.p.gone"]})),
        ("model.p.rewired", json!({"raw_code": CHANGED})),
    ]);
    let plan = plan_files(&state, &pr, &options());
    assert_eq!(plan.removed.len(), 1);
    assert_eq!(plan.removed[0].referred_by, ["model.p.c"]);
    assert_eq!(plan.removed[0].was_read_by, ["model.p.c", "model.p.rewired"]);
}

#[test]
fn removed_tests_exposures_and_functions_are_named_too() {
    let reads = |parents: &[&str]| json!({"parents": parents});
    let exposure = |parent: &str| json!({"name": "board", "package_name": "p", "depends_on": {"nodes": [parent]}});
    let state = manifest_with(
        &[
            ("model.p.kept", json!({})),
            ("model.p.gone", json!({})),
            ("test.p.deleted", reads(&["model.p.kept"])),
            ("test.p.disabled", reads(&["model.p.kept"])),
            ("test.p.with_its_model", reads(&["model.p.gone"])),
        ],
        json!({
            "exposures": {"exposure.p.board": exposure("model.p.kept")},
            "functions": {"function.p.f": {"name": "f", "package_name": "p", "resource_type": "function"}}
        }),
    );
    let mut off = reads(&["model.p.kept"]);
    off["config"] = json!({"enabled": false});
    let pr = manifest(&[("model.p.kept", json!({})), ("test.p.disabled", off)]);
    let plan = plan_files(&state, &pr, &options());
    let removed: Vec<(&str, bool)> = plan.removed.iter().map(|node| (node.unique_id.as_str(), node.disabled)).collect();
    let expected = [
        ("exposure.p.board", false),
        ("function.p.f", false),
        ("model.p.gone", false),
        ("test.p.deleted", false),
        ("test.p.disabled", true),
        ("test.p.with_its_model", false),
    ];
    assert_eq!(removed, expected);
    let text = text(&plan);
    for line in [
        "  exposure  board     removed   it depended on kept",
        "  test      deleted   removed   it tested kept",
        "  test      disabled  disabled  it tested kept",
        "  and 1 test of removed nodes",
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "{line}\n{text}");
    }
}

#[test]
fn whatever_still_refers_to_a_removed_model_is_named() {
    let other = |parents: Value| json!({"name": "n", "package_name": "p", "depends_on": {"nodes": parents}});
    let rest = json!({
        "semantic_models": {"semantic_model.p.s": other(json!(["model.p.gone"]))},
        "metrics": {"metric.p.m": other(json!(["semantic_model.p.s"]))},
        "unit_tests": {"unit_test.p.gone.u": other(json!(["model.p.gone"]))},
        "exposures": {"exposure.p.e": other(json!(["model.p.gone"]))}
    });
    let test = ("test.p.t", json!({"parents": ["model.p.gone"]}));
    let state = manifest_with(&[("model.p.gone", json!({})), test.clone()], rest.clone());
    let plan = plan_files(&state, &manifest_with(&[test], rest), &options());
    let expected = ["exposure.p.e", "semantic_model.p.s", "test.p.t", "unit_test.p.gone.u"];
    assert_eq!(plan.removed[0].referred_by, expected);
    assert!(!text(&plan).contains("nothing read it"));
}
