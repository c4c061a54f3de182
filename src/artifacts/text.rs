//! Long strings of a manifest, decoded only when somebody reads them.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A JSON string as it stands in the file.
///
/// Bodies of models and macros are most of a manifest and are mostly only compared; equal source text
/// means equal strings, so most comparisons never decode.
#[derive(Clone, Copy, Default)]
pub struct Text<'a>(Option<&'a RawValue>);

impl<'a> Text<'a> {
    /// One that did not stand in the manifest's file: a JSON string.
    #[must_use]
    pub fn of(source: &'a RawValue) -> Self {
        Self(Some(source))
    }

    /// The decoded string; empty when the field is absent or null.
    #[must_use]
    pub fn get(&self) -> Cow<'a, str> {
        let Some(raw) = self.0 else { return Cow::Borrowed("") };
        let source = raw.get();
        let inner = source.strip_prefix('"').and_then(|s| s.strip_suffix('"'));
        match inner {
            Some(inner) if !inner.contains('\\') => Cow::Borrowed(inner),
            // Python writes lone surrogates, which are not Unicode text: the source is then the best there is.
            Some(inner) => serde_json::from_str(source).map_or(Cow::Borrowed(inner), Cow::Owned),
            None => Cow::Borrowed(""),
        }
    }

    /// Whether both are the same, where null (or absent) is not the same as the empty string.
    #[must_use]
    pub fn same_or_both_null(&self, other: &Self) -> bool {
        let is_null = |text: &Self| text.0.is_none_or(|raw| raw.get() == "null");
        is_null(self) == is_null(other) && self == other
    }

    /// Whether the field is absent, null or the empty string.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none_or(|raw| matches!(raw.get(), "\"\"" | "null"))
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.0, other.0) {
            (Some(a), Some(b)) if a.get() == b.get() => true,
            _ => self.get() == other.get(),
        }
    }
}

impl std::fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&self.get(), f)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Option::<&'a RawValue>::deserialize(deserializer)?))
    }
}
