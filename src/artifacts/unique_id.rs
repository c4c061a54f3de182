//! dbt's identity of a resource.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::ops::Deref;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resource_type::ResourceType;

/// dbt's unique_id: `<type>.<package>.<name>`, where the name may have parts of its own (`dim_users.v2`, a test's
/// hash). It is taken as a manifest gives it: a text of another form has no known type, and is its own name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UniqueId(String);

/// A [`UniqueId`] that stands in somebody else's text, such as a key of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UniqueIdRef<'a>(&'a str);

impl<'a> UniqueIdRef<'a> {
    /// The unique_id that `text` is.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The resource's type; [`ResourceType::Other`] for a type that premerge does not know, such as a macro's.
    #[must_use]
    pub fn kind(self) -> ResourceType {
        self.parts().map_or(ResourceType::Other, |(kind, ..)| ResourceType::from_name(kind))
    }

    /// The package that defines it; empty when the text is not a unique_id.
    #[must_use]
    pub fn package(self) -> &'a str {
        self.parts().map_or("", |(_, package, _)| package)
    }

    /// What follows type and package: `dim_users.v2`, `unique_orders_id.0f1e2d3c4b`; the whole text when it is not a
    /// unique_id.
    #[must_use]
    pub fn name(self) -> &'a str {
        self.parts().map_or(self.0, |(.., name)| name)
    }

    /// The name as people say it: a data test's without the ten characters that dbt appends to keep ids apart.
    #[must_use]
    pub fn short_name(self) -> &'a str {
        let name = self.name();
        if self.kind() == ResourceType::Test { without_hash(name) } else { name }
    }

    /// The whole id without the ten characters that dbt appends to a data test's: dbt 2 appends them to singular tests
    /// too.
    #[must_use]
    pub fn without_hash(self) -> &'a str {
        without_hash(self.0)
    }

    fn parts(self) -> Option<(&'a str, &'a str, &'a str)> {
        let (kind, rest) = self.0.split_once('.')?;
        let (package, name) = rest.split_once('.')?;
        Some((kind, package, name))
    }
}

/// dbt's hash is the last ten hexadecimal digits of an MD5.
fn without_hash(text: &str) -> &str {
    match text.rsplit_once('.') {
        Some((rest, hash)) if hash.len() == 10 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => rest,
        Some(_) | None => text,
    }
}

impl UniqueId {
    /// The text, as dbt writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// [`UniqueIdRef::kind`].
    #[must_use]
    pub fn kind(&self) -> ResourceType {
        self.borrowed().kind()
    }

    /// [`UniqueIdRef::package`].
    #[must_use]
    pub fn package(&self) -> &str {
        self.borrowed().package()
    }

    /// [`UniqueIdRef::name`].
    #[must_use]
    pub fn name(&self) -> &str {
        self.borrowed().name()
    }

    /// [`UniqueIdRef::short_name`].
    #[must_use]
    pub fn short_name(&self) -> &str {
        self.borrowed().short_name()
    }

    fn borrowed(&self) -> UniqueIdRef<'_> {
        UniqueIdRef(&self.0)
    }
}

impl Deref for UniqueId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for UniqueId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for UniqueId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl From<String> for UniqueId {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for UniqueId {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<&String> for UniqueId {
    fn from(text: &String) -> Self {
        Self(text.clone())
    }
}

impl From<&Self> for UniqueId {
    fn from(id: &Self) -> Self {
        id.clone()
    }
}

impl From<Cow<'_, str>> for UniqueId {
    fn from(text: Cow<'_, str>) -> Self {
        Self(text.into_owned())
    }
}

impl From<UniqueId> for String {
    fn from(id: UniqueId) -> Self {
        id.0
    }
}

impl PartialEq<str> for UniqueId {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for UniqueId {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl PartialEq<String> for UniqueId {
    fn eq(&self, other: &String) -> bool {
        self.0 == *other
    }
}

/// In a document it is a string like any other.
impl JsonSchema for UniqueId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        String::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_type_package_and_name() {
        let cases = [
            ("model.shop.dim_users.v2", ResourceType::Model, "shop", "dim_users.v2", "dim_users.v2"),
            ("source.shop.raw.orders", ResourceType::Source, "shop", "raw.orders", "raw.orders"),
            ("test.shop.unique_a.0f1e2d3c4b", ResourceType::Test, "shop", "unique_a.0f1e2d3c4b", "unique_a"),
            ("test.shop.singular", ResourceType::Test, "shop", "singular", "singular"),
            ("unit_test.shop.a.one_two_three", ResourceType::UnitTest, "shop", "a.one_two_three", "a.one_two_three"),
            ("macro.dbt_utils.star", ResourceType::Other, "dbt_utils", "star", "star"),
            ("shop", ResourceType::Other, "", "shop", "shop"),
            ("a.b", ResourceType::Other, "", "a.b", "a.b"),
            ("", ResourceType::Other, "", "", ""),
        ];
        for (text, kind, package, name, short_name) in cases {
            let id = UniqueId::from(text);
            assert_eq!((id.kind(), id.package(), id.name(), id.short_name()), (kind, package, name, short_name));
        }
    }
}
