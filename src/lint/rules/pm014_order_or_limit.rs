//! PM014: a model orders or limits its rows. A relation has no order, and a limit is left over from trying out.

use super::tokens::Item;
use super::{Hit, Model, Rule};
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM014", severity: Severity::Warning, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    let Some(tokens) = model.tokens.as_ref().filter(|_| model.is_model()) else { return Vec::new() };
    let at = |item: &Item, message: &str| Some(Hit::at(Some(model.written(item.line, item.column)?), message));
    // Inside brackets a limit picks for a subquery or an aggregate; an order belongs to a window, an aggregate or
    // that limit.
    let outside = || tokens.around().filter(|(_, item, _)| item.depth == 0);
    let number = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
    let limits = |(before, item, after): &(&str, &Item, &str)| match item.word.as_str() {
        "LIMIT" => *before != "." && number(after),
        "FETCH" => ["FIRST", "NEXT"].contains(after),
        "TOP" => ["SELECT", "DISTINCT"].contains(before) && number(after),
        _ => false,
    };
    let limits: Vec<&Item> = outside().filter(limits).map(|(_, item, _)| item).collect();
    if !limits.is_empty() {
        // An order before it says which rows stay.
        return limits.into_iter().filter_map(|item| at(item, "`limit` cuts the model's rows")).collect();
    }
    // `distinct on` keeps the first row of the order.
    if outside().any(|(_, item, after)| item.word == "DISTINCT" && after == "ON") {
        return Vec::new();
    }
    outside()
        .filter(|(_, item, after)| item.word == "ORDER" && *after == "BY")
        .filter_map(|(_, item, _)| at(item, "a model's rows have no order; leave `order by` to its readers"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::rule::tests::hits;
    use super::RULE;

    #[test]
    fn only_the_models_own_rows_are_cut_or_ordered() {
        let lines = |sql: &str| hits(&RULE, sql).into_iter().map(|(line, _)| line).collect::<Vec<_>>();
        assert_eq!(lines("select a\nfrom t\norder by a"), [Some(3)]);
        assert_eq!(lines("select a\nfrom t\nlimit 3"), [Some(3)]);
        assert_eq!(lines("select row_number() over (order by a) as n from t"), []);
    }
}
