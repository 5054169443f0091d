//! Hashing passwords: slow on purpose, so a few at a time, on threads of their own.

use crate::limits::{HASHERS, MAX_WAITING_FOR_HASHER};
use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use model::Phi;
use std::sync::{Arc, OnceLock};
use tokio::sync::Semaphore;

/// Passes over the memory (OWASP's cheat sheet, with 19 MiB).
const PASSES: u32 = 2;

/// What nobody's hash is of. It verifies nothing: who has no account is refused whatever they type.
const NOBODYS: &[u8] = b"nobody has this password";

/// No hasher is free soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked")]
pub struct Busy;

/// Hashes and verifies. Cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    argon2: Argon2<'static>,
    /// What is verified where there is no account, so that it takes as long. Made beside the start, which does not wait.
    nobodys: Arc<OnceLock<String>>,
    hashers: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passwords").finish_non_exhaustive()
    }
}

impl Passwords {
    /// With so much memory for each.
    ///
    /// # Errors
    /// Argon2 cannot work with it: less than 8 KiB.
    pub fn new(memory_kib: u32) -> Result<Self, argon2::Error> {
        let params = Params::new(memory_kib, PASSES, 1, None)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobodys = Arc::<OnceLock<String>>::default();
        let (making, with) = (Arc::clone(&nobodys), argon2.clone());
        std::thread::spawn(move || drop(making.set(hash(&with, NOBODYS))));
        let (hashers, waiting) =
            (Arc::new(Semaphore::new(HASHERS)), Arc::new(Semaphore::new(MAX_WAITING_FOR_HASHER)));
        Ok(Self { argon2, nobodys, hashers, waiting })
    }

    /// Hashes a password, in PHC form.
    ///
    /// # Errors
    /// [`Busy`].
    pub async fn hash(&self, password: Phi<String>) -> Result<Phi<String>, Busy> {
        self.apart(move |argon2| Phi::new(hash(argon2, password.expose().as_bytes()))).await
    }

    /// Whether a password is the one of a hash. Takes as long without one.
    ///
    /// # Errors
    /// [`Busy`].
    pub async fn verify(&self, password: Phi<String>, hash: Option<&Phi<String>>) -> Result<bool, Busy> {
        let known = hash.is_some();
        let (hash, nobodys) = (hash.cloned(), Arc::clone(&self.nobodys));
        let right = self.apart(move |argon2| {
            let nobodys = || nobodys.get_or_init(|| self::hash(argon2, NOBODYS));
            let hash = hash.as_ref().map_or_else(nobodys, Phi::expose);
            PasswordHash::new(hash)
                .is_ok_and(|hash| argon2.verify_password(password.expose().as_bytes(), &hash).is_ok())
        });
        Ok(right.await? && known)
    }

    async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Argon2<'static>) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let _waits = self.waiting.try_acquire().map_err(|_| Busy)?;
        let _hashes = self.hashers.acquire().await.map_err(|_| Busy)?;
        let argon2 = self.argon2.clone();
        tokio::task::spawn_blocking(move || work(&argon2)).await.map_err(|_| Busy)
    }
}

fn hash(argon2: &Argon2<'_>, password: &[u8]) -> String {
    // Fails for lack of memory or randomness; an empty hash verifies nothing.
    argon2.hash_password(password).map(|hash| hash.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_the_one_that_was_hashed_and_nobody_has_nobodys() {
        let passwords = Passwords::new(64).unwrap();
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=64,t=2,p=1$"));
        assert!(passwords.verify("correct horse".into(), Some(&hash)).await.unwrap());
        assert!(!passwords.verify("correct horsf".into(), Some(&hash)).await.unwrap());
        assert!(!passwords.verify("nobody has this password".into(), None).await.unwrap());
        assert!(!passwords.verify("x".into(), Some(&"".into())).await.unwrap());
        assert_ne!(hash, passwords.hash("correct horse".into()).await.unwrap());
    }

    #[tokio::test]
    async fn so_many_may_wait_and_the_next_is_told_at_once() {
        let passwords = Passwords::new(64).unwrap();
        let taken: Vec<_> = (1..MAX_WAITING_FOR_HASHER)
            .map(|_| Arc::clone(&passwords.waiting).try_acquire_owned().unwrap())
            .collect();
        assert!(passwords.hash("one".into()).await.is_ok());
        let last = Arc::clone(&passwords.waiting).try_acquire_owned().unwrap();
        assert_eq!(passwords.hash("one more".into()).await, Err(Busy));
        drop((taken, last));
    }
}
