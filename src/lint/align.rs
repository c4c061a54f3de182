//! Which piece of a Jinja file made which part of its compiled text.
//!
//! The file is a pattern for its compiled text: literals stand for themselves, an output for any text, an
//! `if` for one of its branches, a `for` for any number of its body. Matching the pattern, shortest outputs
//! first, gives what sqlfluff's tracer gets by rendering the template twice, without rendering anything.
//!
//! The matcher is a backtracking machine that remembers each (instruction, position) it failed at, so its
//! time and memory are bounded by their product.

use std::ops::Range;

use super::pieces::{JinjaError, Kind, Piece, Role, line_of};

/// A piece of the file and the part of the rendered text that it made; empty for tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) kind: Kind,
    /// Bytes of the file.
    pub(crate) source: Range<usize>,
    /// Bytes of the rendered text.
    pub(crate) rendered: Range<usize>,
}

/// Most (instruction, position) pairs that are remembered: 32 MiB as bits.
const STATES: usize = 1 << 28;

/// Aligns the file with the text that dbt made of it; `None` where they do not fit.
pub(crate) fn align(source: &str, pieces: &[Piece], rendered: &str) -> Result<Option<Vec<Slice>>, JinjaError> {
    let program = Compiler::new(source, pieces).compile()?;
    let Some(trail) = Machine { source, pieces, rendered, program: &program }.run() else { return Ok(None) };
    let ends = trail.iter().skip(1).map(|(_, at)| *at).chain([rendered.len()]);
    let slices = trail.iter().zip(ends).filter_map(|((piece, at), end)| {
        let piece = pieces.get(*piece)?;
        Some(Slice { kind: piece.kind, source: piece.range.clone(), rendered: *at..end })
    });
    Ok(Some(slices.collect()))
}

/// Renders the file without dbt: the first branch of each `if`, each loop once, outputs as `guess` says.
pub(crate) fn render(
    source: &str,
    pieces: &[Piece],
    guess: &dyn Fn(&str) -> String,
) -> Result<(String, Vec<Slice>), JinjaError> {
    let program = Compiler::new(source, pieces).compile()?;
    let (mut text, mut slices) = (String::new(), Vec::new());
    let mut at = 0;
    // Every instruction goes forward but the way back of a loop, which is not taken.
    while let Some(step) = program.get(at) {
        at += 1;
        match step {
            Step::Record(number) => {
                let Some(piece) = pieces.get(*number) else { continue };
                let start = text.len();
                match piece.role {
                    Role::Text => text.push_str(source.get(piece.range.clone()).unwrap_or_default()),
                    Role::Output => text.push_str(&guess(source.get(piece.inside.clone()).unwrap_or_default())),
                    _ => {}
                }
                slices.push(Slice { kind: piece.kind, source: piece.range.clone(), rendered: start..text.len() });
            }
            Step::Try(ways) => at = ways.first().copied().unwrap_or(at),
            // Leave the loop after one turn.
            Step::Again { out, .. } => at = *out,
            Step::Jump(to) => at = *to,
            Step::Literal(_) | Step::Any => {}
        }
    }
    Ok((text, slices))
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// Note that this piece begins here.
    Record(usize),
    /// The text of this piece must stand here.
    Literal(usize),
    /// Any text, as short as possible.
    Any,
    /// Go on at the first of these that works.
    Try(Vec<usize>),
    /// The end of a loop's turn: another one from `back`, or on at `out`.
    Again {
        back: usize,
        out: usize,
    },
    Jump(usize),
}

struct Compiler<'p> {
    source: &'p str,
    pieces: &'p [Piece],
    program: Vec<Step>,
}

/// The parts of a block between its tags: (tag piece, body pieces).
type Parts = Vec<(usize, Range<usize>)>;

impl<'p> Compiler<'p> {
    fn new(source: &'p str, pieces: &'p [Piece]) -> Self {
        Self { source, pieces, program: Vec::new() }
    }

    fn compile(mut self) -> Result<Vec<Step>, JinjaError> {
        self.span(0..self.pieces.len())?;
        Ok(self.program)
    }

    fn span(&mut self, span: Range<usize>) -> Result<(), JinjaError> {
        let mut at = span.start;
        while at < span.end {
            let Some(piece) = self.pieces.get(at) else { break };
            match piece.role {
                Role::Text => {
                    self.program.push(Step::Record(at));
                    self.program.push(Step::Literal(at));
                }
                Role::Silent => self.program.push(Step::Record(at)),
                Role::Output => {
                    self.program.push(Step::Record(at));
                    self.program.push(Step::Any);
                }
                Role::If => at = self.choice(at, span.end)?,
                Role::For => at = self.repetition(at, span.end)?,
                Role::Hidden | Role::Opaque => at = self.hidden(at, span.end)?,
                Role::Branch | Role::EndIf | Role::EndFor | Role::EndBlock => return Err(self.unbalanced(at)),
            }
            at += 1;
        }
        Ok(())
    }

    fn unbalanced(&self, at: usize) -> JinjaError {
        let start = self.pieces.get(at).map_or(0, |piece| piece.range.start);
        JinjaError::Unbalanced(line_of(self.source, start))
    }

    /// The parts of the block that opens at `open`, and its end tag.
    fn parts(&self, open: usize, limit: usize) -> Result<(Parts, usize), JinjaError> {
        let mut parts: Parts = Vec::new();
        let (mut depth, mut tag) = (0_usize, open);
        for at in open + 1..limit {
            let Some(piece) = self.pieces.get(at) else { break };
            match piece.role {
                Role::If | Role::For | Role::Hidden | Role::Opaque => depth += 1,
                Role::Branch if depth == 0 => {
                    parts.push((tag, tag + 1..at));
                    tag = at;
                }
                Role::EndIf | Role::EndFor | Role::EndBlock if depth == 0 => {
                    parts.push((tag, tag + 1..at));
                    return Ok((parts, at));
                }
                Role::EndIf | Role::EndFor | Role::EndBlock => depth -= 1,
                _ => {}
            }
        }
        Err(self.unbalanced(open))
    }

    fn is_else(&self, piece: usize) -> bool {
        self.pieces.get(piece).is_some_and(|piece| piece.tag.as_deref() == Some("else"))
    }

    fn set(&mut self, at: usize, step: Step) {
        if let Some(slot) = self.program.get_mut(at) {
            *slot = step;
        }
    }

    /// `if`: all its tags are passed, and at most one body.
    fn choice(&mut self, open: usize, limit: usize) -> Result<usize, JinjaError> {
        let (parts, end) = self.parts(open, limit)?;
        let has_else = parts.last().is_some_and(|(tag, _)| self.is_else(*tag));
        self.program.push(Step::Record(open));
        let fork = self.program.len();
        self.program.push(Step::Jump(fork + 1));
        let mut ways = Vec::new();
        let mut leave = Vec::new();
        let taken = (0..parts.len()).map(Some).chain((!has_else).then_some(None));
        for taken in taken {
            ways.push(self.program.len());
            for (number, (tag, body)) in parts.iter().enumerate() {
                if number > 0 {
                    self.program.push(Step::Record(*tag));
                }
                if taken == Some(number) {
                    self.span(body.clone())?;
                }
            }
            self.program.push(Step::Record(end));
            leave.push(self.program.len());
            self.program.push(Step::Jump(0));
        }
        let out = self.program.len();
        for at in leave {
            self.set(at, Step::Jump(out));
        }
        self.set(fork, Step::Try(ways));
        Ok(end)
    }

    /// `for`: its body any number of times; its `else` if never.
    fn repetition(&mut self, open: usize, limit: usize) -> Result<usize, JinjaError> {
        let (parts, end) = self.parts(open, limit)?;
        self.program.push(Step::Record(open));
        let fork = self.program.len();
        self.program.push(Step::Jump(fork + 1));
        let back = self.program.len();
        if let Some((_, body)) = parts.first() {
            self.span(body.clone())?;
        }
        for (tag, _) in parts.iter().skip(1) {
            self.program.push(Step::Record(*tag));
        }
        self.program.push(Step::Record(end));
        let again = self.program.len();
        self.program.push(Step::Jump(again + 1));
        let never = self.program.len();
        for (tag, body) in parts.iter().skip(1) {
            self.program.push(Step::Record(*tag));
            self.span(body.clone())?;
        }
        self.program.push(Step::Record(end));
        let out = self.program.len();
        self.set(fork, Step::Try(vec![back, never]));
        self.set(again, Step::Again { back, out });
        Ok(end)
    }

    /// A block whose inside is not text where it stands.
    fn hidden(&mut self, open: usize, limit: usize) -> Result<usize, JinjaError> {
        let (_, end) = self.parts(open, limit)?;
        let opaque = self.pieces.get(open).is_some_and(|piece| piece.role == Role::Opaque);
        self.program.push(Step::Record(open));
        if opaque {
            self.program.push(Step::Any);
        }
        self.program.extend((open + 1..=end).map(Step::Record));
        Ok(end)
    }
}

struct Machine<'m> {
    source: &'m str,
    pieces: &'m [Piece],
    rendered: &'m str,
    program: &'m [Step],
}

/// Where to go on when a way fails: instruction, position, length of the trail.
type Fork = (usize, usize, usize);

impl Machine<'_> {
    /// The pieces passed, each with the position where its text begins.
    fn run(&self) -> Option<Vec<(usize, usize)>> {
        let width = self.rendered.len() + 1;
        let states = self.program.len().checked_mul(width).filter(|states| *states <= STATES)?;
        let mut failed = vec![0_u64; states / 64 + 1];
        let mut seen = |step: usize, at: usize| -> bool {
            let number = step * width + at;
            let Some(word) = failed.get_mut(number / 64) else { return true };
            let bit = 1_u64 << (number % 64);
            let seen = *word & bit != 0;
            *word |= bit;
            seen
        };
        let mut trail: Vec<(usize, usize)> = Vec::new();
        let mut forks: Vec<Fork> = vec![(0, 0, 0)];
        while let Some((mut step, mut at, length)) = forks.pop() {
            trail.truncate(length);
            loop {
                let Some(instruction) = self.program.get(step) else {
                    if at == self.rendered.len() {
                        return Some(trail);
                    }
                    break;
                };
                match instruction {
                    Step::Record(piece) => {
                        trail.push((*piece, at));
                        step += 1;
                    }
                    Step::Literal(piece) => {
                        let text = self.pieces.get(*piece).and_then(|piece| self.source.get(piece.range.clone()));
                        let (Some(text), Some(rest)) = (text, self.rendered.get(at..)) else { break };
                        if !rest.starts_with(text) {
                            break;
                        }
                        at += text.len();
                        step += 1;
                    }
                    Step::Any => {
                        if seen(step, at) {
                            break;
                        }
                        if let Some(c) = self.rendered.get(at..).and_then(|rest| rest.chars().next()) {
                            forks.push((step, at + c.len_utf8(), trail.len()));
                        }
                        step += 1;
                    }
                    Step::Try(ways) => {
                        if seen(step, at) {
                            break;
                        }
                        let Some((first, others)) = ways.split_first() else { break };
                        forks.extend(others.iter().rev().map(|way| (*way, at, trail.len())));
                        step = *first;
                    }
                    Step::Again { back, out } => {
                        if seen(step, at) {
                            break;
                        }
                        forks.push((*out, at, trail.len()));
                        step = *back;
                    }
                    Step::Jump(to) => step = *to,
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::pieces::cut;
    use super::*;

    fn aligned(source: &str, rendered: &str) -> Option<Vec<(String, String)>> {
        let slices = align(source, &cut(source).unwrap(), rendered).unwrap()?;
        let part = |text: &str, range: Range<usize>| text.get(range).unwrap().to_owned();
        Some(slices.into_iter().map(|s| (part(source, s.source), part(rendered, s.rendered))).collect())
    }

    fn pairs(list: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        Some(list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect())
    }

    #[test]
    fn an_output_is_what_stands_between_its_neighbours() {
        let got = aligned("select a\nfrom {{ ref('x') }} as x\n", "select a\nfrom \"d\".\"s\".\"x\" as x\n");
        let want =
            [("select a\nfrom ", "select a\nfrom "), ("{{ ref('x') }}", "\"d\".\"s\".\"x\""), (" as x\n", " as x\n")];
        assert_eq!(got, pairs(&want));
    }

    #[test]
    fn only_the_branch_that_was_taken_has_text_and_all_tags_are_passed() {
        let source = "a{% if x %}1{% elif y %}2{% else %}3{% endif %}b";
        let want = [("a", "a"), ("{% if x %}", ""), ("{% elif y %}", ""), ("2", "2"), ("{% else %}", "")];
        let want = [&want[..], &[("{% endif %}", ""), ("b", "b")]].concat();
        assert_eq!(aligned(source, "a2b"), pairs(&want));
        assert_eq!(aligned(source, "ab"), None);
    }

    #[test]
    fn a_loop_is_its_body_as_often_as_it_ran() {
        let source = "{% for c in l %}x{{ c }},{% endfor %}";
        let got = aligned(source, "xa,xb,").unwrap();
        assert_eq!(got.iter().filter(|(s, _)| s == "{{ c }}").map(|(_, r)| r.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(aligned(source, "").unwrap().len(), 2);
    }

    #[test]
    fn a_pattern_that_could_explode_does_not() {
        let source = "{% for a in l %}{% for b in m %}{{ b }}x{% endfor %}{% endfor %}y";
        let rendered = "x".repeat(3000);
        assert_eq!(aligned(source, &rendered), None);
    }

    #[test]
    fn a_macro_s_body_has_no_text() {
        let source = "{% macro m() %}body{% endmacro %}select 1";
        assert_eq!(aligned(source, "select 1").unwrap().last().unwrap().1, "select 1");
    }

    #[test]
    fn without_dbt_the_first_branch_and_one_turn_are_rendered() {
        let source = "{% if x %}a{% else %}b{% endif %}{% for c in l %}{{ c }}{% endfor %}";
        let (text, _) = render(source, &cut(source).unwrap(), &|_| "g".to_owned()).unwrap();
        assert_eq!(text, "ag");
    }
}
