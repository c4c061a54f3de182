//! Python's CSV reader in its default dialect (<https://docs.python.org/3/library/csv.html>): a blank line is a row
//! without values, a quote within a field is a character, and whatever follows a closing quote belongs to the field.

/// Where in a row the reader is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    RowStart,
    FieldStart,
    Field,
    Quoted,
    /// After a quote within quotes: the end of the field, or the first half of a quote.
    QuoteInQuoted,
}

/// All rows of a text whose lines end in `\n`.
pub(super) fn rows(text: &str, delimiter: char) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let (mut row, mut field, mut at) = (Vec::new(), String::new(), At::RowStart);
    for c in text.chars() {
        at = match (at, c) {
            (At::Quoted, '"') => At::QuoteInQuoted,
            (At::Quoted, c) => {
                field.push(c);
                At::Quoted
            }
            (At::QuoteInQuoted, '"') => {
                field.push('"');
                At::Quoted
            }
            (At::RowStart, '\n') => {
                rows.push(Vec::new());
                At::RowStart
            }
            (_, '\n') => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
                At::RowStart
            }
            (_, c) if c == delimiter => {
                row.push(std::mem::take(&mut field));
                At::FieldStart
            }
            (At::RowStart | At::FieldStart, '"') => At::Quoted,
            (_, c) => {
                field.push(c);
                At::Field
            }
        };
    }
    if at != At::RowStart {
        row.push(field);
        rows.push(row);
    }
    rows
}
