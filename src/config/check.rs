//! What only the machine can say about a configuration: whether its files and folders are there.
//!
//! **Not here.** Whether ports are free: a server may well be running while the next configuration is checked.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::file::{MAX_PEM, read_limited};
use super::report::Report;
use super::said::Said;
use super::{ConfigError, Reading, TlsFiles};

/// Whatever `serve` would need and does not find. The warnings of reading and of this, if there is no fault.
pub fn check(reading: &Reading) -> Result<Vec<String>, ConfigError> {
    let (config, mut report) = (&reading.config, Report::default());
    for warning in &reading.warnings {
        report.warn(warning.clone());
    }
    data_folder(&config.engine.data, &mut report);
    let folders = [
        ("paths.allowed_input_directories", &config.engine.allowed_input),
        ("paths.allowed_output_directories", &config.engine.allowed_output),
    ];
    for (name, paths) in folders {
        for path in paths {
            folder(name, path, &mut report);
        }
    }
    if let Some(base) = &config.engine.base {
        folder("paths.base", base, &mut report);
    }
    if let Some(files @ TlsFiles { certificate, key, client_ca, .. }) = &config.tls {
        pem("server.tls_certificate", certificate, "CERTIFICATE-----", &mut report);
        pem("server.tls_key", key, "PRIVATE KEY-----", &mut report);
        private("server.tls_key", key, &mut report);
        if let Some(client_ca) = client_ca {
            pem("server.tls_client_ca", client_ca, "CERTIFICATE-----", &mut report);
        }
        if report.is_well()
            && let Err(error) = files.read()
        {
            report.fault(format!("TLS: {error}"));
        }
    }
    if let Err(why) = config.trainer() {
        report.fault(why);
    }
    secret_files(&reading.said, &mut report);
    report.end()
}

/// It is made if it is not there, with the folders above it.
fn data_folder(path: &Path, report: &mut Report) {
    let here = Path::new(".");
    let there = path.ancestors().map(|above| if above.as_os_str().is_empty() { here } else { above });
    match there.map(|above| (above, fs::metadata(above))).find(|(_, found)| found.is_ok()) {
        Some((above, Ok(found))) if !found.is_dir() => {
            report.fault(format!("paths.data: {} is not a folder", above.display()));
        }
        _ => {}
    }
}

fn folder(name: &str, path: &Path, report: &mut Report) {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => report.fault(format!("{name}: {} is not a folder", path.display())),
        Err(error) => report.fault(format!("{name}: {}: {error}", path.display())),
    }
}

fn pem(name: &str, path: &Path, block: &str, report: &mut Report) {
    match read_limited(path, MAX_PEM) {
        Ok(text) if text.lines().any(|line| line.starts_with("-----BEGIN ") && line.trim_end().ends_with(block)) => {}
        Ok(_) => {
            report.fault(format!("{name}: {} has no block -----BEGIN ...{block}", path.display()));
        }
        Err(why) => report.fault(format!("{name}: {why}")),
    }
}

fn secret_files(said: &Said, report: &mut Report) {
    for name in ["security.bearer_token_file", "callbacks.secret_file"] {
        if let Some(path) = said.text(name) {
            private(name, Path::new(path), report);
        }
    }
}

/// A secret that every user of the machine can read is none.
fn private(name: &str, path: &Path, report: &mut Report) {
    if let Ok(found) = fs::metadata(path)
        && found.permissions().mode() & 0o007 != 0
    {
        report.warn(format!("{name}: every user of this machine may read {}", path.display()));
    }
}
