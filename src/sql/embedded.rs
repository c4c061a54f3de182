//! Names inside of strings and of longer names.

use super::but_names::common_prefix;

/// Whether `a` and `b` are the same but for `pairs`: where they differ, the first of a pair stands in `a` and its
/// second in `b`, each as a word of its own or a part of one that `_` parts off.
#[must_use]
pub fn equal_but_embedded(a: &str, b: &str, pairs: &[(&str, &str)]) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let (mut at_a, mut at_b) = (0, 0);
    loop {
        let (Some(rest_a), Some(rest_b)) = (a.get(at_a..), b.get(at_b..)) else { return false };
        let same = common_prefix(rest_a, rest_b);
        if same == rest_a.len() && same == rest_b.len() {
            return true;
        }
        let found = pairs.iter().find(|(first, second)| {
            let common = common_prefix(first.as_bytes(), second.as_bytes());
            same.checked_sub(common)
                .is_some_and(|start| stands_at(a, at_a + start, first) && stands_at(b, at_b + start, second))
        });
        let Some((first, second)) = found else { return false };
        let start = same.saturating_sub(common_prefix(first.as_bytes(), second.as_bytes()));
        at_a += start + first.len();
        at_b += start + second.len();
    }
}

/// Whether `name` stands at `start`, and no letter or digit before or behind it.
fn stands_at(text: &[u8], start: usize, name: &str) -> bool {
    let joins = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii());
    let end = start + name.len();
    !name.is_empty()
        && text.get(start..end) == Some(name.as_bytes())
        && !joins(start.checked_sub(1).and_then(|before| text.get(before)))
        && !joins(text.get(end))
}

#[cfg(test)]
mod tests {
    use super::equal_but_embedded;

    #[test]
    fn names_are_found_inside_and_nothing_else_is() {
        let pairs = [("prod", "ci"), ("wh", "wh_ci"), ("dwh_stg", "dwh_ci_stg")];
        for (a, b) in [
            ("'prod'", "'ci'"),
            ("'prod.ren'", "'ci.ren'"),
            (r#"'"wh"."prod"."ren"'"#, r#"'"wh_ci"."ci"."ren"'"#),
            ("prod_x", "ci_x"),
            ("'dwh_stg'", "'dwh_ci_stg'"),
            ("'prod, prod'", "'ci, ci'"),
            ("'prod, prod'", "'prod, ci'"),
            ("", ""),
        ] {
            assert!(equal_but_embedded(a, b, &pairs), "{a} {b}");
        }
        for (a, b) in [
            ("'prod'", "'dev'"),
            ("'product'", "'ciuct'"),
            ("'ci'", "'prod'"),
            ("'prod1'", "'ci2'"),
            ("'prod'", "'ci_x'"),
            ("5", "3"),
        ] {
            assert!(!equal_but_embedded(a, b, &pairs), "{a} {b}");
        }
    }
}
