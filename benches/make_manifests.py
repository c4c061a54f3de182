"""Writes a pair of large manifests, so that speed can be measured without dbt.

usage: make_manifests.py MODELS FOLDER

FOLDER/state.json and FOLDER/pr.json get MODELS models and 8 tests for every 3 of them, copied from the nodes of a real
manifest (fixtures/corpus/own/base.manifest.json.gz) under new names, with the macros and docs of that manifest. The
pull request edits one model in a thousand and adds one.
"""

import gzip
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
count, folder = int(sys.argv[1]), pathlib.Path(sys.argv[2])
base = json.load(gzip.open(HERE.parent / "fixtures/corpus/own/base.manifest.json.gz"))
models = [node for node in base["nodes"].values() if node["resource_type"] == "model" and not node.get("version")]
tests = [node for node in base["nodes"].values() if node.get("test_metadata")]


def model(number):
    node = dict(models[number % len(models)])
    name = f"model_{number:06}"
    layer = number // 1000
    node.update(name=name, alias=name, unique_id=f"model.scale.{name}", package_name="scale",
                fqn=["scale", f"area_{layer}", name], original_file_path=f"models/area_{layer}/{name}.sql",
                path=f"area_{layer}/{name}.sql", relation_name=f'"w"."area_{layer}"."{name}"')
    parents = sorted({(number * 7919 + step * 104729) % number for step in range(3)}) if number else []
    node["depends_on"] = {"macros": node["depends_on"]["macros"],
                          "nodes": [f"model.scale.model_{parent:06}" for parent in parents]}
    node["refs"] = [{"name": f"model_{parent:06}", "package": None, "version": None} for parent in parents]
    # Real models are longer than those of the small project.
    for part in ("raw_code", "compiled_code"):
        node[part] = (node.get(part) or "") + "\n" + "-- a line of an ordinary model, with some text in it\n" * 30
    return node


def test(number):
    node = dict(tests[number % len(tests)])
    tested = f"model.scale.model_{number * 3 // 8:06}"
    name = f"{node['test_metadata']['name']}_{number:06}"
    unique_id = f"test.scale.{name}.{number:010x}"
    node.update(name=name, alias=name, unique_id=unique_id, package_name="scale", attached_node=tested,
                fqn=["scale", "area", name])
    node["depends_on"] = {"macros": node["depends_on"]["macros"], "nodes": [tested]}
    return node


def write(path, change):
    nodes = [model(number) for number in range(count)] + [test(number) for number in range(count * 8 // 3)]
    if change:
        for node in nodes[7:count:1000]:
            node["raw_code"] += " -- edited"
        nodes.append(dict(nodes[5], unique_id="model.scale.model_new", name="model_new"))
    manifest = dict(base, nodes={node["unique_id"]: node for node in nodes})
    manifest["metadata"] = dict(base["metadata"], project_name="scale")
    manifest["parent_map"] = {node["unique_id"]: node["depends_on"]["nodes"] for node in nodes}
    children = {node["unique_id"]: [] for node in nodes}
    for node in nodes:
        for parent in node["depends_on"]["nodes"]:
            children[parent].append(node["unique_id"])
    manifest["child_map"] = children
    with open(path, "w") as out:
        json.dump(manifest, out)


write(folder / "state.json", False)
write(folder / "pr.json", True)
