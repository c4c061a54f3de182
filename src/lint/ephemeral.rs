//! Compiled SQL without the CTEs that dbt puts in front for ephemeral models.
//!
//! dbt's `inject_ctes_into_sql` writes ` __dbt__cte__NAME as (\n…\n)`: after a new `with` at the very
//! beginning, or after the model's own `with` and followed by a comma. The author wrote none of it.

/// Takes the injected CTEs out; text without any comes back as it is.
pub(crate) fn without_injected(sql: &str) -> String {
    const NAME: &str = "__dbt__cte__";
    let Some(first) = find_definition(sql, NAME) else { return sql.to_owned() };
    let Some(before) = sql.get(..first) else { return sql.to_owned() };
    let mut end = first;
    // The injected CTEs stand in one row, separated by commas.
    loop {
        let Some(after) = definition_end(sql, end, NAME) else { return sql.to_owned() };
        let rest = sql.get(after..).unwrap_or_default();
        if let Some(next) = rest.strip_prefix(',') {
            let lead = next.len() - next.trim_start().len();
            if next.trim_start().starts_with(NAME) && find_definition(next, NAME) == Some(lead) {
                end = after + 1 + lead;
                continue;
            }
            // The comma before the model's own CTEs; dbt puts a space before its text and after the comma.
            let next = next.strip_prefix(' ').unwrap_or(next);
            return format!("{}{next}", before.strip_suffix(' ').unwrap_or(before));
        }
        // Their `with` is dbt's too.
        let before = before.strip_suffix(' ').unwrap_or(before);
        let before = before.strip_suffix("with").unwrap_or(before);
        return format!("{before}{}", rest.strip_prefix(' ').unwrap_or(rest));
    }
}

/// Where a CTE of that prefix is defined: its name, ` as (`.
fn find_definition(sql: &str, prefix: &str) -> Option<usize> {
    sql.match_indices(prefix).map(|(at, _)| at).find(|at| {
        let rest = sql.get(*at..).unwrap_or_default();
        let name = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').map(char::len_utf8).sum::<usize>();
        rest.get(name..).is_some_and(|rest| rest.starts_with(" as ("))
    })
}

/// The end of the definition that begins at `start`: after its closing bracket.
fn definition_end(sql: &str, start: usize, prefix: &str) -> Option<usize> {
    let rest = sql.get(start..)?;
    if !rest.starts_with(prefix) {
        return None;
    }
    let open = rest.find('(')?;
    let mut depth = 0_usize;
    let mut skip_to = None;
    for (at, c) in rest.char_indices().filter(|(at, _)| *at >= open) {
        if skip_to.is_some_and(|to| at < to) {
            continue;
        }
        let here = rest.get(at..)?;
        let end = |inside: usize, close: &str| {
            let length = here.get(inside..)?.find(close)?;
            Some(at + inside + length + close.len())
        };
        match c {
            '\'' => skip_to = Some(end(1, "'")?),
            '"' => skip_to = Some(end(1, "\"")?),
            '`' => skip_to = Some(end(1, "`")?),
            '-' if here.starts_with("--") => skip_to = Some(end(2, "\n")?),
            '/' if here.starts_with("/*") => skip_to = Some(end(2, "*/")?),
            '(' => depth += 1,
            ')' => {
                depth -= 1;
                if depth == 0 {
                    return Some(start + at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_with_of_dbt_s_own_goes_too() {
        let sql = "with __dbt__cte__a as (\nselect ')' as x -- )\n) select * from __dbt__cte__a";
        assert_eq!(without_injected(sql), "select * from __dbt__cte__a");
    }

    #[test]
    fn the_model_s_own_with_stays() {
        let sql =
            "\n\nwith  __dbt__cte__a as (\nselect 1\n),  __dbt__cte__b as (\nselect 2\n), own as (select 1) select 1";
        assert_eq!(without_injected(sql), "\n\nwith own as (select 1) select 1");
    }

    #[test]
    fn a_use_is_no_definition() {
        assert_eq!(without_injected("select * from __dbt__cte__a x"), "select * from __dbt__cte__a x");
    }
}
