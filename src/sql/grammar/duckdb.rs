//! DuckDB's grammar: `json_serialize_sql` of the linked engine, which takes queries and nothing else.
//!
//! An instance of its own does the reading: in memory, without files, without extensions.

use std::collections::HashSet;
use std::sync::{Mutex, OnceLock, PoisonError};

use duckdb::{Config, Connection};
use serde_json::{Map, Value};

use super::place::Place;
use super::{Facts, Named, ProjectText, Refusal, sayable};
use crate::sql::Dialect;
use crate::sql::tokens::{Kind, Token, Tokens};

/// See [`super::judge`].
pub(super) fn judge(text: ProjectText<'_>) -> Result<Facts, Refusal> {
    match text {
        ProjectText::Query(text) => query(text),
        ProjectText::Column { name, definition } => {
            let written = Tokens::of(name, Dialect::DuckDb)?;
            let solid: Vec<_> = written.list.iter().filter(|token| !token.kind.is_blank()).collect();
            match solid.as_slice() {
                [token] if matches!(token.kind, Kind::Word | Kind::Quoted) => {}
                _ => return Err(Refusal::new("a column's name that is more than a name", 1)),
            }
            column(definition)
        }
        ProjectText::Constraint(text) => constraint(text),
        ProjectText::Key(_) | ProjectText::IndexMethod(_) => {
            Err(Refusal::new("premerge makes no indexes on DuckDB", 1))
        }
        ProjectText::Header(_) => Err(Refusal::new("a header is not part of a statement", 1)),
    }
}

fn query(text: &str) -> Result<Facts, Refusal> {
    let before = "select * from (\n";
    let wrap = |text: &str| format!("{before}{text}\n) as premerge_place");
    let parsed = match parse(&wrap(text)) {
        // A pivot whose columns are the data's is several statements to the engine.
        Err(refusal) if refusal.rule == ONLY_QUERIES => match with_pivots_settled(text)? {
            Some(settled) => parse(&wrap(&settled))?,
            None => return Err(refusal),
        },
        parsed => parsed?,
    };
    let leaves = || Refusal::new("it closes brackets that it did not open", 0);
    let outer = select(&parsed).ok_or_else(leaves)?;
    let from = outer.get("from_table").and_then(Value::as_object).ok_or_else(leaves)?;
    let ours = only(outer, &["select_list", "from_table"])
        && only(from, &["alias", "subquery"])
        && word(from, "type") == "SUBQUERY"
        && word(from, "alias") == "premerge_place"
        && matches!(list(outer, "select_list"), [star] if star.get("class").and_then(Value::as_str) == Some("STAR"));
    let inner = from.get("subquery").filter(|_| ours).ok_or_else(leaves)?;
    let mut walk = Walk::new(before.len(), text);
    walk.any("", inner)?;
    Ok(walk.facts)
}

/// A text that has to be one expression, as it is put behind `select`.
fn expression(before: &str, text: &str, class: Option<&str>) -> Result<Facts, Refusal> {
    let parsed = parse(&format!("select {before}\n{text}\n) as premerge_place"))?;
    let leaves = || Refusal::new("it is more than one expression", 0);
    let outer = select(&parsed).ok_or_else(leaves)?;
    let from = outer.get("from_table").and_then(Value::as_object).ok_or_else(leaves)?;
    let [column] = list(outer, "select_list") else { return Err(leaves()) };
    let fields = column.as_object().ok_or_else(leaves)?;
    let fits = class.is_none_or(|class| word(fields, "class") == class);
    if !only(outer, &["select_list", "from_table"]) || word(from, "type") != "EMPTY" || !fits {
        return Err(leaves());
    }
    if word(fields, "alias") != "premerge_place" {
        return Err(leaves());
    }
    let mut walk = Walk::new(before.len() + "select \n".len(), text);
    walk.any("", column)?;
    Ok(walk.facts)
}

/// A type and constraints.
fn column(definition: &str) -> Result<Facts, Refusal> {
    let tokens = Tokens::of(definition, Dialect::DuckDb)?;
    let end = parts(&tokens).into_iter().find(|part| part.depth == 0 && part.is(BEHIND_A_TYPE)).map(|part| part.at);
    let (data_type, rest) = definition.split_at(end.unwrap_or(definition.len()));
    let mut facts = expression("cast(null as", data_type, Some("CAST"))?;
    constraints(rest, COLUMN, &mut facts)?;
    Ok(facts)
}

/// A constraint of the table.
fn constraint(text: &str) -> Result<Facts, Refusal> {
    let mut facts = Facts::default();
    constraints(text, TABLE, &mut facts)?;
    Ok(facts)
}

/// Which constraints may stand at a place; `_` is a name or literal, `()` is names in brackets, `(?)` an expression.
const COLUMN: &[&[&str]] = &[
    &["not", "null"],
    &["null"],
    &["unique"],
    &["primary", "key"],
    &["check", "(?)"],
    &["default", "_"],
    &["collate", "_"],
    &["constraint", "_"],
];
const TABLE: &[&[&str]] = &[&["unique", "()"], &["primary", "key", "()"], &["check", "(?)"], &["constraint", "_"]];

/// Words that no type goes on with.
const BEHIND_A_TYPE: &[&str] = &[
    "as",
    "check",
    "collate",
    "constraint",
    "default",
    "foreign",
    "generated",
    "not",
    "null",
    "primary",
    "references",
    "unique",
    "using",
];

fn constraints(text: &str, known: &[&[&str]], facts: &mut Facts) -> Result<(), Refusal> {
    let tokens = Tokens::of(text, Dialect::DuckDb)?;
    let parts = parts(&tokens);
    let mut rest: Vec<&Part<'_>> = parts.iter().filter(|part| part.depth == 0).collect();
    while let Some(first) = rest.first() {
        let matching = known
            .iter()
            .find(|shape| rest.len() >= shape.len() && shape.iter().zip(&rest).all(|(want, part)| part.fits(want)));
        let Some(shape) = matching else {
            let line = tokens.line(first.at);
            let word = first.text.to_lowercase();
            let named = if sayable(&word) { format!(" (`{word}`)") } else { String::new() };
            return Err(Refusal::new(format!("an unsupported constraint{named}"), line));
        };
        for (want, part) in shape.iter().zip(&rest) {
            let inner = part.text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
            match (*want, inner) {
                ("(?)", Some(inner)) => {
                    let found = expression("(", inner, None)?;
                    facts.relations.extend(found.relations);
                    facts.functions.extend(found.functions);
                }
                ("()", Some(inner)) => names(inner)?,
                _ => {}
            }
        }
        rest.drain(..shape.len());
    }
    Ok(())
}

/// Names with commas between them.
fn names(text: &str) -> Result<(), Refusal> {
    let tokens = Tokens::of(text, Dialect::DuckDb)?;
    let solid: Vec<_> = tokens.list.iter().filter(|token| !token.kind.is_blank()).collect();
    let is_list = solid.iter().enumerate().all(|(at, token)| match token.kind {
        Kind::Word | Kind::Quoted => at % 2 == 0,
        Kind::Comma => at % 2 == 1,
        _ => false,
    });
    if is_list { Ok(()) } else { Err(Refusal::new("a constraint over something other than columns", 1)) }
}

/// A token, or a pair of brackets with all that is in it.
struct Part<'t> {
    at: usize,
    kind: Kind,
    text: &'t str,
    depth: usize,
}

impl Part<'_> {
    fn is(&self, words: &[&str]) -> bool {
        self.kind == Kind::Word && words.iter().any(|word| self.text.eq_ignore_ascii_case(word))
    }

    fn fits(&self, want: &str) -> bool {
        match want {
            "_" => matches!(self.kind, Kind::Word | Kind::Quoted | Kind::Text | Kind::Other) && !self.is(BEHIND_A_TYPE),
            "()" | "(?)" => self.kind == Kind::Open,
            word => self.is(&[word]),
        }
    }
}

/// The solid tokens outside all brackets, and the brackets.
fn parts<'t>(tokens: &Tokens<'t>) -> Vec<Part<'t>> {
    let mut parts = Vec::new();
    let mut depth = 0_usize;
    let mut opened = 0;
    for token in tokens.list.iter().filter(|token| !token.kind.is_blank()) {
        match token.kind {
            Kind::Open => {
                if depth == 0 {
                    opened = token.start;
                }
                depth += 1;
            }
            Kind::Close => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    let text = tokens.sql.get(opened..token.end).unwrap_or_default();
                    parts.push(Part { at: opened, kind: Kind::Open, text, depth: 0 });
                }
            }
            kind if depth == 0 => parts.push(Part { at: token.start, kind, text: tokens.text(*token), depth: 0 }),
            _ => {}
        }
    }
    parts
}

/// `pivot t on x using sum(y)` with values for `x`, so that it is one statement; `None` without such a pivot.
fn with_pivots_settled(text: &str) -> Result<Option<String>, Refusal> {
    let tokens = Tokens::of(text, Dialect::DuckDb)?;
    let is = |token: &Token, word: &str| token.kind == Kind::Word && tokens.text(*token).eq_ignore_ascii_case(word);
    let mut inserts = Vec::new();
    let mut depth = 0_usize;
    // The depth of the pivot whose `on` is being read, and whether its current column has an `in`.
    let mut on: Option<(usize, bool)> = None;
    let mut pivots: Vec<usize> = Vec::new();
    let mut last_end = 0;
    for token in tokens.list.iter().filter(|token| !token.kind.is_blank()) {
        let ends = match on {
            Some((at, _)) if depth == at => {
                token.kind == Kind::Close
                    || token.kind == Kind::Comma
                    || is(token, "using")
                    || is(token, "group")
                    || is(token, "order")
                    || is(token, "limit")
            }
            _ => false,
        };
        if ends && let Some((at, settled)) = on {
            if !settled {
                inserts.push(last_end);
            }
            on = (token.kind == Kind::Comma).then_some((at, false));
        }
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => {
                depth = depth.saturating_sub(1);
                pivots.retain(|at| *at <= depth);
            }
            _ if is(token, "pivot") || is(token, "pivot_wider") => pivots.push(depth),
            _ if is(token, "on") && pivots.last() == Some(&depth) && on.is_none() => {
                pivots.pop();
                on = Some((depth, false));
            }
            _ if is(token, "in") => {
                if let Some((at, settled)) = &mut on {
                    *settled |= *at == depth;
                }
            }
            _ => {}
        }
        last_end = token.end;
    }
    if matches!(on, Some((_, false))) {
        inserts.push(last_end);
    }
    if inserts.is_empty() {
        return Ok(None);
    }
    let mut settled = String::with_capacity(text.len() + 16 * inserts.len());
    let mut from = 0;
    for at in inserts {
        settled.push_str(text.get(from..at).unwrap_or_default());
        settled.push_str(" in ('premerge')");
        from = at;
    }
    settled.push_str(text.get(from..).unwrap_or_default());
    Ok(Some(settled))
}

/// The parser, and what the engine says of its functions.
struct Engine {
    connection: Mutex<Connection>,
    /// Scalar functions that do more than compute.
    side_effects: HashSet<String>,
}

fn engine() -> Option<&'static Engine> {
    static ENGINE: OnceLock<Option<Engine>> = OnceLock::new();
    let open = || -> duckdb::Result<Engine> {
        let config = Config::default()
            .with("threads", "1")?
            .with("autoload_known_extensions", "false")?
            .with("autoinstall_known_extensions", "false")?;
        let connection = Connection::open_in_memory_with_flags(config)?;
        let mut statement = connection.prepare(
            "select distinct lower(function_name) from duckdb_functions() where has_side_effects and function_type <> 'table'",
        )?;
        let names = statement.query_map([], |row| row.get::<_, String>(0))?;
        let side_effects = names.collect::<duckdb::Result<HashSet<_>>>()?;
        drop(statement);
        connection.execute_batch("set enable_external_access = false; set lock_configuration = true")?;
        Ok(Engine { connection: Mutex::new(connection), side_effects })
    };
    ENGINE.get_or_init(|| open().ok()).as_ref()
}

/// Functions that the engine marks, and that change nothing but what they return.
const HARMLESS: &[&str] = &[
    "current_connection_id",
    "current_query",
    "current_query_id",
    "current_transaction_id",
    "error",
    "gen_random_uuid",
    "random",
    "setseed",
    "uuid",
    "uuidv4",
    "uuidv7",
    "version",
];

/// Scalar functions that read what is not the project's, or run what is not seen.
const REFUSED: &[&str] = &["getenv", "json_execute_serialized_sql", "which_secret"];

/// Table functions that only read.
const READERS: &[&str] = &[
    "duckdb_columns",
    "duckdb_constraints",
    "duckdb_databases",
    "duckdb_functions",
    "duckdb_indexes",
    "duckdb_keywords",
    "duckdb_schemas",
    "duckdb_tables",
    "duckdb_types",
    "duckdb_views",
    "flatten",
    "generate_series",
    "glob",
    "iceberg_scan",
    "icu_calendar_names",
    "json_each",
    "json_tree",
    "parquet_file_metadata",
    "parquet_kv_metadata",
    "parquet_metadata",
    "parquet_scan",
    "parquet_schema",
    "pg_timezone_names",
    "pragma_table_info",
    "range",
    "read_avro",
    "read_blob",
    "read_csv",
    "read_csv_auto",
    "read_json",
    "read_json_auto",
    "read_json_objects",
    "read_json_objects_auto",
    "read_ndjson",
    "read_ndjson_auto",
    "read_ndjson_objects",
    "read_parquet",
    "read_text",
    "read_xlsx",
    "repeat",
    "repeat_row",
    "sniff_csv",
    "st_read",
    "summary",
    "unnest",
];

const ONLY_QUERIES: &str = "only a query can stand here";

/// The serialized statements: exactly one.
fn parse(sql: &str) -> Result<Value, Refusal> {
    let cannot = || Refusal::new("DuckDB's grammar could not parse it", 0);
    let engine = engine().ok_or_else(|| Refusal::new("DuckDB's grammar could not be started", 0))?;
    let serialized: String = {
        let connection = engine.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let ask = "select json_serialize_sql(?::varchar, skip_null := true, skip_empty := true, skip_default := true)";
        connection.query_row(ask, [sql], |row| row.get(0)).map_err(|_| cannot())?
    };
    let mut answer: Value = serde_json::from_str(&serialized).map_err(|_| cannot())?;
    if answer.get("error").and_then(Value::as_bool) != Some(false) {
        let said = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        return Err(refused(&said("error_type"), &said("error_message")));
    }
    match answer.get_mut("statements").and_then(Value::as_array_mut) {
        Some(statements) if statements.len() == 1 => statements.pop().ok_or_else(cannot),
        _ => Err(Refusal::new("it is not one statement", 0)),
    }
}

fn refused(kind: &str, message: &str) -> Refusal {
    if kind == "not implemented" && message.contains("Only SELECT") {
        return Refusal::new(ONLY_QUERIES, 0);
    }
    let near = message.split_once("at or near \"").and_then(|(_, rest)| rest.split('"').next());
    let rule = match near.filter(|word| sayable(word)) {
        Some(word) => format!("DuckDB's grammar has a syntax error at or near `{word}`"),
        None if message.contains("depth") => "SQL that is nested too deeply for DuckDB".to_owned(),
        None => "DuckDB's grammar rejects it".to_owned(),
    };
    Refusal::syntax(rule)
}

fn word<'v>(fields: &'v Map<String, Value>, name: &str) -> &'v str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn list<'v>(fields: &'v Map<String, Value>, name: &str) -> &'v [Value] {
    fields.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The parts of a name. From 2.0 on they stand in one list, which may have more of them than there are `fields`.
fn path(node: &Map<String, Value>, fields: [&str; 3]) -> Vec<String> {
    let listed = node.get("qualified_name").and_then(|name| name.get("path")).and_then(Value::as_array);
    let parts: Vec<&str> = match listed {
        Some(parts) => parts.iter().map(|part| part.as_str().unwrap_or_default()).collect(),
        None => fields.into_iter().map(|field| word(node, field)).collect(),
    };
    parts.into_iter().filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// A function's own name, in small letters.
fn called(function: &Map<String, Value>) -> String {
    path(function, ["catalog", "schema", "function_name"]).pop().unwrap_or_default().to_lowercase()
}

/// Nothing but these fields, and what every node has.
fn only(fields: &Map<String, Value>, names: &[&str]) -> bool {
    let always = ["type", "query_location", "query_location_length", "aggregate_handling"];
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty() || map.values().all(|value| value.as_array().is_some_and(Vec::is_empty)),
        _ => false,
    };
    fields.iter().all(|(name, value)| names.contains(&name.as_str()) || always.contains(&name.as_str()) || empty(value))
}

/// The fields of a statement that is one plain `select`.
fn select(statement: &Value) -> Option<&Map<String, Value>> {
    let statement = statement.as_object()?;
    let node = statement.get("node")?.as_object()?;
    (only(statement, &["node"]) && word(node, "type") == "SELECT_NODE").then_some(node)
}

/// Classes of expressions, and types of what is not an expression, that a query which only reads is made of.
const CLASSES: &[&str] = &[
    "BETWEEN",
    "CASE",
    "CAST",
    "COLLATE",
    "COLUMN_REF",
    "COMPARISON",
    "CONJUNCTION",
    "CONSTANT",
    "DEFAULT",
    "FUNCTION",
    "LAMBDA",
    "LAMBDA_REF",
    "OPERATOR",
    "POSITIONAL_REFERENCE",
    "STAR",
    "SUBQUERY",
    "TYPE",
    "WINDOW",
];
const NODES: &[&str] = &[
    "SELECT_NODE",
    "SET_OPERATION_NODE",
    "RECURSIVE_CTE_NODE",
    "CTE_NODE",
    "BASE_TABLE",
    "SUBQUERY",
    "JOIN",
    "TABLE_FUNCTION",
    "EXPRESSION_LIST",
    "EMPTY",
    "PIVOT",
    "SHOW_REF",
    "LIMIT_MODIFIER",
    "LIMIT_PERCENT_MODIFIER",
    "ORDER_MODIFIER",
    "DISTINCT_MODIFIER",
    "ORDER_DEFAULT",
    "ASCENDING",
    "DESCENDING",
    "LIST",
    "EMPTY_FROM",
];

struct Walk {
    place: Place,
    /// Names of the common table expressions that are in sight.
    tables: Vec<String>,
    facts: Facts,
}

impl Walk {
    fn new(before: usize, text: &str) -> Self {
        Self { place: Place::new(before, text), tables: Vec::new(), facts: Facts::default() }
    }

    fn any(&mut self, name: &str, value: &Value) -> Result<(), Refusal> {
        match value {
            Value::Array(list) => list.iter().try_for_each(|value| self.any(name, value)),
            Value::Object(fields) => self.object(name, fields),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    fn object(&mut self, name: &str, fields: &Map<String, Value>) -> Result<(), Refusal> {
        self.place.see(fields.get("query_location"));
        let class = word(fields, "class");
        let kind = word(fields, "type");
        if class.is_empty() {
            // A constant's value is not part of the query, also where it is a structure itself.
            if name == "value" && fields.contains_key("is_null") {
                return Ok(());
            }
            // What a type is made of: digits, the names and types of fields.
            if !kind.is_empty() && !NODES.contains(&kind) && !kind.ends_with("_TYPE_INFO") {
                return self.place.refuse(format!("an unsupported construct (`{}`)", kind.to_lowercase()));
            }
        } else if class == "PARAMETER" {
            return self.place.refuse("a parameter of a prepared statement");
        } else if !CLASSES.contains(&class) {
            return self.place.refuse(format!("an unsupported construct (`{}`)", class.to_lowercase()));
        }
        let before = self.tables.len();
        let map = fields.get("cte_map").and_then(|map| map.get("map")).and_then(Value::as_array);
        // One sees those before it and not itself, for which a recursive one has a node of its own.
        for entry in map.into_iter().flatten().filter_map(Value::as_object) {
            entry.get("value").map_or(Ok(()), |value| self.any("", value))?;
            self.tables.push(word(entry, "key").to_lowercase());
        }
        for name in ["cte_name", "ctename"] {
            let local = word(fields, name);
            if !local.is_empty() {
                self.tables.push(local.to_lowercase());
            }
        }
        if class.is_empty() {
            self.table(kind, fields)?;
        } else if matches!(class, "FUNCTION" | "WINDOW") && name != "function" {
            self.function(fields)?;
        }
        let mut others = fields.iter().filter(|(name, _)| *name != "cte_map");
        let walked = others.try_for_each(|(name, value)| self.any(name, value));
        self.tables.truncate(before);
        walked
    }

    fn table(&mut self, kind: &str, fields: &Map<String, Value>) -> Result<(), Refusal> {
        match kind {
            "BASE_TABLE" => {
                let parts = path(fields, ["catalog_name", "schema_name", "table_name"]);
                let local = matches!(parts.as_slice(), [name] if self.tables.contains(&name.to_lowercase()));
                if !local {
                    self.facts.relations.push(Named { parts, line: self.place.line });
                }
            }
            "TABLE_FUNCTION" => {
                let function = fields.get("function").and_then(Value::as_object);
                let named = function.map(called).unwrap_or_default();
                if !READERS.contains(&named.as_str()) {
                    let named = if sayable(&named) { named } else { "…".to_owned() };
                    return self.place.refuse(format!("the table function `{named}`, which is not known to only read"));
                }
            }
            "SHOW_REF" if !fields.contains_key("query") => return self.place.refuse("`show`, which is not a query"),
            _ => {}
        }
        Ok(())
    }

    fn function(&mut self, fields: &Map<String, Value>) -> Result<(), Refusal> {
        let named = called(fields);
        if named.is_empty() {
            return Ok(());
        }
        let marked = engine().is_none_or(|engine| engine.side_effects.contains(&named));
        if REFUSED.contains(&named.as_str()) || (marked && !HARMLESS.contains(&named.as_str())) {
            return self.place.refuse(format!("the function `{named}`, which does more than read"));
        }
        let mut parts = path(fields, ["catalog", "schema", "function_name"]);
        parts.pop();
        parts.push(named);
        self.facts.functions.push(Named { parts, line: self.place.line });
        Ok(())
    }
}
