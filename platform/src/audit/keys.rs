//! Who signs seals, and whose signatures an auditor takes.
//!
//! The private key is a file of its own in the keys directory. Beside it stands `audit.public`: every public key there
//! has been, with the time in which it signed. Auditors keep a copy of that file, got in another way than the trail: who
//! can change the trail and the keys it is verified with can change everything.

use super::chain::{array, hex, sha256, unhex};
use crate::{
    keys::{KeyFileError, files},
    limits::{AUDIT_KEY_OVERLAP, MAX_AUDIT_KEYS, MAX_AUDIT_KEYS_BYTES},
};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey},
};
use model::Timestamp;
use std::{
    fmt::{self, Write as _},
    fs, io,
    path::Path,
};

/// File of the private key, PKCS#8.
const PRIVATE: &str = "audit.ed25519.pk8";

/// File of the public keys.
const PUBLIC: &str = "audit.public";

/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;

/// Which key: the first 8 bytes of the SHA-256 of the public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// A public key, and when it signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// Ed25519 (RFC 8032).
    pub key: [u8; 32],
    /// Since when.
    pub from: Timestamp,
    /// Until when; `None` while it signs.
    pub until: Option<Timestamp>,
}

impl PublicKey {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId(array(&sha256(&self.key)[..8]))
    }

    /// Whether it signed at that time.
    #[must_use]
    pub fn signed_at(&self, at: Timestamp) -> bool {
        self.from <= at && self.until.is_none_or(|until| at <= until)
    }

    /// Whether it has signed these bytes.
    #[must_use]
    pub fn verifies(&self, bytes: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.key).verify(bytes, signature).is_ok()
    }
}

/// The public keys there have been.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicKeys(Vec<PublicKey>);

/// The text is no list of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {0} of the public keys is not an id, a key and two times")]
pub struct NotKeys(pub usize);

impl PublicKeys {
    /// Reads the text that [`fmt::Display`] writes: a line a key, `id key from until`, in hexadecimal and milliseconds
    /// since 1970, `-` for a key that still signs; lines that begin with `#` are for people.
    ///
    /// # Errors
    /// The first line that is not so, or that is one more than `limits::MAX_AUDIT_KEYS`.
    pub fn parse(text: &str) -> Result<Self, NotKeys> {
        let mut keys = Vec::new();
        for (n, line) in text.lines().enumerate() {
            let wrong = NotKeys(n + 1);
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let mut words = line.split_ascii_whitespace();
            let mut word = || words.next().ok_or(wrong);
            let id = KeyId(unhex(word()?).ok_or(wrong)?);
            let key = unhex(word()?).ok_or(wrong)?;
            let time = |word: &str| word.parse().map(Timestamp::from_millis).map_err(|_| wrong);
            let from = time(word()?)?;
            let until = match word()? {
                "-" => None,
                word => Some(time(word)?),
            };
            let key = PublicKey { key, from, until };
            if words.next().is_some() || key.id() != id || keys.len() >= MAX_AUDIT_KEYS {
                return Err(wrong);
            }
            keys.push(key);
        }
        Ok(Self(keys))
    }

    /// Reads a file of them.
    ///
    /// # Errors
    /// It cannot be read, is larger than `limits::MAX_AUDIT_KEYS_BYTES`, or is no list of keys.
    pub fn read(path: &Path) -> io::Result<Self> {
        let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
        if fs::metadata(path)?.len() > MAX_AUDIT_KEYS_BYTES {
            return Err(invalid("it is too large for a list of keys".to_owned()));
        }
        Self::parse(&fs::read_to_string(path)?).map_err(|error| invalid(error.to_string()))
    }

    /// Those of a keys directory; none where nothing was ever signed.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn of_dir(dir: &Path) -> io::Result<Self> {
        match Self::read(&dir.join(PUBLIC)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            other => other,
        }
    }

    /// The key with an id.
    #[must_use]
    pub fn get(&self, id: KeyId) -> Option<&PublicKey> {
        self.0.iter().find(|key| key.id() == id)
    }

    /// All of them, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.0.iter()
    }

    /// One more. `false`: there are as many as there may be.
    pub fn add(&mut self, key: PublicKey) -> bool {
        let room = self.0.len() < MAX_AUDIT_KEYS;
        if room {
            self.0.push(key);
        }
        room
    }

    /// A new key signs from now on; those before it a while longer, as other processes still have them.
    fn begin(&mut self, key: [u8; 32], now: Timestamp) -> bool {
        for open in self.0.iter_mut().filter(|key| key.until.is_none()) {
            open.until = Some(now + AUDIT_KEY_OVERLAP);
        }
        self.add(PublicKey { key, from: now, until: None })
    }
}

impl fmt::Display for PublicKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "# Public keys that have signed the audit trail: id, key, from, until (ms since 1970)\n",
        )?;
        for key in &self.0 {
            let mut until = String::from("-");
            if let Some(time) = key.until {
                until.clear();
                write!(until, "{}", time.as_millis())?;
            }
            writeln!(f, "{} {} {} {until}", key.id(), hex(&key.key), key.from.as_millis())?;
        }
        Ok(())
    }
}

/// Signs seals.
pub struct Signer {
    pair: Ed25519KeyPair,
    public: [u8; 32],
    keys: PublicKeys,
}

impl Signer {
    /// Reads the key from a directory, or makes it there, readable by its owner only; and notes it among the public
    /// ones.
    ///
    /// # Errors
    /// The directory cannot be written, a file is not a key, or others may read it.
    pub fn load_or_create(dir: &Path, now: Timestamp) -> Result<Self, KeyFileError> {
        let not_a_key = || KeyFileError::NotAKey { dir: dir.to_owned() };
        let failed = |source| KeyFileError::Io { path: dir.join(PUBLIC), source };
        let pkcs8 = files::load_or_create(dir, PRIVATE, new_key)?;
        let mut signer = Self::from_pkcs8(&pkcs8).ok_or_else(not_a_key)?;
        signer.keys = PublicKeys::of_dir(dir).map_err(failed)?;
        if signer.keys.get(signer.id()).is_none() {
            if !signer.keys.begin(signer.public, now) {
                return Err(not_a_key());
            }
            files::replace(dir, PUBLIC, signer.keys.to_string().as_bytes()).map_err(failed)?;
        }
        Ok(signer)
    }

    /// Makes another key, which signs from the next start on. The one before is gone, and its signatures stay valid;
    /// processes that still have it are to be restarted within `limits::AUDIT_KEY_OVERLAP`.
    ///
    /// # Errors
    /// As [`Self::load_or_create`].
    pub fn rotate(dir: &Path, now: Timestamp) -> Result<Self, KeyFileError> {
        Self::load_or_create(dir, now)?;
        let path = dir.join(PRIVATE);
        files::replace(dir, PRIVATE, &new_key()).map_err(|source| KeyFileError::Io { path, source })?;
        Self::load_or_create(dir, now)
    }

    /// A key that exists in memory only: for tests and benches.
    ///
    /// # Panics
    /// The machine has no randomness.
    #[must_use]
    pub fn ephemeral(from: Timestamp) -> Self {
        let mut signer = Self::from_pkcs8(&new_key()).expect("a key just made is a key");
        signer.keys.begin(signer.public, from);
        signer
    }

    fn from_pkcs8(pkcs8: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).ok()?;
        let public = pair.public_key().as_ref().try_into().ok()?;
        Some(Self { pair, public, keys: PublicKeys::default() })
    }

    /// Which key it is.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId(array(&sha256(&self.public)[..8]))
    }

    /// It and those before it.
    #[must_use]
    pub const fn public_keys(&self) -> &PublicKeys {
        &self.keys
    }

    pub(super) fn sign(&self, bytes: &[u8]) -> [u8; SIGNATURE_BYTES] {
        array(self.pair.sign(bytes).as_ref())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("id", &self.id()).finish_non_exhaustive()
    }
}

fn new_key() -> Vec<u8> {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("the machine has randomness");
    document.as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{os::unix::fs::PermissionsExt as _, time::Duration};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    #[test]
    fn the_key_is_the_same_after_a_restart_and_its_owner_s_alone() {
        let dir = tempfile::tempdir().unwrap();
        let first = Signer::load_or_create(dir.path(), NOW).unwrap();
        let again = Signer::load_or_create(dir.path(), NOW + Duration::from_secs(9)).unwrap();
        assert_eq!((first.id(), first.public_keys()), (again.id(), again.public_keys()));
        let mode = fs::metadata(dir.path().join(PRIVATE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn after_a_rotation_both_keys_are_known_each_for_its_time() {
        let dir = tempfile::tempdir().unwrap();
        let old = Signer::load_or_create(dir.path(), NOW).unwrap();
        let later = NOW + Duration::from_secs(1_000_000);
        let new = Signer::rotate(dir.path(), later).unwrap();
        assert_ne!(old.id(), new.id());
        let keys = PublicKeys::of_dir(dir.path()).unwrap();
        let (was, is) = (keys.get(old.id()).unwrap(), keys.get(new.id()).unwrap());
        assert_eq!((was.until, is.from, is.until), (Some(later + AUDIT_KEY_OVERLAP), later, None));
        let ms = Duration::from_millis(1);
        assert!(was.signed_at(NOW) && was.signed_at(later + AUDIT_KEY_OVERLAP));
        assert!(!was.signed_at(NOW - ms) && !was.signed_at(later + AUDIT_KEY_OVERLAP + ms));
        assert!(was.verifies(b"x", &old.sign(b"x")) && is.verifies(b"x", &new.sign(b"x")));
        assert!(!was.verifies(b"x", &new.sign(b"x")) && !is.verifies(b"y", &new.sign(b"x")));
        assert_eq!(Signer::load_or_create(dir.path(), later).unwrap().id(), new.id());
    }

    #[test]
    fn as_many_keys_as_there_may_be_and_no_more() {
        let mut keys = PublicKeys::default();
        for n in 0..MAX_AUDIT_KEYS {
            assert!(keys.begin(sha256(&n.to_be_bytes()), NOW));
        }
        let text = keys.to_string();
        assert_eq!(PublicKeys::parse(&text).as_ref(), Ok(&keys));
        assert!(text.len() < MAX_AUDIT_KEYS_BYTES as usize);
        assert!(!keys.begin([0; 32], NOW));
        let line = text.lines().last().unwrap();
        assert_eq!(PublicKeys::parse(&format!("{text}{line}")), Err(NotKeys(MAX_AUDIT_KEYS + 2)));
    }

    #[test]
    fn a_line_that_is_no_key_is_named() {
        let good = Signer::ephemeral(NOW).public_keys().to_string();
        let line = good.lines().last().unwrap();
        let other_id = line.replacen(&line[..2], if line.starts_with("00") { "11" } else { "00" }, 1);
        for bad in [&line[1..], &format!("{line} x"), &other_id, &line.replace('-', "soon"), "x"] {
            assert_eq!(PublicKeys::parse(&format!("# keys\n\n{bad}\n")), Err(NotKeys(3)), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn whatever_stands_there_is_keys_or_refused(text in "[0-9a-f \n#-]{0,300}") {
            let _ = PublicKeys::parse(&text);
        }
    }
}
