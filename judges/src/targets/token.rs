//! Tokens: one that was signed is taken for what it says until it expires, and nothing else ever is.

use model::Timestamp;
use platform::keys::Keys;
use serde::{Deserialize, Serialize};
use std::{sync::LazyLock, time::Duration};

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Claims {
    room: u32,
}

const NOW: Timestamp = Timestamp::from_millis(1_000_000_000_000);
const AUDIENCE: &str = "join";

static SIGNED: LazyLock<(Keys, String)> = LazyLock::new(|| {
    let keys = Keys::ephemeral();
    let token = keys.sign(AUDIENCE, Duration::from_secs(60), NOW, &Claims { room: 7 });
    (keys, token)
});

/// The first byte says what is done to a genuine token: 0, the rest is a token by itself; 1, the rest replaces
/// `[2]` characters from `[1]` on; 2, the rest is the header; 3, the rest is the payload; 4, the rest is the signature.
pub(super) fn verify(data: &[u8]) -> bool {
    let (keys, genuine) = &*SIGNED;
    let (mode, rest) = data.split_first().unwrap_or((&0, &[]));
    let parts: Vec<&str> = genuine.split('.').collect();
    let text = String::from_utf8_lossy(rest);
    let token = match mode {
        1 => {
            let (at, rest) = rest.split_first().unwrap_or((&0, &[]));
            let (len, rest) = rest.split_first().unwrap_or((&0, &[]));
            let at = usize::from(*at).min(genuine.len());
            let to = (at + usize::from(*len)).min(genuine.len());
            format!("{}{}{}", &genuine[..at], String::from_utf8_lossy(rest), &genuine[to..])
        }
        2 => format!("{text}.{}.{}", parts[1], parts[2]),
        3 => format!("{}.{text}.{}", parts[0], parts[2]),
        4 => format!("{}.{}.{text}", parts[0], parts[1]),
        _ => text.into_owned(),
    };
    let taken = keys.verify::<Claims>(AUDIENCE, NOW, &token);
    assert_eq!(
        taken.is_ok(),
        token == *genuine,
        "a token that was not signed was taken, or one that was is not"
    );
    assert!(keys.verify::<Claims>("whip", NOW, &token).is_err(), "it is for another audience");
    let late = NOW + Duration::from_secs(60);
    assert!(keys.verify::<Claims>(AUDIENCE, late, &token).is_err(), "it has expired");
    if let Ok(taken) = &taken {
        assert_eq!(taken.claims, Claims { room: 7 });
    }
    taken.is_ok()
}
