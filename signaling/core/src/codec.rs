//! Events as the log holds them: a kind, a schema number, a JSON body, and PHI in a JSON of its own.
//!
//! The rules, which the tests keep:
//! * A recorded shape is for ever. A field may be added with a default; nothing else changes.
//! * Schema N reads N−1 (missing fields have defaults) and N+1 (unknown fields are ignored), so that
//!   two builds can run beside each other. Anything newer is refused rather than misread.
//! * PHI stands in the phi column only. Where it was erased, [`model::phi::ERASED`] does.

mod index;
mod visit;
mod waiting_room;

use crate::record::Recorded;
use model::{CommandId, ParticipantId, Timestamp};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

pub use index::{Indexed, indexed_visit, indexed_waiting_room};
pub use visit::{decode_visit, encode_visit};
pub use waiting_room::{decode_waiting_room, encode_waiting_room};

/// The schema this build writes.
pub const SCHEMA: u16 = 1;

/// An event ready to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Its name.
    pub kind: &'static str,
    /// Version of its shape.
    pub schema: u16,
    /// JSON without PHI.
    pub body: String,
    /// JSON of its PHI, if it has any.
    pub phi: Option<String>,
}

/// An event as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its place in the stream, from 1.
    pub version: u64,
    /// Its name.
    pub kind: String,
    /// Version of its shape.
    pub schema: u16,
    /// JSON without PHI.
    pub body: String,
    /// JSON of its PHI, if it has any.
    pub phi: Option<String>,
    /// When it was decided.
    pub at: Timestamp,
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
    /// No event of this name.
    #[error("no event is called {0:?}")]
    UnknownKind(String),
    /// Not the shape its kind has.
    #[error("a recorded {0:?} does not have its shape")]
    Malformed(String),
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    by: Option<ParticipantId>,
    #[serde(default)]
    command: Option<CommandId>,
}

/// Adds who and why to a body; absent fields are left out.
fn encode<E>(recorded: &Recorded<E>, kind: &'static str, mut body: Value, phi: Option<Value>) -> Encoded {
    if let Value::Object(fields) = &mut body {
        if let Some(by) = recorded.by {
            fields.insert("by".to_owned(), json!(by));
        }
        if let Some(command) = recorded.command {
            fields.insert("command".to_owned(), json!(command));
        }
        fields.retain(|_, value| !value.is_null());
    }
    Encoded { kind, schema: SCHEMA, body: body.to_string(), phi: phi.map(|phi| phi.to_string()) }
}

/// One stored event being read.
struct Reader<'a>(&'a Stored);

impl Reader<'_> {
    fn check(&self) -> Result<(), DecodeError> {
        if self.0.schema > SCHEMA + 1 {
            return Err(DecodeError::TooNew { kind: self.0.kind.clone(), schema: self.0.schema });
        }
        Ok(())
    }

    fn body<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        serde_json::from_str(&self.0.body).map_err(|_| DecodeError::Malformed(self.0.kind.clone()))
    }

    /// What stands for it, if its key was destroyed: the rest of the event is as it was.
    fn phi<T: DeserializeOwned>(&self, erased: T) -> Result<T, DecodeError> {
        if self.0.phi.as_deref() == Some(model::phi::ERASED) {
            return Ok(erased);
        }
        let text = self.0.phi.as_deref().unwrap_or("{}");
        serde_json::from_str(text).map_err(|_| DecodeError::Malformed(self.0.kind.clone()))
    }

    fn recorded<E>(&self, event: E) -> Result<Recorded<E>, DecodeError> {
        let Envelope { by, command } = self.body()?;
        Ok(Recorded { at: self.0.at, by, command, event })
    }

    fn unknown(&self) -> DecodeError {
        DecodeError::UnknownKind(self.0.kind.clone())
    }
}
