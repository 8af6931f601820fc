//! Who may do what (contract R160): from a client's address, TLS identity and bearer token to roles.
//!
//! **Promises.** Whoever is named nowhere has no role. A token is compared in constant time and never printed. With a
//! token configured nobody has a role without it, loopback included.
//!
//! **Not here.** Which action needs which role (`actions`); where the rules come from (`config`); forwarding headers,
//! which any client can invent.

mod clients;
mod secret;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

pub use clients::{ClientError, Clients};
pub use secret::{MIN_SECRET, Secret, SecretError, bearer};

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Look at things on the ACI port.
    Query,
    /// Everything on the ACI port; implies Query.
    Admin,
    /// Look at things on the service port.
    ServiceStatus,
    /// Everything on the service port; implies ServiceStatus.
    ServiceControl,
}

impl Role {
    /// Every role, in the order of ShowPermissions.
    pub const ALL: [Self; 4] = [Self::Query, Self::Admin, Self::ServiceStatus, Self::ServiceControl];

    /// Its name, as in ShowPermissions and in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Query => "Query",
            Self::Admin => "Admin",
            Self::ServiceStatus => "ServiceStatus",
            Self::ServiceControl => "ServiceControl",
        }
    }

    /// The role of that name, in any letter case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name().eq_ignore_ascii_case(name))
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of roles, in which Admin stands with Query and ServiceControl with ServiceStatus.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Roles(u8);

impl Roles {
    /// No role.
    pub const NONE: Self = Self(0);

    /// Every role.
    pub fn all() -> Self {
        Role::ALL.into_iter().collect()
    }

    /// Whether the role is among them.
    pub fn contains(self, role: Role) -> bool {
        self.0 & role.bit() != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The roles of both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The roles, in the order of ShowPermissions.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.contains(*role))
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<T: IntoIterator<Item = Role>>(roles: T) -> Self {
        let mut set = Self::NONE;
        for role in roles {
            let implied = match role {
                Role::Admin => Role::Query,
                Role::ServiceControl => Role::ServiceStatus,
                Role::Query | Role::ServiceStatus => role,
            };
            set.0 |= role.bit() | implied.bit();
        }
        set
    }
}

impl fmt::Debug for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl fmt::Display for Roles {
    /// Their names, with commas between.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        for (n, role) in self.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            write!(f, "{comma}{role}")?;
        }
        Ok(())
    }
}

/// Roles for some clients: those whose address is named, and those whose certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What the configuration calls it.
    pub name: String,
    /// What these clients may do.
    pub roles: Roles,
    /// The addresses.
    pub clients: Vec<Clients>,
    /// The names in verified client certificates, without regard to ASCII letter case; `*` stands for any characters.
    pub identities: Vec<String>,
}

impl Rule {
    fn matches(&self, address: IpAddr, identity: Option<&str>) -> bool {
        self.clients.iter().any(|clients| clients.contains(address))
            || identity.is_some_and(|identity| self.identities.iter().any(|pattern| is_like(pattern, identity)))
    }
}

/// How far the server can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It listens on loopback only.
    Loopback,
    /// Other machines can reach it.
    Beyond,
}

impl Reach {
    /// That of a server listening on all of these.
    pub fn of(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        let is_local = |address: SocketAddr| address.ip().to_canonical().is_loopback();
        if addresses.into_iter().all(is_local) { Self::Loopback } else { Self::Beyond }
    }
}

/// Who may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    rules: Vec<Rule>,
    token: Option<Secret>,
}

impl Access {
    /// Exactly these rules; a client has the roles of all that match. With a token, only who sends it.
    pub fn new(rules: Vec<Rule>, token: Option<Secret>) -> Self {
        Self { rules, token }
    }

    /// The rules of a server that is configured with none: loopback has every role, and everybody Query if other
    /// machines can reach it.
    pub fn by_default(reach: Reach, token: Option<Secret>) -> Self {
        let rule = |name: &str, roles, clients| Rule {
            name: name.to_owned(),
            roles,
            clients: vec![clients],
            identities: Vec::new(),
        };
        let mut rules = vec![rule("loopback", Roles::all(), Clients::Loopback)];
        if reach == Reach::Beyond {
            rules.push(rule("everybody", Roles::from_iter([Role::Query]), Clients::Everybody));
        }
        Self { rules, token }
    }

    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether a token is asked for.
    pub fn asks_for_token(&self) -> bool {
        self.token.is_some()
    }

    /// What a client may do: its TCP peer address, the token of its `Authorization: Bearer` (see [`bearer`]), and the
    /// name in its verified certificate.
    pub fn roles(&self, address: IpAddr, bearer: Option<&str>, identity: Option<&str>) -> Roles {
        let is_known = match (&self.token, bearer) {
            (None, _) => true,
            (Some(token), Some(given)) => token.is(given),
            (Some(_), None) => false,
        };
        if !is_known {
            return Roles::NONE;
        }
        let matching = self.rules.iter().filter(|rule| rule.matches(address, identity));
        matching.map(|rule| rule.roles).fold(Roles::NONE, Roles::union)
    }
}

/// Whether a name fits a pattern in which `*` stands for any characters; without regard to ASCII letter case.
fn is_like(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_ascii_lowercase(), name.to_ascii_lowercase());
    let mut pieces = pattern.split('*');
    let first = pieces.next().expect("split gives at least one piece");
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests;
