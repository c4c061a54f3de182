//! The columns that a model's last `select` gives, as far as its own text says them.

use std::collections::{HashMap, HashSet};

use sqlparser::ast::{
    ExceptSelectItem, ExcludeSelectItem, Expr, Ident, JoinConstraint, JoinOperator, ObjectName, Query,
    RenameSelectItem, Select, SelectFlavor, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, SetQuantifier,
    Spanned, TableAlias, TableFactor, TableWithJoins, WildcardAdditionalOptions, With,
};

use crate::sql::Dialect;

/// How deep a chain of CTEs and subqueries is followed.
const DEPTH: usize = 64;
/// How many columns are followed: a star over a product of CTEs doubles them each time.
const MOST: usize = 5_000;

/// A column's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// Lower case unless quoted.
    pub(super) shown: String,
    /// Equal for names that the warehouse takes for one.
    pub(super) key: String,
}

/// What is known of the columns of a query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Columns {
    /// In order.
    pub(super) names: Vec<Name>,
    /// There are more, which the text does not name.
    pub(super) more: bool,
    /// Line and column of the star that takes them from a relation.
    pub(super) star: Option<(u64, u64)>,
}

impl Columns {
    /// Nothing is known: an expression without a name, a table function, …
    fn unknown() -> Self {
        Self { more: true, ..Self::default() }
    }

    fn add(&mut self, other: Self) {
        self.names.extend(other.names);
        self.more |= other.more;
        self.star = self.star.or(other.star);
        if self.names.len() > MOST {
            self.names.clear();
            self.more = true;
        }
    }
}

/// The columns of a model's query. A star at a place that is not `written` by the author tells nothing: dbt_utils'
/// `star` writes one where the relation is not built yet, and columns where it is.
pub(super) fn columns(query: &Query, dialect: Option<Dialect>, written: &dyn Fn(u64, u64) -> bool) -> Columns {
    Resolver { dialect, written, known: HashMap::new() }.query(query, None, DEPTH)
}

/// The CTEs that a query sees: the first `count` of a `with`, and those around it.
#[derive(Clone, Copy)]
struct Scope<'s, 'q> {
    with: &'q With,
    count: usize,
    outer: Option<&'s Scope<'s, 'q>>,
}

struct Resolver<'w> {
    dialect: Option<Dialect>,
    /// Whether the author wrote what stands at a line and column.
    written: &'w dyn Fn(u64, u64) -> bool,
    /// By where the CTE's query is in memory: one that is read twice is followed once, and one that reads itself
    /// ends.
    known: HashMap<*const Query, Columns>,
}

impl Resolver<'_> {
    fn name(&self, ident: &Ident) -> Name {
        let lower = ident.value.to_lowercase();
        let quoted = ident.quote_style.is_some();
        let key = match self.dialect {
            Some(Dialect::Postgres) if quoted => ident.value.clone(),
            Some(Dialect::Snowflake) if quoted => ident.value.clone(),
            Some(Dialect::Snowflake) => ident.value.to_uppercase(),
            _ => lower.clone(),
        };
        Name { shown: if quoted { ident.value.clone() } else { lower }, key }
    }

    fn last_name(&self, name: &ObjectName) -> Option<Name> {
        Some(self.name(name.0.last()?.as_ident()?))
    }

    fn query<'q>(&mut self, query: &'q Query, outer: Option<&Scope<'_, 'q>>, depth: usize) -> Columns {
        let Some(depth) = depth.checked_sub(1) else { return Columns::unknown() };
        if !query.pipe_operators.is_empty() {
            return Columns::unknown();
        }
        let own = query.with.as_ref().map(|with| Scope { with, count: with.cte_tables.len(), outer });
        self.body(&query.body, own.as_ref().or(outer), depth)
    }

    fn body<'q>(&mut self, mut body: &'q SetExpr, scope: Option<&Scope<'_, 'q>>, depth: usize) -> Columns {
        let Some(depth) = depth.checked_sub(1) else { return Columns::unknown() };
        // The first branch names the columns, except `by name`. A loop, for there may be thousands.
        while let SetExpr::SetOperation { left, set_quantifier, .. } = body
            && !is_by_name(*set_quantifier)
        {
            body = left;
        }
        match body {
            SetExpr::Select(select) => self.select(select, scope, depth),
            SetExpr::Query(query) => self.query(query, scope, depth),
            SetExpr::SetOperation { left, right, .. } => {
                let mut found = self.body(left, scope, depth);
                let mut right = self.body(right, scope, depth);
                right.names.retain(|name| found.names.iter().all(|left| left.key != name.key));
                found.add(right);
                found
            }
            _ => Columns::unknown(),
        }
    }

    fn select<'q>(&mut self, select: &'q Select, scope: Option<&Scope<'_, 'q>>, depth: usize) -> Columns {
        if select.value_table_mode.is_some() {
            return Columns::unknown();
        }
        if select.flavor == SelectFlavor::FromFirstNoSelect {
            let place = select.from.first().map(|from| from.relation.span().start);
            return starred(self.all(select, scope, depth), place.map(|place| (place.line, place.column)));
        }
        let mut found = Columns::default();
        for item in &select.projection {
            found.add(self.item(item, select, scope, depth));
        }
        if let Some(excluded) = &select.exclude {
            self.exclude(&mut found, excluded);
        }
        found
    }

    fn item<'q>(
        &mut self,
        item: &'q SelectItem,
        select: &'q Select,
        scope: Option<&Scope<'_, 'q>>,
        depth: usize,
    ) -> Columns {
        let named = |name| Columns { names: vec![name], ..Columns::default() };
        match item {
            SelectItem::ExprWithAlias { alias, .. } => named(self.name(alias)),
            SelectItem::UnnamedExpr(Expr::Identifier(ident)) => named(self.name(ident)),
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
                parts.last().map_or_else(Columns::unknown, |ident| named(self.name(ident)))
            }
            SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options)
                if place(options).is_some_and(|(line, column)| !(self.written)(line, column)) =>
            {
                Columns::unknown()
            }
            SelectItem::Wildcard(options) => {
                let found = self.all(select, scope, depth);
                starred(self.with_options(found, options), place(options))
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                let wanted = name.0.last().and_then(|part| part.as_ident()).map(|ident| ident.value.to_lowercase());
                let factor = factors(select).find(|factor| wanted.is_some() && name_of(factor) == wanted);
                // None is so named: the fields of a struct.
                let found = factor.map_or_else(Columns::unknown, |factor| self.factor(factor, scope, depth));
                starred(self.with_options(found, options), place(options))
            }
            _ => Columns::unknown(),
        }
    }

    /// What `*` is in a `select`.
    fn all<'q>(&mut self, select: &'q Select, scope: Option<&Scope<'_, 'q>>, depth: usize) -> Columns {
        let mut found = Columns { more: !select.lateral_views.is_empty(), ..Columns::default() };
        for from in &select.from {
            found.add(self.joined(from, scope, depth));
        }
        found
    }

    fn joined<'q>(&mut self, from: &'q TableWithJoins, scope: Option<&Scope<'_, 'q>>, depth: usize) -> Columns {
        let mut found = self.factor(&from.relation, scope, depth);
        for join in &from.joins {
            let mut right = self.factor(&join.relation, scope, depth);
            match constraint(&join.join_operator) {
                // Columns that both sides have come once.
                Some(JoinConstraint::Using(shared)) => {
                    let shared: Vec<String> =
                        shared.iter().filter_map(|name| Some(self.last_name(name)?.key)).collect();
                    right.names.retain(|name| !shared.contains(&name.key));
                    // A side that hides its columns has these.
                    let missing = |name: &&String| found.names.iter().all(|known| known.key != **name);
                    found.more |= shared.iter().any(|name| missing(&name));
                }
                Some(JoinConstraint::Natural) => {
                    right.names.retain(|name| found.names.iter().all(|left| left.key != name.key));
                }
                _ => {}
            }
            use JoinOperator as J;
            match &join.join_operator {
                // Their right side is only looked at.
                J::Semi(_) | J::LeftSemi(_) | J::Anti(_) | J::LeftAnti(_) => {}
                J::RightSemi(_) | J::RightAnti(_) => found = right,
                _ => found.add(right),
            }
        }
        found
    }

    fn factor<'q>(&mut self, factor: &'q TableFactor, scope: Option<&Scope<'_, 'q>>, depth: usize) -> Columns {
        let Some(depth) = depth.checked_sub(1) else { return Columns::unknown() };
        match factor {
            TableFactor::Derived { subquery, alias, .. } => {
                let found = self.query(subquery, scope, depth);
                self.renamed(found, alias.as_ref())
            }
            TableFactor::Table { name, alias, args: None, .. } => {
                let found = self.cte(name, scope, depth);
                self.renamed(found, alias.as_ref())
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => self.joined(table_with_joins, scope, depth),
            _ => Columns::unknown(),
        }
    }

    /// The columns of a CTE; of a relation, that they are hidden.
    fn cte<'q>(&mut self, name: &ObjectName, scope: Option<&Scope<'_, 'q>>, depth: usize) -> Columns {
        // A star above puts its own place here.
        let hidden = Columns { star: Some((0, 0)), ..Columns::unknown() };
        let [part] = name.0.as_slice() else { return hidden };
        let Some(wanted) = part.as_ident() else { return Columns::unknown() };
        let mut around = scope;
        while let Some(scope) = around {
            let seen = scope.with.cte_tables.iter().take(scope.count).enumerate();
            let found = seen.rev().find(|(_, cte)| cte.alias.name.value.eq_ignore_ascii_case(&wanted.value));
            let Some((at, cte)) = found else {
                around = scope.outer;
                continue;
            };
            let key = std::ptr::from_ref::<Query>(&cte.query);
            if let Some(known) = self.known.get(&key) {
                return known.clone();
            }
            self.known.insert(key, Columns::unknown());
            // A CTE sees those before it; with `recursive`, all of them.
            let count = if scope.with.recursive { scope.with.cte_tables.len() } else { at };
            let found = self.query(&cte.query, Some(&Scope { count, ..*scope }), depth);
            let found = self.renamed(found, Some(&cte.alias));
            self.known.insert(key, found.clone());
            return found;
        }
        hidden
    }

    /// The columns under the names that an alias gives them: `as t (a, b)`.
    fn renamed(&self, found: Columns, alias: Option<&TableAlias>) -> Columns {
        match alias {
            Some(alias) if !alias.columns.is_empty() => {
                let given = alias.columns.iter().map(|column| self.name(&column.name));
                // It may name the first ones only.
                let rest = found.names.into_iter().skip(alias.columns.len());
                Columns { names: given.chain(rest).collect(), ..Columns::default() }
            }
            _ => found,
        }
    }

    fn with_options(&self, mut found: Columns, options: &WildcardAdditionalOptions) -> Columns {
        if let Some(excluded) = &options.opt_exclude {
            self.exclude(&mut found, excluded);
        }
        if let Some(ExceptSelectItem { first_element, additional_elements }) = &options.opt_except {
            let keys: HashSet<String> =
                std::iter::once(first_element).chain(additional_elements).map(|ident| self.name(ident).key).collect();
            found.names.retain(|name| !keys.contains(&name.key));
        }
        let renames = match &options.opt_rename {
            Some(RenameSelectItem::Single(one)) => std::slice::from_ref(one),
            Some(RenameSelectItem::Multiple(list)) => list.as_slice(),
            None => &[],
        };
        for rename in renames {
            let (from, to) = (self.name(&rename.ident), self.name(&rename.alias));
            found.names.iter_mut().filter(|name| name.key == from.key).for_each(|name| *name = to.clone());
        }
        if options.opt_ilike.is_some() || options.opt_alias.is_some() {
            return Columns { names: Vec::new(), more: true, ..found };
        }
        found
    }

    fn exclude(&self, found: &mut Columns, excluded: &ExcludeSelectItem) {
        let names = match excluded {
            ExcludeSelectItem::Single(one) => std::slice::from_ref(one),
            ExcludeSelectItem::Multiple(list) => list.as_slice(),
        };
        let keys: HashSet<String> = names.iter().filter_map(|name| Some(self.last_name(name)?.key)).collect();
        found.names.retain(|name| !keys.contains(&name.key));
    }
}

/// A name of the YAML, which may be quoted as SQL would.
pub(super) fn bare(name: &str) -> &str {
    name.trim_matches(['"', '`'])
}

fn is_by_name(quantifier: SetQuantifier) -> bool {
    matches!(quantifier, SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName)
}

/// Columns that a star takes: where they are hidden, it is the star that does it.
fn starred(found: Columns, place: Option<(u64, u64)>) -> Columns {
    Columns { star: found.star.and(place), ..found }
}

fn place(options: &WildcardAdditionalOptions) -> Option<(u64, u64)> {
    let start = options.wildcard_token.0.span.start;
    Some((start.line, start.column))
}

/// The condition of a join that may have one.
pub(super) fn constraint(operator: &JoinOperator) -> Option<&JoinConstraint> {
    use JoinOperator as J;
    match operator {
        J::Join(constraint)
        | J::Inner(constraint)
        | J::Left(constraint)
        | J::LeftOuter(constraint)
        | J::Right(constraint)
        | J::RightOuter(constraint)
        | J::FullOuter(constraint)
        | J::Semi(constraint)
        | J::LeftSemi(constraint)
        | J::RightSemi(constraint)
        | J::Anti(constraint)
        | J::LeftAnti(constraint)
        | J::RightAnti(constraint)
        | J::StraightJoin(constraint)
        | J::AsOf { constraint, .. } => Some(constraint),
        J::CrossJoin(_) | J::CrossApply | J::OuterApply | J::ArrayJoin | J::LeftArrayJoin | J::InnerArrayJoin => None,
    }
}

/// What a `select` reads, side by side.
pub(super) fn factors(select: &Select) -> impl Iterator<Item = &TableFactor> {
    let joined = |from| -> &TableWithJoins { from };
    select
        .from
        .iter()
        .map(joined)
        .flat_map(|from| std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)))
}

/// The name by which a factor is known in its `select`, in lower case.
pub(super) fn name_of(factor: &TableFactor) -> Option<String> {
    match factor {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            Some(alias.name.value.to_lowercase())
        }
        TableFactor::Table { name, .. } => Some(name.0.last()?.as_ident()?.value.to_lowercase()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::*;

    /// The names; `+` where there are more, `*` where a star hides them.
    fn names_in(sql: &str, dialect: Dialect) -> String {
        let found = columns(&Tree::of(sql, Some(dialect)).unwrap().query, Some(dialect), &|_, _| true);
        let mut shown: Vec<&str> = found.names.iter().map(|name| name.shown.as_str()).collect();
        shown.extend(found.more.then_some("+"));
        shown.extend(found.star.map(|_| "*"));
        shown.join(" ")
    }

    fn names(sql: &str) -> String {
        names_in(sql, Dialect::DuckDb)
    }

    #[test]
    fn a_star_over_a_cte_is_its_columns() {
        let sql = "with a as (select x, y as z from t), final as (select a.*, 1 as one from a) select * from final";
        assert_eq!(names(sql), "x z one");
        assert_eq!(names("select * from (select q from t) s"), "q");
        assert_eq!(
            names("with a as (select x, y from t), b as (select x, z from t) select * from a join b using (x)"),
            "x y z"
        );
        assert_eq!(names("select * from (values (1, 2)) as v (a, b)"), "a b");
        assert_eq!(names("with a as (select x, y from t) select * exclude (x) from a"), "y");
        assert_eq!(names("with a as (select x, y from t) from a"), "x y");
    }

    #[test]
    fn a_star_over_a_relation_hides_them() {
        assert_eq!(names("with a as (select * from t) select *, 1 as one from a"), "one + *");
        assert_eq!(names("with t as (select * from t) select * from t"), "+ *");
        assert_eq!(names("from t"), "+ *");
    }

    #[test]
    fn an_expression_without_a_name_hides_only_itself() {
        assert_eq!(names("select count(*), x from t"), "x +");
        assert_eq!(names("select * from range(3)"), "+");
    }

    #[test]
    fn a_cte_that_reads_itself_ends() {
        assert_eq!(names("with recursive a as (select * from a) select * from a"), "+");
    }

    #[test]
    fn a_union_of_many_is_its_first() {
        assert_eq!(names(&("select a from t".to_owned() + &" union all select b from t".repeat(300))), "a");
    }

    #[test]
    fn a_star_that_doubles_each_time_ends() {
        let mut sql = "with c0 as (select 1 as a, 2 as b)".to_owned();
        (1..40).for_each(|n| sql += &format!(", c{n} as (select x.*, y.* from c{m} x, c{m} y)", m = n - 1));
        assert_eq!(names(&format!("{sql} select * from c39")), "+");
    }

    #[test]
    fn names_are_one_where_the_warehouse_takes_them_for_one() {
        let same = |dialect| {
            let found = columns(
                &Tree::of("select x as \"ID\", y as id", Some(dialect)).unwrap().query,
                Some(dialect),
                &|_, _| true,
            );
            found.names[0].key == found.names[1].key
        };
        assert!(!same(Dialect::Postgres) && same(Dialect::Snowflake) && same(Dialect::DuckDb));
    }
}
