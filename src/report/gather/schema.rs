//! The temporary schema: opened, and what became of it when the run was over.

use crate::config::AtStart;
use crate::report::{Draft, Finding, Severity, TemporarySchema, rules};
use crate::text::words::count_of;
use crate::warehouse::OpenedSchema;

/// What was asked for when a temporary schema was opened.
#[derive(Debug, Clone, Copy)]
pub struct WantedSchema<'a> {
    /// Its name, unless that was taken.
    pub name: &'a str,
    /// When `premerge cleanup` may drop it (RFC 3339).
    pub expires_at: &'a str,
    /// What happens to what an earlier run left.
    pub at_start: AtStart,
}

/// What became of the temporary schema when the run was over. The reasons hold nothing of the warehouse's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaEnd {
    /// It was dropped.
    Dropped,
    /// It was to be dropped and is still there.
    NotDropped {
        /// For people, without the warehouse's words.
        why: String,
    },
    /// It stays, without the views that would have held production's tables.
    Released {
        /// How many they were.
        views: usize,
    },
    /// It stays, and so do those views.
    NotReleased {
        /// For people, without the warehouse's words.
        why: String,
    },
}

impl Draft {
    /// Adds what the reader should know of the warehouse.
    pub fn add_limit(&mut self, about: &str, notice: Option<&str>) {
        let notice =
            notice.map(|text| Finding::about(Severity::Notice, rules::WAREHOUSE_LIMIT, about, text.to_owned()));
        self.findings.extend(notice);
    }

    /// Adds the temporary schema, and what its warehouse has to say.
    pub fn add_schema(&mut self, opened: &OpenedSchema, wanted: WantedSchema<'_>) {
        let OpenedSchema { schema, warehouse, .. } = opened;
        let name = schema.name();
        let mut note = |rule, message: String| {
            self.findings.push(Finding::about(Severity::Notice, rule, name, message));
        };
        warehouse.notices().into_iter().for_each(|notice| note(rules::WAREHOUSE_LIMIT, notice));
        if wanted.at_start == AtStart::Replace && !warehouse.traits().replaces {
            let message = "this warehouse cannot replace relations in place, so the previous run's were dropped first";
            note(rules::WAREHOUSE_LIMIT, message.to_owned());
        }
        if name != wanted.name {
            // Whose the usual name is may be nobody's business who reads this report.
            let message =
                format!("`{}` belongs to another project or repository, so this run uses `{name}`", wanted.name);
            note(rules::OWN_SCHEMA, message);
        }
        self.temporary_schema = Some(TemporarySchema {
            name: name.to_owned(),
            database: schema.database().map(str::to_owned),
            expires_at: Some(wanted.expires_at.to_owned()),
            dropped: false,
        });
    }

    /// Adds what became of the temporary schema.
    pub fn add_schema_end(&mut self, end: SchemaEnd) {
        let Some(schema) = &mut self.temporary_schema else { return };
        let left_behind = |message: String, remedy: &str| {
            Finding::about(Severity::Warning, rules::LEFT_BEHIND, &schema.name, message).with_remedy(remedy)
        };
        let finding = match end {
            SchemaEnd::Dropped => {
                schema.dropped = true;
                return;
            }
            SchemaEnd::NotDropped { why } => left_behind(
                format!("the temporary schema could not be dropped: {why}"),
                "`premerge cleanup` drops it once it has expired",
            ),
            SchemaEnd::Released { views } => {
                let message = format!(
                    "dropped {} at the end of the run because they would block changes to production's tables; \
                     `build.keep: all` keeps them",
                    count_of(views, "view")
                );
                Finding::about(Severity::Notice, rules::VIEWS_DROPPED, &schema.name, message)
            }
            SchemaEnd::NotReleased { why } => left_behind(
                format!(
                    "views of the temporary schema could not be dropped, and production cannot change what they read: \
                     {why}"
                ),
                "drop the schema with `premerge cleanup --pr`",
            ),
        };
        self.findings.push(finding);
    }
}
