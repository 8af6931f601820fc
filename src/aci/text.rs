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
    &value[..value.floor_char_boundary(MAX_NAME_BYTES)]
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
        let (element, behind) = element(rest.trim_start_matches(' '))?;
        elements.push(element);
        match behind.trim_start_matches(' ').strip_prefix(',') {
            Some(next) => rest = next,
            None if behind.trim_start_matches(' ').is_empty() => return Ok(elements),
            None => return Err("is not a list: after a closing quote only a comma may follow"),
        }
    }
}

const EMPTY: &str = "is not a list: an element is empty";

/// The first element of `text`, which begins without blanks, and what stands behind it.
fn element(text: &str) -> Result<(String, &str), &'static str> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(',').unwrap_or(text.len());
        let element = text[..end].trim_end_matches(' ');
        return if element.is_empty() { Err(EMPTY) } else { Ok((element.to_owned(), &text[end..])) };
    };
    let mut element = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' if element.is_empty() => return Err(EMPTY),
            '"' => return Ok((element, &quoted[at + 1..])),
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
