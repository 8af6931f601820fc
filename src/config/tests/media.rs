//! A media server's file, brought along.

use std::path::Path;
use std::time::Duration;

use super::super::{ClientAuth, Reading, Sources};
use super::read;
use crate::job::Queue;

#[test]
fn a_media_servers_file_can_be_brought_along() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/config/mediaserver.cfg");
    let Reading { config, warnings, .. } = Sources { file: Some(path), ..Sources::default() }.read().unwrap();
    assert_eq!(
        (config.listen.to_string(), config.service_listen.unwrap().to_string()),
        ("127.0.0.1:24000".into(), "127.0.0.1:24001".into())
    );
    assert_eq!((config.http.limits.max_input_string, config.http.limits.max_file_upload_size), (128_000, 1 << 50));
    assert_eq!(config.engine.max_picture, 256 << 20, "no limit of its own: that of the request holds");
    let tls = config.tls.unwrap();
    assert_eq!((tls.key.to_str(), tls.client_auth), (Some("tls/server.key"), ClientAuth::Required));
    assert_eq!(config.engine.data, Path::new("mediaserver.faceclique"));
    assert_eq!(config.engine.allowed_input, [Path::new("/srv/faces"), Path::new("/srv/more, faces")]);
    assert_eq!(config.engine.allowed_output, [Path::new("/srv/out")]);
    assert_eq!((config.engine.retention.count, config.engine.max_queue), (200, 500));
    let queue = |queue| (config.engine.max_jobs_of(queue), config.engine.max_queue_of(queue));
    assert_eq!((queue(Queue::FaceClustering), queue(Queue::ImportFaceDatabase)), ((1, 20), (2, 500)));
    assert_eq!((config.sync_interval, config.log.level.as_deref()), (Some(Duration::from_secs(10)), Some("debug")));
    let roles = |address: &str, name| config.access.roles(address.parse().unwrap(), None, name).to_string();
    assert_eq!(roles("10.9.9.9", None), "Query, Admin, ServiceStatus, ServiceControl");
    assert_eq!(roles("192.0.2.17", None), "Query, ServiceStatus");
    assert_eq!(roles("192.0.2.18", Some("admin.example.com")), "Query, Admin, ServiceStatus, ServiceControl");
    let said = warnings.join("\n");
    for expected in [
        "ignored, as it has no meaning here: [ApplicationLogStream], [Channels], [License], [Modules]",
        "[Server] Threads",
        "[Server] MaxInputStrin in ",
        "; did you mean [Server] MaxInputString?",
        "[Ornaments] Colour in ",
        "roles.cfg line 4: 'office.internal' is not an address",
        "[IndexRole] StandardRoles in ",
        "[QueryRole] Actions in ",
        "cannot reach 127.0.0.1:24000",
    ] {
        assert!(said.contains(expected), "{expected} in\n{said}");
    }
    assert_eq!(said.matches("ignored, as it has").count(), 1);
}

#[test]
fn only_wrong_values_of_a_media_servers_file_are_faults() {
    let text = "[Server]\nPort=99999\nMaxInputString=-2\n[Logging]\nLogLevel=loud\n[Database]\nSyncInterval=soon\n\
                [AuthorizationRoles]\n0=R\n1=Gone\n[R]\nStandardRoles=Quary,user\nClients=300.1.1.1\nsslidentity=x";
    let faults = read("a.cfg", text, &[], &[]).unwrap_err().faults;
    assert_eq!(faults.len(), 6, "{faults:?}");
    for expected in [
        "[Server] Port is '99999' in a.cfg line 2; it must be a port from 0 to 65535",
        "[Server] MaxInputString is '-2' in a.cfg line 3; it must be a whole number from 1 to 1099511627776",
        "[Logging] LogLevel is 'loud' in a.cfg line 5; it must be one of Full, Normal, Warning, Error, Always",
        "[Database] SyncInterval is 'soon' in a.cfg line 7; it must be a number of seconds from",
        "[R] StandardRoles in a.cfg line 12: Quary is no role; did you mean Query?",
        "[R] Clients in a.cfg line 13: '300.1.1.1' is not an address",
    ] {
        assert!(faults.iter().any(|fault| fault.starts_with(expected)), "{expected} in {faults:?}");
    }
}

#[test]
fn a_media_servers_file_never_gives_more_than_it_says() {
    // Roles of which nothing is left are still roles: they give nobody anything, not the default.
    let text = "[AuthorizationRoles]\n0=R\n[R]\nStandardRoles=Admin\nClients=office.internal";
    let config = read("a.cfg", text, &[], &[]).unwrap().config;
    assert_eq!(config.access.roles([127, 0, 0, 1].into(), None, None).to_string(), "none");
    // Without any the default holds, and a port opens nothing.
    let config = read("a.cfg", "[Server]\nPort=14000", &[], &[]).unwrap().config;
    assert!(config.listen.ip().is_loopback());
    assert_eq!(config.access.roles([127, 0, 0, 1].into(), None, None), crate::aci::access::Roles::all());
}
