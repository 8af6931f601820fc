//! Records to bytes and back: one byte of version, four of checksum, then bincode.
//!
//! The checksum (CRC-32) covers the key, the version and the content, so that a record in the wrong place is found too.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{FORMAT_VERSION, StoreError, keys};

const HEADER: usize = 5;

fn checksum(key: &[u8], version: u8, content: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(&[version]);
    hasher.update(content);
    hasher.finalize().to_le_bytes()
}

/// The bytes of `record`, to be kept under `key`.
pub fn encode<T: Serialize>(key: &[u8], record: &T) -> Vec<u8> {
    let mut bytes = vec![FORMAT_VERSION, 0, 0, 0, 0];
    bincode::serde::encode_into_std_write(record, &mut bytes, bincode::config::standard())
        .expect("writing plain data into memory cannot fail");
    let sum = checksum(key, FORMAT_VERSION, &bytes[HEADER..]);
    bytes[1..HEADER].copy_from_slice(&sum);
    bytes
}

/// The record kept under `key` as `bytes`.
pub fn decode<T: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<T, StoreError> {
    match decoded(key, bytes)? {
        (record, 0) => Ok(record),
        (_, left) => Err(damaged(key, format!("{left} bytes are left over"))),
    }
}

/// The first field of the record kept under `key` as `bytes`, without the work of reading the others.
pub fn decode_first<T: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<T, StoreError> {
    decoded(key, bytes).map(|(first, _)| first)
}

/// Whether the record kept under `key` as `bytes` is what was written, whatever its shape is.
pub fn verify(key: &[u8], bytes: &[u8]) -> Result<(), StoreError> {
    content(key, bytes).map(|_| ())
}

/// What the content begins with, and how many bytes are behind it.
fn decoded<T: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<(T, usize), StoreError> {
    let content = content(key, bytes)?;
    let (record, used) = bincode::serde::decode_from_slice(content, bincode::config::standard())
        .map_err(|error| damaged(key, error.to_string()))?;
    Ok((record, content.len() - used))
}

/// The content of a record of this version that is whole.
fn content<'a>(key: &[u8], bytes: &'a [u8]) -> Result<&'a [u8], StoreError> {
    let Some((&[version, ref sum @ ..], content)) = bytes.split_first_chunk::<HEADER>() else {
        return Err(damaged(key, format!("it has {} bytes, at least {HEADER} are expected", bytes.len())));
    };
    if *sum != checksum(key, version, content) {
        return Err(damaged(key, "its checksum does not match".to_owned()));
    }
    if version != FORMAT_VERSION {
        return Err(StoreError::Format { found: version });
    }
    Ok(content)
}

fn damaged(key: &[u8], why: String) -> StoreError {
    StoreError::Damaged { key: keys::printable(key), why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_encoded_comes_back_and_any_flipped_bit_is_found(
            key in proptest::collection::vec(any::<u8>(), 1..20),
            record in proptest::collection::vec((any::<u64>(), ".*"), 0..5),
            bit in any::<prop::sample::Index>(),
        ) {
            let bytes = encode(&key, &record);
            prop_assert_eq!(decode::<Vec<(u64, String)>>(&key, &bytes).unwrap(), record);
            let mut flipped = bytes.clone();
            let at = bit.index(bytes.len() * 8);
            flipped[at / 8] ^= 1 << (at % 8);
            prop_assert!(decode::<Vec<(u64, String)>>(&key, &flipped).is_err());
            prop_assert!(decode::<Vec<(u64, String)>>(b"elsewhere", &bytes).is_err());
            prop_assert!(decode::<Vec<(u64, String)>>(&key, &bytes[..bytes.len() - 1]).is_err());
        }
    }

    #[test]
    fn a_record_of_another_version_is_named_as_such() {
        let mut bytes = encode(b"k", &1u8);
        bytes[0] = 9;
        let sum = checksum(b"k", 9, &bytes[HEADER..]);
        bytes[1..HEADER].copy_from_slice(&sum);
        assert!(matches!(decode::<u8>(b"k", &bytes), Err(StoreError::Format { found: 9 })));
    }
}
