//! What people type: names, e-mail addresses, passwords, codes.

use crate::limits::{MAX_LOGIN_CHARS, MAX_NAME_CHARS, MAX_PASSKEY_NAME_CHARS, PASSWORD_CHARS};
use model::Phi;
use serde::{Deserialize, Serialize};

/// Why a text is not taken, for the person who typed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Not an e-mail address.
    #[error("Write an e-mail address, name@clinic.example for example.")]
    Login,
    /// Empty or too long, or with control characters.
    #[error("Write a name of 1 to 100 characters.")]
    Name,
    /// The same of a passkey.
    #[error("Write a name of 1 to 60 characters.")]
    PasskeyName,
    /// Too short or too long.
    #[error("A password has 10 to 256 characters.")]
    PasswordLength,
    /// On everybody's list.
    #[error("This password is easily guessed. Choose another: three or four words, for example.")]
    PasswordCommon,
}

/// What somebody signs in with: an e-mail address, trimmed and in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Login(#[serde(serialize_with = "model::phi::expose")] Phi<String>);

impl Login {
    /// Reads one. It says little about what an address may be, because only the mail server knows.
    ///
    /// # Errors
    /// [`TextError::Login`].
    pub fn new(typed: &str) -> Result<Self, TextError> {
        let login = typed.trim().to_lowercase();
        let (local, domain) = login.split_once('@').ok_or(TextError::Login)?;
        let plain = |c: char| !c.is_control() && !c.is_whitespace();
        let good = !local.is_empty()
            && domain.split('.').all(|label| !label.is_empty())
            && !domain.contains('@')
            && login.chars().all(plain)
            && login.chars().count() <= MAX_LOGIN_CHARS;
        if good { Ok(Self(Phi::new(login))) } else { Err(TextError::Login) }
    }

    /// The address.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// Trims and checks a person's name.
///
/// # Errors
/// [`TextError::Name`].
pub fn name(typed: &str) -> Result<Phi<String>, TextError> {
    let name = typed.trim();
    let good = (1..=MAX_NAME_CHARS).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if good { Ok(Phi::new(name.to_owned())) } else { Err(TextError::Name) }
}

/// Trims what somebody wrote in several lines; none with too few or too many characters, or with control characters that
/// are no ends of lines.
#[must_use]
pub fn long_text(typed: &str, chars: std::ops::RangeInclusive<usize>) -> Option<Phi<String>> {
    let text = typed.trim().replace("\r\n", "\n");
    let good = chars.contains(&text.chars().count()) && !text.chars().any(|c| c.is_control() && c != '\n');
    good.then(|| Phi::new(text))
}

/// Trims and checks what somebody calls a passkey.
///
/// # Errors
/// [`TextError::PasskeyName`].
pub fn passkey_name(typed: &str) -> Result<Phi<String>, TextError> {
    name(typed)
        .ok()
        .filter(|name| name.expose().chars().count() <= MAX_PASSKEY_NAME_CHARS)
        .ok_or(TextError::PasskeyName)
}

/// What everybody tries first, and what this very page suggests. Longer lists belong to the operator.
const COMMON: [&str; 12] = [
    "1234567890",
    "0123456789",
    "password12",
    "password123",
    "passwordpassword",
    "qwertyuiop",
    "qwerty1234",
    "letmein123",
    "iloveyou12",
    "administrator",
    "telehealth",
    "welcome123",
];

/// Checks a password that somebody chose. No rules about kinds of characters (NIST SP 800-63B-4, 3.1.1.2).
///
/// # Errors
/// [`TextError::PasswordLength`], [`TextError::PasswordCommon`].
pub fn check_password(password: &str, login: &Login) -> Result<(), TextError> {
    if !PASSWORD_CHARS.contains(&password.chars().count()) {
        return Err(TextError::PasswordLength);
    }
    let plain = password.to_lowercase();
    let first = plain.chars().next();
    let one_character = plain.chars().all(|c| Some(c) == first);
    if COMMON.contains(&plain.as_str()) || one_character || plain == login.expose() {
        return Err(TextError::PasswordCommon);
    }
    Ok(())
}

/// A recovery code as it is hashed: people leave out the dashes, or read O for 0.
#[must_use]
pub fn recovery_code(typed: &str) -> String {
    let plain = typed.chars().filter(char::is_ascii_alphanumeric).take(64);
    plain
        .map(|c| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_is_one_whatever_its_case_and_the_space_around_it() {
        assert_eq!(Login::new("  Ana.Diaz@Clinic.Example "), Login::new("ana.diaz@clinic.example"));
        let long = |n: usize| format!("{}@b.example", "a".repeat(n - 10));
        assert!(Login::new(&long(MAX_LOGIN_CHARS)).is_ok());
        for bad in [
            "",
            "ana",
            "@b.c",
            "a@",
            "a@b@c",
            "a b@c.d",
            "a@b..c",
            "a@.c",
            "a\0@b.c",
            &long(MAX_LOGIN_CHARS + 1),
        ] {
            assert_eq!(Login::new(bad), Err(TextError::Login), "{bad}");
        }
        assert_eq!(format!("{:?}", Login::new("a@b.c").unwrap()), "Login([phi])");
    }

    #[test]
    fn a_name_is_not_empty_not_long_and_has_no_control_characters() {
        assert_eq!(name("  Ana Díaz ").unwrap().expose(), "Ana Díaz");
        assert!(name(&"é".repeat(MAX_NAME_CHARS)).is_ok());
        for bad in ["", "  ", "a\nb", &"é".repeat(MAX_NAME_CHARS + 1)] {
            assert_eq!(name(bad), Err(TextError::Name), "{bad:?}");
        }
    }

    #[test]
    fn a_passkey_has_a_short_name() {
        assert!(passkey_name(&"é".repeat(MAX_PASSKEY_NAME_CHARS)).is_ok());
        for bad in [" ", "a\nb", &"é".repeat(MAX_PASSKEY_NAME_CHARS + 1)] {
            assert_eq!(passkey_name(bad), Err(TextError::PasskeyName), "{bad:?}");
        }
    }

    #[test]
    fn a_password_is_long_enough_and_not_everybodys() {
        let login = Login::new("ana.diaz@clinic.example").unwrap();
        let check = |password: &str| check_password(password, &login);
        for good in ["ten chars!", &"é9".repeat(128), "correct horse battery"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for short in ["nine char", &"é9".repeat(129)] {
            assert_eq!(check(short), Err(TextError::PasswordLength), "{short}");
        }
        for common in ["Password123", "aaaaaaaaaaaa", "Ana.Diaz@clinic.example"] {
            assert_eq!(check(common), Err(TextError::PasswordCommon), "{common}");
        }
    }

    #[test]
    fn a_recovery_code_is_the_same_however_it_is_typed() {
        for typed in ["AB10-7K2M", "ab1o 7k2m", " ABLO7K2M "] {
            assert_eq!(recovery_code(typed), "AB107K2M", "{typed}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in any::<String>()) {
            if let Ok(login) = Login::new(&text) {
                prop_assert_eq!(Login::new(login.expose()), Ok(login));
            }
            let _ = name(&text);
            prop_assert!(recovery_code(&text).len() <= 64);
        }
    }
}
