//! Names of databases, identities and images, and which image is meant by them.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// The longest name, in bytes of UTF-8 (contract R13).
pub const MAX_NAME_BYTES: usize = 254;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing at all.
    #[error("a name has at least 1 byte")]
    Empty,
    /// More than [`MAX_NAME_BYTES`].
    #[error("a name has at most {MAX_NAME_BYTES} bytes, this one has {bytes}")]
    TooLong {
        /// Its length in bytes of UTF-8.
        bytes: usize,
    },
    /// A control character, or one of the two that XML cannot carry.
    #[error("a name holds no control characters, this one has U+{:04X} at byte {at}", u32::from(*character))]
    Control {
        /// The character.
        character: char,
        /// Its offset in bytes.
        at: usize,
    },
}

/// Whether a name may hold this character: no controls (U+0000-U+001F, U+007F-U+009F), nothing XML 1.0 cannot carry.
fn is_allowed(character: char) -> bool {
    !character.is_control() && !matches!(character, '\u{FFFE}' | '\u{FFFF}')
}

/// Whether `text` may be a name of any kind; for those without a type of their own, such as metadata keys and values.
pub fn check_name(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > MAX_NAME_BYTES {
        return Err(NameError::TooLong { bytes: text.len() });
    }
    match text.char_indices().find(|&(_, c)| !is_allowed(c)) {
        Some((at, character)) => Err(NameError::Control { character, at }),
        None => Ok(()),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// 1 to 254 bytes of UTF-8 without control characters, kept exactly as given (contract R13); ordered byte by
        /// byte; cheap to clone.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text` and keeps it as it is.
            pub fn new(text: &str) -> Result<Self, NameError> {
                check_name(text).map(|()| Self(Arc::from(text)))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name!(
    /// The name of a face database.
    DatabaseName
);
name!(
    /// The name of an identity (a face, in the words of the ACI) within a database.
    Identifier
);
name!(
    /// The name of an image within its identity.
    ImageLabel
);

/// Which face image is meant. The order of these is *image order*: database, identifier, label, each byte by byte.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaceId {
    /// The database it is in.
    pub database: DatabaseName,
    /// The identity it is filed under.
    pub identifier: Identifier,
    /// Its label within that identity.
    pub label: ImageLabel,
}

/// The image of these names.
pub fn face_id(database: &str, identifier: &str, label: &str) -> Result<FaceId, NameError> {
    Ok(FaceId {
        database: DatabaseName::new(database)?,
        identifier: Identifier::new(identifier)?,
        label: ImageLabel::new(label)?,
    })
}

impl fmt::Display for FaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.database, self.identifier, self.label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_1_to_254_bytes_without_controls() {
        assert_eq!(DatabaseName::new(""), Err(NameError::Empty));
        assert!(DatabaseName::new(&"x".repeat(254)).is_ok());
        assert_eq!(DatabaseName::new(&"é".repeat(128)), Err(NameError::TooLong { bytes: 256 }));
        for character in ['\0', '\n', '\u{1F}', '\u{7F}', '\u{9F}', '\u{FFFE}', '\u{FFFF}'] {
            let text = format!("ab{character}");
            assert_eq!(Identifier::new(&text), Err(NameError::Control { character, at: 2 }));
        }
        assert_eq!(ImageLabel::new(" Zoë & Co ").unwrap().as_str(), " Zoë & Co ");
    }
}
