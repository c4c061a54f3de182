//! Names in texts, found as whole words.

/// Whether `word` stands in `text` with neither letter, digit nor underline beside it. Letters count as they are.
#[must_use]
pub fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    !word.is_empty()
        && text.match_indices(word).any(|(at, _)| {
            let (before, after) = (text.get(..at).unwrap_or_default(), text.get(at + word.len()..).unwrap_or_default());
            !before.ends_with(is_part) && !after.starts_with(is_part)
        })
}

#[cfg(test)]
mod tests {
    use super::has_word;

    #[test]
    fn a_word_has_no_letter_beside_it() {
        assert!(has_word("select id, note", "id") && has_word("id", "id") && has_word("(id)", "id"));
        assert!(!has_word("ids, valid, id_2", "id") && !has_word("ID", "id") && !has_word("id", ""));
    }
}
