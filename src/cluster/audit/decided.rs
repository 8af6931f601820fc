//! What people have decided, as the audit honours it.

/// One image, or a whole identity by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Named {
    /// An image.
    Face(u32),
    /// An identity.
    Identity(u32),
}

/// Decisions about the faces of a run. A finding that one of them contradicts is not made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decided {
    /// These two do not show one person.
    pub not_same: Vec<(Named, Named)>,
    /// These two do.
    pub same: Vec<(Named, Named)>,
    /// The label of this image is right.
    pub right: Vec<u32>,
}
