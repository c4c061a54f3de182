//! What will be built, proxied, tested and skipped, in which order, each with its why.
//!
//! In: both manifests, the graph and the changes. Out: a [`Plan`]. Pure: no network, no warehouse.

mod beyond;
mod build_set;
mod data_tests;
mod document;
mod facts;
mod gates;
mod gone_tests;
mod identifiers;
mod kept;
mod make;
mod not_built;
mod notices;
mod page;
mod reasons;
mod relocation;
mod render;
mod settings;
mod unbuilt;
mod weaker;
mod weakenings;

pub use document::{
    ChangedDefinition, DOWNSTREAM_SHOWN, KeptReader, KeptTable, LeftOut, LeftOutKind, Materialization, Needs,
    NotChecked, NotCheckedReason, NotYours, NotYoursFate, Notice, NoticeLevel, NoticeRule, Plan, PlannedNode,
    PlannedTest, Proxy, RemovedNode, Severity, SkipReason, Skipped, Summary, TestKind, TestWhy, Trial, Weakening,
    WeakerTest, Why,
};
pub use make::{PlanError, PlanOptions, plan};
pub use reasons::{FromOutside, MacroChange, Reasons, SettingChange, Undecided, Variable};
pub use render::render_text;
pub use settings::unquotable_description;
