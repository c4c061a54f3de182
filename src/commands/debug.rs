//! `premerge debug`: whether the set-up is right, and whether the role could write to production.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;

use super::check::profile_lines;
use super::cleanup::holding;
use super::{CommandError, Io, ci, limits, runtime, temp_dir};
use crate::artifacts::ManifestFile;
use crate::compile::python_of;
use crate::config::{ProjectArgs, Settings, mask_variables};
use crate::publish::ci::Ci;
use crate::text::words::count;
use crate::warehouse::{self, KeptSchema, OpenContext, Privileges, Warehouse, WarehouseError, grants};

/// `premerge debug`.
#[derive(Debug, Clone, Args)]
pub struct DebugArgs {
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
    /// Production's manifest: the role must be able to read its schemas and should not be able to write to them
    #[arg(long, value_name = "FILE", env = "PREMERGE_STATE")]
    pub(crate) state: Option<PathBuf>,
    /// Command that starts dbt, such as "uv run dbt": which Python is behind it, for `check --compile`
    #[arg(long, value_name = "COMMAND", env = "PREMERGE_DBT")]
    pub(crate) dbt: Option<String>,
}

/// Runs `premerge debug`: exit code 0 when premerge could work here, 1 when something is missing. That the role
/// could write to production is said and is not a failure, because premerge does not.
///
/// # Errors
/// Bad usage or configuration; or a warehouse that failed.
pub fn run(args: &DebugArgs, io: &mut Io<'_>) -> Result<u8, CommandError> {
    let ci = ci(&io.env)?;
    let settings = Settings::open(&args.project, &io.env, &ci.checkout(None))?;
    let target = settings.target()?;
    let mut schemas: BTreeSet<String> = target.schema.clone().into_iter().collect();
    if let Some(state) = &args.state {
        let file = ManifestFile::read(&io.env.cwd.join(state))?;
        let manifest = file.parse()?;
        let built = manifest.nodes.values().filter(|node| node.relation_name.is_some());
        schemas = built.filter_map(|node| node.schema.as_deref()).map(str::to_owned).collect();
        schemas.extend(manifest.sources.values().filter_map(|source| source.schema.as_deref()).map(str::to_owned));
    }
    let schemas: Vec<String> = schemas.into_iter().collect();
    let temp_dir = temp_dir(&settings, &target)?;
    let context = OpenContext {
        project_dir: &settings.project_dir,
        schema: Some("premerge_debug"),
        temp_dir: &temp_dir,
        env: &io.env,
        limits: limits(&settings),
        run: None,
    };
    let warehouse = warehouse::open(&target, context)?;
    let mut page = Page::default();
    page.ci(&ci);
    if let Some(command) = &args.dbt {
        match python_of(command) {
            Ok(python) => page.good(format!("dbt of `{command}` runs with `{python}`")),
            Err(error) => page.missing(error.message, Some(error.remedy)),
        }
    }
    profile_lines(&target).into_iter().for_each(|line| page.note(line));
    page.good(format!("profile `{}`, target `{}`: {}", target.profile, target.name, warehouse.describe()));
    let asked = runtime()?.block_on(ask(warehouse.as_ref(), &schemas));
    // Afterwards, because how the connection came about is one of them.
    for notice in warehouse.notices() {
        page.note(notice);
    }
    match asked {
        Ok(Some(Found { privileges, holding })) => {
            judge(&privileges, &schemas, warehouse.as_ref(), args.state.is_some(), &mut page);
            holding.into_iter().for_each(|what| page.note(format!("left behind: {what}")));
        }
        Ok(None) => page.good("production is opened read-only, so nothing can write to it".to_owned()),
        Err(error) => {
            tracing::error!("{}: {}", warehouse.describe(), error.message);
            page.missing(error.class.phrase().to_owned(), error.remedy);
        }
    }
    io.out
        .write_all(mask_variables(&page.text).as_bytes())
        .map_err(|source| CommandError::Write { what: "the result".to_owned(), source })?;
    Ok(u8::from(page.failed))
}

/// What the warehouse told.
struct Found {
    privileges: Privileges,
    /// Temporary schemas whose views hold production's tables.
    holding: Vec<String>,
}

async fn ask(warehouse: &dyn Warehouse, schemas: &[String]) -> Result<Option<Found>, WarehouseError> {
    let mut session = warehouse.connect().await?;
    let Some(privileges) = session.privileges(schemas).await? else { return Ok(None) };
    let mut found = Vec::new();
    // Those of another role cannot be read; clean-up says which they are.
    for kept in KeptSchema::find(warehouse, &mut session).await?.0 {
        let views = kept.views_that_hold(&mut session).await?;
        found.extend(holding(&kept, views));
    }
    Ok(Some(Found { privileges, holding: found }))
}

fn judge(found: &Privileges, schemas: &[String], warehouse: &dyn Warehouse, has_state: bool, page: &mut Page) {
    let other_user = (!found.user.is_empty() && found.user != found.role).then_some(found.user.as_str());
    let behind = other_user.map(|user| format!(", in the session of `{user}`")).unwrap_or_default();
    page.good(format!("connected as `{}`{behind} ({})", found.role, found.version));
    let database = warehouse.temp_database().unwrap_or_default();
    if found.may_create_schemas {
        page.good("may create schemas".to_owned());
    } else {
        page.missing(
            format!("may not create schemas in database `{database}`"),
            Some("an administrator can change that: see the statements below".to_owned()),
        );
    }
    if !has_state {
        page.note("production's schemas come from its manifest: pass --state".to_owned());
    }
    let mut writable = false;
    for schema in &found.schemas {
        if schema.may_read() {
            page.good(format!("may read schema `{}`", schema.name));
        } else if schema.usage {
            page.missing(
                format!("may not read {} of schema `{}`", count(schema.unreadable, "relation"), schema.name),
                None,
            );
        } else {
            page.missing(format!("may not use schema `{}`", schema.name), None);
        }
        if schema.may_write() {
            writable = true;
            let how = match (schema.create, schema.writable) {
                (true, 0) => "create relations in it".to_owned(),
                (true, count) => format!("create relations in it and change {count}"),
                (false, count) => format!("change {count} of its relations"),
            };
            let who = match other_user {
                Some(user) => format!("the role, or `{user}` behind it,"),
                None => "the role".to_owned(),
            };
            page.note(format!("{who} can write to schema `{}`: {how}", schema.name));
        }
    }
    for missing in schemas.iter().filter(|name| !found.schemas.iter().any(|schema| schema.name == **name)) {
        let elsewhere = found.elsewhere.iter().filter(|(schema, _)| schema == missing);
        let databases: Vec<_> = elsewhere.map(|(_, database)| format!("`{database}`")).collect();
        page.note(if databases.is_empty() {
            format!("schema `{missing}` does not exist in database `{database}`")
        } else {
            let databases = databases.join(" and ");
            format!("schema `{missing}` is in database {databases}: use a target of that database to see what the role may do there")
        });
    }
    let functions = |as_owner: bool| {
        let mut found = found.writing_functions.iter().filter(|function| function.as_owner == as_owner);
        let named: Vec<String> = found.by_ref().take(3).map(|function| format!("`{}`", function.name)).collect();
        let more = match found.count() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (!named.is_empty()).then(|| format!("{}{more}", named.join(", ")))
    };
    let of_owner = functions(true);
    if let Some(named) = &of_owner {
        page.note(format!(
            "may call functions that run with their owner's rights: {named}. If one writes to production, a model that \
             calls it does, whatever the role may do; revoke execute from the role"
        ));
    }
    if writable {
        page.note(
            "premerge writes to its own schemas only, but a role that cannot write elsewhere is safer".to_owned(),
        );
        let named = functions(false).map(|named| format!(", such as one of {named}")).unwrap_or_default();
        page.note(format!(
            "only a role that cannot write stops what premerge cannot see: a function that is declared `stable` or \
             `immutable` and writes all the same{named}"
        ));
    } else if has_state && of_owner.is_none() {
        page.good("cannot write to production".to_owned());
    }
    if writable || page.failed {
        page.text.push_str("\nA role with only the rights that premerge needs:\n\n");
        for statement in grants(warehouse.dialect(), database, schemas) {
            page.text.push_str(&format!("  {statement}\n"));
        }
    }
}

/// What is printed.
#[derive(Default)]
struct Page {
    text: String,
    failed: bool,
}

impl Page {
    /// What CI says; nothing on a laptop.
    fn ci(&mut self, ci: &Ci) {
        let Some(system) = ci.system else { return };
        let missing = |what: &str, flag: &str| format!("no {what} (pass {flag})");
        let number = ci.pull_request.map(|number| format!("pull request {number}"));
        let number = number.unwrap_or_else(|| missing("pull request", "--pr"));
        let repository = ci.repository.clone().unwrap_or_else(|| "no repository".to_owned());
        let head = ci.head.as_deref().map_or_else(|| "no head commit".to_owned(), |head| format!("head {head}"));
        self.good(format!("{}: {number} of {repository}, {head}", system.name()));
    }

    fn good(&mut self, line: String) {
        self.text.push_str(&format!("ok       {line}\n"));
    }

    fn note(&mut self, line: String) {
        self.text.push_str(&format!("note     {line}\n"));
    }

    fn missing(&mut self, line: String, remedy: Option<String>) {
        self.failed = true;
        self.text.push_str(&format!("missing  {line}\n"));
        if let Some(remedy) = remedy {
            self.text.push_str(&format!("         hint: {remedy}\n"));
        }
    }
}
