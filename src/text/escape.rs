//! Text that is not ours, made harmless for each target.
//!
//! Names, paths and messages come from the pull request's author or from a warehouse. Every rendering
//! passes them through one of these functions and through nothing else. Where a reader would take a
//! string for prose, it is shown as code: GitHub links no mention, issue or address inside code, and an
//! assistant that reads the comment sees where data begins and ends.

use std::fmt::Write as _;

/// Longest text of one table cell, in characters.
pub const CELL: usize = 120;

/// Whether a character shows nothing or reorders what surrounds it: bidi controls, zero-width characters,
/// tags, and other format characters with which text can look like what it is not.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
        | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// One line of visible text: line breaks, tabs and separators become spaces, variation selectors go (they
/// only choose the look of an emoji), and every other control or invisible character becomes `U+FFFD`, so that it is
/// seen.
#[must_use]
pub fn visible(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\u{FE0E}' | '\u{FE0F}' => None,
            '\n' | '\r' | '\t' | '\u{0B}' | '\u{0C}' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(' '),
            c if c.is_control() || is_invisible(c) => Some('\u{FFFD}'),
            c => Some(c),
        })
        .collect()
}

/// At most `limit` characters; what was cut ends in `…`.
#[must_use]
pub fn cut(text: &str, limit: usize) -> String {
    if text.chars().nth(limit).is_none() {
        return text.to_owned();
    }
    text.chars().take(limit.saturating_sub(1)).chain(['…']).collect()
}

/// At most `limit` characters of a name, cut in its inside: names that begin alike, as those of tests do, differ at
/// their ends.
#[must_use]
pub fn cut_inside(text: &str, limit: usize) -> String {
    let length = text.chars().count();
    if length <= limit {
        return text.to_owned();
    }
    let end = limit / 3;
    let start = limit.saturating_sub(end + 1);
    text.chars().take(start).chain(['…']).chain(text.chars().skip(length - end)).collect()
}

/// Text as a Markdown code span, safe in a paragraph, a list and a table cell.
///
/// Code spans cannot hold a backtick or a table's pipe in every Markdown dialect; with one of those, a
/// backslash or a `<`, it becomes a `<code>` element of character references, which every dialect reads alike.
#[must_use]
pub fn code(text: &str) -> String {
    let text = cut_inside(&visible(text), CELL);
    if text.trim().is_empty() {
        return "*(no name)*".to_owned();
    }
    if !text.contains(['`', '|', '\\', '<']) {
        return format!("`{text}`");
    }
    let mut out = String::from("<code>");
    for c in text.chars() {
        if c.is_ascii_punctuation() {
            let _ = write!(out, "&#{};", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out.push_str("</code>");
    out
}

/// Text as Markdown prose, safe in a paragraph, a list item after its bullet, and a table cell; at most `limit`
/// characters before escaping.
///
/// GitHub looks for mentions, references and addresses in the *rendered* text, where backslashes are gone:
/// a zero-width space after their first character is what stops it.
#[must_use]
pub fn prose(text: &str, limit: usize) -> String {
    let text = cut(&visible(text), limit);
    let mut out = String::with_capacity(text.len() + 8);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' => out.extend(['\\', c]),
            // A label on GitLab.
            '~' if chars.peek().is_some_and(|next| next.is_alphanumeric() || *next == '"') => {
                out.extend(['\\', c, '\u{200B}']);
            }
            '~' => out.extend(['\\', c]),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // An epic on GitLab.
            '&' if chars.peek().is_some_and(char::is_ascii_digit) => out.push_str("&amp;\u{200B}"),
            '&' => out.push_str("&amp;"),
            // Two of them would be a formula.
            '$' => out.push_str("&#36;"),
            '@' | '#' => out.extend([c, '\u{200B}']),
            // A merge request and a milestone on GitLab.
            '!' | '%' if chars.peek().is_some_and(|next| next.is_alphanumeric() || *next == '"') => {
                out.extend([c, '\u{200B}']);
            }
            ':' if chars.peek() == Some(&'/') => out.extend([c, '\u{200B}']),
            // `GH-1` is a reference too.
            '-' if out.ends_with("GH") || out.ends_with("gh") => out.extend([c, '\u{200B}']),
            '.' if out.to_ascii_lowercase().ends_with("www") => out.extend(['\u{200B}', c]),
            c => out.push(c),
        }
    }
    out
}

/// A Markdown link, or the bare text when the address is not a plain web address.
///
/// `text` is Markdown already. The address is made of facts about the run, never of the project's text.
#[must_use]
pub fn link(text: &str, address: &str) -> String {
    let web = address.starts_with("https://") || address.starts_with("http://");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#@!$&'*+,;=%".contains(c);
    if web && address.len() <= 2_000 && address.chars().all(plain) {
        format!("[{text}]({address})")
    } else {
        text.to_owned()
    }
}

/// A path as part of a web address: every byte that could mean something else percent-encoded.
#[must_use]
pub fn address_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'/') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Text for a terminal: no control character reaches it, so none can move the cursor or change a title.
/// Line breaks stay if `lines`.
#[must_use]
pub fn terminal(text: &str, lines: bool) -> String {
    if !lines {
        return visible(text);
    }
    text.lines().map(visible).collect::<Vec<_>>().join("\n")
}

/// One line of a CI log with workflow commands disarmed.
///
/// The runner obeys `##[name]` anywhere in a line and `::name::` at its start after white space
/// (actions/runner, `ActionCommand.cs`), on stdout and stderr alike; `##vso[` is the same at Azure.
#[must_use]
pub fn log_line(line: &str) -> String {
    let line = line.replace("##[", "##\u{200B}[").replace("##vso[", "##\u{200B}vso[");
    if line.trim_start().starts_with("::") { line.replacen("::", "\u{200B}::", 1) } else { line }
}

/// Text as the data of a workflow command (`::error::DATA`).
#[must_use]
pub fn command_data(text: &str) -> String {
    // A carriage return or line feed is data here: the runner decodes it back.
    let text: String = text
        .chars()
        .map(|c| if (c.is_control() && !matches!(c, '\n' | '\r')) || is_invisible(c) { '\u{FFFD}' } else { c })
        .collect();
    log_line(&text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A"))
}

/// Text as a property of a workflow command (`::error file=PROPERTY::`).
#[must_use]
pub fn command_property(text: &str) -> String {
    command_data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_code_whatever_is_in_them() {
        for (text, expected) in [
            ("fct_orders", "`fct_orders`"),
            ("@acme/team #12", "`@acme/team #12`"),
            ("a`b", "<code>a&#96;b</code>"),
            ("a|b", "<code>a&#124;b</code>"),
            ("a\\", "<code>a&#92;</code>"),
            ("</code>`", "<code>&#60;&#47;code&#62;&#96;</code>"),
            ("a\nb", "`a b`"),
            ("user\u{202e}txt", "`user\u{fffd}txt`"),
            ("  ", "*(no name)*"),
        ] {
            assert_eq!(code(text), expected, "{text:?}");
        }
    }

    #[test]
    fn prose_pings_nobody_and_links_nothing() {
        for (text, expected) in [
            ("*a* _b_ `c` | d", r"\*a\* \_b\_ \`c\` \| d"),
            ("<img src=x>", "&lt;img src=x&gt;"),
            ("@all fixes #12", "@\u{200b}all fixes #\u{200b}12"),
            ("GH-12", "GH-\u{200b}12"),
            ("https://x.example www.x.example", "https:\u{200b}//x.example www\u{200b}.x.example"),
            ("[a](b)", r"\[a\](b)"),
            ("&lt; $x$", "&amp;lt; &#36;x&#36;"),
            ("!1 %2 ~x &3 50% a!", "!\u{200b}1 %\u{200b}2 \\~\u{200b}x &amp;\u{200b}3 50% a!"),
        ] {
            assert_eq!(prose(text, CELL), expected, "{text:?}");
        }
    }

    #[test]
    fn cuts_count_characters_and_show_themselves() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
        assert_eq!(cut("", 0), "");
    }

    #[test]
    fn a_link_goes_only_to_the_web() {
        assert_eq!(link("`a`", "https://x.example/a_b#L1"), "[`a`](https://x.example/a_b#L1)");
        for bad in ["javascript:alert(1)", "https://x.example/a)b", "https://x.example/a b", "//x.example", ""] {
            assert_eq!(link("`a`", bad), "`a`", "{bad}");
        }
        assert_eq!(address_path("a b/(ü).sql"), "a%20b/%28%C3%BC%29.sql");
    }

    /// The rules of `ActionCommand.cs`, stated the other way round.
    #[test]
    fn no_line_of_data_commands_the_runner() {
        for line in ["::error::x", "  ::set-env name=A::b", "row ##[add-mask]a", "##[error]x", "##vso[task.x]y", "a::b"]
        {
            let disarmed = log_line(line);
            assert!(!disarmed.trim_start().starts_with("::"), "{line}");
            assert!(!disarmed.contains("##["), "{line}");
            assert!(!disarmed.contains("##vso["), "{line}");
        }
        assert_eq!(log_line("a::b"), "a::b");
    }

    #[test]
    fn a_command_s_data_and_properties_stay_in_their_place() {
        assert_eq!(command_data("50%\r\n::error::x"), "50%25%0D%0A::error::x");
        assert_eq!(command_property("a:b,c%\n"), "a%3Ab%2Cc%25%0A");
        assert!(!command_data("\u{1b}[31m##[error]").contains(['\u{1b}']));
        assert!(!command_data("##[error]").contains("##["));
    }
}
