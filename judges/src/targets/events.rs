//! Events as the log holds them.

use model::{Timestamp, WaitingRoomId};
use signaling_core::codec::{
    Encoded, SCHEMA, Stored, decode_visit, decode_waiting_room, encode_visit, encode_waiting_room,
    indexed_visit, indexed_waiting_room,
};
use uuid::Uuid;

const HOME: WaitingRoomId = WaitingRoomId(Uuid::from_u128(0xA0));

/// Three lines: kind, body and PHI. What is read is written as something that is read as the same.
pub(super) fn decode(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default().to_owned();
    let (kind, body, phi) = (line(), line(), line());
    let stored = |kind: String, body: String, phi: Option<String>| Stored {
        version: 1,
        kind,
        schema: SCHEMA,
        body,
        phi,
        at: Timestamp::from_millis(1_000),
    };
    let event = stored(kind, body, Some(phi).filter(|phi| !phi.is_empty()));
    let _ = (indexed_visit(&event), indexed_waiting_room(&event));
    let again = |Encoded { kind, body, phi, .. }: Encoded| stored(kind.to_owned(), body, phi);
    let visit = decode_visit(&event);
    if let Ok(read) = &visit {
        let written = again(encode_visit(read, HOME));
        assert_eq!(decode_visit(&written).as_ref(), Ok(read), "it reads as something else");
    }
    let room = decode_waiting_room(&event);
    if let Ok(read) = &room {
        let written = again(encode_waiting_room(read));
        assert_eq!(decode_waiting_room(&written).as_ref(), Ok(read), "it reads as something else");
    }
    let newer = Stored { schema: SCHEMA + 2, ..event };
    assert!(decode_visit(&newer).is_err() && decode_waiting_room(&newer).is_err(), "two schemas newer");
    visit.is_ok() || room.is_ok()
}
