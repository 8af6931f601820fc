//! Arrays: rows of numbers one by one, and the short arrays beside them whole.
//!
//! **Promises.** [`Rows`] holds one row. [`Texts`] and integers are held whole, within limits; each element is read on
//! its own, so that a wide element type costs nothing but reading.

use std::io::{ErrorKind, Read};

use npyz::{DType, Deserialize, Endianness, TypeChar, TypeRead};

use super::header::Header;
use super::{ArrayProblem, shown};
use crate::face::MAX_DIMENSION;

/// The widest text element: more than any path.
const MAX_TEXT_ELEMENT: u64 = 1 << 16;

/// Checks that `has` bytes are exactly what the header declares, its own included.
pub(super) fn check_size(header: &Header, has: u64) -> Result<(), ArrayProblem> {
    let needs = header.data_bytes().and_then(|bytes| bytes.checked_add(header.own_bytes));
    match needs {
        Some(needs) if needs == has => Ok(()),
        needs => Err(ArrayProblem::Size { needs: needs.unwrap_or(u64::MAX), has }),
    }
}

fn wrong_shape(header: &Header, expected: &'static str) -> ArrayProblem {
    ArrayProblem::Shape { found: header.shown_shape(), expected }
}

fn wrong_type(header: &Header, expected: &'static str) -> ArrayProblem {
    ArrayProblem::Type { found: header.element.to_string(), expected }
}

fn fill(input: &mut impl Read, buffer: &mut [u8], row: u64, rows: u64) -> Result<(), ArrayProblem> {
    input.read_exact(buffer).map_err(|source| match source.kind() {
        ErrorKind::UnexpectedEof => ArrayProblem::Truncated { row, rows },
        _ => ArrayProblem::Unreadable { row, rows, source },
    })
}

/// How a number is read.
enum Number {
    Single(<f32 as Deserialize>::TypeReader),
    Double(<f64 as Deserialize>::TypeReader),
}

/// An N x D array of float32 or float64, row by row.
pub(super) struct Rows<R> {
    input: R,
    number: Number,
    all: u64,
    read: u64,
    buffer: Vec<u8>,
    dimension: usize,
}

impl<R: Read> Rows<R> {
    /// The rows of the array whose header was just read from `input`.
    pub(super) fn new(header: &Header, input: R) -> Result<Self, ArrayProblem> {
        let expected = "float32 or float64";
        let [rows, dimension] = header.shape[..] else {
            return Err(wrong_shape(header, "two axes: one row an image"));
        };
        if dimension > MAX_DIMENSION as u64 || (dimension == 0 && rows > 0) {
            return Err(ArrayProblem::Dimension { dimension });
        }
        let dtype = DType::new_scalar(header.element.clone());
        let number = match (header.element.type_char(), header.element.size_field()) {
            (TypeChar::Float, 4) => f32::reader(&dtype).map(Number::Single),
            (TypeChar::Float, 8) => f64::reader(&dtype).map(Number::Double),
            _ => return Err(wrong_type(header, expected)),
        };
        let number = number.map_err(|_| wrong_type(header, expected))?;
        let dimension = dimension as usize;
        let width = header.element.num_bytes().unwrap_or(0);
        Ok(Self { input, number, all: rows, read: 0, buffer: vec![0; width * dimension], dimension })
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> u64 {
        self.all
    }

    /// How many rows have been read.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// What it reads from.
    pub(super) fn input(&mut self) -> &mut R {
        &mut self.input
    }

    /// The numbers of the next row, or why they are no float32; none after the last.
    pub(super) fn next_row(&mut self) -> Result<Option<Result<Vec<f32>, String>>, ArrayProblem> {
        if self.read == self.all {
            return Ok(None);
        }
        self.read += 1;
        fill(&mut self.input, &mut self.buffer, self.read, self.all)?;
        let mut bytes = &self.buffer[..];
        let mut numbers = Vec::with_capacity(self.dimension);
        for index in 0..self.dimension {
            let unreadable = |source| ArrayProblem::Unreadable { row: self.read, rows: self.all, source };
            let number = match &self.number {
                Number::Single(reader) => reader.read_one(&mut bytes).map_err(unreadable)?,
                Number::Double(reader) => {
                    let double = reader.read_one(&mut bytes).map_err(unreadable)?;
                    let single = double as f32;
                    if double.is_finite() && single.is_infinite() {
                        let number = index + 1;
                        return Ok(Some(Err(format!(
                            "number {number} of the embedding is {double:e}, beyond float32 (at most {:e})",
                            f32::MAX
                        ))));
                    }
                    single
                }
            };
            numbers.push(number);
        }
        Ok(Some(Ok(numbers)))
    }
}

/// A text array, held whole.
#[derive(Debug, Default)]
pub(super) struct Texts {
    all: String,
    elements: Vec<Element>,
}

#[derive(Debug)]
struct Element {
    end: usize,
    is_text: bool,
}

impl Texts {
    /// Reads the array whose header was just read from `input`, at most `max_bytes` of text.
    pub(super) fn read(header: &Header, input: &mut impl Read, max_bytes: u64) -> Result<Self, ArrayProblem> {
        let expected = "text (unicode or bytes)";
        let [rows] = header.shape[..] else {
            return Err(wrong_shape(header, "one axis: one text a row"));
        };
        let (kind, order) = (header.element.type_char(), header.element.endianness());
        if !matches!(kind, TypeChar::UnicodeStr | TypeChar::ByteStr) {
            return Err(wrong_type(header, expected));
        }
        let width = header.element_bytes().unwrap_or(u64::MAX);
        if width > MAX_TEXT_ELEMENT {
            return Err(ArrayProblem::Width { bytes: width, limit: MAX_TEXT_ELEMENT });
        }
        let mut buffer = vec![0; width as usize];
        let mut texts = Self::default();
        for row in 1..=rows {
            fill(input, &mut buffer, row, rows)?;
            let is_text = match kind {
                TypeChar::UnicodeStr => push_unicode(&mut texts.all, &buffer, order),
                _ => push_utf8(&mut texts.all, &buffer),
            };
            texts.elements.push(Element { end: texts.all.len(), is_text });
            if texts.all.len() as u64 > max_bytes {
                return Err(ArrayProblem::Text { limit: max_bytes });
            }
        }
        texts.all.shrink_to_fit();
        Ok(texts)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.elements.len()
    }

    /// Text `index`, from 0, as well as it could be read.
    pub(super) fn as_written(&self, index: usize) -> &str {
        let start = index.checked_sub(1).map_or(0, |before| self.elements[before].end);
        &self.all[start..self.elements[index].end]
    }

    /// Text `index`, from 0, or why it is none.
    pub(super) fn get(&self, index: usize) -> Result<&str, String> {
        let text = self.as_written(index);
        if self.elements[index].is_text {
            Ok(text)
        } else {
            Err(format!("'{}' holds bytes or code points that are not text", shown(text)))
        }
    }
}

/// Appends an element of UCS-4 without its padding; whether all of it is text.
fn push_unicode(all: &mut String, element: &[u8], order: Endianness) -> bool {
    let point = |bytes: &[u8]| {
        let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
        if order == Endianness::Big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    };
    let padding = element.rchunks_exact(4).take_while(|bytes| **bytes == [0; 4]).count();
    let mut is_text = true;
    for bytes in element[..element.len() - 4 * padding].chunks_exact(4) {
        let character = char::from_u32(point(bytes));
        is_text &= character.is_some();
        all.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    is_text
}

/// Appends an element of bytes without its padding; whether all of it is text.
fn push_utf8(all: &mut String, element: &[u8]) -> bool {
    let padding = element.iter().rev().take_while(|byte| **byte == 0).count();
    let text = String::from_utf8_lossy(&element[..element.len() - padding]);
    all.push_str(&text);
    matches!(text, std::borrow::Cow::Borrowed(_))
}

/// Reads the integers of the array whose header was just read from `input`.
pub(super) fn integers(header: &Header, input: &mut impl Read) -> Result<Vec<i64>, ArrayProblem> {
    let expected = "integers";
    let [rows] = header.shape[..] else {
        return Err(wrong_shape(header, "one axis: one integer a row"));
    };
    let signed = match header.element.type_char() {
        TypeChar::Int => true,
        TypeChar::Uint => false,
        _ => return Err(wrong_type(header, expected)),
    };
    let Some(width @ 1..=8) = header.element.num_bytes() else {
        return Err(wrong_type(header, expected));
    };
    let mut numbers = Vec::new();
    for row in 1..=rows {
        let mut bytes = [0; 8];
        fill(input, &mut bytes[..width], row, rows)?;
        if header.element.endianness() == Endianness::Big {
            bytes[..width].reverse();
        }
        let value = u64::from_le_bytes(bytes);
        // The sign bit is moved to the top and back down, which spreads it over the bytes that were not there.
        let unused = 64 - 8 * width as u32;
        let number = if signed { Ok((value << unused).cast_signed() >> unused) } else { i64::try_from(value) };
        numbers.push(number.map_err(|_| ArrayProblem::Integer { value, row })?);
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(element: &str, shape: &[u64]) -> Header {
        Header { element: element.parse().unwrap(), shape: shape.to_vec(), own_bytes: 0 }
    }

    #[test]
    fn numbers_are_read_in_either_byte_order_and_width() {
        let row = |element: &str, bytes: &[u8]| {
            Rows::new(&header(element, &[1, 2]), bytes).unwrap().next_row().unwrap().unwrap().unwrap()
        };
        assert_eq!(row("<f4", &[1.5f32.to_le_bytes(), (-0.0f32).to_le_bytes()].concat()), [1.5, -0.0]);
        assert_eq!(row(">f4", &[1.5f32.to_be_bytes(), 2f32.to_be_bytes()].concat()), [1.5, 2.0]);
        assert_eq!(row("<f8", &[0.1f64.to_le_bytes(), 2f64.to_le_bytes()].concat()), [0.1, 2.0]);
        assert_eq!(row(">f8", &[0.1f64.to_be_bytes(), 2f64.to_be_bytes()].concat()), [0.1, 2.0]);
    }

    #[test]
    fn a_double_beyond_float32_is_named_and_the_next_row_is_read() {
        let bytes = [1e39f64.to_le_bytes(), 2f64.to_le_bytes()].concat();
        let mut rows = Rows::new(&header("<f8", &[2, 1]), &bytes[..]).unwrap();
        let reason = rows.next_row().unwrap().unwrap().unwrap_err();
        assert_eq!(reason, "number 1 of the embedding is 1e39, beyond float32 (at most 3.4028235e38)");
        assert_eq!(rows.next_row().unwrap(), Some(Ok(vec![2.0])));
        assert_eq!(rows.next_row().unwrap(), None);
    }

    #[test]
    fn integers_of_every_width_keep_their_sign() {
        let read = |element: &str, bytes: &[u8]| integers(&header(element, &[1]), &mut &bytes[..]);
        assert_eq!(read("|i1", &[0xFE]).unwrap(), [-2]);
        assert_eq!(read("|u1", &[0xFE]).unwrap(), [254]);
        assert_eq!(read("<i2", &(-3i16).to_le_bytes()).unwrap(), [-3]);
        assert_eq!(read(">i4", &(-70_000i32).to_be_bytes()).unwrap(), [-70_000]);
        assert_eq!(read(">u4", &4_000_000_000u32.to_be_bytes()).unwrap(), [4_000_000_000]);
        assert_eq!(read("<i8", &i64::MIN.to_le_bytes()).unwrap(), [i64::MIN]);
        assert!(matches!(read("<u8", &[0xFF; 8]), Err(ArrayProblem::Integer { value: u64::MAX, row: 1 })));
        assert!(matches!(read("<f4", &[0; 4]), Err(ArrayProblem::Type { .. })));
        assert!(matches!(read("<i4", &[0; 3]), Err(ArrayProblem::Truncated { row: 1, rows: 1 })));
    }

    #[test]
    fn texts_lose_their_padding_and_nothing_else() {
        let points = |text: &str| text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect::<Vec<_>>();
        let bytes = [points(" ü\0"), points("\u{1F600}ab")].concat();
        let texts = Texts::read(&header(">U3", &[2]), &mut &bytes[..], 100).unwrap();
        assert_eq!((texts.get(0), texts.get(1), texts.len()), (Ok(" ü"), Ok("\u{1F600}ab"), 2));
        let texts = Texts::read(&header("|S3", &[3]), &mut &b"a\0\0\xffbc\0\0\0"[..], 100).unwrap();
        assert_eq!((texts.get(0), texts.get(2)), (Ok("a"), Ok("")));
        assert_eq!(texts.get(1).unwrap_err(), "'\u{FFFD}bc' holds bytes or code points that are not text");
        let surrogate = Texts::read(&header("<U1", &[1]), &mut &0xD800u32.to_le_bytes()[..], 100).unwrap();
        assert!(surrogate.get(0).is_err());
    }

    #[test]
    fn text_is_limited_in_width_and_sum() {
        let wide = Texts::read(&header("<U16385", &[0]), &mut &b""[..], 100);
        assert!(matches!(wide, Err(ArrayProblem::Width { bytes: 65_540, limit: 65_536 })));
        let long = Texts::read(&header("|S4", &[2]), &mut &b"abcdefgh"[..], 7);
        assert!(matches!(long, Err(ArrayProblem::Text { limit: 7 })));
        let empty_elements = Texts::read(&header("<U0", &[2]), &mut &b""[..], 7).unwrap();
        assert_eq!(empty_elements.get(1), Ok(""));
    }
}
