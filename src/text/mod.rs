//! Text for people and programs: what is not ours made harmless for its target, and counts in words.
//!
//! The first stage, because every other may have something to say. A target (Markdown, a terminal, a log, a workflow
//! command) has one function here, and nobody escapes, cuts or counts by other means.

pub mod escape; // text that is not ours, made harmless for each target
pub mod whole_word; // names found as whole words
pub mod words; // numbers, spans and plurals
