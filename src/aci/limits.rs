//! What one request may hold (contract R156).

use std::path::PathBuf;

use super::budget::Budget;
use crate::engine::Room;

/// The limits of a request's content; exceeding one is error 20. Those of a connection are in `http`.
#[derive(Debug, Clone)]
pub struct Limits {
    /// `MaxInputString`: characters of one parameter value after decoding, uploads excepted. Default 64,000.
    pub max_input_string: usize,
    /// `MaxFileUploadSize`: bytes of one image or embedding, after base64. Default 10,000,000.
    pub max_file_upload_size: u64,
    /// `MaxRequestSize`: bytes of the whole body. Default 256 MiB.
    pub max_request_size: u64,
    /// `MaxParts`: parts or parameters of one request. Default 10,000.
    pub max_parts: usize,
    /// `MaxRequestText`: bytes of all names and values of one request together, uploads excepted. Not in R156; it
    /// keeps ten thousand long values from filling the memory. Default 16 MiB.
    pub max_request_text: usize,
    /// An image or embedding of more bytes than this goes into the spool file. Default 256 KiB.
    pub spool_from: usize,
    /// Images and embeddings of one request that stay in memory have at most so many bytes together; what comes
    /// after them goes into the spool file. Default 8 MiB.
    pub max_upload_memory: usize,
    /// `MaxRequestMemory`: bytes that all requests at hand together hold in memory, the first 64 KiB of text of each
    /// excepted. Uploads take at most half of it and go into spool files then; a request with more text is refused.
    /// Default 256 MiB.
    pub request_memory: Budget,
    /// Where spool files are made. For import files to be moved into the data directory without copying it must be
    /// on the same file system. Default: the directory for temporary files.
    pub spool_directory: PathBuf,
    /// The room of their disk; where too little is left nothing more is received into them. Default: no limit.
    pub spool_room: Room,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_input_string: 64_000,
            max_file_upload_size: 10_000_000,
            max_request_size: 256 << 20,
            max_parts: 10_000,
            max_request_text: 16 << 20,
            spool_from: 256 << 10,
            max_upload_memory: 8 << 20,
            request_memory: Budget::new(256 << 20),
            spool_directory: std::env::temp_dir(),
            spool_room: Room::keeping(0, std::env::temp_dir()),
        }
    }
}
