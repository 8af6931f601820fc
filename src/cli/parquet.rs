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

/// Rows of a group. So many are in memory at a time, however many there are.
const ROWS: usize = 1 << 17;

/// Writes every image with the number of its cluster, from 1.
pub(super) fn write(out: impl Write + Send, faces: &FaceSet, clustering: &Clustering) -> Result<(), ParquetError> {
    write_groups(out, faces, clustering, ROWS)
}

/// The same, so many rows a group.
fn write_groups(
    out: impl Write + Send,
    faces: &FaceSet,
    clustering: &Clustering,
    n_rows: usize,
) -> Result<(), ParquetError> {
    let properties =
        WriterProperties::builder().set_created_by(concat!("faceclique ", env!("CARGO_PKG_VERSION")).to_owned());
    let mut file = SerializedFileWriter::new(out, Arc::new(parse_message_type(SCHEMA)?), Arc::new(properties.build()))?;
    let members =
        (1i64..).zip(clustering.clusters()).flat_map(|(n, members)| members.iter().map(move |&face| (n, face)));
    let mut members = members.map(|(n, face)| (n, faces.id(face as usize)));
    loop {
        let rows: Vec<(i64, &FaceId)> = members.by_ref().take(n_rows).collect();
        if rows.is_empty() {
            break;
        }
        let mut group = file.next_row_group()?;
        numbers(&mut group, &rows)?;
        texts(&mut group, &rows, |id| id.identifier.as_str())?;
        texts(&mut group, &rows, |id| id.label.as_str())?;
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

#[cfg(test)]
mod tests {
    use std::fs::File;

    use parquet::file::metadata::RowGroupMetaData;
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::RowAccessor as _;

    use super::*;
    use crate::cluster::{Parameters, Resources, Unwatched, cluster};
    use crate::confidence::ConfidenceScale;
    use crate::face::{Embedding, face_id};

    #[test]
    fn rows_are_written_in_groups_in_the_order_of_the_clusters() {
        let face = |label: &str, x: f32, y: f32| (face_id("a", "b", label).unwrap(), Embedding::new([x, y]).unwrap());
        let faces = [face("1", 1.0, 0.0), face("2", -1.0, 0.0), face("3", 1.0, 0.1), face("4", 1.0, 0.2)];
        let faces = FaceSet::new(faces.into_iter().chain([face("5", 0.0, 1.0)])).unwrap();
        let scale = ConfidenceScale::cosine();
        let clustering = cluster(&faces, &scale, &Parameters::default(), &Resources::default(), &Unwatched).unwrap();
        let expected: Vec<_> = (1i64..)
            .zip(clustering.clusters())
            .flat_map(|(n, members)| members.iter().map(move |&face| (n, face)))
            .map(|(n, face)| (n, faces.id(face as usize).label.to_string()))
            .collect();
        assert_eq!(expected.len(), 5);
        for (n_rows, groups) in [(2, vec![2, 2, 1]), (5, vec![5]), (100, vec![5])] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.parquet");
            write_groups(File::create(&path).unwrap(), &faces, &clustering, n_rows).unwrap();
            let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
            let written: Vec<_> = reader.metadata().row_groups().iter().map(RowGroupMetaData::num_rows).collect();
            assert_eq!(written, groups);
            let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap);
            let rows: Vec<_> = rows.map(|row| (row.get_long(0).unwrap(), row.get_string(2).unwrap().clone())).collect();
            assert_eq!(rows, expected);
        }
    }
}
