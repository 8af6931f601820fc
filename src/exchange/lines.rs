//! Lines of a text file, of limited length, with their numbers.
//!
//! **Promises.** Memory is one line of at most the limit. A line that is too long or not UTF-8 is reported and stepped
//! over; the next one is whole again. Lines of blanks are not reported, a mark at the beginning of the file (U+FEFF)
//! and a carriage return at the end of a line are dropped.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

/// A text file, line by line.
#[derive(Debug)]
pub(super) struct Lines {
    input: BufReader<File>,
    buffer: Vec<u8>,
    number: u64,
    bytes_read: u64,
    bytes: u64,
    max_bytes: u64,
}

/// A line and its number, from 1.
pub(super) struct Line<'a> {
    pub(super) number: u64,
    /// The text, or why there is none.
    pub(super) text: Result<&'a str, String>,
}

impl Lines {
    /// The lines of `file` from its present position on; lines longer than `max_bytes` have no text.
    pub(super) fn new(file: File, max_bytes: u64) -> io::Result<Self> {
        let bytes = file.metadata()?.len();
        Ok(Self {
            input: BufReader::with_capacity(1 << 16, file),
            buffer: Vec::new(),
            number: 0,
            bytes_read: 0,
            bytes,
            max_bytes,
        })
    }

    /// The next line that is not blank.
    pub(super) fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        loop {
            self.buffer.clear();
            let limit = self.max_bytes.saturating_add(1);
            let read = self.input.by_ref().take(limit).read_until(b'\n', &mut self.buffer)? as u64;
            if read == 0 {
                return Ok(None);
            }
            self.bytes_read += read;
            self.number += 1;
            if read == limit && self.buffer.last() != Some(&b'\n') {
                self.bytes_read += self.input.skip_until(b'\n')? as u64;
                let text = Err(format!("longer than {} bytes, the limit", self.max_bytes));
                return Ok(Some(Line { number: self.number, text }));
            }
            if !self.content().iter().all(|byte| matches!(byte, b' ' | b'\t')) {
                break;
            }
        }
        let text = str::from_utf8(self.content())
            .map_err(|error| format!("not UTF-8 at byte {} of the line", error.valid_up_to() + 1));
        Ok(Some(Line { number: self.number, text }))
    }

    /// The buffer without the marks around the line.
    fn content(&self) -> &[u8] {
        let mut content = &self.buffer[..];
        if self.number == 1 {
            content = content.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(content);
        }
        content = content.strip_suffix(b"\n").unwrap_or(content);
        content.strip_suffix(b"\r").unwrap_or(content)
    }

    /// How many lines that are not blank follow; afterwards the next line is the first of the file.
    pub(super) fn count_and_rewind(&mut self) -> io::Result<u64> {
        let mut count = 0;
        while self.next_line()?.is_some() {
            count += 1;
        }
        self.input.seek(SeekFrom::Start(0))?;
        (self.number, self.bytes_read) = (0, 0);
        Ok(count)
    }

    /// Bytes read, and bytes of the whole file.
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.bytes_read, self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn lines(content: &[u8], max_bytes: u64) -> Vec<(u64, Result<String, String>)> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file.rewind().unwrap();
        let mut lines = Lines::new(file, max_bytes).unwrap();
        let counted = lines.count_and_rewind().unwrap();
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            all.push((line.number, line.text.map(str::to_owned)));
        }
        assert_eq!(counted, all.len() as u64);
        assert_eq!(lines.progress(), (content.len() as u64, content.len() as u64));
        all
    }

    #[test]
    fn blank_lines_and_line_ends_are_dropped_and_counted() {
        let all = lines("\u{FEFF}a\r\n\n \t\r\n b \nc".as_bytes(), 100);
        assert_eq!(all, [(1, Ok("a".to_owned())), (4, Ok(" b ".to_owned())), (5, Ok("c".to_owned()))]);
        assert_eq!(lines(b"", 100), []);
    }

    #[test]
    fn a_line_that_cannot_be_read_does_not_take_the_next_one_with_it() {
        let all = lines(b"12345678\n123456789\n\xff\n1234", 8);
        assert_eq!(all[0], (1, Ok("12345678".to_owned())));
        assert_eq!(all[1], (2, Err("longer than 8 bytes, the limit".to_owned())));
        assert_eq!(all[2], (3, Err("not UTF-8 at byte 1 of the line".to_owned())));
        assert_eq!(all[3], (4, Ok("1234".to_owned())));
    }
}
