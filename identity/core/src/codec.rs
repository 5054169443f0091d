//! Events as the log holds them: a kind, a schema number, a JSON body, and what identifies a person or lets somebody in
//! in a JSON of its own, which is encrypted at rest.
//!
//! Schema N reads N−1 (missing fields have defaults) and N+1 (unknown fields are ignored). Anything newer is refused
//! rather than misread.

use model::phi::{ERASED, ERASED_TEXT};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// The schema this build writes.
pub const SCHEMA: u16 = 1;

/// Fields that never stand in a body.
const PHI: [&str; 6] = ["login", "name", "password", "totp", "reason", "note"];

/// Every kind of event there is.
const KINDS: [&str; 30] = [
    "invited",
    "reinvited",
    "joined",
    "joined-by-passkey",
    "provided",
    "provided-again",
    "rights-changed",
    "disabled",
    "enabled",
    "signed-in",
    "recovered",
    "confirmed",
    "password-changed",
    "recovery-codes-made",
    "passkey-added",
    "passkey-removed",
    "passkey-shown",
    "started",
    "renewed",
    "locked",
    "mistaken",
    "unlocked",
    "ended",
    "emergency-begun",
    "emergency-ended",
    "emergency-reviewed",
    "partner-key-made",
    "partner-key-revoked",
    "hold-placed",
    "hold-lifted",
];

/// An event ready to be appended.
#[derive(Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Its name.
    pub kind: &'static str,
    /// JSON without PHI.
    pub body: String,
    /// JSON of its PHI, if it has any.
    pub phi: Option<String>,
}

impl std::fmt::Debug for Encoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoded").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Why a recorded event cannot be read. Names kinds, never contents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A newer build wrote it.
    #[error("schema {schema} of {kind:?} is newer than this build can read")]
    TooNew {
        /// Which kind.
        kind: String,
        /// Its schema.
        schema: u16,
    },
    /// Not the shape its kind has, or no kind there is.
    #[error("a recorded {0:?} does not have its shape")]
    Malformed(String),
}

/// Writes an event.
#[must_use]
pub fn encode<E: Serialize>(event: &E) -> Encoded {
    let fields = match serde_json::to_value(event) {
        Ok(Value::Object(fields)) => fields,
        // Events are enums of plain fields: nothing else comes out.
        _ => Map::new(),
    };
    let (mut body, mut phi, mut kind) = (Map::new(), Map::new(), "");
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("kind", Value::String(of)) => kind = KINDS.iter().find(|kind| **kind == of).unwrap_or(&""),
            (field, value) if PHI.contains(&field) => drop(phi.insert(name, value)),
            (_, value) => drop(body.insert(name, value)),
        }
    }
    let phi = (!phi.is_empty()).then(|| Value::Object(phi).to_string());
    Encoded { kind, body: Value::Object(body).to_string(), phi }
}

/// Reads an event.
///
/// # Errors
/// [`DecodeError`].
pub fn decode<E: DeserializeOwned>(
    kind: &str,
    schema: u16,
    body: &str,
    phi: Option<&str>,
) -> Result<E, DecodeError> {
    if schema > SCHEMA + 1 {
        return Err(DecodeError::TooNew { kind: kind.to_owned(), schema });
    }
    let malformed = || DecodeError::Malformed(kind.to_owned());
    let object = |text: &str| serde_json::from_str::<Map<String, Value>>(text).map_err(|_| malformed());
    let mut fields = object(body)?;
    match phi {
        None => {}
        // An erased address finds nobody, and erased factors let nobody in.
        Some(ERASED) => fields.extend(PHI.map(|field| (field.to_owned(), Value::from(ERASED_TEXT)))),
        Some(phi) => fields.extend(object(phi)?),
    }
    fields.insert("kind".to_owned(), Value::String(kind.to_owned()));
    serde_json::from_value(Value::Object(fields)).map_err(|_| malformed())
}

#[cfg(test)]
mod tests;
