//! Who may ask for what on both ports, action by action (contract R160).

use std::net::SocketAddr;
use std::sync::Arc;

use faceclique::aci::access::{Access, Clients, Role, Roles, Rule};
use faceclique::aci::actions::{offered, offered_on_service_port};
use faceclique::store::{Memory, Store as _};

use crate::demands;
use crate::masked::{TOKEN, masked};
use crate::world::{World, get, text};

/// The actions of the ACI port that need no more than Query, as the contract lists them.
const QUERY: [&str; 9] = [
    "GetVersion",
    "GetStatus",
    "GetPID",
    "GetLicenseInfo",
    "GetChildren",
    "ShowPermissions",
    "ListFaceDatabases",
    "ListFaces",
    "GetIdentityAudit",
];

/// The same, but extensions that the contract does not list.
const QUERY_TOO: [&str; 1] = ["Help"];

/// What QueueInfo does for Query, and what only for Admin.
const ASKS: [&str; 4] = ["getStatus", "progress", "queueStatus", "getActionParameters"];
const STEERS: [&str; 6] = ["cancel", "stop", "pause", "resume", "changePriority", "duplicate"];

/// What needs ServiceControl on the service port; everything else there needs ServiceStatus.
const CONTROL: [&str; 3] = ["BackupServer", "GetConfig", "Stop"];

/// A request to a port, and what it needs.
struct Ask {
    port: fn(&World) -> SocketAddr,
    target: String,
    needs: Role,
}

fn asks() -> Vec<Ask> {
    let to = |port: fn(&World) -> SocketAddr, target: &str, needs| Ask {
        port,
        target: target.replace("{token}", TOKEN),
        needs,
    };
    let mut asks = Vec::new();
    for action in offered().filter(|action| action.name != "QueueInfo") {
        let is_query = QUERY.iter().chain(&QUERY_TOO).any(|name| *name == action.name);
        asks.push(to(|world| world.address, action.example.request, if is_query { Role::Query } else { Role::Admin }));
    }
    for (words, needs) in [(&ASKS[..], Role::Query), (&STEERS, Role::Admin)] {
        for word in words {
            let target =
                format!("/action=QueueInfo&queuename=FaceClustering&queueaction={word}&token={TOKEN}&priority=1");
            asks.push(to(|world| world.address, &target, needs));
        }
    }
    for action in offered_on_service_port() {
        let needs = if CONTROL.contains(&action.name) { Role::ServiceControl } else { Role::ServiceStatus };
        asks.push(to(|world| world.service, action.example.request, needs));
    }
    asks
}

/// Loopback has these roles and no others.
pub(crate) fn loopback_has(roles: impl IntoIterator<Item = Role>) -> Access {
    let roles = Roles::from_iter(roles);
    let rule = Rule { name: "loopback".to_owned(), roles, clients: vec![Clients::Loopback], identities: Vec::new() };
    Access::new(vec![rule], None)
}

/// What the role allows, itself and what it implies.
fn allows(role: Role, needs: Role) -> bool {
    let implied = match role {
        Role::Admin => Some(Role::Query),
        Role::ServiceControl => Some(Role::ServiceStatus),
        Role::Query | Role::ServiceStatus => None,
    };
    needs == role || implied == Some(needs)
}

#[test]
fn r57_r160_every_action_is_refused_without_its_role_and_only_then() {
    for role in Role::ALL {
        let store = Arc::new(Memory::default());
        let world = World::empty(|setup| {
            setup.access = loopback_has([role]);
            setup.store = Some(Arc::<Memory>::clone(&store));
        });
        let kept = || store.scan(&[]).map(Result::unwrap).collect::<Vec<_>>();
        let answer = |ask: &Ask| text(&World::send_to((ask.port)(&world), get(&world.here(&ask.target)).as_bytes()));
        let before = kept();
        let (allowed, refused): (Vec<_>, Vec<_>) = asks().into_iter().partition(|ask| allows(role, ask.needs));
        for ask in &refused {
            let answer = masked(&answer(ask));
            demands::check(&ask.target, "xml", &answer);
            let needed = format!("needs the role {}, which the address 127.0.0.1 lacks", ask.needs);
            assert!(answer.contains("<rawerrorid>0x1E<"), "{role} may not {}: {answer}", ask.target);
            assert!(answer.contains(&needed), "{}: {answer}", ask.target);
        }
        assert!(kept() == before, "{role}: what is refused changes nothing");
        assert!(!allowed.is_empty() && !refused.is_empty());
        for ask in &allowed {
            let answer = answer(ask);
            assert!(!answer.contains("<rawerrorid>0x1E<"), "{role} may {}: {answer}", ask.target);
        }
    }
}

#[test]
fn r160_a_client_without_any_role_is_refused_on_both_ports_whatever_it_asks() {
    let world = World::empty(|setup| setup.access = loopback_has([]));
    for ask in asks() {
        let answer = masked(&text(&World::send_to((ask.port)(&world), get(&ask.target).as_bytes())));
        demands::check(&ask.target, "xml", &answer);
        assert!(answer.contains("the address 127.0.0.1 has no role here"), "{}: {answer}", ask.target);
    }
}
