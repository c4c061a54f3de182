//! What the role of a profile may do: for `premerge debug`.

use crate::sql::Dialect;

/// The role's rights, as the warehouse tells them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Privileges {
    /// The role that statements run as, after `set role`.
    pub role: String,
    /// Who has logged in: the profile's `user`, whose rights the role can be put down for.
    pub user: String,
    /// The server's version, for people.
    pub version: String,
    /// Whether it may create schemas in the database.
    pub may_create_schemas: bool,
    /// Its rights in the schemas asked for, those that exist.
    pub schemas: Vec<SchemaPrivileges>,
    /// Functions that the role may call and whose code may write although the server is told that it does not:
    /// premerge cannot tell. With the owner's rights, whatever the role's are.
    pub writing_functions: Vec<WritingFunction>,
    /// Schemas of those asked for that are in another database of the same server, each with it.
    pub elsewhere: Vec<(String, String)>,
}

/// A function that premerge takes for one that reads, by what it is declared as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WritingFunction {
    /// Its name, with its schema.
    pub name: String,
    /// It runs with its owner's rights (`security definer`), so a weak role does not stop it.
    pub as_owner: bool,
}

/// Rights in one schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchemaPrivileges {
    /// The schema.
    pub name: String,
    /// Whether its relations may be named at all.
    pub usage: bool,
    /// Whether relations may be created in it, or by whom the user may become.
    pub create: bool,
    /// Relations that may not be read.
    pub unreadable: u64,
    /// Relations and sequences that may be changed or dropped, or by whom the user may become.
    pub writable: u64,
}

impl SchemaPrivileges {
    /// Whether the role could change production here.
    #[must_use]
    pub fn may_write(&self) -> bool {
        self.create || self.writable > 0
    }

    /// Whether everything in it may be read.
    #[must_use]
    pub fn may_read(&self) -> bool {
        self.usage && self.unreadable == 0
    }
}

/// Statements for an administrator that make a role which can do premerge's work and cannot write to
/// `schemas`. Empty where the engine needs none.
#[must_use]
pub fn grants(dialect: Dialect, database: &str, schemas: &[String]) -> Vec<String> {
    let name = |text: &str| dialect.quote(text);
    match dialect {
        Dialect::Postgres | Dialect::Redshift => {
            let mut statements = if dialect == Dialect::Postgres {
                vec!["create role premerge login password '…';".to_owned()]
            } else {
                vec!["create user premerge password '…';".to_owned()]
            };
            // Redshift's contracts are compared by a temporary table.
            let rights = if dialect == Dialect::Postgres { "create" } else { "create, temporary" };
            statements.push(format!("grant {rights} on database {} to premerge;", name(database)));
            for schema in schemas {
                let schema = name(schema);
                statements.push(format!("grant usage on schema {schema} to premerge;"));
                statements.push(format!("grant select on all tables in schema {schema} to premerge;"));
                // Tables that dbt makes anew tomorrow: said by the role that makes them.
                statements.push(format!(
                    "alter default privileges for {} <production's role> in schema {schema} grant select on tables to premerge;",
                    if dialect == Dialect::Postgres { "role" } else { "user" }
                ));
            }
            statements
        }
        _ => Vec::new(),
    }
}

/// The query that tells the rights, for PostgreSQL and Redshift: one row a schema.
pub(super) fn query(dialect: Dialect, schemas: &[String]) -> String {
    if dialect == Dialect::Redshift {
        return redshift_query(schemas);
    }
    let list: Vec<_> = schemas.iter().map(|schema| dialect.literal(schema)).collect();
    let list = if list.is_empty() { "''".to_owned() } else { list.join(", ") };
    let count = |condition: &str| {
        format!(
            "(select count(*) from pg_catalog.pg_class c where c.relnamespace = n.oid \
             and c.relkind in ('r', 'v', 'm', 'p', 'f', 'S') and ({condition}))"
        )
    };
    let anybody = |right: &str| format!("exists (select 1 from who where {right})");
    // A role can be put down and another taken on, so the rights count of everybody whom the session's user may
    // become, whether or not rights are inherited. A superuser may become anybody, and has all their rights.
    format!(
        "with who as materialized (select r.oid from pg_catalog.pg_roles r \
         where r.rolname = session_user or r.rolname = current_user \
         or (not (select u.rolsuper from pg_catalog.pg_roles u where u.rolname = session_user) \
         and pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER'))) \
         select n.nspname, has_schema_privilege(n.nspname, 'USAGE'), {}, {}, {} \
         from pg_catalog.pg_namespace n where n.nspname in ({list}) order by 1",
        anybody("has_schema_privilege(who.oid, n.oid, 'CREATE') or pg_has_role(who.oid, n.nspowner, 'MEMBER')"),
        count("c.relkind <> 'S' and not has_table_privilege(c.oid, 'SELECT')"),
        count(&anybody(
            "pg_has_role(who.oid, c.relowner, 'MEMBER') or case when c.relkind = 'S' \
             then has_sequence_privilege(who.oid, c.oid, 'USAGE, UPDATE') \
             else has_table_privilege(who.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') \
             or has_any_column_privilege(who.oid, c.oid, 'INSERT, UPDATE, REFERENCES') end"
        ))
    )
}

/// The query that finds functions which are declared `stable` or `immutable`, and which PostgreSQL does not keep from
/// calling what writes: those in a language other than SQL, of no extension. Name, and whether it has its owner's rights.
pub(super) const WRITING_FUNCTIONS: &str = "\
    select distinct n.nspname || '.' || p.proname, p.prosecdef from pg_catalog.pg_proc p \
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace join pg_catalog.pg_language l on l.oid = p.prolang \
    where p.provolatile <> 'v' and p.prokind in ('f', 'w') and (l.lanname not in ('sql', 'internal') or p.prosecdef) \
    and n.nspname not in ('pg_catalog', 'information_schema') \
    and not exists (select 1 from pg_catalog.pg_depend d where d.objid = p.oid and d.deptype = 'e' \
    and d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass) \
    and pg_catalog.has_schema_privilege(n.oid, 'USAGE') and pg_catalog.has_function_privilege(p.oid, 'EXECUTE') order by 1";

/// The same in what Redshift documents: privileges are asked for by name, a name may be said only where the
/// schema may be used, nothing is correlated, and there is neither a right to truncate nor membership of an owner.
fn redshift_query(schemas: &[String]) -> String {
    let list: Vec<_> = schemas.iter().map(|schema| Dialect::Redshift.literal(schema)).collect();
    let list = if list.is_empty() { "''".to_owned() } else { list.join(", ") };
    let usage = "has_schema_privilege(n.nspname, 'USAGE')";
    let may = |right: &str| {
        format!(
            "case when {usage} then has_table_privilege(quote_ident(n.nspname) || '.' || quote_ident(c.relname), '{right}') \
             else false end"
        )
    };
    format!(
        "select n.nspname, {usage}, has_schema_privilege(n.nspname, 'CREATE'), \
         sum(case when c.relname is null or {} then 0 else 1 end), \
         sum(case when c.relname is not null and (pg_get_userbyid(c.relowner) = current_user or {} or {} or {}) then 1 else 0 end) \
         from pg_catalog.pg_namespace n left join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'v') \
         where n.nspname in ({list}) group by n.nspname order by 1",
        may("SELECT"),
        may("INSERT"),
        may("UPDATE"),
        may("DELETE")
    )
}

/// The query that finds schemas in the other databases of a Redshift cluster: schema and database.
/// <https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_ALL_SCHEMAS.html>
pub(super) fn elsewhere(schemas: &[String]) -> String {
    let list: Vec<_> = schemas.iter().map(|schema| Dialect::Redshift.literal(schema)).collect();
    format!(
        "select schema_name, database_name from svv_all_schemas where schema_name in ({}) order by 1, 2",
        list.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// <https://docs.aws.amazon.com/redshift/latest/dg/r_GRANT.html> and `r_ALTER_DEFAULT_PRIVILEGES.html`.
    #[test]
    fn the_grants_of_a_reading_user_of_redshift() {
        assert_eq!(
            grants(Dialect::Redshift, "ferry", &["analytics".to_owned()]),
            [
                "create user premerge password '…';",
                "grant create, temporary on database \"ferry\" to premerge;",
                "grant usage on schema \"analytics\" to premerge;",
                "grant select on all tables in schema \"analytics\" to premerge;",
                "alter default privileges for user <production's role> in schema \"analytics\" grant select on tables to premerge;",
            ]
        );
    }

    #[test]
    fn the_grants_of_a_reading_role() {
        let statements = grants(Dialect::Postgres, "ferry", &["analytics".to_owned()]);
        assert_eq!(
            statements,
            [
                "create role premerge login password '…';",
                "grant create on database \"ferry\" to premerge;",
                "grant usage on schema \"analytics\" to premerge;",
                "grant select on all tables in schema \"analytics\" to premerge;",
                "alter default privileges for role <production's role> in schema \"analytics\" grant select on tables to premerge;",
            ]
        );
    }
}
