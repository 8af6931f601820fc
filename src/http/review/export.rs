//! The clusters that are shown, as a file.

use hyper::StatusCode;
use serde_json::json;

use super::frame::View;
use super::made::{JSON, Made, Oops};
use super::result::chosen;

/// Rows of cluster, database, identifier, imagelabel, and how well the image fits.
pub(super) fn csv(view: &View<'_>, token: &str) -> Result<Made, Oops> {
    let sheet = view.desk.sheet(token)?;
    let mut writer = csv::Writer::from_writer(Vec::new());
    let broken =
        |_| Oops::new(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong", "The file cannot be written.");
    writer
        .write_record(["cluster", "database", "identifier", "imagelabel", "meanconfidence", "lowestconfidence"])
        .map_err(broken)?;
    for cluster in chosen(view, &sheet) {
        for &member in sheet.members(cluster) {
            let id = &sheet.names[member as usize];
            let fit = sheet.fit(member);
            let [mean, lowest] = [fit.map(|fit| fit.mean), fit.map(|fit| fit.lowest)];
            let shown =
                |value: Option<crate::confidence::Confidence>| value.map_or_else(String::new, |c| c.to_string());
            let row = [
                &(cluster.number + 1).to_string(),
                id.database.as_str(),
                id.identifier.as_str(),
                id.label.as_str(),
                &shown(mean),
                &shown(lowest),
            ];
            writer.write_record(row).map_err(broken)?;
        }
    }
    let bytes = writer.into_inner().unwrap_or_default();
    Ok(Made::new("text/csv; charset=UTF-8", bytes).file(&format!("clusters-{token}.csv")))
}

/// The same as a list of clusters.
pub(super) fn json(view: &View<'_>, token: &str) -> Result<Made, Oops> {
    let sheet = view.desk.sheet(token)?;
    let clusters: Vec<_> = chosen(view, &sheet)
        .into_iter()
        .map(|cluster| {
            let images: Vec<_> = sheet
                .members(cluster)
                .iter()
                .map(|&member| {
                    let id = &sheet.names[member as usize];
                    let fit = sheet.fit(member);
                    json!({
                        "database": id.database.as_str(), "identifier": id.identifier.as_str(), "imagelabel": id.label.as_str(),
                        "meanconfidence": fit.map(|fit| fit.mean.to_string()), "lowestconfidence": fit.map(|fit| fit.lowest.to_string()),
                    })
                })
                .collect();
            json!({ "cluster": cluster.number + 1, "identities": cluster.n_identities, "images": images })
        })
        .collect();
    let text = json!({ "token": token, "clusters": clusters }).to_string();
    Ok(Made::new(JSON, text).file(&format!("clusters-{token}.json")))
}
