//! A rule of the library that neither reports nor fixes what a `-- noqa` silences.
//!
//! For `--fix` only: the library's own reading of `-- noqa` is switched off (see `noqa.rs`), and a finding that
//! is left out afterwards would have been fixed before.

use std::sync::{Arc, OnceLock};

use sqruff_lib::core::config::Value;
use sqruff_lib::core::rules::context::RuleContext;
use sqruff_lib::core::rules::crawlers::Crawler;
use sqruff_lib::core::rules::{Erased as _, ErasedRule, LintPhase, LintResult, Rule, RuleGroups};
use sqruff_lib_core::config::ConfigOption;
use sqruff_lib_core::dialects::init::DialectKind;

use super::noqa::Noqa;

/// The comments of the file, known once it is parsed: after the rules are made and before they run.
pub(super) type Comments = Arc<OnceLock<Noqa>>;

#[derive(Debug)]
pub(super) struct Silenced {
    rule: ErasedRule,
    comments: Comments,
}

impl Silenced {
    pub(super) fn wrap(rule: ErasedRule, comments: &Comments) -> ErasedRule {
        Self { rule, comments: Arc::clone(comments) }.erased()
    }
}

impl Rule for Silenced {
    fn load_from_config(&self, config: &hashbrown::HashMap<String, Value>) -> Result<ErasedRule, String> {
        Ok(Self::wrap(self.rule.load_from_config(config)?, &self.comments))
    }

    fn eval(&self, context: &RuleContext<'_>) -> Vec<LintResult> {
        let mut results = self.rule.eval(context);
        if let Some(noqa) = self.comments.get() {
            results.retain(|result| {
                let place = result.anchor.as_ref().and_then(|anchor| anchor.get_position_marker());
                place.is_none_or(|marker| !noqa.silences(marker.source_position().0, self.rule.code()))
            });
        }
        results
    }

    fn config_options(&self) -> Vec<ConfigOption> {
        self.rule.config_options()
    }

    fn lint_phase(&self) -> LintPhase {
        self.rule.lint_phase()
    }

    fn name(&self) -> &'static str {
        self.rule.name()
    }

    fn config_ref(&self) -> &'static str {
        self.rule.config_ref()
    }

    fn description(&self) -> &'static str {
        self.rule.description()
    }

    fn long_description(&self) -> &'static str {
        self.rule.long_description()
    }

    fn groups(&self) -> &'static [RuleGroups] {
        self.rule.groups()
    }

    fn force_enable(&self) -> bool {
        self.rule.force_enable()
    }

    fn dialect_skip(&self) -> &'static [DialectKind] {
        self.rule.dialect_skip()
    }

    fn code(&self) -> &'static str {
        self.rule.code()
    }

    fn is_fix_compatible(&self) -> bool {
        self.rule.is_fix_compatible()
    }

    fn targets_templated(&self) -> bool {
        self.rule.targets_templated()
    }

    fn crawl_behaviour(&self) -> Crawler {
        self.rule.crawl_behaviour()
    }
}
