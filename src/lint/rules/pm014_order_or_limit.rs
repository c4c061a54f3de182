//! PM014: a model orders or limits its rows. A relation has no order, and a limit is left over from trying out.

use super::{Hit, Model, Rule};
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM014", severity: Severity::Warning, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    let Some(tokens) = model.tokens.as_ref().filter(|_| model.is_model()) else { return Vec::new() };
    tokens
        .around()
        .filter_map(|(before, item, after)| {
            // Inside brackets an order belongs to a window or an aggregate, or feeds a limit.
            let message = match item.word.as_str() {
                "ORDER" if after == "BY" && item.depth == 0 => {
                    "a model's rows have no order; leave `order by` to its readers"
                }
                "LIMIT" if before != "." && after.starts_with(|c: char| c.is_ascii_digit()) => {
                    "`limit` cuts the model's rows"
                }
                _ => return None,
            };
            Some(Hit::at(model.written(item.line, item.column), message))
        })
        .collect()
}
