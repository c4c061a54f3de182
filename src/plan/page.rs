//! Lines, tables and lists of a plan's text.

use std::io::{self, Write};

use crate::text::escape::{self, cut};

/// Names shown of a list before it is folded.
pub(super) const SHOWN: usize = 8;

/// Where the text goes.
pub(super) struct Page<'o> {
    width: usize,
    cut: bool,
    out: &'o mut dyn Write,
}

impl<'o> Page<'o> {
    /// Lines of `width` characters; see [`super::render_text`].
    pub(super) fn new(width: usize, cut: bool, out: &'o mut dyn Write) -> Self {
        Self { width: width.max(40), cut, out }
    }

    /// `text`, not longer than `limit` where lines are cut.
    fn fitting(&self, text: &str, limit: usize) -> String {
        if self.cut { cut(text, limit) } else { text.to_owned() }
    }

    /// One line. Names come from the pull request, so what steers a terminal is taken out.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        let line = self.fitting(&escape::terminal(text.trim_end(), false), self.width);
        writeln!(self.out, "{line}")
    }

    /// Words over as many lines as it takes.
    pub(super) fn paragraph(&mut self, text: &str) -> io::Result<()> {
        let mut line = String::from(" ");
        for word in text.split_whitespace() {
            if line.chars().count() + word.chars().count() + 1 > self.width && !line.trim().is_empty() {
                self.line(&line)?;
                line = String::from(" ");
            }
            line.push(' ');
            line.push_str(word);
        }
        self.line(&line)
    }

    pub(super) fn section(&mut self, title: &str) -> io::Result<()> {
        self.line("")?;
        self.line(title)
    }

    /// Rows of cells: all columns as wide as their widest cell, the last takes what is left.
    pub(super) fn table(&mut self, rows: &[Vec<String>]) -> io::Result<()> {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        // No column takes more than two fifths of the line.
        let most = self.width * 2 / 5;
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0).min(most)
            })
            .collect();
        for row in rows {
            let mut line = String::from(" ");
            for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let last = index + 1 == row.len();
                let cell = if last { cell.clone() } else { self.fitting(cell, *width) };
                line.push(' ');
                line.push_str(&cell);
                if !last {
                    let gap = width.saturating_sub(cell.chars().count()) + 1;
                    line.extend(std::iter::repeat_n(' ', gap));
                }
            }
            self.line(&line)?;
        }
        Ok(())
    }

    /// Names separated by commas over as many lines as it takes; the rest of many is counted.
    pub(super) fn names<'t>(&mut self, names: impl IntoIterator<Item = &'t str>) -> io::Result<()> {
        self.listed(names.into_iter().collect(), SHOWN)
    }

    /// The same; all of them where lines are not cut.
    pub(super) fn all_names<'t>(&mut self, names: impl IntoIterator<Item = &'t str>) -> io::Result<()> {
        self.listed(names.into_iter().collect(), if self.cut { SHOWN } else { usize::MAX })
    }

    fn listed(&mut self, names: Vec<&str>, most: usize) -> io::Result<()> {
        let shown = names.len().min(most);
        let mut line = String::from(" ");
        for (index, name) in names.iter().take(shown).enumerate() {
            let comma = if index + 1 < names.len() { "," } else { "" };
            if line.trim().len() + name.chars().count() + 4 > self.width && !line.trim().is_empty() {
                self.line(&line)?;
                line = String::from(" ");
            }
            line.push_str(&format!(" {name}{comma}"));
        }
        if names.len() > shown {
            let rest = format!(" and {} more", names.len() - shown);
            if line.chars().count() + rest.len() > self.width {
                self.line(&line)?;
                line = String::from(" ");
            }
            line.push_str(&rest);
        }
        self.line(&line)
    }
}
