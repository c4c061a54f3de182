//! Seeds' files as dbt reads them: with Python's CSV reader and the library agate.
//!
//! What is not a column name, number, date or truth value elsewhere may be one there, and the other way round; a
//! seed that dbt refuses is refused, and one that it takes comes out the same.

mod csv;
mod number;
mod time;

use std::borrow::Cow;
use std::collections::HashSet;

pub use number::Number;
pub use time::{Moment, date, iso, timestamp};

/// Characters that Python's reader takes in one field.
const LONGEST_FIELD: usize = 131_072;

/// The CSV file's header and rows.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Column names, as agate makes them unique.
    pub names: Vec<String>,
    /// Rows; a short one lacks its last values.
    pub rows: Vec<Vec<String>>,
}

/// Why dbt does not take a file, or premerge does not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The bytes are not text.
    #[error("it is not UTF-8")]
    Encoding,
    /// A separator that CSV has another use for.
    #[error("`{}` cannot be the delimiter", .0.escape_default())]
    Delimiter(char),
    /// No line at all.
    #[error("it is empty; the first line names the columns")]
    Empty,
    /// A first line without names.
    #[error("its first line is blank; it names the columns")]
    NoNames,
    /// A row has more values than there are columns.
    #[error("row {row} has {values} values, but there are {columns} columns")]
    LongRow {
        /// Number of the row, the first after the header being 1.
        row: usize,
        /// Its values.
        values: usize,
        /// Names in the header.
        columns: usize,
    },
    /// A column name that dbt does not quote rightly.
    #[error("the column name `{0}` contains a double quote, which dbt does not escape")]
    QuoteInName(String),
    /// A field that Python's reader finds too long.
    #[error("row {row} has a field of more than {LONGEST_FIELD} characters, usually because a quote is not closed")]
    LongField {
        /// Number of the row, the header being 0.
        row: usize,
    },
}

/// Reads a file.
///
/// # Errors
/// When dbt refuses it.
pub fn read(bytes: &[u8], delimiter: char) -> Result<Table, ReadError> {
    if matches!(delimiter, '\n' | '\r' | '"') {
        return Err(ReadError::Delimiter(delimiter));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|_| ReadError::Encoding)?;
    // Python opens it with universal line ends, before it looks at quotes.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut rows = csv::rows(&text, delimiter);
    if let Some(row) = rows.iter().position(|row| row.iter().any(|field| field.chars().count() > LONGEST_FIELD)) {
        return Err(ReadError::LongField { row });
    }
    if rows.is_empty() {
        return Err(ReadError::Empty);
    }
    let header = rows.remove(0);
    if header.is_empty() {
        return Err(ReadError::NoNames);
    }
    let names = unique(&header);
    if let Some(name) = names.iter().find(|name| name.contains('"')) {
        return Err(ReadError::QuoteInName(name.clone()));
    }
    let columns = names.len();
    let long = rows.iter().enumerate().find(|(_, row)| row.len() > columns);
    if let Some((at, row)) = long {
        return Err(ReadError::LongRow { row: at + 1, values: row.len(), columns });
    }
    Ok(Table { names, rows })
}

/// Names as agate makes them: a missing one is a letter, a repeated one gets a number.
fn unique(header: &[String]) -> Vec<String> {
    let mut names = Vec::with_capacity(header.len());
    let mut taken = HashSet::new();
    for (at, name) in header.iter().enumerate() {
        let name = if name.is_empty() { letter(at) } else { name.clone() };
        let mut free = name.clone();
        let mut number = 2;
        while !taken.insert(free.clone()) {
            free = format!("{name}_{number}");
            number += 1;
        }
        names.push(free);
    }
    names
}

/// `a` to `z`, then `aa`, `bb` and so on.
fn letter(at: usize) -> String {
    let letter = ('a'..='z').nth(at % 26).unwrap_or('a');
    std::iter::repeat_n(letter, at / 26 + 1).collect()
}

/// The text without the white space around it, as Python counts it.
#[must_use]
pub fn stripped(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c))
}

/// Whether the text is NULL in a column of any type.
#[must_use]
pub fn is_null(text: &str) -> bool {
    let text = stripped(text);
    text.is_empty() || text.eq_ignore_ascii_case("null")
}

/// A truth value. Group separators do not count here either, so that a lone one is NULL: the outer `None` is
/// what is none.
#[must_use]
pub fn boolean(text: &str) -> Option<Option<bool>> {
    let text = text.replace(',', "");
    match stripped(&text) {
        text if is_null(text) => Some(None),
        text if text.eq_ignore_ascii_case("true") => Some(Some(true)),
        text if text.eq_ignore_ascii_case("false") => Some(Some(false)),
        _ => None,
    }
}

/// The text with the decimal digits of every script as those of ASCII, as Python's numbers and dates take them.
fn ascii_digits(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| digit(c).unwrap_or(c)).collect())
}

/// Unicode has decimal digits in runs of ten from nought to nine, of which some follow each other.
fn digit(c: char) -> Option<char> {
    static DIGIT: std::sync::LazyLock<Option<regex::Regex>> =
        std::sync::LazyLock::new(|| regex::Regex::new(r"^\p{Nd}$").ok());
    let pattern = DIGIT.as_ref()?;
    let is_digit = |code: u32| char::from_u32(code).is_some_and(|c| pattern.is_match(c.encode_utf8(&mut [0; 4])));
    let code = u32::from(c);
    if !is_digit(code) {
        return None;
    }
    let before = (1..=code).take_while(|back| is_digit(code - back)).count();
    char::from_digit(u32::try_from(before % 10).ok()?, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each pair is what dbt-common's `from_csv` makes of the file.
    #[test]
    fn files_are_read_as_dbt_reads_them() {
        for (text, names, rows) in [
            ("a,b\n1,2\n\n", vec!["a", "b"], vec![vec!["1", "2"], vec![]]),
            ("a,b\n1,2\n\n3,4", vec!["a", "b"], vec![vec!["1", "2"], vec![], vec!["3", "4"]]),
            ("a\r1\r\r2\r", vec!["a"], vec![vec!["1"], vec![], vec!["2"]]),
            ("\u{feff}a\r\n1\r\n", vec!["a"], vec![vec!["1"]]),
            ("x,,b\n1,2,3\n", vec!["x", "b", "b_2"], vec![vec!["1", "2", "3"]]),
            ("id,id,id_2\n", vec!["id", "id_2", "id_2_2"], vec![]),
            ("a,b\n1\n", vec!["a", "b"], vec![vec!["1"]]),
            ("a,b\n\"x\r\ny\",2\n", vec!["a", "b"], vec![vec!["x\ny", "2"]]),
            ("a,b\n\"x\"y,2\n", vec!["a", "b"], vec![vec!["xy", "2"]]),
            ("a,b\nx\"y\",\n", vec!["a", "b"], vec![vec!["x\"y\"", ""]]),
            ("a\n\"open\n1\n", vec!["a"], vec![vec!["open\n1\n"]]),
            ("a\n\"say \"\"x\"\"\"", vec!["a"], vec![vec!["say \"x\""]]),
            (" id \n 1 \n", vec![" id "], vec![vec![" 1 "]]),
        ] {
            let table = read(text.as_bytes(), ',').unwrap();
            assert_eq!(
                (table.names, table.rows),
                (
                    names.iter().map(|n| (*n).to_owned()).collect(),
                    rows.iter().map(|row: &Vec<&str>| row.iter().map(|v| (*v).to_owned()).collect()).collect()
                ),
                "{text:?}"
            );
        }
        assert_eq!(read("a¦b\n1¦2\n".as_bytes(), '¦').unwrap().names, ["a", "b"]);
    }

    #[test]
    fn what_dbt_refuses_is_refused() {
        for (text, error) in [
            ("id,a\n1,2,3\n", ReadError::LongRow { row: 1, values: 3, columns: 2 }),
            ("id,a\n1,2,\n", ReadError::LongRow { row: 1, values: 3, columns: 2 }),
            ("\n\nid,a\n1,2\n", ReadError::NoNames),
            ("", ReadError::Empty),
            ("id,sel\"ect\n1,2\n", ReadError::QuoteInName("sel\"ect".to_owned())),
        ] {
            assert_eq!(read(text.as_bytes(), ','), Err(error), "{text:?}");
        }
        assert_eq!(read(b"a\n\xff\n", ','), Err(ReadError::Encoding));
        assert_eq!(read(b"a\n", '"'), Err(ReadError::Delimiter('"')));
        let open = format!("a\n\"{}", "x,\n".repeat(50_000));
        assert_eq!(read(open.as_bytes(), ','), Err(ReadError::LongField { row: 1 }));
    }

    #[test]
    fn digits_of_all_scripts_count() {
        assert_eq!(ascii_digits("٣ ２０ 𝟗𝟎 x½"), "3 20 90 x½");
    }

    #[test]
    fn truth_has_two_words() {
        for (text, value) in [
            ("TRUE", Some(Some(true))),
            (" f,alse ", Some(Some(false))),
            (",", Some(None)),
            ("null", Some(None)),
            ("yes", None),
            ("1", None),
        ] {
            assert_eq!(boolean(text), value, "{text:?}");
        }
    }
}
