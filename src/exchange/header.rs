//! What an array says of itself: the header of the NPY format (NEP 1).
//!
//! **Promises.** Reads at most [`MAX_HEADER_BYTES`], does not recurse, and computes nothing from the numbers it finds:
//! sizes are multiplied, with checks, only in [`Header::data_bytes`].
//!
//! **Why not npyz's own reader.** It multiplies a hostile shape unchecked, allocates whatever length a header declares,
//! and recurses as deep as the header nests. Its types, elements and writers are used.

use std::io::{ErrorKind, Read};

use npyz::{TypeChar, TypeStr};

use super::{ArrayProblem, shown};

/// The largest header; NumPy refuses larger ones as well.
pub(super) const MAX_HEADER_BYTES: u64 = 10_000;

/// The header of an array in C order without objects in it.
#[derive(Debug)]
pub(super) struct Header {
    /// The type of its elements.
    pub(super) element: TypeStr,
    /// Its axes.
    pub(super) shape: Vec<u64>,
    /// What the header itself took, in bytes.
    pub(super) own_bytes: u64,
}

impl Header {
    /// Reads it from the beginning of an array; `input` is then at the first element.
    pub(super) fn read(input: &mut impl Read) -> Result<Self, ArrayProblem> {
        let mut fixed = [0; 8];
        fill(input, &mut fixed)?;
        let [b'\x93', b'N', b'U', b'M', b'P', b'Y', major, minor] = fixed else {
            return Err(ArrayProblem::NotAnArray);
        };
        let (bytes, before) = match (major, minor) {
            (1, 0) => {
                let mut length = [0; 2];
                fill(input, &mut length)?;
                (u64::from(u16::from_le_bytes(length)), 10)
            }
            (2 | 3, 0) => {
                let mut length = [0; 4];
                fill(input, &mut length)?;
                (u64::from(u32::from_le_bytes(length)), 12)
            }
            _ => return Err(ArrayProblem::Version { major, minor }),
        };
        if bytes > MAX_HEADER_BYTES {
            return Err(ArrayProblem::HeaderSize { bytes });
        }
        let mut text = vec![0; bytes as usize];
        fill(input, &mut text)?;
        let text = str::from_utf8(&text).map_err(|_| ArrayProblem::Header("it is not text".to_owned()))?;
        let (element, shape) = described(text)?;
        Ok(Self { element, shape, own_bytes: before + bytes })
    }

    /// Bytes of one element; none for an element that has no fixed size.
    pub(super) fn element_bytes(&self) -> Option<u64> {
        self.element.num_bytes().and_then(|bytes| u64::try_from(bytes).ok())
    }

    /// Bytes of all elements; none if they are more than anyone has.
    pub(super) fn data_bytes(&self) -> Option<u64> {
        // A zero axis makes all others harmless, so it is looked for first.
        if self.shape.contains(&0) {
            return Some(0);
        }
        self.shape.iter().try_fold(self.element_bytes()?, |bytes, &axis| bytes.checked_mul(axis))
    }

    /// The shape as Python writes it.
    pub(super) fn shown_shape(&self) -> String {
        match &self.shape[..] {
            [one] => format!("({one},)"),
            shape => format!("({})", shape.iter().take(8).map(u64::to_string).collect::<Vec<_>>().join(", ")),
        }
    }
}

fn fill(input: &mut impl Read, buffer: &mut [u8]) -> Result<(), ArrayProblem> {
    input.read_exact(buffer).map_err(|source| match source.kind() {
        ErrorKind::UnexpectedEof => ArrayProblem::NoHeader,
        _ => ArrayProblem::Unreadable { row: 0, rows: 0, source },
    })
}

/// Element type and shape out of `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }`.
fn described(text: &str) -> Result<(TypeStr, Vec<u64>), ArrayProblem> {
    let mut literal = Literal { rest: text };
    let (mut element, mut fortran, mut shape) = (None, None, None);
    literal.expect('{')?;
    while !literal.take('}') {
        let key = literal.quoted()?;
        literal.expect(':')?;
        match key {
            "descr" => element = Some(literal.element()?),
            "fortran_order" => fortran = Some(literal.order()?),
            "shape" => shape = Some(literal.shape()?),
            other => return Err(ArrayProblem::Header(format!("it has a key '{}'", shown(other)))),
        }
        if !literal.take(',') {
            literal.expect('}')?;
            break;
        }
    }
    let missing = |key: &str| ArrayProblem::Header(format!("it has no key '{key}'"));
    let element = element.ok_or_else(|| missing("descr"))?;
    let order = fortran.ok_or_else(|| missing("fortran_order"))?;
    let shape: Vec<u64> = shape.ok_or_else(|| missing("shape"))?;
    // An array with one axis is the same in both orders.
    if order == Order::Fortran && shape.len() > 1 {
        return Err(ArrayProblem::Fortran);
    }
    Ok((element, shape))
}

#[derive(PartialEq, Clone, Copy)]
enum Order {
    C,
    Fortran,
}

/// The few forms of a Python literal that a header is made of.
struct Literal<'a> {
    rest: &'a str,
}

impl<'a> Literal<'a> {
    fn take(&mut self, mark: char) -> bool {
        let rest = self.rest.trim_start();
        let after = rest.strip_prefix(mark);
        self.rest = after.unwrap_or(rest);
        after.is_some()
    }

    fn expect(&mut self, mark: char) -> Result<(), ArrayProblem> {
        if self.take(mark) { Ok(()) } else { Err(self.unexpected(&format!("'{mark}'"))) }
    }

    fn unexpected(&self, expected: &str) -> ArrayProblem {
        let found: String = self.rest.trim_start().chars().take(20).collect();
        ArrayProblem::Header(format!("expected {expected}, found '{}'", shown(&found)))
    }

    fn quoted(&mut self) -> Result<&'a str, ArrayProblem> {
        let quote = if self.take('\'') {
            '\''
        } else if self.take('"') {
            '"'
        } else {
            return Err(self.unexpected("a quoted text"));
        };
        let (inside, after) = self.rest.split_once(quote).ok_or_else(|| self.unexpected("a closing quote"))?;
        self.rest = after;
        Ok(inside)
    }

    fn element(&mut self) -> Result<TypeStr, ArrayProblem> {
        let expected = "one number or one text";
        if self.rest.trim_start().starts_with(['[', '(']) {
            // A record of several fields; with an object among them it is pickled.
            let pickled = ["'|O", "'O'", "\"|O"].iter().any(|object| self.rest.contains(object));
            let fields = ArrayProblem::Type { found: "record".to_owned(), expected };
            return Err(if pickled { ArrayProblem::Pickled } else { fields });
        }
        let found = self.quoted()?;
        if found.trim_start_matches(['|', '<', '>', '=']).starts_with('O') {
            return Err(ArrayProblem::Pickled);
        }
        let element: TypeStr = found.parse().map_err(|_| ArrayProblem::Type { found: shown(found), expected })?;
        match element.type_char() {
            TypeChar::Object => Err(ArrayProblem::Pickled),
            _ => Ok(element),
        }
    }

    fn order(&mut self) -> Result<Order, ArrayProblem> {
        let rest = self.rest.trim_start();
        let (order, after) = if let Some(after) = rest.strip_prefix("False") {
            (Order::C, after)
        } else if let Some(after) = rest.strip_prefix("True") {
            (Order::Fortran, after)
        } else {
            return Err(self.unexpected("True or False"));
        };
        self.rest = after;
        Ok(order)
    }

    fn shape(&mut self) -> Result<Vec<u64>, ArrayProblem> {
        self.expect('(')?;
        let mut shape = Vec::new();
        while !self.take(')') {
            let rest = self.rest.trim_start();
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let axis = rest[..digits].parse().map_err(|_| self.unexpected("a number below 2^64"))?;
            shape.push(axis);
            // Python 2 wrote long integers with an L.
            self.rest = rest[digits..].trim_start_matches('L');
            if !self.take(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Header, ArrayProblem> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        Header::read(&mut &bytes[..])
    }

    #[test]
    fn a_header_is_read_as_numpy_and_npyz_write_it() {
        let header = read("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }   \n").unwrap();
        assert_eq!(
            (header.element.to_string(), &header.shape[..], header.own_bytes),
            ("<f4".to_owned(), &[3, 2][..], 73)
        );
        assert_eq!(header.data_bytes(), Some(24));
        let one_axis = read("{\"shape\":(7L,),\"fortran_order\":True,\"descr\":\">U5\"}").unwrap();
        assert_eq!((one_axis.data_bytes(), one_axis.shown_shape()), (Some(140), "(7,)".to_owned()));
        assert_eq!(read("{'descr': '<i8', 'fortran_order': False, 'shape': (), }").unwrap().data_bytes(), Some(8));
    }

    #[test]
    fn objects_are_refused_however_they_are_declared() {
        for object in ["'|O'", "'|O8'", "'O'", "'<O'", "[('a', '<f4'), ('b', '|O')]", "[('a', 'O')]"] {
            let problem = read(&format!("{{'descr': {object}, 'fortran_order': False, 'shape': (1,), }}")).unwrap_err();
            assert!(matches!(problem, ArrayProblem::Pickled), "{object}: {problem}");
        }
    }

    #[test]
    fn a_header_that_is_not_one_says_where() {
        let reason = |text: &str| read(text).unwrap_err().to_string();
        assert!(reason("").contains("expected '{', found ''"));
        assert!(reason("{'descr': '<f4'}").contains("no key 'fortran_order'"));
        assert!(reason("{'descr': '<f4', 'fortran_order': 0}").contains("expected True or False, found '0}'"));
        assert!(reason("{'shape': (-1,)}").contains("found '-1,)}'"));
        assert!(reason("{'shape': (99999999999999999999,)}").contains("below 2^64"));
        assert!(reason("{'descr': [('a', '<f4')]}").contains("'record'"));
        assert!(reason("{'descr': '<f3'}").contains("'<f3'"));
        assert!(reason("{'x': 1}").contains("key 'x'"));
        assert!(reason("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2)}").contains("Fortran"));
        assert!(reason(&"(".repeat(9_000)).contains("expected '{'"));
        assert!(matches!(read(&" ".repeat(10_001)), Err(ArrayProblem::HeaderSize { bytes: 10_001 })));
        assert!(matches!(Header::read(&mut &b"\x93NUMPY\x04\x00"[..]), Err(ArrayProblem::Version { major: 4, .. })));
        assert!(matches!(Header::read(&mut &b"\x93NUMPY\x02\x00\xff"[..]), Err(ArrayProblem::NoHeader)));
        assert!(matches!(Header::read(&mut &b"PK\x03\x04 not numpy"[..]), Err(ArrayProblem::NotAnArray)));
    }

    #[test]
    fn a_shape_too_large_to_count_has_no_size() {
        let shape = |axes: &str| read(&format!("{{'descr':'<f8','fortran_order':False,'shape':({axes})}}")).unwrap();
        assert_eq!(shape("18446744073709551615, 2").data_bytes(), None);
        assert_eq!(shape("18446744073709551615, 18446744073709551615, 0").data_bytes(), Some(0));
    }
}
