//! premerge's selectors give dbt's own answers: node sets, warnings and errors.
//!
//! `fixtures/manifests/ask_dbt.py` asked dbt-core 1.11.16 each selection of `selections.json`.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use premerge::artifacts::{ManifestFile, ResourceType};
use premerge::project::{Graph, IndirectSelection, Selection, SelectionContext, select};
use serde::Deserialize;
use serde_json::{Value, json};

/// What Python says where dbt does not look at what it was given; a refusal in other words is as good.
const CRASHES: [&str; 2] = ["tuple index out of range", "intern() argument must be str, not list"];

#[derive(Deserialize)]
struct Asked {
    selectors: Value,
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    selection: Asking,
    #[serde(default)]
    ids: BTreeSet<String>,
    #[serde(default)]
    warnings: Vec<String>,
    error: Option<Vec<String>>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Asking {
    #[serde(default)]
    select: Vec<String>,
    #[serde(default)]
    exclude: Vec<String>,
    selector: Option<String>,
    indirect: Option<String>,
    #[serde(default)]
    resource_type: Vec<String>,
    #[serde(default)]
    exclude_resource_type: Vec<String>,
}

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

fn types(names: &[String]) -> Vec<ResourceType> {
    let listed = |also: &[ResourceType]| -> Vec<ResourceType> {
        ResourceType::ALL.into_iter().filter(|kind| *kind != ResourceType::Operation && !also.contains(kind)).collect()
    };
    let one = |name: &String| match name.as_str() {
        "all" => listed(&[]),
        "default" => listed(&[ResourceType::Analysis]),
        name => vec![ResourceType::from_name(name)],
    };
    names.iter().flat_map(one).collect()
}

#[test]
fn every_selection_means_what_it_means_to_dbt() {
    let asked: Asked =
        serde_json::from_slice(&fs_err::read(fixture("manifests/selection_answers.json")).unwrap()).unwrap();
    assert!(asked.answers.len() > 200);
    let mut text = Vec::new();
    let compressed = std::fs::File::open(fixture("corpus/own/base.manifest.json.gz")).unwrap();
    flate2::read::GzDecoder::new(compressed).read_to_end(&mut text).unwrap();
    let mut document: Value = serde_json::from_slice(&text).unwrap();
    document["selectors"] = asked.selectors;
    let file = ManifestFile::from_bytes(Path::new("manifest.json"), serde_json::to_vec(&document).unwrap());
    let manifest = file.parse().unwrap();
    let graph = Graph::new(&manifest);

    let mut differences = Vec::new();
    for answer in asked.answers {
        let asking = &answer.selection;
        let selection = Selection {
            select: asking.select.clone(),
            exclude: asking.exclude.clone(),
            selector: asking.selector.clone(),
            indirect: IndirectSelection::parse(asking.indirect.as_deref().unwrap_or("eager")).unwrap(),
            resource_types: types(&asking.resource_type),
            exclude_resource_types: types(&asking.exclude_resource_type),
        };
        match (select(SelectionContext::new(&manifest, &graph), &selection), answer.error) {
            (Ok(selected), None) => {
                let ids: BTreeSet<String> =
                    selected.nodes.iter().map(|node| graph.unique_id(*node).to_owned()).collect();
                if ids != answer.ids {
                    differences.push(format!(
                        "{asking:?}: extra {:?}, missing {:?}",
                        ids.difference(&answer.ids).collect::<Vec<_>>(),
                        answer.ids.difference(&ids).collect::<Vec<_>>()
                    ));
                } else if selected.warnings != answer.warnings {
                    differences.push(format!("{asking:?}: warns {:?}, dbt {:?}", selected.warnings, answer.warnings));
                }
            }
            (Err(error), Some(dbt)) => {
                // dbt puts the kind of error before the message, and may add hints after it.
                let said = error.to_string();
                if !dbt.contains(&said) && !dbt.iter().any(|words| CRASHES.contains(&words.as_str())) {
                    differences.push(format!("{asking:?}: says {said:?}, dbt {dbt:?}"));
                }
            }
            (Ok(selected), Some(dbt)) => {
                differences.push(format!("{asking:?}: selects {}, dbt refuses: {dbt:?}", selected.nodes.len()));
            }
            (Err(error), None) => differences.push(format!("{asking:?}: refused: {error}")),
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn versions_compare_as_in_python() {
    let model = |version: Value| {
        json!({"resource_type": "model", "name": "a", "package_name": "p", "fqn": ["p", "a"], "version": version,
            "latest_version": 2.0, "config": {}})
    };
    let document = json!({
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json"},
        "nodes": {
            "model.p.a.v0": model(json!(0)), "model.p.a.v1": model(json!(1)), "model.p.a.v2": model(json!(2)),
            "model.p.a.v3": model(json!(3))
        }
    });
    let file = ManifestFile::from_bytes(Path::new("manifest.json"), serde_json::to_vec(&document).unwrap());
    let manifest = file.parse().unwrap();
    let graph = Graph::new(&manifest);
    let ids = |term: &str| -> Vec<&str> {
        let selection = Selection { select: vec![term.to_owned()], ..Selection::default() };
        let selected = select(SelectionContext::new(&manifest, &graph), &selection).unwrap();
        selected.nodes.into_iter().map(|node| graph.unique_id(node)).collect()
    };
    assert_eq!(ids("version:latest"), ["model.p.a.v2"]);
    assert_eq!(ids("version:old"), ["model.p.a.v1"], "to dbt, version 0 is older than nothing");
    assert_eq!(ids("version:prerelease"), ["model.p.a.v3"]);
}
