//! The clusters of a file: every image with its cluster, as CSV, JSON lines, XML or Parquet.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::{Failure, parquet as frames};
use crate::aci::actions::{Page, write_clusters};
use crate::aci::{Answer, ResponseFormat};
use crate::cluster::Clustering;
use crate::engine::ResultFace;
use crate::face::FaceSet;

/// What the result is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    Csv,
    Json,
    Xml,
    Parquet,
}

impl Output {
    /// By the ending.
    pub(super) fn of(path: &Path) -> Result<Self, Failure> {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("csv") => Ok(Self::Csv),
            Some("json") => Ok(Self::Json),
            Some("xml") => Ok(Self::Xml),
            Some("parquet") => Ok(Self::Parquet),
            _ => Err(format!("--out {}: the ending must be .csv, .json, .xml or .parquet", path.display()).into()),
        }
    }
}

/// The images in output order, as a stored result has them.
fn result_faces(clustering: &Clustering) -> impl Iterator<Item = ResultFace> {
    clustering.clusters().iter().enumerate().flat_map(move |(cluster, members)| {
        members.iter().map(move |&face| ResultFace {
            cluster: cluster as u64,
            face,
            matches: clustering.matches_of(face).iter().map(|m| (m.face, m.confidence)).collect(),
        })
    })
}

#[derive(Serialize)]
struct JsonFace<'a> {
    cluster: u64,
    identifier: &'a str,
    imagelabel: &'a str,
    matches: Vec<JsonMatch<'a>>,
}

#[derive(Serialize)]
struct JsonMatch<'a> {
    confidence: f64,
    identifier: &'a str,
    imagelabel: &'a str,
}

/// Writes the clusters.
pub(super) fn write(
    out: &mut (dyn Write + Send),
    output: Output,
    faces: &FaceSet,
    clustering: &Clustering,
) -> Result<(), Failure> {
    match output {
        Output::Csv => {
            let mut csv = csv::Writer::from_writer(out);
            csv.write_record(["cluster", "identifier", "imagelabel"])?;
            for face in result_faces(clustering) {
                let id = faces.id(face.face as usize);
                csv.write_record([&(face.cluster + 1).to_string(), id.identifier.as_str(), id.label.as_str()])?;
            }
            csv.flush()?;
        }
        Output::Json => {
            for face in result_faces(clustering) {
                serde_json::to_writer(&mut *out, &json(faces, &face))?;
                out.write_all(b"\n")?;
            }
        }
        Output::Parquet => frames::write(out, faces, clustering)?,
        Output::Xml => {
            let mut answer = Answer::begin(out, ResponseFormat::Xml, "FaceClustering")?;
            write_clusters(&mut answer, faces.ids(), result_faces(clustering).map(Ok), Page::ALL)?;
            answer.finish()?;
        }
    }
    Ok(())
}

fn json<'a>(faces: &'a FaceSet, face: &ResultFace) -> JsonFace<'a> {
    let id = faces.id(face.face as usize);
    let matches = face.matches.iter().map(|&(other, confidence)| {
        let other = faces.id(other as usize);
        JsonMatch {
            confidence: f64::from(confidence.hundredths()) / 100.0,
            identifier: other.identifier.as_str(),
            imagelabel: other.label.as_str(),
        }
    });
    JsonFace {
        cluster: face.cluster + 1,
        identifier: id.identifier.as_str(),
        imagelabel: id.label.as_str(),
        matches: matches.collect(),
    }
}
