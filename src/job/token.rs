//! The token a client is given for a job: a UUID of version 7 (contract R62).

use std::fmt;

use uuid::Uuid;

/// Names one job for ever; ordered by the time it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(Uuid);

impl Token {
    /// A new token, larger than every one made before in this process.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// Reads the hyphenated form, in either letter case, blanks around it dropped. Any other text names no job.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        (text.len() == 36).then(|| Uuid::try_parse(text).ok().map(Self)).flatten()
    }

    /// Its 16 bytes, whose order is the order of tokens.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.into_bytes()
    }

    /// The token of 16 bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r62_a_token_is_a_lower_case_uuid_and_compared_as_one() {
        let token = Token::generate();
        let text = token.to_string();
        assert_eq!((text.len(), text.as_bytes()[14]), (36, b'7'));
        assert_eq!(text, text.to_lowercase());
        assert_eq!(Token::parse(&format!("  {} ", text.to_uppercase())), Some(token));
        assert_eq!(Token::from_bytes(token.to_bytes()), token);
        for other in ["", "nonsense", &text[1..], &format!("{{{text}}}"), &text.replace('-', "")] {
            assert_eq!(Token::parse(other), None, "{other}");
        }
    }

    #[test]
    fn tokens_are_made_in_order() {
        let tokens: Vec<Token> = (0..1000).map(|_| Token::generate()).collect();
        assert!(tokens.is_sorted_by(|a, b| a < b));
    }
}
