//! Who may do what (contract R160).

use std::fmt;

/// What a client may be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Ask, on the ACI port.
    Query,
    /// Everything on the ACI port.
    Admin,
    /// Ask, on the service port.
    ServiceStatus,
    /// Everything on the service port.
    ServiceControl,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Query, Self::Admin, Self::ServiceStatus, Self::ServiceControl];
}

impl fmt::Display for Role {
    /// As in ShowPermissions.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
