"""The user's own dbt, driven by premerge.

premerge starts this file with the interpreter that runs the user's dbt and talks to it in lines of JSON: requests on
standard input, answers on what was standard output. `dbt build` is invoked as the user's job would invoke it, so that
`flags.WHICH` and all else that a macro can see are those of a build; but where dbt would build, it waits for premerge
to ask for the text of one node after another. It has no connection to the warehouse: what macros ask is handed to
premerge, which reads it, or refuses, before anything runs.
"""

import functools
import json
import os
import sys
import threading

# Everything that dbt and macros print goes to standard error; only this file writes to premerge.
ANSWERS = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
REQUESTS = os.fdopen(os.dup(0), "r", encoding="utf-8", newline="\n")
os.dup2(2, 1)
_nothing = os.open(os.devnull, os.O_RDONLY)
os.dup2(_nothing, 0)
os.close(_nothing)


class Requests(threading.Thread):
    """Reads requests, and ends the process as soon as premerge is gone, whatever dbt is doing."""

    def __init__(self):
        super().__init__(daemon=True)
        self.lines = []
        self.arrived = threading.Condition()

    def run(self):
        for line in REQUESTS:
            with self.arrived:
                self.lines.append(line)
                self.arrived.notify()
        os._exit(0)

    def next(self):
        with self.arrived:
            while not self.lines:
                self.arrived.wait()
            return json.loads(self.lines.pop(0))


requests = Requests()


def say(**message):
    ANSWERS.write(json.dumps(message) + "\n")
    ANSWERS.flush()


class Current:
    """The node whose text is being made, and what came of what it asked."""

    node = None
    # Whether nothing can be answered yet: premerge is told that the node asks, and asks for its text later.
    offline = True
    asked = False
    refused = None
    # A type whose values cannot be handed over.
    valueless = None
    # Whether dbt itself looks something up, and not a macro of the project.
    own = False
    # dbt's name of the adapter.
    adapter = None


current = Current()


def error(message):
    from dbt_common.exceptions import DbtRuntimeError

    return DbtRuntimeError(message)


# dbt 1.7 has no package dbt_common.
try:
    import dbt_common.exceptions  # noqa: F401
except ImportError:

    def error(message):  # noqa: F811
        from dbt.exceptions import DbtRuntimeError

        return DbtRuntimeError(message)


class Cursor:
    """A cursor of PEP 249 that asks premerge."""

    rowcount = -1
    statusmessage = "SELECT"
    description = None

    def __init__(self):
        self.rows = []

    def execute(self, sql, bindings=None):
        if bindings:
            raise error("premerge: a statement with parameters is not sent while a text is made")
        if current.offline:
            current.asked = True
            raise error("premerge: the warehouse is not asked yet")
        say(event="query", sql=sql, own=current.own)
        answer = requests.next()
        if "refused" in answer:
            current.refused = answer["refused"]
            raise error("premerge: " + answer["refused"])
        if "error" in answer:
            raise error(answer["error"])
        self.description = [(column[0], column[1], None, None, None, None, None) for column in answer["columns"]]
        columns = zip(*answer["rows"]) if answer["rows"] else [()] * len(answer["columns"])
        read = [self.read(kind, column) for (_, kind), column in zip(answer["columns"], columns)]
        self.rows = list(zip(*read))
        self.rowcount = len(self.rows)
        self.statusmessage = "SELECT %d" % self.rowcount
        return self

    @staticmethod
    def read(kind, texts):
        """The values of a column."""
        read = reader(kind, current.adapter)
        if all(text is None for text in texts):
            return list(texts)
        try:
            if read is not None:
                return [None if text is None else read(text) for text in texts]
        except (ValueError, LookupError, AttributeError, ArithmeticError):
            pass
        current.valueless = kind.partition("(")[0].lower()
        raise error("premerge: values of the type %s are not handed over" % current.valueless)

    def fetchall(self):
        rows, self.rows = self.rows, []
        return rows

    def fetchmany(self, size=1):
        rows, self.rows = self.rows[:size], self.rows[size:]
        return rows

    def fetchone(self):
        rows = self.fetchmany(1)
        return rows[0] if rows else None

    def close(self):
        pass


class Handle:
    """A connection of PEP 249 that connects to nothing."""

    closed = 0

    def cursor(self, *_, **__):
        return Cursor()

    def close(self):
        pass

    def commit(self):
        pass

    def rollback(self):
        pass


def cut_off(adapter):
    """Takes the warehouse away from an adapter."""
    manager = type(adapter.connections)
    current.adapter = adapter.type()

    def open_nothing(cls, connection):
        states = type(connection.state)
        connection.handle = Handle()
        connection.state = states.OPEN
        return connection

    manager.open = classmethod(open_nothing)
    manager.cancel = lambda self, connection: None
    manager.add_begin_query = lambda self: (self.get_thread_connection(), None)
    manager.add_commit_query = lambda self: (self.get_thread_connection(), None)

    kind = type(adapter)
    found, listed = kind.get_relation, kind.list_relations_without_caching
    columns, has_schema = kind.get_columns_in_relation, kind.check_schema_exists

    @functools.wraps(found)
    def get_relation(self, database, schema, identifier):
        own = current.node
        # A node's own relation is not there before it is built: premerge's schema is fresh.
        if own is not None and (database, schema, identifier) == (own.database, own.schema, own.identifier):
            return None
        return found(self, database, schema, identifier)

    @functools.wraps(listed)
    def list_relations_without_caching(self, schema_relation):
        """What dbt's own build would list: what this run has built so far is in the target's schemas."""
        relations = listed(self, schema_relation)
        names = [part and str(part) for part in (schema_relation.database, schema_relation.schema)]
        built = texts.built_in(*names) if texts is not None else {}
        if not built:
            return relations
        relations = [relation for relation in relations if relation.identifier.lower() not in built]
        lying = {}
        for database, schema in {place[:2] for place in built.values()}:
            there = schema_relation.incorporate(path={"database": database or names[0], "schema": schema})
            for relation in listed(self, there):
                lying[database, schema, relation.identifier.lower()] = relation
        for node, (database, schema, identifier) in zip(texts.nodes_in(*names), built.values()):
            relation = lying.get((database, schema, identifier.lower()))
            if relation is not None:
                path = {"database": node.database, "schema": node.schema, "identifier": node.identifier}
                relations.append(relation.incorporate(path=path))
        return relations

    @functools.wraps(columns)
    def get_columns_in_relation(self, relation):
        built = texts.built_in(relation.database, relation.schema) if texts is not None else {}
        place = built.get(str(relation.identifier).lower())
        if place is not None:
            database, schema, identifier = place
            path = {"database": database or relation.database, "schema": schema, "identifier": identifier}
            relation = relation.incorporate(path=path)
        return columns(self, relation)

    @functools.wraps(has_schema)
    def check_schema_exists(self, database, schema):
        # dbt makes the schemas of all that it builds before it builds the first.
        return bool(texts is not None and texts.built_in(database, schema)) or has_schema(self, database, schema)

    kind.get_relation = looked_up(get_relation)
    kind.list_relations = looked_up(kind.list_relations)
    kind.list_relations_without_caching = looked_up(list_relations_without_caching)
    kind.get_columns_in_relation = looked_up(get_columns_in_relation)
    kind.check_schema_exists = looked_up(check_schema_exists)

    def refuse(self, *_, **__):
        current.refused = "Python code is not run"
        raise error("premerge: " + current.refused)

    kind.submit_python_job = functools.wraps(kind.submit_python_job)(refuse)


def looked_up(method):
    """What dbt's own method asks the catalogue, to answer about one relation."""

    @functools.wraps(method)
    def wrapped(self, *arguments, **named):
        before, current.own = current.own, True
        try:
            return method(self, *arguments, **named)
        finally:
            current.own = before

    return wrapped


def key_of(database, schema):
    return str(database or "").strip('"').lower(), str(schema).strip('"').lower()


class Texts:
    """Makes the texts of nodes."""

    def __init__(self, task, compiler):
        self.manifest = task.manifest
        self.config = task.config
        self.compiler = compiler
        # Where this run builds nodes, by the schema that the profile's target gives them, and by their unique_id.
        self.built = {}
        self.ephemeral = [node for node in self.manifest.nodes.values() if node.config.materialized == "ephemeral"]

    def place(self, places):
        """Nodes that are not built are production's from now on, as with dbt's `--defer --favor-state`. Those that are
        built keep the names that the profile's target gives them; premerge puts its own in their place."""
        for unique_id, (database, schema, identifier, built) in places.items():
            node = self.manifest.nodes.get(unique_id)
            if node is None:
                continue
            if built:
                self.built.setdefault(key_of(node.database, node.schema), {})[unique_id] = (database, schema, identifier)
                continue
            node.database, node.schema, node.alias = database or node.database, schema, identifier
            if getattr(node, "relation_name", None):
                relation = self.adapter().Relation.create_from(self.config, node)
                node.relation_name = relation.render()
        self.manifest.build_flat_graph()

    def nodes_in(self, database, schema):
        """The nodes that this run builds and that the profile's target has in a schema."""
        return [self.manifest.nodes[unique_id] for unique_id in self.built.get(key_of(database, schema), ())]

    def built_in(self, database, schema):
        """Where they lie, or will, by their names in that schema; in the order of `nodes_in`."""
        places = self.built.get(key_of(database, schema), {})
        return {self.manifest.nodes[unique_id].identifier.lower(): place for unique_id, place in places.items()}

    def adapter(self):
        from dbt.adapters.factory import get_adapter

        return get_adapter(self.config)

    def make(self, unique_id, offline):
        node = self.manifest.nodes.get(unique_id)
        if node is None:
            say(event="text", id=unique_id, failed="dbt's manifest does not have it")
            return
        current.node, current.offline, current.asked, current.refused = node, offline, False, None
        current.own, current.valueless = False, None
        adapter = self.adapter()
        # What was there when another text was made says nothing about now.
        adapter.cache.clear()
        try:
            with adapter.connection_named(unique_id, node):
                sql = self.compiler.compile_node(node, self.manifest, {}, False).compiled_code
            failed = None
        except Exception as exception:  # noqa: BLE001
            sql, failed = None, "%s: %s" % (type(exception).__name__, exception)
        if current.asked:
            say(event="text", id=unique_id, asks=True)
        elif current.refused is not None:
            say(event="text", id=unique_id, refused=current.refused)
        elif current.valueless is not None and failed is not None:
            say(event="text", id=unique_id, valueless=current.valueless)
        elif failed is not None:
            say(event="text", id=unique_id, failed=failed)
        else:
            say(event="text", id=unique_id, sql=sql or "")
        current.node = None
        for used in [node, *self.ephemeral]:
            if getattr(used, "compiled", False) or getattr(used, "extra_ctes", None):
                used.compiled, used.compiled_code = False, None
                used.extra_ctes, used.extra_ctes_injected = [], False


def serve(task):
    """In place of building."""
    from dbt.compilation import Compiler

    flags = task.args
    for name in ("EMPTY", "SAMPLE"):
        if getattr(flags, name, None):
            raise RuntimeError("dbt is set to --%s, which limits the rows of all inputs" % name.lower())
    manifest = os.path.join(start["folder"], "manifest.json")
    task.manifest.writable_manifest().write(manifest)
    global texts
    texts = Texts(task, Compiler(task.config))
    say(event="parsed", manifest=manifest, adapter=texts.adapter().type())
    while True:
        request = requests.next()
        if request["request"] == "place":
            texts.place(request["places"])
        elif request["request"] == "texts":
            for unique_id in request["ids"]:
                texts.make(unique_id, request["offline"])
            say(event="done")


def parsed_before(project):
    """The arguments that let dbt begin with what it has parsed before: read where the user's own dbt left it, and
    written to premerge's folder."""
    import yaml

    if os.environ.get("DBT_PARTIAL_PARSE_FILE_PATH"):
        return []
    target = os.environ.get("DBT_TARGET_PATH")
    if not target:
        try:
            with open(os.path.join(project, "dbt_project.yml"), encoding="utf-8") as file:
                target = yaml.safe_load(file).get("target-path")
        except (OSError, ValueError, AttributeError, yaml.YAMLError):
            # dbt says what is wrong with it.
            return []
    found = os.path.join(project, target if isinstance(target, str) else "target", "partial_parse.msgpack")
    return ["--partial-parse-file-path", found] if os.path.isfile(found) else []


def main():
    global start
    requests.start()
    try:
        import dbt.version
        from dbt.cli.main import dbtRunner
        from dbt.task.build import BuildTask
    except ImportError as missing:
        say(event="ended", failed="%s: %s" % (type(missing).__name__, missing), stage="import")
        return
    say(event="started", dbt=dbt.version.get_installed_version().to_version_string(skip_matcher=True),
        python="%d.%d.%d" % sys.version_info[:3])
    start = requests.next()
    from dbt.adapters import factory

    registered = factory.AdapterContainer.register_adapter

    def register_adapter(self, config, *arguments, **named):
        registered(self, config, *arguments, **named)
        adapter = self.adapters.get(config.credentials.type)
        if adapter is not None and type(adapter) not in cut:
            cut.add(type(adapter))
            cut_off(adapter)

    cut = set()
    factory.AdapterContainer.register_adapter = register_adapter
    BuildTask.run = serve
    result = dbtRunner().invoke([*start["arguments"], *parsed_before(start["project"])])
    failed = getattr(result, "exception", None)
    say(event="ended", failed="%s: %s" % (type(failed).__name__, failed), stage="parse")


start, texts = None, None
try:
    main()
except BaseException as exception:  # noqa: BLE001
    say(event="ended", failed="%s: %s" % (type(exception).__name__, exception), stage="run")
os._exit(0)
