//! Clusters as a Parquet file: cluster, identifier and image label, as the CSV has them.
//!
//! **Why.** Data frames and query engines read it with its types. Nothing is compressed, which keeps every C and every
//! second decoder out of the program; identifiers repeat and are stored once a group of rows.

use std::io::Write;
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use crate::cluster::Clustering;
use crate::face::{FaceId, FaceSet};

const SCHEMA: &str = "message clusters {
    REQUIRED INT64 cluster;
    REQUIRED BYTE_ARRAY identifier (UTF8);
    REQUIRED BYTE_ARRAY imagelabel (UTF8);
}";

/// Rows that are kept in memory at a time.
const ROWS: usize = 1 << 17;

/// Writes every image with the number of its cluster, from 1.
pub(super) fn write(out: impl Write + Send, faces: &FaceSet, clustering: &Clustering) -> Result<(), ParquetError> {
    let properties =
        WriterProperties::builder().set_created_by(concat!("faceclique ", env!("CARGO_PKG_VERSION")).to_owned());
    let mut file = SerializedFileWriter::new(out, Arc::new(parse_message_type(SCHEMA)?), Arc::new(properties.build()))?;
    let members =
        (1i64..).zip(clustering.clusters()).flat_map(|(n, members)| members.iter().map(move |&face| (n, face)));
    let rows: Vec<(i64, &FaceId)> = members.map(|(n, face)| (n, faces.id(face as usize))).collect();
    for rows in rows.chunks(ROWS) {
        let mut group = file.next_row_group()?;
        numbers(&mut group, rows)?;
        texts(&mut group, rows, |id| id.identifier.as_str())?;
        texts(&mut group, rows, |id| id.label.as_str())?;
        group.close()?;
    }
    file.close()?;
    Ok(())
}

fn numbers<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[(i64, &FaceId)],
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else { return Ok(()) };
    let values: Vec<i64> = rows.iter().map(|&(n, _)| n).collect();
    column.typed::<Int64Type>().write_batch(&values, None, None)?;
    column.close()
}

fn texts<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[(i64, &FaceId)],
    text: fn(&FaceId) -> &str,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else { return Ok(()) };
    let values: Vec<ByteArray> = rows.iter().map(|(_, id)| ByteArray::from(text(id))).collect();
    column.typed::<ByteArrayType>().write_batch(&values, None, None)?;
    column.close()
}
