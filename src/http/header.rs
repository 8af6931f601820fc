//! Header values of the form `word; name=value; name="value"`: Content-Type and Content-Disposition.
//!
//! **Why.** Both come from clients that quote, capitalise and order as they like, and a name inside a quoted file
//! name must not be taken for the name of the part.

/// Such a value, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tagged {
    /// The word in front, in lower case.
    pub(crate) word: String,
    parameters: Vec<(String, Vec<u8>)>,
}

impl Tagged {
    /// Takes `value` apart; what cannot be understood is left out.
    pub(crate) fn parse(value: &[u8]) -> Self {
        let mut pieces = split(value).into_iter();
        let lower = |bytes: &[u8]| String::from_utf8_lossy(bytes.trim_ascii()).to_ascii_lowercase();
        let word = pieces.next().map_or_else(String::new, |piece| lower(&piece));
        let parameter = |piece: Vec<u8>| {
            let equals = piece.iter().position(|&byte| byte == b'=')?;
            Some((lower(&piece[..equals]), unquoted(piece[equals + 1..].trim_ascii())))
        };
        Self { word, parameters: pieces.filter_map(parameter).collect() }
    }

    /// The value of the parameter `name`, which is written in lower case.
    pub(crate) fn parameter(&self, name: &str) -> Option<&[u8]> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
    }
}

/// The pieces between semicolons that stand outside quotes.
fn split(value: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = vec![Vec::new()];
    let (mut quoted, mut escaped) = (false, false);
    for &byte in value {
        if byte == b';' && !quoted {
            pieces.push(Vec::new());
            continue;
        }
        if byte == b'"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && byte == b'\\' && !escaped;
        if let Some(piece) = pieces.last_mut() {
            piece.push(byte);
        }
    }
    pieces
}

/// The text between quotes, or all of it if there are none.
pub(crate) fn unquoted(value: &[u8]) -> Vec<u8> {
    let Some(inner) = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")) else {
        return value.to_vec();
    };
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        match (byte, rest.peek()) {
            (b'\\', Some(&next @ (b'"' | b'\\'))) => {
                bytes.push(next);
                rest.next();
            }
            _ => bytes.push(byte),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(value: &str, name: &str) -> Option<String> {
        Tagged::parse(value.as_bytes()).parameter(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    #[test]
    fn content_types_are_taken_apart() {
        let java = "Multipart/Form-Data; boundary=abc; charset=UTF-8";
        assert_eq!(Tagged::parse(java.as_bytes()).word, "multipart/form-data");
        assert_eq!(parameter(java, "boundary").unwrap(), "abc");
        assert_eq!(parameter("multipart/mixed;BOUNDARY = \"a;b\"", "boundary").unwrap(), "a;b");
        assert_eq!(Tagged::parse(b" text/plain ").word, "text/plain");
        assert_eq!(parameter("text/plain; charset", "charset"), None);
        assert_eq!(Tagged::parse(b"").word, "");
    }

    #[test]
    fn a_name_inside_a_file_name_is_not_the_name() {
        let value = r#"form-data; filename="x; name=evil\"; name=worse"; name="Image\\Da\"ta""#;
        assert_eq!(parameter(value, "name").unwrap(), r#"Image\Da"ta"#);
        assert_eq!(parameter("form-data; name=plain", "name").unwrap(), "plain");
        assert_eq!(parameter("form-data; name=\"é\"; filename=\"C:\\dir\\x.jpg\"", "name").unwrap(), "é");
        assert_eq!(parameter("form-data; filename=\"name\"", "name"), None);
    }
}
