//! Text as it travels: UTF-8 that XML can carry, quoting in descriptions, comma-separated lists.
//!
//! **Not here.** Percent-encoding (`form`), escaping in XML (`answer`).

use super::fault::Fault;
use crate::face::MAX_NAME_BYTES;

/// Whether XML 1.0 can carry this character.
pub(crate) fn is_xml(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => true,
        '\u{FFFE}' | '\u{FFFF}' => false,
        _ => character >= ' ',
    }
}

/// The bytes as text, or error 13 (R12). `what` says which text it is.
pub(crate) fn checked(bytes: Vec<u8>, what: &str) -> Result<String, Fault> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Fault::undecodable(format!("{what} is not UTF-8 from byte {at} on"))
    })?;
    match text.char_indices().find(|&(_, c)| !is_xml(c)) {
        Some((at, character)) => {
            let point = u32::from(character);
            Err(Fault::undecodable(format!("{what} holds U+{point:04X} at byte {at}, which XML cannot carry")))
        }
        None => Ok(text),
    }
}

/// At most 254 bytes of `value`, cut at a character boundary (R53).
pub(crate) fn cut(value: &str) -> &str {
    let mut end = value.len().min(MAX_NAME_BYTES);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    &value[..end]
}

/// `'name=value'`, as descriptions quote a parameter.
pub(crate) fn quoted(name: &str, value: &str) -> String {
    format!("'{}={}'", cut(name), cut(value))
}

/// The elements of a comma-separated list (R16), or what is wrong with it.
pub(crate) fn list(text: &str) -> Result<Vec<String>, &'static str> {
    let mut elements = Vec::new();
    let mut rest = text;
    loop {
        let (element, behind) = element(rest, &[','])?;
        elements.push(element);
        match behind.strip_prefix(',') {
            Some(next) => rest = next,
            None if behind.is_empty() => return Ok(elements),
            None => return Err(BEHIND_QUOTE),
        }
    }
}

/// The pairs of a comma-separated list of `key:value` (R140), or what is wrong with it.
pub(crate) fn pairs(text: &str) -> Result<Vec<(String, String)>, &'static str> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut rest = text;
    loop {
        let (key, behind) = element(rest, &[':', ','])?;
        let value = behind.strip_prefix(':').ok_or("is not a list of key:value: a colon is missing")?;
        let (value, behind) = element(value, &[':', ','])?;
        if pairs.iter().any(|(known, _)| *known == key) {
            return Err("is not a list of key:value: a key is there twice");
        }
        pairs.push((key, value));
        match behind.strip_prefix(',') {
            Some(next) => rest = next,
            None if behind.is_empty() => return Ok(pairs),
            None if behind.starts_with(':') => {
                return Err("is not a list of key:value: a value with a colon stands in double quotes");
            }
            None => return Err(BEHIND_QUOTE),
        }
    }
}

const EMPTY: &str = "is not a list: an element is empty";
const BEHIND_QUOTE: &str = "is not a list: after a closing quote the element ends";

/// The first element of `text`, which ends at one of `ends` or with the text, and what stands behind it, both without
/// the blanks around the element.
fn element<'t>(text: &'t str, ends: &[char]) -> Result<(String, &'t str), &'static str> {
    let text = text.trim_start_matches(' ');
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(ends).unwrap_or(text.len());
        let element = text[..end].trim_end_matches(' ');
        return if element.is_empty() { Err(EMPTY) } else { Ok((element.to_owned(), &text[end..])) };
    };
    let mut element = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' if element.is_empty() => return Err(EMPTY),
            '"' => return Ok((element, quoted[at + 1..].trim_start_matches(' '))),
            '\\' => match characters.next() {
                Some((_, escaped @ ('"' | '\\'))) => element.push(escaped),
                _ => return Err("is not a list: inside quotes a backslash stands before a quote or a backslash"),
            },
            other => element.push(other),
        }
    }
    Err("is not a list: a quote is not closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r16_lists_are_split_at_commas_outside_quotes() {
        let split = |text| list(text).unwrap();
        assert_eq!(split("a,b"), ["a", "b"]);
        assert_eq!(split("  a b , c  "), ["a b", "c"]);
        assert_eq!(split(r#""Smith, John" , " x ""#), ["Smith, John", " x "]);
        assert_eq!(split(r#""a\"b\\c",d"e"#), [r#"a"b\c"#, "d\"e"]);
        assert_eq!(split("é"), ["é"]);
    }

    #[test]
    fn r16_faulty_lists_are_refused() {
        for text in ["", " ", ",", "a,", ",a", "a,,b", r#""""#, r#""a"#, r#""a" b"#, r#""a\n""#, r#""a\"#] {
            assert!(list(text).is_err(), "{text}");
        }
    }

    #[test]
    fn r140_metadata_is_a_list_of_pairs() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let text = r#"born:1930,"note, long":"says \"hi\"" , a b : c d"#;
        let expected = [pair("born", "1930"), pair("note, long", r#"says "hi""#), pair("a b", "c d")];
        assert_eq!(pairs(text).unwrap(), expected);
        for text in ["", "a", "a:", ":b", "a:b,", "a:b,c", "a:b,a:c", "a:b:c", r#""a"b:c"#, r#"a:"b"c"#, "a:\"\""] {
            assert!(pairs(text).is_err(), "{text}");
        }
    }

    #[test]
    fn r12_what_is_not_utf8_or_not_xml_is_error_13() {
        assert_eq!(checked("a\t\r\né\u{85}\u{10FFFF}".into(), "it").unwrap(), "a\t\r\né\u{85}\u{10FFFF}");
        let fault = checked(vec![b'a', 0xC3], "'x'").unwrap_err();
        assert_eq!(fault.description, "'x' is not UTF-8 from byte 1 on");
        let fault = checked(b"a\x01".to_vec(), "'x'").unwrap_err();
        assert_eq!(fault.description, "'x' holds U+0001 at byte 1, which XML cannot carry");
        assert_eq!(fault.code.number(), 13);
        assert!(checked("\u{FFFF}".into(), "'x'").is_err());
    }
}
