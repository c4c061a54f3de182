//! What is new: findings of the pull request's version of a file minus those of production's.

use std::collections::HashMap;

use similar::{Algorithm, DiffOp, capture_diff_slices};

/// A finding as far as comparing goes: its line (from 1) and its rule.
pub(crate) trait Placed {
    fn line(&self) -> usize;
    fn code(&self) -> &str;
}

/// The findings of a file, told apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Compared<F> {
    /// Not in production, with whether the line itself is new or changed.
    pub(crate) new: Vec<(F, bool)>,
    /// In both.
    pub(crate) known: usize,
    /// Only in production.
    pub(crate) fixed: usize,
}

/// Compares the findings of two versions of a file.
///
/// A finding is known when production has one of the same rule on the same line, followed through the diff
/// of the two texts; or, for a line that moved, one of the same rule on a line of the same content.
pub(crate) fn compare<F: Placed>(new: Vec<F>, new_text: &str, old: &[F], old_text: &str) -> Compared<F> {
    let (old_lines, new_lines) = (lines(old_text), lines(new_text));
    let same = unchanged(&old_lines, &new_lines);
    let mut by_line: HashMap<(usize, String), usize> = HashMap::new();
    for finding in old {
        *by_line.entry((finding.line(), finding.code().to_owned())).or_default() += 1;
    }
    let mut rest = Vec::new();
    let mut known = 0;
    for finding in new {
        let before = same.get(&finding.line()).copied();
        let match_of =
            before.and_then(|line| by_line.get_mut(&(line, finding.code().to_owned())).filter(|count| **count > 0));
        match match_of {
            Some(count) => {
                *count -= 1;
                known += 1;
            }
            None => rest.push((finding, before.is_none())),
        }
    }
    // What moved: by content.
    let content =
        |lines: &[&str], line: usize| lines.get(line.wrapping_sub(1)).map_or("", |line| line.trim()).to_owned();
    let mut by_content: HashMap<(String, String), usize> = HashMap::new();
    let mut left = 0;
    for ((line, code), count) in by_line {
        left += count;
        *by_content.entry((content(&old_lines, line), code)).or_default() += count;
    }
    let mut new = Vec::new();
    for (finding, changed) in rest {
        match by_content.get_mut(&(content(&new_lines, finding.line()), finding.code().to_owned())) {
            Some(count) if *count > 0 => {
                *count -= 1;
                left -= 1;
                known += 1;
            }
            _ => new.push((finding, changed)),
        }
    }
    Compared { new, known, fixed: left }
}

fn lines(text: &str) -> Vec<&str> {
    text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect()
}

/// New line number → old line number, for the lines that both have.
fn unchanged(old: &[&str], new: &[&str]) -> HashMap<usize, usize> {
    let mut same = HashMap::new();
    for op in capture_diff_slices(Algorithm::Patience, old, new) {
        if let DiffOp::Equal { old_index, new_index, len } = op {
            same.extend((0..len).map(|offset| (new_index + offset + 1, old_index + offset + 1)));
        }
    }
    same
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    struct At(usize, &'static str);

    impl Placed for At {
        fn line(&self) -> usize {
            self.0
        }

        fn code(&self) -> &str {
            self.1
        }
    }

    #[test]
    fn a_finding_that_production_has_is_known_wherever_its_line_went() {
        let old = "select a\nfrom b\n";
        let new = "-- a comment\nselect a\nfrom c\n";
        let result = compare(vec![At(2, "LT01"), At(3, "CP01")], new, &[At(1, "LT01"), At(2, "CP01")], old);
        assert_eq!(result.known, 1);
        assert_eq!(result.new, [(At(3, "CP01"), true)]);
        assert_eq!(result.fixed, 1);
    }

    #[test]
    fn a_second_finding_of_the_same_rule_on_a_line_is_new() {
        let text = "a\n";
        let result = compare(vec![At(1, "LT01"), At(1, "LT01")], text, &[At(1, "LT01")], text);
        assert_eq!((result.known, result.new.len(), result.fixed), (1, 1, 0));
        assert!(!result.new[0].1, "the line itself did not change");
    }

    #[test]
    fn a_line_that_moved_keeps_its_findings() {
        let result = compare(vec![At(3, "LT01")], "x\ny\n a\n", &[At(1, "LT01")], " a\nx\ny\n");
        assert_eq!((result.known, result.new.len()), (1, 0));
    }
}
