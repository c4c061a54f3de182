//! PostgreSQL's grammar: the server's own parser, as a library.
//!
//! Its tree is walked as values with names, so that no field and no kind of node can be passed over: what is not
//! listed here is refused.

use pg_query::ParserOptions;
use serde_json::{Map, Value};

use super::place::Place;
use super::{Facts, Named, ProjectText, Refusal, sayable};

/// See [`super::judge`].
pub(super) fn judge(text: ProjectText<'_>) -> Result<Facts, Refusal> {
    judge_with(text, ParserOptions::DEFAULT)
}

/// As [`judge`], with the server's settings of how texts are read.
pub(super) fn judge_with(text: ProjectText<'_>, options: ParserOptions) -> Result<Facts, Refusal> {
    const TABLE: &str = "create table premerge_place (";
    let original = text;
    let (before, text, after) = match original {
        ProjectText::Query(text) => ("select * from (\n".to_owned(), text, "\n) as premerge_place"),
        ProjectText::Column { name, definition } => (format!("{TABLE}\n{name} "), definition, "\n)"),
        ProjectText::Constraint(text) => (format!("{TABLE}premerge_column integer,\n"), text, "\n)"),
        ProjectText::Key(text) => ("create index on premerge_place (\n".to_owned(), text, "\n)"),
        ProjectText::IndexMethod(text) => ("create index on premerge_place using\n".to_owned(), text, "\n(a)"),
        ProjectText::Header(_) => return Err(Refusal::new("a header is not part of a statement", 1)),
    };
    let statements = statements(&format!("{before}{text}{after}"), options)?;
    let [statement] = statements.as_slice() else { return Err(Refusal::new("it is not one statement", 0)) };
    let mut walk = Walk::new(before.len(), text);
    match original {
        ProjectText::Query(_) => walk.query(statement)?,
        ProjectText::Column { .. } => walk.table(statement, "ColumnDef", 1)?,
        ProjectText::Constraint(_) => walk.table(statement, "Constraint", 2)?,
        ProjectText::Key(_) => walk.index(statement, None)?,
        ProjectText::IndexMethod(_) => walk.index(statement, Some(1))?,
        ProjectText::Header(_) => {}
    }
    Ok(walk.facts)
}

/// The parsed trees of all statements of a text.
pub(super) fn statements(sql: &str, options: ParserOptions) -> Result<Vec<Value>, Refusal> {
    let parsed = pg_query::parse(sql, options).map_err(|error| refused(&error))?;
    let tree = serde_json::to_value(&parsed.protobuf).map_err(|_| Refusal::new("its tree could not be read", 0))?;
    let list = tree.get("stmts").and_then(Value::as_array).cloned().unwrap_or_default();
    Ok(list.into_iter().filter_map(|mut raw| raw.get_mut("stmt").map(Value::take)).collect())
}

fn refused(error: &pg_query::Error) -> Refusal {
    let pg_query::Error::Parse(message) = error else { return Refusal::new("the grammar could not parse it", 0) };
    // What is behind "near" may be a value.
    let rule = match message.split_once(" at or near ") {
        Some((what, near)) => match near.trim_matches('"') {
            word if sayable(word) => format!("PostgreSQL's grammar has a {what} at or near `{word}`"),
            _ => format!("PostgreSQL's grammar has a {what}"),
        },
        None if message.starts_with("stack depth") => "SQL that is nested too deeply for PostgreSQL".to_owned(),
        None if message.starts_with("syntax error") => "PostgreSQL's grammar has a syntax error".to_owned(),
        None => "PostgreSQL's grammar rejects it".to_owned(),
    };
    Refusal::syntax(rule)
}

/// The kind and the fields of a node.
pub(super) fn fields_of(value: &Value) -> Option<(&str, &Map<String, Value>)> {
    let node = value.as_object()?.get("node")?.as_object()?;
    let (kind, fields) = node.iter().next()?;
    Some((kind.as_str(), fields.as_object()?))
}

/// Whether a field says nothing.
fn is_default(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(_) => false,
    }
}

/// Nothing but the named fields of `fields` says anything.
fn only(fields: &Map<String, Value>, names: &[&str]) -> bool {
    fields.iter().all(|(name, value)| names.contains(&name.as_str()) || is_default(value))
}

fn list<'v>(fields: &'v Map<String, Value>, name: &str) -> &'v [Value] {
    fields.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'v>(fields: &'v Map<String, Value>, name: &str) -> &'v str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The text of a `String` node.
fn string(value: &Value) -> Option<&str> {
    let (kind, fields) = fields_of(value)?;
    (kind == "String").then(|| text(fields, "sval"))
}

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

    /// `select * from (…) as premerge_place`, and nothing else around the text.
    fn query(&mut self, statement: &Value) -> Result<(), Refusal> {
        let Some(("SelectStmt", outer)) = fields_of(statement) else { return self.place.refuse("it is not one query") };
        let ours = only(outer, &["target_list", "from_clause", "limit_option", "op"]);
        let [from] = list(outer, "from_clause") else {
            return self.place.refuse("it closes brackets that it did not open");
        };
        let Some(("RangeSubselect", inner)) = fields_of(from) else {
            return self.place.refuse("it closes brackets that it did not open");
        };
        let alias = inner.get("alias").and_then(Value::as_object).map(|alias| text(alias, "aliasname"));
        let star = matches!(list(outer, "target_list"), [_]) && only(inner, &["subquery", "alias"]);
        let query = inner.get("subquery").filter(|_| ours && star && alias == Some("premerge_place"));
        let Some(query) = query else { return self.place.refuse("it closes brackets that it did not open") };
        self.any(query)
    }

    /// `create table premerge_place (…)` with so many elements, the last of which is the text's.
    fn table(&mut self, statement: &Value, element: &str, elements: usize) -> Result<(), Refusal> {
        let Some(("CreateStmt", fields)) = fields_of(statement) else {
            return self.place.refuse("it is not a definition");
        };
        let ours = only(fields, &["relation", "table_elts", "oncommit"])
            && plain_relation(fields)
            && fields.get("oncommit").and_then(Value::as_i64).is_none_or(|what| what <= 1);
        let elts = list(fields, "table_elts");
        let Some((kind, last)) = elts.last().and_then(fields_of).filter(|_| ours && elts.len() == elements) else {
            return self.place.refuse("it leaves its place in the table");
        };
        if kind != element {
            return self.place.refuse("it leaves its place in the table");
        }
        match kind {
            "ColumnDef" => {
                if !only(last, &["colname", "type_name", "is_local", "constraints", "coll_clause", "location"]) {
                    return self.place.refuse("a column's definition that is more than a type and constraints");
                }
                for name in ["type_name", "coll_clause"] {
                    last.get(name).map_or(Ok(()), |value| self.field(name, value))?;
                }
                list(last, "constraints").iter().try_for_each(|constraint| self.constraint(constraint))
            }
            _ => elts.last().map_or(Ok(()), |constraint| self.constraint(constraint)),
        }
    }

    fn constraint(&mut self, value: &Value) -> Result<(), Refusal> {
        let Some(("Constraint", fields)) = fields_of(value) else { return self.place.refuse("it is not a constraint") };
        self.place.see(fields.get("location"));
        let contype = fields.get("contype").and_then(Value::as_i64).unwrap_or_default();
        let named = pg_query::protobuf::ConstrType::try_from(i32::try_from(contype).unwrap_or_default());
        use pg_query::protobuf::ConstrType as Kind;
        match named {
            Ok(
                Kind::ConstrNull
                | Kind::ConstrNotnull
                | Kind::ConstrDefault
                | Kind::ConstrIdentity
                | Kind::ConstrGenerated
                | Kind::ConstrCheck
                | Kind::ConstrPrimary
                | Kind::ConstrUnique
                | Kind::ConstrAttrDeferrable
                | Kind::ConstrAttrNotDeferrable
                | Kind::ConstrAttrDeferred
                | Kind::ConstrAttrImmediate,
            ) => {}
            Ok(Kind::ConstrForeign) => {
                return self
                    .place
                    .refuse("a foreign key, however it is spelled: it puts triggers on the table it points to");
            }
            Ok(_) | Err(_) => return self.place.refuse("an unsupported constraint"),
        }
        if !only(fields, CONSTRAINT) {
            return self.place.refuse("a constraint with more than its columns or its expression");
        }
        for name in ["raw_expr", "keys", "including"] {
            fields.get(name).map_or(Ok(()), |value| self.value(value))?;
        }
        Ok(())
    }

    /// `create index on premerge_place (…)`.
    fn index(&mut self, statement: &Value, parameters: Option<usize>) -> Result<(), Refusal> {
        let Some(("IndexStmt", fields)) = fields_of(statement) else { return self.place.refuse("it is not an index") };
        let elements = list(fields, "index_params");
        let counted = parameters.map_or(!elements.is_empty(), |count| elements.len() == count);
        if !counted || !plain_relation(fields) || !only(fields, &["relation", "access_method", "index_params"]) {
            return self.place.refuse("it leaves its place in the index");
        }
        for element in elements {
            let Some(("IndexElem", fields)) = fields_of(element) else {
                return self.place.refuse("it is not an index");
            };
            for name in ["expr", "collation", "opclass", "opclassopts"] {
                fields.get(name).map_or(Ok(()), |value| self.value(value))?;
            }
        }
        Ok(())
    }

    /// A node that stands in a query.
    fn any(&mut self, value: &Value) -> Result<(), Refusal> {
        match fields_of(value) {
            Some((kind, fields)) => self.node(kind, fields),
            // An absent element, such as the bound of a slice.
            None => Ok(()),
        }
    }

    fn node(&mut self, kind: &str, fields: &Map<String, Value>) -> Result<(), Refusal> {
        self.place.see(fields.get("location"));
        match kind {
            "SelectStmt" => return self.select(fields),
            "RangeVar" => return self.relation(fields),
            "FuncCall" => {
                let parts: Vec<_> = list(fields, "funcname").iter().filter_map(string).map(str::to_owned).collect();
                if let Some(name) = parts.last().filter(|name| REFUSED.contains(&name.as_str())) {
                    return self.place.refuse(format!("the function `{name}`, which does more than read"));
                }
                self.facts.functions.push(Named { parts, line: self.place.line });
            }
            "ColumnRef" => {
                self.facts.columns.extend(list(fields, "fields").last().and_then(string).map(str::to_owned));
            }
            "AIndirection" => {
                let names = list(fields, "indirection").iter().filter_map(string);
                self.facts.columns.extend(names.map(str::to_owned));
            }
            "TypeName" if fields.get("pct_type").and_then(Value::as_bool) == Some(true) => {
                return self.place.refuse("a type that is read from a column (`%type`)");
            }
            _ if KNOWN.contains(&kind) => {}
            _ => return self.place.refuse(unknown(kind)),
        }
        self.fields(fields)
    }

    fn fields(&mut self, fields: &Map<String, Value>) -> Result<(), Refusal> {
        fields.iter().try_for_each(|(name, value)| self.field(name, value))
    }

    /// A field of a node. One that holds a message of its own, without saying its kind, is known by its name.
    fn field(&mut self, name: &str, value: &Value) -> Result<(), Refusal> {
        let Some(fields) = value.as_object().filter(|fields| !fields.contains_key("node")) else {
            return self.value(value);
        };
        match name {
            "larg" | "rarg" => self.select(fields),
            "alias" => {
                self.facts.aliases.push(text(fields, "aliasname").to_owned());
                self.fields(fields)
            }
            "type_name" => self.node("TypeName", fields),
            "relation" => self.relation(fields),
            "into_clause" => self.place.refuse("`select … into`, which makes a table"),
            _ if MESSAGES.contains(&name) => self.fields(fields),
            _ => self.place.refuse(format!("an unsupported construct (`{name}`)")),
        }
    }

    fn value(&mut self, value: &Value) -> Result<(), Refusal> {
        match value {
            Value::Array(list) => list.iter().try_for_each(|value| self.any(value)),
            Value::Object(_) => self.any(value),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    fn select(&mut self, fields: &Map<String, Value>) -> Result<(), Refusal> {
        let before = self.tables.len();
        if fields.get("locking_clause").is_some_and(|locks| !is_default(locks)) {
            return self.place.refuse("a clause that locks rows (`for update`)");
        }
        let mut walk = || {
            if let Some(with) = fields.get("with_clause").and_then(Value::as_object) {
                self.with(with)?;
            }
            let mut others = fields.iter().filter(|(name, _)| *name != "with_clause");
            others.try_for_each(|(name, value)| self.field(name, value))
        };
        let walked = walk();
        self.tables.truncate(before);
        walked
    }

    /// Common table expressions. Without `recursive`, one sees those before it and not itself: there its own name is that
    /// of a relation.
    fn with(&mut self, with: &Map<String, Value>) -> Result<(), Refusal> {
        let recursive = with.get("recursive").and_then(Value::as_bool) == Some(true);
        let tables = list(with, "ctes");
        let name = |table: &Value| fields_of(table).map(|(_, table)| text(table, "ctename").to_owned());
        if recursive {
            self.tables.extend(tables.iter().filter_map(name));
        }
        for table in tables {
            self.any(table)?;
            self.tables.extend(name(table).filter(|_| !recursive));
        }
        Ok(())
    }

    fn relation(&mut self, fields: &Map<String, Value>) -> Result<(), Refusal> {
        self.place.see(fields.get("location"));
        let parts: Vec<_> = ["catalogname", "schemaname", "relname"]
            .iter()
            .map(|part| text(fields, part).to_owned())
            .filter(|part| !part.is_empty())
            .collect();
        if let Some(alias) = fields.get("alias").and_then(Value::as_object) {
            self.facts.aliases.push(text(alias, "aliasname").to_owned());
        }
        let local = matches!(parts.as_slice(), [name] if self.tables.contains(name));
        if !local {
            self.facts.relations.push(Named { parts, line: self.place.line });
        }
        Ok(())
    }
}

fn plain_relation(fields: &Map<String, Value>) -> bool {
    let relation = fields.get("relation").and_then(Value::as_object);
    relation.is_some_and(|relation| {
        text(relation, "relname") == "premerge_place"
            && ["catalogname", "schemaname"].iter().all(|part| text(relation, part).is_empty())
    })
}

/// `DeleteStmt` as people write it.
fn unknown(kind: &str) -> String {
    let mut words = String::new();
    for c in kind.trim_end_matches("Stmt").chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    if kind.ends_with("Stmt") {
        format!("a statement inside the query (`{words}`)")
    } else {
        format!("a construct that does not belong in a query (`{words}`)")
    }
}

/// Kinds of nodes that a query which only reads is made of.
const KNOWN: &[&str] = &[
    "AArrayExpr",
    "AConst",
    "AExpr",
    "AIndices",
    "AStar",
    "Alias",
    "BitString",
    "BoolExpr",
    "Boolean",
    "BooleanTest",
    "CaseExpr",
    "CaseWhen",
    "CoalesceExpr",
    "CollateClause",
    "ColumnDef",
    "CommonTableExpr",
    "Float",
    "GroupingFunc",
    "GroupingSet",
    "Integer",
    "JoinExpr",
    "JsonAggConstructor",
    "JsonArgument",
    "JsonArrayAgg",
    "JsonArrayConstructor",
    "JsonArrayQueryConstructor",
    "JsonBehavior",
    "JsonFormat",
    "JsonFuncExpr",
    "JsonIsPredicate",
    "JsonKeyValue",
    "JsonObjectAgg",
    "JsonObjectConstructor",
    "JsonOutput",
    "JsonParseExpr",
    "JsonReturning",
    "JsonScalarExpr",
    "JsonSerializeExpr",
    "JsonTable",
    "JsonTableColumn",
    "JsonTablePathSpec",
    "JsonValueExpr",
    "List",
    "MinMaxExpr",
    "NamedArgExpr",
    "NullTest",
    "RangeFunction",
    "RangeSubselect",
    "RangeTableFunc",
    "RangeTableFuncCol",
    "RangeTableSample",
    "ResTarget",
    "RowExpr",
    "SortBy",
    "SqlvalueFunction",
    "String",
    "SubLink",
    "TypeCast",
    "TypeName",
    "WindowDef",
    "XmlExpr",
    "XmlSerialize",
];

/// Functions of the server that change something, end somebody's session, or run a text. The warehouse is asked about
/// all others; Redshift's catalogue does not say what they do.
const REFUSED: &[&str] = &[
    "cursor_to_xml",
    "cursor_to_xmlschema",
    "database_to_xml",
    "database_to_xml_and_xmlschema",
    "database_to_xmlschema",
    "dblink",
    "dblink_exec",
    "lo_export",
    "lo_import",
    "lo_unlink",
    "nextval",
    "pg_advisory_lock",
    "pg_cancel_backend",
    "pg_ls_dir",
    "pg_notify",
    "pg_read_binary_file",
    "pg_read_file",
    "pg_reload_conf",
    "pg_terminate_backend",
    "query_to_xml",
    "query_to_xml_and_xmlschema",
    "query_to_xmlschema",
    "schema_to_xml",
    "schema_to_xml_and_xmlschema",
    "schema_to_xmlschema",
    "set_config",
    "setval",
    "table_to_xml",
    "table_to_xml_and_xmlschema",
    "table_to_xmlschema",
    "ts_stat",
];

/// What a constraint may say beside its kind.
const CONSTRAINT: &[&str] = &[
    "contype",
    "conname",
    "deferrable",
    "initdeferred",
    "is_enforced",
    "skip_validation",
    "initially_valid",
    "is_no_inherit",
    "raw_expr",
    "generated_when",
    "generated_kind",
    "nulls_not_distinct",
    "keys",
    "including",
    "location",
];

/// Fields that hold a message of a kind that their name says.
const MESSAGES: &[&str] = &[
    "arg",
    "coll_clause",
    "constructor",
    "context_item",
    "cycle_clause",
    "expr",
    "format",
    "func",
    "join_using_alias",
    "on_empty",
    "on_error",
    "output",
    "over",
    "pathspec",
    "returning",
    "search_clause",
    "val",
    "value",
    "with_clause",
    "Ival",
    "Fval",
    "Boolval",
    "Sval",
    "Bsval",
];
