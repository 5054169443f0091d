//! Events as the log holds them: a kind, a schema number, a JSON body, and what is secret in a JSON of its own, which is
//! encrypted at rest.
//!
//! Schema N reads N−1 (missing fields have defaults) and N+1 (unknown fields are ignored). Anything newer is refused rather than
//! misread.

use crate::webhook::Event;
use model::phi::{ERASED, ERASED_TEXT};
use serde_json::{Map, Value};

/// The schema this build writes.
pub const SCHEMA: u16 = 1;

/// Fields that never stand in a body.
const SECRET: [&str; 3] = ["url", "note", "secret"];

/// An event ready to be appended.
#[derive(Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Its name.
    pub kind: &'static str,
    /// JSON without secrets.
    pub body: String,
    /// JSON of its secrets, if it has any.
    pub phi: Option<String>,
}

impl std::fmt::Debug for Encoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoded").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Why a recorded event cannot be read. Names kinds, never contents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a recorded {0:?} is a newer build's, or does not have its shape")]
pub struct DecodeError(String);

const fn kind(event: &Event) -> &'static str {
    match event {
        Event::Added { .. } => "added",
        Event::Removed { .. } => "removed",
        Event::Rotated { .. } => "rotated",
        Event::SwitchedOff { .. } => "switched-off",
        Event::SwitchedOn { .. } => "switched-on",
        Event::Replayed { .. } => "replayed",
    }
}

/// Writes an event.
#[must_use]
pub fn encode(event: &Event) -> Encoded {
    let mut body = match serde_json::to_value(event) {
        Ok(Value::Object(fields)) => fields,
        // Events are enums of plain fields: nothing else comes out.
        _ => Map::new(),
    };
    body.remove("kind");
    let secret = |name: &str| Some((name.to_owned(), body.remove(name)?));
    let phi: Map<_, _> = SECRET.into_iter().filter_map(secret).collect();
    let phi = (!phi.is_empty()).then(|| Value::Object(phi).to_string());
    Encoded { kind: kind(event), body: Value::Object(body).to_string(), phi }
}

/// Reads an event.
///
/// # Errors
/// [`DecodeError`].
pub fn decode(kind: &str, schema: u16, body: &str, phi: Option<&str>) -> Result<Event, DecodeError> {
    let error = || DecodeError(kind.to_owned());
    let object = |text: &str| serde_json::from_str::<Map<String, Value>>(text).map_err(|_| error());
    if schema > SCHEMA + 1 {
        return Err(error());
    }
    let mut fields = object(body)?;
    match phi {
        None => {}
        // An erased address is nobody's, and an erased secret signs nothing.
        Some(ERASED) => fields.extend(SECRET.map(|field| (field.to_owned(), Value::from(ERASED_TEXT)))),
        Some(phi) => fields.extend(object(phi)?),
    }
    fields.insert("kind".to_owned(), Value::from(kind));
    serde_json::from_value(Value::Object(fields)).map_err(|_| error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{course::Because, notice::Kind, webhook::WebhookId};
    use policy::AccountId;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn all() -> Vec<Event> {
        let (id, by) = (WebhookId(Uuid::from_u128(1)), AccountId(Uuid::from_u128(2)));
        vec![
            Event::Added {
                id,
                by,
                url: "https://his.example".to_owned().into(),
                events: Kind::ALL.into(),
                note: "Ward 3".to_owned().into(),
                secret: "whsec_1".to_owned().into(),
            },
            Event::Removed { id, by },
            Event::Rotated { id, by, secret: "whsec_2".to_owned().into() },
            Event::SwitchedOff { id, because: Because::Gone },
            Event::SwitchedOn { id, by },
            Event::Replayed { id, by, from: 7 },
        ]
    }

    #[test]
    fn what_was_written_is_read_and_no_secret_stands_in_the_body() {
        for event in all() {
            let Encoded { kind, body, phi } = encode(&event);
            for secret in ["his.example", "Ward 3", "whsec"] {
                assert!(!body.contains(secret), "{body}");
            }
            assert_eq!(decode(kind, SCHEMA, &body, phi.as_deref()), Ok(event.clone()));
            assert_eq!(decode(kind, SCHEMA + 1, &body, phi.as_deref()), Ok(event));
            assert!(decode(kind, SCHEMA + 2, &body, phi.as_deref()).is_err());
        }
        let Encoded { kind, body, .. } = encode(&all()[0]);
        let Ok(Event::Added { url, secret, .. }) = decode(kind, SCHEMA, &body, Some(ERASED)) else {
            panic!()
        };
        assert_eq!((url.expose().as_str(), secret.expose().as_str()), (ERASED_TEXT, ERASED_TEXT));
    }

    #[test]
    fn the_recorded_shapes_are_for_ever() {
        let bodies: Vec<_> = all().iter().map(|event| encode(event).body).collect();
        let id = "\"id\":\"00000000-0000-0000-0000-000000000001\"";
        let by = "\"by\":\"00000000-0000-0000-0000-000000000002\"";
        assert_eq!(
            bodies,
            [
                format!("{{{by},\"events\":[\"visit.checked-in\",\"visit.admitted\",\"visit.ended\"],{id}}}"),
                format!("{{{by},{id}}}"),
                format!("{{{by},{id}}}"),
                format!("{{\"because\":\"gone\",{id}}}"),
                format!("{{{by},{id}}}"),
                format!("{{{by},\"from\":7,{id}}}"),
            ]
        );
    }

    proptest! {
        #[test]
        fn any_record_is_judged_without_a_panic(kind in "[a-z-]{0,12}", body in ".{0,60}", phi in proptest::option::of(".{0,40}")) {
            let _ = decode(&kind, SCHEMA, &body, phi.as_deref());
        }
    }
}
