//! The entries of a zip archive, unpacked while they are read.
//!
//! **Promises.** An entry never yields more than the archive declares, and what it declares can be held against a limit
//! before the first byte. [`Entry::finish`] proves that everything was there and nothing was changed.
//!
//! **Why not the zip crate's own entries.** They borrow the archive, so that a reader of rows could not own one. The
//! crate reads the directory; stored and deflated data, the two forms NumPy writes, are unpacked here.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Take};

use flate2::bufread::DeflateDecoder;
use zip::read::ZipFile;
use zip::{CompressionMethod, ZipArchive};

use super::{ArrayProblem, ExchangeError, shown};

/// What the directory says of an array.
#[derive(Debug)]
struct Declared {
    array: &'static str,
    start: u64,
    packed: u64,
    unpacked: u64,
    checksum: u32,
    packing: Packing,
}

#[derive(Debug, Clone)]
enum Packing {
    Stored,
    Deflated,
    Other(String),
}

/// A zip archive of arrays. One [`Entry`] at a time may be read: they share the place in the file.
#[derive(Debug)]
pub(super) struct Archive {
    file: File,
    declared: Vec<Declared>,
    shown_names: String,
}

impl Archive {
    /// Reads the directory; of its entries the arrays with these names count.
    pub(super) fn open(file: File, arrays: &[&'static str]) -> Result<Self, ExchangeError> {
        let broken = |source| ExchangeError::Archive { source };
        let mut zip = ZipArchive::new(BufReader::new(file)).map_err(broken)?;
        let mut declared = Vec::new();
        for array in arrays {
            if let Some(index) = zip.index_for_name(&format!("{array}.npy")) {
                declared.push(Declared::of(array, &zip.by_index_raw(index).map_err(broken)?));
            }
        }
        let names = zip.file_names().take(10).map(|name| shown(name.strip_suffix(".npy").unwrap_or(name)));
        let shown_names = names.collect::<Vec<_>>().join(", ");
        let shown_names = if shown_names.is_empty() { "none".to_owned() } else { shown_names };
        Ok(Self { file: zip.into_inner().into_inner(), declared, shown_names })
    }

    /// Whether there is an array of this name.
    pub(super) fn has(&self, array: &str) -> bool {
        self.declared(array).is_some()
    }

    /// What the array takes unpacked, its header included, as declared; 0 if there is none.
    pub(super) fn unpacked_bytes(&self, array: &str) -> u64 {
        self.declared(array).map_or(0, |declared| declared.unpacked)
    }

    /// That there is no such array.
    pub(super) fn missing(&self, array: &'static str) -> ExchangeError {
        ExchangeError::Missing { missing: array, found: self.shown_names.clone() }
    }

    fn declared(&self, array: &str) -> Option<&Declared> {
        self.declared.iter().find(|declared| declared.array == array)
    }

    /// Begins to unpack an array.
    pub(super) fn entry(&self, array: &'static str) -> Result<Entry, ExchangeError> {
        let declared = self.declared(array).ok_or_else(|| self.missing(array))?;
        let mut file = self.file.try_clone().map_err(ExchangeError::io("read the file"))?;
        file.seek(SeekFrom::Start(declared.start)).map_err(ExchangeError::io("read the file"))?;
        let packed = BufReader::with_capacity(1 << 16, file.take(declared.packed));
        let data = match &declared.packing {
            Packing::Stored => Data::Stored(packed),
            Packing::Deflated => Data::Deflated(Box::new(DeflateDecoder::new(packed))),
            Packing::Other(how) => {
                return Err(ExchangeError::array(&what(array), ArrayProblem::Packing(how.clone())));
            }
        };
        let running = crc32fast::Hasher::new();
        let (left, checksum) = (declared.unpacked, declared.checksum);
        Ok(Entry { data, declared: declared.unpacked, left, running, checksum })
    }
}

impl Declared {
    fn of<R: Read>(array: &'static str, entry: &ZipFile<'_, R>) -> Self {
        let packing = match entry.compression() {
            _ if entry.encrypted() => Packing::Other("encryption".to_owned()),
            CompressionMethod::Stored => Packing::Stored,
            CompressionMethod::Deflated => Packing::Deflated,
            other => Packing::Other(other.to_string()),
        };
        Self {
            array,
            start: entry.data_start(),
            packed: entry.compressed_size(),
            unpacked: entry.size(),
            checksum: entry.crc32(),
            packing,
        }
    }
}

/// An array of an archive as messages name it.
pub(super) fn what(array: &str) -> String {
    format!("array '{array}'")
}

#[derive(Debug)]
enum Data {
    Stored(BufReader<Take<File>>),
    Deflated(Box<DeflateDecoder<BufReader<Take<File>>>>),
}

impl Read for Data {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stored(data) => data.read(buffer),
            Self::Deflated(data) => data.read(buffer),
        }
    }
}

/// The unpacked bytes of an array.
#[derive(Debug)]
pub(super) struct Entry {
    data: Data,
    declared: u64,
    left: u64,
    running: crc32fast::Hasher,
    checksum: u32,
}

impl Read for Entry {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.data.read(&mut buffer[..most])?;
        self.left -= read as u64;
        self.running.update(&buffer[..read]);
        Ok(read)
    }
}

impl Entry {
    /// After the last byte declared: proves that there are no more, and that they are those that were packed.
    pub(super) fn finish(&mut self) -> Result<(), ArrayProblem> {
        let more = self.data.read(&mut [0]).map_err(|_| ArrayProblem::Checksum)?;
        if more > 0 {
            return Err(ArrayProblem::Overlong { declared: self.declared });
        }
        if self.left > 0 || self.running.clone().finalize() != self.checksum {
            return Err(ArrayProblem::Checksum);
        }
        Ok(())
    }
}
