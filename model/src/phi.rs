//! Protected health information, kept from printing itself.

use serde::{Deserialize, Deserializer, Serializer};
use std::fmt;

/// What stands in the place of a record's PHI, as JSON, once its key was destroyed. Whoever decodes PHI shows the rest of
/// the record and, for what this stands for, [`ERASED_TEXT`].
pub const ERASED: &str = r#"{"erased":true}"#;

/// What people are shown in the place of a text that was [`ERASED`].
pub const ERASED_TEXT: &str = "(erased)";

/// A value that is PHI: a name, a date of birth, a note, an address.
///
/// It prints as `[phi]` in every format, so that it cannot reach a log, a metric, a trace or a panic
/// message by accident. It does not implement `Serialize`: writing it out takes the deliberate
/// `#[serde(serialize_with = "model::phi::expose")]` or [`Phi::expose`].
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phi<T>(T);

impl<T> Phi<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that must show it to an authorised person or store it.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Unwraps the value; as deliberate as [`Phi::expose`].
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Phi<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[phi]")
    }
}

impl<T> fmt::Display for Phi<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[phi]")
    }
}

impl From<&str> for Phi<String> {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl From<String> for Phi<String> {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Phi<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

/// Serializes the value inside, for `#[serde(serialize_with = "model::phi::expose")]`.
///
/// # Errors
/// Whatever the serializer returns.
pub fn expose<T: serde::Serialize, S: Serializer>(value: &Phi<T>, serializer: S) -> Result<S::Ok, S::Error> {
    value.0.serialize(serializer)
}

impl<T: schemars::JsonSchema> schemars::JsonSchema for Phi<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Serialize, Deserialize, Debug)]
    struct Card {
        #[serde(serialize_with = "expose")]
        name: Phi<String>,
    }

    #[test]
    fn prints_itself_as_a_placeholder_in_every_format() {
        let card = Card { name: "Marisol Vega".into() };
        assert_eq!(format!("{} {:?} {:#?}", card.name, card.name, card.name), "[phi] [phi] [phi]");
        assert!(!format!("{card:?}").contains("Marisol"));
    }

    #[test]
    fn serializes_only_where_asked_to() {
        let card: Card = serde_json::from_str(r#"{"name":"Marisol"}"#).expect("valid");
        assert_eq!(serde_json::to_string(&card).expect("writes"), r#"{"name":"Marisol"}"#);
    }
}
