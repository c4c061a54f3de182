//! The columns that a model's last `select` gives, where its own text says them.

use sqlparser::ast::{Expr, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor};

/// How deep a chain of `select *` over CTEs is followed.
const DEPTH: usize = 20;

/// The columns by name, lower case unless quoted, in order; `None` where a star hides them or an
/// expression has no name.
pub(super) fn columns(query: &Query) -> Option<Vec<String>> {
    of_query(query, &[], DEPTH)
}

fn of_query<'q>(query: &'q Query, outer: &[&'q Query], depth: usize) -> Option<Vec<String>> {
    let depth = depth.checked_sub(1)?;
    let mut scope = outer.to_vec();
    scope.push(query);
    of_body(&query.body, &scope, depth)
}

fn of_body<'q>(body: &'q SetExpr, scope: &[&'q Query], depth: usize) -> Option<Vec<String>> {
    match body {
        SetExpr::Select(select) => of_select(select, scope, depth),
        SetExpr::Query(query) => of_query(query, scope, depth),
        // Columns of a set operation have the names of its first branch.
        SetExpr::SetOperation { left, .. } => of_body(left, scope, depth.checked_sub(1)?),
        _ => None,
    }
}

fn of_select<'q>(select: &'q Select, scope: &[&'q Query], depth: usize) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for item in &select.projection {
        match item {
            SelectItem::ExprWithAlias { alias, .. } => names.push(alias.value.to_lowercase()),
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => names.push(name.value.to_lowercase()),
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => names.push(parts.last()?.value.to_lowercase()),
            SelectItem::Wildcard(options) if options.to_string().is_empty() => {
                let [from] = select.from.as_slice() else { return None };
                if !from.joins.is_empty() {
                    return None;
                }
                names.extend(of_factor(&from.relation, scope, depth)?);
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options)
                if options.to_string().is_empty() =>
            {
                let wanted = name.0.last()?.as_ident()?.value.to_lowercase();
                let factors = select.from.iter().flat_map(|from| {
                    std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation))
                });
                let factor = factors.into_iter().find(|factor| name_of(factor).as_deref() == Some(wanted.as_str()))?;
                names.extend(of_factor(factor, scope, depth)?);
            }
            _ => return None,
        }
    }
    Some(names)
}

/// The name by which a factor is known in its `select`.
fn name_of(factor: &TableFactor) -> Option<String> {
    match factor {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            Some(alias.name.value.to_lowercase())
        }
        TableFactor::Table { name, .. } => Some(name.0.last()?.as_ident()?.value.to_lowercase()),
        _ => None,
    }
}

/// The columns of a CTE or subquery; `None` for a relation.
fn of_factor<'q>(factor: &'q TableFactor, scope: &[&'q Query], depth: usize) -> Option<Vec<String>> {
    match factor {
        TableFactor::Derived { subquery, .. } => of_query(subquery, scope, depth),
        TableFactor::Table { name, .. } => {
            let [part] = name.0.as_slice() else { return None };
            let wanted = &part.as_ident()?.value;
            let ctes = scope.iter().rev().filter_map(|query| query.with.as_ref()).flat_map(|with| &with.cte_tables);
            let cte = ctes.into_iter().find(|cte| cte.alias.name.value.eq_ignore_ascii_case(wanted))?;
            if !cte.alias.columns.is_empty() {
                return Some(cte.alias.columns.iter().map(|column| column.name.value.to_lowercase()).collect());
            }
            of_query(&cte.query, scope, depth)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::*;

    fn names(sql: &str) -> Option<String> {
        columns(&Tree::of(sql, None).unwrap().query).map(|names| names.join(" "))
    }

    #[test]
    fn a_star_over_a_cte_is_its_columns() {
        let sql = "with a as (select x, y as z from t), final as (select a.*, 1 as one from a) select * from final";
        assert_eq!(names(sql).as_deref(), Some("x z one"));
        assert_eq!(names("select * from (select q from t) s").as_deref(), Some("q"));
    }

    #[test]
    fn a_star_over_a_relation_hides_them() {
        assert_eq!(names("with a as (select * from t) select * from a"), None);
        assert_eq!(names("select count(*) from t"), None);
    }

    #[test]
    fn a_cte_that_reads_itself_ends() {
        assert_eq!(names("with recursive a as (select * from a) select * from a"), None);
    }
}
