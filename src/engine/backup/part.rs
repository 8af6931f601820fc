//! A file of records in a backup.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;

use super::super::error::EngineError;
use super::{Sum, failed};

/// The length that stands for a key that is removed.
const REMOVED: u32 = u32::MAX;

/// Such a file while it is written.
#[derive(Debug)]
pub(in super::super) struct Part {
    file: BufWriter<File>,
    hasher: blake3::Hasher,
    bytes: u64,
    n: u64,
}

impl Part {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = BufWriter::with_capacity(1 << 20, File::create_new(path)?);
        Ok(Self { file, hasher: blake3::Hasher::new(), bytes: 0, n: 0 })
    }

    /// Writes a record, or that there is none.
    pub(super) fn push(&mut self, key: &[u8], value: Option<&[u8]>) -> io::Result<()> {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(io::Error::other);
        let lengths = [length(key)?, value.map_or(Ok(REMOVED), length)?].map(u32::to_le_bytes);
        for piece in [&lengths[0][..], &lengths[1], key, value.unwrap_or_default()] {
            self.hasher.update(piece);
            self.file.write_all(piece)?;
            self.bytes += piece.len() as u64;
        }
        self.n += 1;
        Ok(())
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// Closes it, synced; how many records it has, and what it is.
    pub(super) fn finish(mut self) -> io::Result<(u64, Sum)> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        Ok((self.n, Sum { bytes: self.bytes, blake3: self.hasher.finalize().to_hex().to_string() }))
    }
}

/// What takes the records of a part, or their absence, in their order.
pub(super) type Take<'a> = dyn FnMut(&[u8], Option<&[u8]>) -> Result<(), EngineError> + 'a;

/// Reads such a file, which was verified or written a moment ago.
pub(super) fn read(path: &Path, take: &mut Take<'_>) -> Result<(), EngineError> {
    let cannot = |source| failed("the records of the backup cannot be read", source);
    let file = File::open(path).map_err(cannot)?;
    let mut left = file.metadata().map_err(cannot)?.len();
    let mut file = BufReader::with_capacity(1 << 20, file);
    while left > 0 {
        let mut lengths = [0; 8];
        file.read_exact(&mut lengths).map_err(cannot)?;
        let [a, b, c, d, e, f, g, h] = lengths;
        let (key, value) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        let length = if value == REMOVED { 0 } else { value };
        let n = u64::from(key) + u64::from(length);
        left = left.checked_sub(8 + n).ok_or_else(|| cannot(io::ErrorKind::UnexpectedEof.into()))?;
        let mut content = vec![0; n as usize];
        file.read_exact(&mut content).map_err(cannot)?;
        let (key, content) = content.split_at(key as usize);
        take(key, (value != REMOVED).then_some(content))?;
    }
    Ok(())
}
