//! What a reader of the comment's Markdown sees, by the eyes of a parser that is not ours.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// What is left of a comment after parsing.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Raw HTML, piece by piece.
    pub(crate) html: Vec<String>,
    /// Text outside code.
    pub(crate) prose: String,
    /// Addresses of links.
    pub(crate) links: Vec<String>,
    pub(crate) images: usize,
    pub(crate) tables: usize,
    /// Headings, as text.
    pub(crate) headings: Vec<String>,
    /// Fenced or indented code: we write none.
    pub(crate) code_blocks: usize,
}

pub(crate) fn parse(markdown: &str) -> Seen {
    let mut seen = Seen::default();
    let mut heading = None::<String>;
    let mut in_code = false;
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    for event in Parser::new_ext(markdown, options) {
        match event {
            Event::Html(html) | Event::InlineHtml(html) => {
                in_code = if html.contains("<code>") { true } else { in_code && !html.contains("</code>") };
                seen.html.push(html.to_string());
            }
            // GitHub links nothing inside `<code>`, however it was written.
            Event::Text(_) if in_code => seen.prose.push('\u{FFFC}'),
            Event::Text(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
                seen.prose.push_str(&text);
            }
            Event::SoftBreak | Event::HardBreak | Event::End(TagEnd::Paragraph | TagEnd::TableCell | TagEnd::Item) => {
                seen.prose.push('\n');
            }
            Event::Code(_) => seen.prose.push('\u{FFFC}'),
            Event::Start(Tag::Link { dest_url, .. }) => seen.links.push(dest_url.to_string()),
            Event::Start(Tag::Image { .. }) => seen.images += 1,
            Event::Start(Tag::Table(_)) => seen.tables += 1,
            Event::Start(Tag::CodeBlock(_)) => seen.code_blocks += 1,
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => seen.headings.extend(heading.take()),
            _ => {}
        }
    }
    seen
}

impl Seen {
    /// The tags of the raw HTML, in order: `details`, `/details`, …; comments as `!--`.
    pub(crate) fn tags(&self) -> Vec<String> {
        let html = self.html.concat();
        let starts = html.split('<').skip(1);
        starts
            .map(|rest| {
                rest.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '!' | '-')).collect()
            })
            .collect()
    }
}

/// Whether tags open and close in order, and which one does not.
pub(crate) fn unbalanced(tags: &[String]) -> Option<String> {
    let mut open = Vec::new();
    for tag in tags {
        match tag.strip_prefix('/') {
            _ if tag == "br" || tag.starts_with('!') => {}
            Some(name) if open.pop() == Some(name) => {}
            Some(name) => return Some(format!("</{name}> closes nothing")),
            None => open.push(tag.as_str()),
        }
    }
    open.pop().map(|tag| format!("<{tag}> is not closed"))
}

/// The tables of a text as rows of cells, split where GitHub splits them: at pipes without a backslash before.
pub(crate) fn rows(markdown: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for line in markdown.lines().filter(|line| line.starts_with('|')) {
        let mut cells = vec![String::new()];
        let mut escaped = false;
        for c in line.chars() {
            match c {
                '|' if !escaped => cells.push(String::new()),
                c => cells.last_mut().expect("never empty").push(c),
            }
            escaped = c == '\\' && !escaped;
        }
        rows.push(cells.get(1..cells.len() - 1).unwrap_or_default().to_vec());
    }
    rows
}
