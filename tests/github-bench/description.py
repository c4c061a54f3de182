"""Keeps the routes that premerge and its tests use of GitHub's OpenAPI description.

usage: description.py FULL.json SMALL.json
A validator needs half a minute and 300 MB for all of it, and a few seconds for this part.
"""

import json
import sys

ROUTES = [
    "/user",
    "/user/repos",
    "/repos/{owner}/{repo}/issues/{issue_number}/comments",
    "/repos/{owner}/{repo}/issues/comments/{comment_id}",
    "/repos/{owner}/{repo}/pulls",
    "/repos/{owner}/{repo}/pulls/{pull_number}",
    "/repos/{owner}/{repo}/git/ref/{ref}",
    "/repos/{owner}/{repo}/git/refs",
    "/repos/{owner}/{repo}/contents/{path}",
    "/zen",
]


def references(part):
    """Every `#/components/<kind>/<name>` that a part of the description points to."""
    if isinstance(part, list):
        for item in part:
            yield from references(item)
    elif isinstance(part, dict):
        target = part.get("$ref")
        if isinstance(target, str) and target.startswith("#/components/"):
            yield tuple(target.removeprefix("#/components/").split("/", 1))
        for item in part.values():
            yield from references(item)


def main(full_path, small_path):
    with open(full_path) as file:
        full = json.load(file)
    missing = [route for route in ROUTES if route not in full["paths"]]
    if missing:
        sys.exit(f"GitHub's description has no {missing}")
    small = {key: value for key, value in full.items() if key not in ("paths", "components", "webhooks", "x-webhooks")}
    small["paths"] = {route: full["paths"][route] for route in ROUTES}
    components = {}
    waiting = list(references(small["paths"]))
    while waiting:
        kind, name = waiting.pop()
        if name not in components.setdefault(kind, {}):
            components[kind][name] = full["components"][kind][name]
            waiting.extend(references(components[kind][name]))
    small["components"] = components
    with open(small_path, "w") as file:
        json.dump(small, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
