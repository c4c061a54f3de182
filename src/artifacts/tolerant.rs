//! Deserializers that neither copy nor refuse.
//!
//! dbt adds fields and changes their types without a new schema number, so a field of another type than
//! expected reads as absent; it never rejects the manifest. All of them read in one pass and borrow from the
//! document; serde's own `Cow` copies inside containers and as a key of maps.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::members::Members;

/// The methods of a [`Visitor`] that read null and the named types as one value.
macro_rules! scalars_are {
    ($value:expr, $($kind:ident)*) => {
        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok($value)
        }
        $(scalars_are!(@ $kind $value);)*
    };
    (@ str $value:expr) => {
        fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
    (@ bool $value:expr) => {
        fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
    (@ i64 $value:expr) => {
        fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
    (@ u64 $value:expr) => {
        fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
    (@ f64 $value:expr) => {
        fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
}

/// A string, or nothing when it is anything else. Numbers and booleans read as their text.
pub(super) struct MaybeStr<'a>(pub(super) Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for MaybeStr<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Option<Cow<'de, str>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Some(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Some(Cow::Owned(text.to_owned())))
            }
            fn visit_bool<E: Error>(self, flag: bool) -> Result<Self::Value, E> {
                Ok(Some(Cow::Borrowed(if flag { "true" } else { "false" })))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Some(Cow::Owned(number.to_string())))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Some(Cow::Owned(number.to_string())))
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
                Ok(Some(Cow::Owned(number.to_string())))
            }
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(None)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                skip_seq(seq).map(|()| None)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                skip_map(map).map(|()| None)
            }
        }
        deserializer.deserialize_any(Reader).map(MaybeStr)
    }
}

/// An optional string.
pub(super) fn opt<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'a, str>>, D::Error> {
    MaybeStr::deserialize(deserializer).map(|text| text.0)
}

/// A string; empty when it is absent, null or no string.
pub(super) fn text<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'a, str>, D::Error> {
    MaybeStr::deserialize(deserializer).map(|text| text.0.unwrap_or_default())
}

/// A list of strings; a single string is a list of one, members that are not strings are left out.
pub(super) fn strings<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Cow<'a, str>>, D::Error> {
    struct Reader;
    impl<'de> Visitor<'de> for Reader {
        type Value = Vec<Cow<'de, str>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("any value")
        }
        fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
            Ok(vec![Cow::Borrowed(text)])
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![Cow::Owned(text.to_owned())])
        }
        scalars_are!(Vec::new(), bool i64 u64 f64);
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = seq.next_element::<MaybeStr<'de>>()? {
                list.extend(item.0);
            }
            Ok(list)
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            skip_map(map).map(|()| Vec::new())
        }
    }
    deserializer.deserialize_any(Reader)
}

/// An object read as `T`; nothing when it is not an object.
struct MaybeObject<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for MaybeObject<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = Option<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            scalars_are!(None, str bool i64 u64 f64);
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                skip_seq(seq).map(|()| None)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Some)
            }
        }
        deserializer.deserialize_any(Reader(PhantomData)).map(MaybeObject)
    }
}

/// An object; the default when it is absent or no object.
pub(super) fn object<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
    MaybeObject::deserialize(d).map(|object| object.0.unwrap_or_default())
}

/// An object; `None` when it is absent or no object.
pub(super) fn opt_object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<Option<T>, D::Error> {
    MaybeObject::deserialize(d).map(|object| object.0)
}

/// A boolean; `false` when it is absent or anything else.
pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    MaybeStr::deserialize(deserializer).map(|text| text.0.as_deref() == Some("true"))
}

/// A boolean; `None` when it is anything else.
pub(super) fn opt_flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    MaybeStr::deserialize(deserializer).map(|text| match text.0.as_deref() {
        Some("true") => Some(true),
        Some("false") => Some(false),
        _ => None,
    })
}

/// Any value that serde can read as `T`; the default for all others.
pub(super) fn lenient<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
    let raw = Option::<&'de RawValue>::deserialize(d)?;
    Ok(raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default())
}

/// A map from unique_id (or name) to resource. Members that are not objects are left out; of two members with
/// one key the last counts, as in Python.
pub(super) fn map<'de: 'a, 'a, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Members<'a, T>, D::Error> {
    collect(deserializer, |value: MaybeObject<T>| value.0)
}

/// Like [`map`], with values as they stand in the file.
pub(super) fn raw_map<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Members<'a, &'a RawValue>, D::Error> {
    collect(deserializer, |value: Option<&'de RawValue>| value)
}

/// Like [`map`], with a list for each key.
pub(super) fn map_of_lists<'de: 'a, 'a, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Members<'a, Vec<T>>, D::Error> {
    collect(deserializer, |value: Objects<T>| Some(value.0))
}

/// A list of objects; empty when it is not a list, without the members that are not objects.
struct Objects<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Objects<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Option::<&'de RawValue>::deserialize(deserializer)?;
        let list: Vec<MaybeObject<T>> = raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        Ok(Self(list.into_iter().filter_map(|item| item.0).collect()))
    }
}

fn collect<'de: 'a, 'a, V: Deserialize<'de>, T, D: Deserializer<'de>>(
    deserializer: D,
    keep: fn(V) -> Option<T>,
) -> Result<Members<'a, T>, D::Error> {
    struct Reader<V, T>(fn(V) -> Option<T>);
    impl<'de, V: Deserialize<'de>, T> Visitor<'de> for Reader<V, T> {
        type Value = Members<'de, T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        scalars_are!(Members::default(), str bool i64 u64 f64);
        fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
            skip_seq(seq).map(|()| Members::default())
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Members::default();
            while let Some((key, value)) = map.next_entry::<MaybeStr<'de>, V>()? {
                if let (Some(key), Some(value)) = (key.0, (self.0)(value)) {
                    members.insert(key, value);
                }
            }
            Ok(members)
        }
    }
    deserializer.deserialize_any(Reader(keep))
}

fn skip_seq<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<(), A::Error> {
    while seq.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

fn skip_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}
