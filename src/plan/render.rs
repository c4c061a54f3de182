//! A plan as text for people.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::document::{
    LeftOutKind, Materialization, NotCheckedReason, NotYoursFate, Notice, NoticeLevel, Plan, PlannedNode, RemovedNode,
    Severity, SkipReason, TestWhy, WeakerTest, Why,
};
use super::page::{Page, SHOWN};
use super::reasons::Reasons;
use crate::artifacts::{ResourceType, UniqueId};
use crate::changes::Reason;
use crate::text::words::{count_of, some_of};

/// More nodes than this that are built for one and the same reason are one row.
const FOLDED: usize = 12;

/// Writes `plan`, lists of names in lines of at most `width` characters. `cut`: other lines and cells are cut to that
/// width too, as a terminal needs it; in a log or a file a name that is cut is lost.
///
/// # Errors
/// When `out` cannot be written.
pub fn render_text(plan: &Plan, width: usize, cut: bool, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page::new(width, cut, out);
    page.line(&format!("Plan for {} on {}, temporary schema {}", plan.project, plan.adapter, plan.schema))?;
    state(plan, &mut page)?;
    contracts(plan, &mut page)?;
    settings(plan, &mut page)?;
    built(plan, &mut page)?;
    proxies(plan, &mut page)?;
    tests(plan, &mut page)?;
    weaker(plan, &mut page)?;
    definitions(plan, &mut page)?;
    not_checked(plan, &mut page)?;
    skipped(plan, &mut page)?;
    reasons(plan, &mut page)?;
    removed(plan, &mut page)?;
    not_yours(plan, &mut page)?;
    left_out(plan, &mut page)?;
    notices(plan, &mut page)?;
    engine(plan, &mut page)
}

/// What stands last, because it is the next step.
fn engine(plan: &Plan, page: &mut Page<'_>) -> io::Result<()> {
    if plan.check_supported != Some(false) {
        return Ok(());
    }
    page.section(&format!("`premerge check` cannot build on {} yet", plan.adapter))?;
    page.line("  This plan, `premerge ls` and `premerge lint` need no warehouse and cover it.")
}

/// `Production's manifest is 2 days old, commit 51be0c2 is 10 days old and 12 commits behind`.
fn state(plan: &Plan, page: &mut Page<'_>) -> io::Result<()> {
    let Some(state) = &plan.state else { return Ok(()) };
    let facts = state.in_words();
    if facts.is_empty() { Ok(()) } else { page.line(&facts.join(", ").replacen("production", "Production", 1)) }
}

/// What the reviewer must not miss stands first.
fn contracts(plan: &Plan, page: &mut Page<'_>) -> io::Result<()> {
    let broken: Vec<&Notice> = plan.notices.iter().filter(|notice| !notice.details.is_empty()).collect();
    if broken.is_empty() {
        return Ok(());
    }
    page.section(&format!("Broken contracts: {}", broken.len()))?;
    for notice in broken {
        let weight = match notice.level {
            NoticeLevel::Error => "error: ",
            NoticeLevel::Warn => "warning: ",
            NoticeLevel::Note => "",
        };
        let name = notice.unique_id.as_ref().map(UniqueId::name).unwrap_or_default();
        page.line(&format!("  {weight}{name} {}", notice.message))?;
        for detail in notice.details.iter().take(SHOWN) {
            page.line(&format!("    {detail}"))?;
        }
        if notice.details.len() > SHOWN {
            page.line(&format!("    and {} more", notice.details.len() - SHOWN))?;
        }
    }
    Ok(())
}

fn built(plan: &Plan, page: &mut Page<'_>) -> io::Result<()> {
    if plan.nodes.is_empty() {
        return page.section("Nothing to build");
    }
    let counts = [
        (plan.summary.built_changed, "changed"),
        (plan.summary.built_downstream, "downstream"),
        (plan.summary.built_needed, "not in production"),
        (plan.summary.built_not_yours, "changed by others"),
    ];
    let counts: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    page.section(&format!("Build {} ({})", count_of(plan.nodes.len(), "node"), counts.join(", ")))?;

    let mut tests: BTreeMap<&str, usize> = BTreeMap::new();
    for test in &plan.tests {
        match &test.attached_node {
            Some(node) => *tests.entry(node).or_default() += 1,
            None => test.parents.iter().for_each(|parent| *tests.entry(parent).or_default() += 1),
        }
    }
    let tests_of = |node: &PlannedNode| tests.get(node.unique_id.as_str()).copied().unwrap_or_default();
    let in_words = |count: usize| if count == 0 { String::new() } else { count_of(count, "test") };
    let mut groups: BTreeMap<(Origin, String), Vec<&PlannedNode>> = BTreeMap::new();
    for node in &plan.nodes {
        let key = (Origin::of(&node.why), why(&node.why, node.unique_id.kind()));
        groups.entry(key).or_default().push(node);
    }
    let mut rows = Vec::new();
    let mut folded = Vec::new();
    for ((origin, why), nodes) in groups {
        if origin > Origin::Touched && nodes.len() > FOLDED {
            let tests = in_words(nodes.iter().map(|node| tests_of(node)).sum());
            let tests = if tests.is_empty() { tests } else { format!(", {tests}") };
            folded.push((format!("  {}{tests}: {why}", count_of(nodes.len(), "node")), nodes));
            continue;
        }
        rows.extend(nodes.into_iter().map(|node| {
            let tests = in_words(tests_of(node));
            vec![node.unique_id.name().to_owned(), made_as(node), tests, why.clone()]
        }));
    }
    page.table(&rows)?;
    for (heading, nodes) in folded {
        page.line(&heading)?;
        page.all_names(nodes.into_iter().map(|node| node.unique_id.name()))?;
    }
    Ok(())
}

/// Where the reason to build a node comes from: what the pull request touched stands first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    /// Its own file or definition.
    Touched,
    /// A macro.
    Macro,
    /// A variable, an environment variable or the target.
    Outside,
    /// What others changed.
    Others,
    /// A built node reads it.
    Needed,
    /// Something upstream.
    Upstream,
}

impl Origin {
    fn of(why: &Why) -> Self {
        match why {
            Why::Changed { new: true, .. } | Why::Changed { renamed_from: Some(_), .. } => Self::Touched,
            Why::Changed { reasons, .. } => reasons.iter().map(Self::of_reason).min().unwrap_or(Self::Touched),
            Why::NotYours { .. } => Self::Others,
            Why::NeededNew { .. } => Self::Needed,
            Why::Downstream { .. } => Self::Upstream,
        }
    }

    fn of_reason(reason: &Reason) -> Self {
        match reason {
            Reason::New
            | Reason::Body
            | Reason::Configs { .. }
            | Reason::PersistedDescriptions
            | Reason::Contract { .. }
            | Reason::Fqn
            | Reason::Field { .. }
            | Reason::Removed
            | Reason::RenamedTo { .. } => Self::Touched,
            Reason::Macros { .. } | Reason::BuildMacros { .. } => Self::Macro,
            Reason::Relation | Reason::CompiledSql | Reason::RenderedConfigs { .. } => Self::Outside,
        }
    }
}

/// One cause of many changes, before any of them.
fn settings(plan: &Plan, page: &mut Page<'_>) -> io::Result<()> {
    if plan.reasons.settings.is_empty() {
        return Ok(());
    }
    page.section("Changed by one setting")?;
    plan.reasons.settings.iter().try_for_each(|change| page.paragraph(&change.to_string()))
}

fn made_as(node: &PlannedNode) -> String {
    let text = match node.materialization {
        Materialization::View => "view",
        Materialization::Table => "table",
        Materialization::IncrementalAsTable => "table (incremental)",
        Materialization::ExternalAsTable => "table (external)",
        Materialization::MaterializedViewAsTable => "table (materialized view)",
        Materialization::Seed => "seed",
        Materialization::SnapshotFirstRun => "snapshot (first run)",
    };
    if node.contract_enforced { format!("{text}, contract") } else { text.to_owned() }
}

fn why(why: &Why, resource_type: ResourceType) -> String {
    match why {
        Why::Changed { renamed_from: Some(from), .. } => format!("renamed from {}", from.name()),
        Why::Changed { new: true, .. } => "new".to_owned(),
        Why::Changed { reasons, .. } => format!("changed: {}", phrases(reasons, resource_type)),
        Why::Downstream { of, and_more } => {
            let names: Vec<&str> = of.iter().map(UniqueId::name).collect();
            format!("downstream of {}{}", names.join(", "), if *and_more { ", …" } else { "" })
        }
        Why::NeededNew { by } => {
            let names: Vec<&str> = by.iter().map(UniqueId::name).collect();
            format!("not in production, read by {}", names.join(", "))
        }
        Why::NotYours { by } => {
            let names: Vec<&str> = by.iter().map(UniqueId::name).collect();
            format!("changed by others, needed by your change: read by {}", names.join(", "))
        }
    }
}

fn phrases(reasons: &[Reason], resource_type: ResourceType) -> String {
    reasons.iter().map(|reason| reason.about(resource_type)).collect::<Vec<_>>().join(", ")
}

/// `name (reasons)`.
fn with_reasons(unique_id: &UniqueId, reasons: &[Reason]) -> String {
    if reasons.is_empty() {
        return unique_id.name().to_owned();
    }
    format!("{} ({})", unique_id.name(), phrases(reasons, unique_id.kind()))
}

fn proxies(plan: &Plan, page: &mut Page<'_>) -> io::Result<()> {
    if plan.proxies.is_empty() {
        return Ok(());
    }
    let count = plan.proxies.len();
    let heading = if plan.dialect().reads_production_in_place() {
        format!("Read {} from production", count_of(count, "relation"))
    } else {
        format!("Read production through {}", count_of(count, "proxy view"))
    };
    page.section(&heading)?;
    page.names(plan.proxies.iter().map(|proxy| proxy.unique_id.name()))
}

fn tests(plan: &Plan, page: &mut Page<'_>) -> io::Result<()> {
    if plan.tests.is_empty() {
        return page.section("No data test to run");
    }
    let warn = plan.tests.iter().filter(|test| test.severity == Severity::Warn).count();
    let warn = if warn > 0 { format!(", {warn} of severity warn") } else { String::new() };
    page.section(&format!("Run {}{warn}", count_of(plan.tests.len(), "data test")))?;
    let changed = plan.tests.iter().filter_map(|test| match &test.why {
        TestWhy::Changed { reasons } => Some((test, reasons)),
        TestWhy::Tests { .. } => None,
    });
    let (new, changed): (Vec<_>, Vec<_>) = changed.partition(|(_, reasons)| reasons.contains(&Reason::New));
    if !new.is_empty() {
        page.line(&format!("  {} new:", new.len()))?;
        page.names(new.iter().map(|(test, _)| test.name.as_str()))?;
    }
    if !changed.is_empty() {
        page.line(&format!("  {} changed:", changed.len()))?;
        let named: Vec<String> = changed
            .iter()
            .map(|(test, reasons)| format!("{} ({})", test.name, phrases(reasons, ResourceType::Test)))
            .collect();
        page.names(named.iter().map(String::as_str))?;
    }
    Ok(())
}

fn weaker(plan: &Plan, page: &mut Page<'_>) -> io::Result<()> {
    if plan.weaker_tests.is_empty() {
        return Ok(());
    }
    let certain = plan.weaker_tests.iter().all(WeakerTest::is_certain);
    let title = if certain { "Weakened" } else { "Weakened or changed" };
    page.section(&format!("{title}: {}", count_of(plan.weaker_tests.len(), "test")))?;
    let rows = plan.weaker_tests.iter().map(|test| vec![test.name.clone(), test.in_words()]);
    page.table(&rows.collect::<Vec<_>>())
}

fn definitions(plan: &Plan, page: &mut Page<'_>) -> io::Result<()> {
    if plan.definitions.is_empty() {
        return Ok(());
    }
    page.section(&format!("Changed, with nothing to build: {}", plan.definitions.len()))?;
    let rows: Vec<Vec<String>> = plan
        .definitions
        .iter()
        .take(2 * SHOWN)
        .map(|entry| {
            let kind = entry.resource_type.replace('_', " ");
            let why = if entry.new { "new".to_owned() } else { phrases(&entry.reasons, entry.unique_id.kind()) };
            vec![kind, entry.unique_id.name().to_owned(), why]
        })
        .collect();
    page.table(&rows)?;
    match plan.definitions.len().saturating_sub(rows.len()) {
        0 => Ok(()),
        more => page.line(&format!("  and {more} more")),
    }
}

fn not_checked(plan: &Plan, page: &mut Page<'_>) -> io::Result<()> {
    if plan.not_checked.is_empty() {
        return Ok(());
    }
    page.section(&format!("Not checked: {}", plan.not_checked.len()))?;
    let mut tests: BTreeMap<(&str, String), Vec<String>> = BTreeMap::new();
    let mut rows = Vec::new();
    for entry in &plan.not_checked {
        let name = entry.unique_id.name().to_owned();
        if matches!(entry.resource_type.as_str(), "test" | "unit_test") {
            let noun = if entry.resource_type == "unit_test" { "unit test" } else { "test" };
            tests.entry((noun, not_checked_tests(&entry.reason))).or_default().push(name);
        } else {
            rows.push(vec![entry.resource_type.clone(), name, not_checked_reason(&entry.reason)]);
        }
    }
    page.table(&rows)?;
    for ((noun, text), names) in tests {
        page.line(&format!("  {} {text}:", count_of(names.len(), noun)))?;
        page.names(names.iter().map(String::as_str))?;
    }
    Ok(())
}

fn not_checked_reason(reason: &NotCheckedReason) -> String {
    match reason {
        NotCheckedReason::PythonModel => "a Python model".to_owned(),
        NotCheckedReason::UnknownMaterialization { materialized } => {
            format!("unknown materialization `{materialized}`")
        }
        NotCheckedReason::NotCompiled => {
            "dbt compiled no SQL for it (a default selector?); run `dbt compile --select fqn:*`".to_owned()
        }
        NotCheckedReason::ParentNotAvailable { parent } => {
            format!("reads {}: not built, not in production", parent.name())
        }
        NotCheckedReason::MissingParent { parent } => format!("depends on {parent}, which does not exist"),
        NotCheckedReason::ReadsUnbuilt { parent } => format!("reads {}, which is not built", parent.name()),
        NotCheckedReason::NothingOfItIsBuilt => "none of its parents are built".to_owned(),
        NotCheckedReason::IndirectSelection { mode } => format!("left out by indirect selection `{mode}`"),
        NotCheckedReason::NotSelected => "left out by --select, --exclude or --selector".to_owned(),
        NotCheckedReason::OwnMacros { macros } => format!("the project's own {} is not run", names_of(macros)),
        NotCheckedReason::CompiledIncremental => {
            "compiled for an incremental run, by the project's own is_incremental".to_owned()
        }
        NotCheckedReason::ExternalFile => "its external file is not written".to_owned(),
        NotCheckedReason::UnitTestUnsupported => "a unit test".to_owned(),
        NotCheckedReason::FunctionUnsupported => "a function; production's is called".to_owned(),
        NotCheckedReason::Settings { keys } => format!("built without {}", keys.join(", ")),
        NotCheckedReason::NextRun => "built as on its first run; its next run is not tested".to_owned(),
        NotCheckedReason::Database { name } => format!("is built in database {name}, which production does not use"),
        NotCheckedReason::AskedProduction { relations } => {
            format!(
                "its SQL queried {} in production at compile time, which this pull request changes",
                names_of(relations)
            )
        }
        NotCheckedReason::OtherCommand => {
            "its SQL depends on dbt's command, which was not build; --compile gets the right one".to_owned()
        }
        NotCheckedReason::AskedNothing { relations } => {
            format!("its SQL queried {} at compile time, before it existed", names_of(relations))
        }
    }
}

fn names_of(unique_ids: &[UniqueId]) -> String {
    unique_ids.iter().map(UniqueId::name).collect::<Vec<_>>().join(", ")
}

fn not_checked_tests(reason: &NotCheckedReason) -> String {
    match reason {
        NotCheckedReason::ParentNotAvailable { .. } => "on nodes neither built nor in production".to_owned(),
        NotCheckedReason::MissingParent { .. } => "on missing nodes".to_owned(),
        NotCheckedReason::ReadsUnbuilt { .. } | NotCheckedReason::NothingOfItIsBuilt => {
            "on nodes that are not built".to_owned()
        }
        NotCheckedReason::UnitTestUnsupported => "that premerge does not run yet".to_owned(),
        left_out @ (NotCheckedReason::IndirectSelection { .. } | NotCheckedReason::NotSelected) => {
            not_checked_reason(left_out)
        }
        other => format!("({})", not_checked_reason(other)),
    }
}

fn skipped(plan: &Plan, page: &mut Page<'_>) -> io::Result<()> {
    let mut groups: BTreeMap<SkipReason, Vec<String>> = BTreeMap::new();
    for entry in &plan.skipped {
        groups.entry(entry.reason).or_default().push(with_reasons(&entry.unique_id, &entry.changed));
    }
    for (reason, names) in groups {
        page.section(match reason {
            SkipReason::Ephemeral => "Inlined into the models that read them (ephemeral)",
            SkipReason::SnapshotNotChanged => {
                "Snapshots that did not change: tried as on a first run, read from production"
            }
            SkipReason::Cosmetic => "Cosmetic changes: same compiled SQL, same build configuration",
            SkipReason::Empty => "Without SQL",
        })?;
        page.names(names.iter().map(String::as_str))?;
    }
    Ok(())
}

fn removed(plan: &Plan, page: &mut Page<'_>) -> io::Result<()> {
    if plan.removed.is_empty() {
        return Ok(());
    }
    page.section(&format!("Removed: {}", plan.removed.len()))?;
    // A test that went with all that it tested is not news beside that.
    let (with_their_nodes, own): (Vec<_>, Vec<_>) = plan.removed.iter().partition(|node| went_with_its_nodes(node));
    let rows: Vec<Vec<String>> = own
        .into_iter()
        .map(|node| {
            let state = match &node.renamed_to {
                Some(to) => format!("renamed to {}", to.name()),
                None => (if node.disabled { "disabled" } else { "removed" }).to_owned(),
            };
            vec![node.resource_type.replace('_', " "), node.unique_id.name().to_owned(), state, readers(node)]
        })
        .collect();
    page.table(&rows)?;
    match with_their_nodes.len() {
        0 => Ok(()),
        count => page.line(&format!("  and {} of removed nodes", count_of(count, "test"))),
    }
}

fn is_test(node: &RemovedNode) -> bool {
    matches!(node.resource_type.as_str(), "test" | "unit_test")
}

fn went_with_its_nodes(node: &RemovedNode) -> bool {
    is_test(node) && node.renamed_to.is_none() && node.depended_on.is_empty()
}

fn readers(node: &RemovedNode) -> String {
    let list = |ids: &[UniqueId]| some_of(ids.iter().map(UniqueId::name), SHOWN);
    if !node.referred_by.is_empty() {
        format!("still referenced by {}", list(&node.referred_by))
    } else if !node.was_read_by.is_empty() {
        format!("was read by {}", list(&node.was_read_by))
    } else if is_test(node) {
        format!("it tested {}", list(&node.depended_on))
    } else if !node.depended_on.is_empty() {
        format!("it depended on {}", list(&node.depended_on))
    } else if node.resource_type == "exposure" {
        String::new()
    } else {
        "nothing read it".to_owned()
    }
}

fn reasons(plan: &Plan, page: &mut Page<'_>) -> io::Result<()> {
    let Reasons { settings: _, macros, from_outside, undecided } = &plan.reasons;
    if macros.is_empty() && from_outside.is_none() && undecided.is_empty() {
        return Ok(());
    }
    page.section("How changes reach the nodes")?;
    for change in macros.iter().take(SHOWN) {
        page.line(&format!("  {change}"))?;
    }
    if macros.len() > SHOWN {
        page.line(&format!("  and {} more changed macros", macros.len() - SHOWN))?;
    }
    if let Some(outside) = from_outside {
        page.line(&format!("  {outside}"))?;
    }
    if !undecided.is_empty() {
        let nodes = count_of(undecided.len(), "node");
        page.paragraph(&format!(
            "{nodes} not built: no file changed, and the SQL differs only where it depends on the command, the target or \
             the time of the compile:"
        ))?;
        let named: Vec<String> =
            undecided.iter().map(|node| format!("{} ({})", node.unique_id.name(), node.because)).collect();
        page.names(named.iter().map(String::as_str))?;
    }
    Ok(())
}

fn not_yours(plan: &Plan, page: &mut Page<'_>) -> io::Result<()> {
    let mut groups: BTreeMap<NotYoursFate, Vec<String>> = BTreeMap::new();
    for entry in &plan.not_yours {
        groups.entry(entry.fate).or_default().push(with_reasons(&entry.unique_id, &entry.changed));
    }
    for (fate, names) in groups {
        page.section(match fate {
            NotYoursFate::NotBuilt => {
                "Not yours (changed by others): differs from production, not from the merge base; not built"
            }
            NotYoursFate::Needed => "Not yours, but built because your change reads it; it does not gate",
            NotYoursFate::Downstream => "Others changed it too, downstream of your change",
        })?;
        page.names(names.iter().map(String::as_str))?;
    }
    Ok(())
}

fn left_out(plan: &Plan, page: &mut Page<'_>) -> io::Result<()> {
    if plan.left_out.is_empty() {
        return Ok(());
    }
    page.section("Intentionally skipped")?;
    let mut groups: BTreeMap<LeftOutKind, Vec<&str>> = BTreeMap::new();
    for entry in &plan.left_out {
        groups.entry(entry.what).or_default().push(entry.unique_id.name());
    }
    for (what, names) in groups {
        let text = match what {
            LeftOutKind::PreHook => "pre-hooks of",
            LeftOutKind::PostHook => "post-hooks of",
            LeftOutKind::Grants => "grants on",
            LeftOutKind::OnRunStart => "on-run-start",
            LeftOutKind::OnRunEnd => "on-run-end",
            LeftOutKind::StoreFailures => "storing failures of",
            LeftOutKind::Settings => "settings of",
        };
        page.line(&format!("  {text} {}", some_of(names, SHOWN)))?;
    }
    Ok(())
}

fn notices(plan: &Plan, page: &mut Page<'_>) -> io::Result<()> {
    let mut rest = plan.notices.iter().filter(|notice| notice.details.is_empty()).peekable();
    if rest.peek().is_none() {
        return Ok(());
    }
    page.section("Note")?;
    for notice in rest {
        match &notice.unique_id {
            Some(unique_id) => page.line(&format!("  {} {}", unique_id.name(), notice.message))?,
            None => page.line(&format!("  {}", notice.message))?,
        }
    }
    Ok(())
}
