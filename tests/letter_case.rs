//! What counts as the same text in other letters, against the engine: random queries whose letters were changed have
//! the same columns, by name and type, and the same rows on DuckDB.
//!
//! `PREMERGE_LETTER_CASES=100000` sets how many are tried.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may")]
#![cfg(feature = "duckdb")]

use duckdb::Connection;
use premerge::sql::{Dialect, Relocation, same_meaning};

/// A small generator: the same numbers every time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }

    fn one_of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

fn column(random: &mut Random) -> String {
    random.one_of(&["id", "Amount", "x.id", "x.Amount", "Label", "X.Label", "s.Part", "x.s.part"]).to_owned()
}

fn expression(random: &mut Random, depth: usize) -> String {
    if depth == 0 {
        return column(random);
    }
    let mut inner = || expression(random, depth - 1);
    let (a, b) = (inner(), inner());
    match random.below(12) {
        0 => format!("Coalesce(cast({a} as Varchar), cast({b} as varchar))"),
        1 => format!("case when {a} Is null then 1 Else 2 end"),
        2 => format!("({a} = {b})"),
        3 => format!("(select Max(Id) from T as y where y.id is not null or y.label = {b})"),
        4 => format!("upper(cast({a} as varchar))"),
        5 => format!("count(*) Filter (where {a} is not null) over (partition by {b})"),
        6 => format!("Struct_Pack(K := {a}, l := {b})"),
        7 => format!("{{Key: {a}, other: {b}}}"),
        8 => format!("list_transform([{a}], lambda Z: (z, {b}))"),
        9 => format!("row({a}, {b})"),
        10 => format!("exists (select 1 from t Y where Y.id = {a})"),
        _ => format!("cast({a} as Varchar) In ('A', 'b')"),
    }
}

fn item(random: &mut Random) -> String {
    let (depth, name) = (random.below(3), random.one_of(&["N", "m", "Total", "\"Quoted\""]));
    let expression = expression(random, depth);
    match random.below(5) {
        0 => expression,
        1 => format!("{expression} {name}"),
        2 => random
            .one_of(&[
                "*",
                "x.*",
                "* exclude (Label)",
                "* replace (1 as Id)",
                "* rename (Id as Code)",
                "columns('A.*')",
                "Id: 4",
                "count(*)",
            ])
            .to_owned(),
        _ => format!("{expression} as {name}"),
    }
}

fn query(random: &mut Random, depth: usize) -> String {
    let from = if depth == 0 {
        random
            .one_of(&[
                "T as X",
                "t x",
                "main.T X",
                "T as x(Id, amount, lab, S)",
                "(from T) x",
                "T X join t Z using (ID)",
            ])
            .to_owned()
    } else {
        match random.below(3) {
            0 => format!("({}) as X", query(random, depth - 1)),
            1 => format!("({}) as X(P, q)", query(random, depth - 1)),
            _ => "C as x".to_owned(),
        }
    };
    let with = if from.starts_with('C') {
        let names = random.one_of(&["C", "c", "C(Id, Amount)", "c as materialized"]);
        let body = query(random, depth - 1);
        if names.ends_with("materialized") {
            format!("with {names} ({body}) ")
        } else {
            format!("with {names} as ({body}) ")
        }
    } else {
        String::new()
    };
    let items: Vec<String> = (0..=random.below(3)).map(|_| item(random)).collect();
    let distinct = random.one_of(&["", "", "distinct ", "Distinct on (Id) "]);
    let rest = match random.below(6) {
        0 => format!(" where {} is not null", expression(random, 1)),
        1 => " order by All".to_owned(),
        2 => " union all select 1 as U".to_owned(),
        3 => " group by All".to_owned(),
        4 => " qualify Row_Number() over W = 1 window W as (order by Id)".to_owned(),
        _ => String::new(),
    };
    format!("{with}select {distinct}{} from {from}{rest}", items.join(", "))
}

/// The text with the letters of some words changed, outside of strings and quoted names.
fn other_letters(random: &mut Random, sql: &str) -> String {
    let mut quoted = None;
    let mut out = String::new();
    let mut change = false;
    for c in sql.chars() {
        match quoted {
            Some(quote) if c == quote => quoted = None,
            None if c == '\'' || c == '"' => quoted = Some(c),
            _ => {}
        }
        if !c.is_alphanumeric() {
            change = random.below(4) == 0;
        }
        let flipped = if c.is_ascii_uppercase() { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() };
        out.push(if change && quoted.is_none() { flipped } else { c });
    }
    out
}

/// Names and types of the columns, and the rows; `None` where the engine does not take the query.
fn answer(db: &Connection, sql: &str) -> Option<Vec<String>> {
    let read = |sql: &str| -> duckdb::Result<Vec<String>> {
        let mut statement = db.prepare(sql)?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
        rows.collect()
    };
    let columns = format!("select concat(column_name, ' ', column_type) from (describe {sql})");
    let mut found = read(&columns).ok()?;
    let mut rows = read(&format!("select cast(r as varchar) from ({sql}) as r")).ok()?;
    rows.sort();
    found.extend(rows);
    Some(found)
}

#[test]
fn letters_that_count_as_the_same_are_the_same_to_the_engine() {
    let cases = std::env::var("PREMERGE_LETTER_CASES").ok().map_or(4_000, |cases| cases.parse().unwrap());
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(
        // `distinct on` keeps any row: with one thread, the same.
        "set threads = 1;
         create table t (Id integer, amount integer, \"Label\" varchar, s struct(Part integer, \"Other\" varchar));
         insert into t values (1, 10, 'a', {'Part': 1, 'Other': 'x'}), (2, null, 'B', null), (3, 30, 'A', {'Part': 3, 'Other': 'y'})",
    )
    .unwrap();
    let none = Relocation::new(Dialect::DuckDb);
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    let (mut taken, mut same) = (0, 0);
    for _ in 0..cases {
        let depth = random.below(3);
        let before = query(&mut random, depth);
        let Some(expected) = answer(&db, &before) else { continue };
        taken += 1;
        let after = other_letters(&mut random, &before);
        if before != after && same_meaning(&before, &none, &after, &none) {
            same += 1;
            assert_eq!(answer(&db, &after), Some(expected), "\n{before}\n{after}");
        }
    }
    println!("{cases} queries, {taken} that the engine takes, {same} of them in other letters that count as the same");
    assert!(same * 50 > cases, "only {same} of {cases} queries were compared");
}
