//! Traces that dbt's options leave in compiled SQL, found outside strings and comments.

/// What limited the inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// `--empty`: `(select * from x where false limit 0)`.
    Empty,
    /// `--sample`: `(select * from x where t >= '…' and t < '…')`.
    Sample,
}

/// Whether dbt wrapped a relation of this text to limit its rows.
///
/// `--empty` renders every `ref` and `source` as a subquery that ends in `where false limit 0)`; both options
/// name their subqueries `_dbt_limit_subq_…` and `_dbt_et_filter_subq_…` where the warehouse wants an alias
/// (dbt-adapters, `BaseRelation.render_limited` and `render_event_time_filtered`).
pub(super) fn limited_inputs(sql: &str) -> Option<Limit> {
    if !contains_word(sql, "limit") && !contains_word(sql, "_dbt_et_filter_subq") {
        return None;
    }
    let words: Vec<&str> = Words { rest: sql }.collect();
    let is = |word: &str, text: &str| word.eq_ignore_ascii_case(text);
    let empty = words.windows(5).any(|window| {
        matches!(window, [a, b, c, d, e]
            if is(a, "where") && is(b, "false") && is(c, "limit") && *d == "0" && *e == ")")
    });
    let named = |prefix: &str| words.iter().any(|word| word.get(..prefix.len()).is_some_and(|start| is(start, prefix)));
    if empty || named("_dbt_limit_subq") {
        Some(Limit::Empty)
    } else if named("_dbt_et_filter_subq") {
        Some(Limit::Sample)
    } else {
        None
    }
}

/// Whether `sql` names `relation`, quoted as it stands, outside strings and comments.
pub(super) fn names_relation(sql: &str, relation: &str) -> bool {
    let wanted: Vec<&str> = Words { rest: relation }.collect();
    let words: Vec<&str> = Words { rest: sql }.collect();
    !wanted.is_empty()
        && words.windows(wanted.len()).any(|window| window.iter().zip(&wanted).all(|(a, b)| a.eq_ignore_ascii_case(b)))
}

/// A cheap test that spares most texts the scan; `word` is in lower case.
fn contains_word(sql: &str, word: &str) -> bool {
    let (sql, word) = (sql.as_bytes(), word.as_bytes());
    let first = word.first().copied().unwrap_or_default();
    sql.iter().enumerate().any(|(place, byte)| {
        byte.to_ascii_lowercase() == first
            && sql.get(place..place + word.len()).is_some_and(|text| text.eq_ignore_ascii_case(word))
    })
}

/// Words, quoted identifiers and single characters of SQL; strings come out as `'`, comments not at all.
struct Words<'s> {
    rest: &'s str,
}

impl<'s> Iterator for Words<'s> {
    type Item = &'s str;

    fn next(&mut self) -> Option<&'s str> {
        loop {
            self.rest = self.rest.trim_start();
            let first = self.rest.chars().next()?;
            let end_of_comment = if self.rest.starts_with("--") {
                Some(self.rest.find('\n').unwrap_or(self.rest.len()))
            } else if self.rest.starts_with("/*") {
                Some(self.rest.find("*/").map_or(self.rest.len(), |end| end + 2))
            } else {
                None
            };
            if let Some(end) = end_of_comment {
                self.rest = self.rest.get(end..).unwrap_or_default();
                continue;
            }
            if matches!(first, '\'' | '"' | '`') {
                let body = self.rest.get(1..).unwrap_or_default();
                let length = body.find(first).map_or(self.rest.len(), |end| end + 2);
                let word = self.take(length);
                return Some(if first == '\'' { "'" } else { word });
            }
            let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
            let length = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
            return Some(self.take(length.max(first.len_utf8())));
        }
    }
}

impl<'s> Words<'s> {
    fn take(&mut self, length: usize) -> &'s str {
        let (word, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_runs_are_seen_in_any_layout() {
        let sql = "select * from (select * from \"w\".\"dev\".\"inc\" WHERE\n false limit 0)";
        assert_eq!(limited_inputs(sql), Some(Limit::Empty));
        assert_eq!(limited_inputs("select 1 from (select 1) _dbt_limit_subq_inc"), Some(Limit::Empty));
        assert_eq!(limited_inputs("select 1 from (select 1) _DBT_ET_FILTER_SUBQ_inc"), Some(Limit::Sample));
    }

    #[test]
    fn the_same_words_in_strings_and_comments_mean_nothing() {
        for sql in [
            "select 'where false limit 0)' as x limit 10",
            "select 1 -- (select * from a where false limit 0)\nlimit 5",
            "select 1 /* where false limit 0) */ limit 5",
            "select 1 where false limit 10",
            "select \"where false limit 0)\" from t limit 1",
        ] {
            assert_eq!(limited_inputs(sql), None, "{sql}");
        }
    }

    #[test]
    fn a_relation_is_found_by_its_parts() {
        assert!(names_relation("select max(x) from \"w\".\"s\".\"t\" where 1", "\"w\".\"s\".\"t\""));
        assert!(!names_relation("select '\"w\".\"s\".\"t\"'", "\"w\".\"s\".\"t\""));
        assert!(!names_relation("select max(x) from w.s.t2", "w.s.t"));
    }
}
