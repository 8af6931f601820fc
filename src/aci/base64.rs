//! Base64, decoded as it comes (contract R25, R26).
//!
//! **Promises.** The same text gives the same bytes however it is cut into pieces. Padding may be there or not; what
//! is there must be right, and nothing follows it.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The standard alphabet, padding optional.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// So many characters are decoded at once; a multiple of 4.
const BLOCK: usize = 4096;

/// How blanks are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alphabet {
    /// In a URL or an urlencoded body: a space is a plus sign that the client did not encode.
    Form,
    /// In a part of a multipart body: blanks are ignored.
    Mime,
}

/// A decoder between pieces of text.
#[derive(Debug)]
pub struct Base64 {
    alphabet: Alphabet,
    /// Characters not yet decoded, at most [`BLOCK`].
    waiting: Vec<u8>,
    padding: usize,
}

/// Text that is not base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotBase64;

impl Base64 {
    /// A decoder that has seen nothing.
    pub fn new(alphabet: Alphabet) -> Self {
        Self { alphabet, waiting: Vec::new(), padding: 0 }
    }

    /// Decodes what can be decoded of `text` behind what came before it.
    pub fn push(&mut self, text: &[u8]) -> Result<Vec<u8>, NotBase64> {
        let mut bytes = Vec::new();
        for &byte in text {
            let character = match (byte, self.alphabet) {
                (b'\r' | b'\n', _) | (b' ' | b'\t', Alphabet::Mime) => continue,
                (b' ', Alphabet::Form) => b'+',
                (b'=', _) if self.padding < 2 => {
                    self.padding += 1;
                    continue;
                }
                (other, _) => other,
            };
            if self.padding > 0 {
                return Err(NotBase64);
            }
            self.waiting.push(character);
            if self.waiting.len() == BLOCK {
                self.decode(&mut bytes)?;
            }
        }
        Ok(bytes)
    }

    /// Decodes the rest.
    pub fn finish(mut self) -> Result<Vec<u8>, NotBase64> {
        if self.padding > 0 && self.waiting.len() % 4 + self.padding != 4 {
            return Err(NotBase64);
        }
        let mut bytes = Vec::new();
        self.decode(&mut bytes)?;
        Ok(bytes)
    }

    fn decode(&mut self, bytes: &mut Vec<u8>) -> Result<(), NotBase64> {
        ENGINE.decode_vec(&self.waiting, bytes).map_err(|_| NotBase64)?;
        self.waiting.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(alphabet: Alphabet, pieces: &[&str]) -> Result<Vec<u8>, NotBase64> {
        let mut decoder = Base64::new(alphabet);
        let mut bytes = Vec::new();
        for piece in pieces {
            bytes.extend(decoder.push(piece.as_bytes())?);
        }
        bytes.extend(decoder.finish()?);
        Ok(bytes)
    }

    #[test]
    fn r26_padding_is_optional_and_must_be_right() {
        for text in ["aGk=", "aGk", "aG\r\nk=\r\n"] {
            assert_eq!(decode(Alphabet::Form, &[text]).unwrap(), b"hi", "{text}");
        }
        assert_eq!(decode(Alphabet::Form, &["aA=", "="]).unwrap(), b"h");
        for text in ["aGk=aGk=", "aA=", "aGk==", "aGk===", "====", "=", "a", "aGl", "a-_b", "aGk,", "aGk=x"] {
            assert_eq!(decode(Alphabet::Form, &[text]), Err(NotBase64), "{text}");
        }
    }

    #[test]
    fn r26_a_space_is_a_plus_in_a_form_and_nothing_in_mime() {
        assert_eq!(decode(Alphabet::Form, &["  8 "]).unwrap(), decode(Alphabet::Form, &["++8+"]).unwrap());
        assert_eq!(decode(Alphabet::Mime, &[" aG k\t="]).unwrap(), b"hi");
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_bytes(bytes in prop::collection::vec(any::<u8>(), 0..9000), at in 0usize..12_000) {
            let text = ENGINE.encode(&bytes);
            let at = at.min(text.len());
            prop_assert_eq!(decode(Alphabet::Form, &[&text[..at], &text[at..]]), Ok(bytes));
        }
    }
}
