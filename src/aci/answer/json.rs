//! Elements as JSON, in both forms (contract R44-R47).
//!
//! **Promises.** What is repeatable by its place is an array, also when it occurs once. No tree is built: of each open
//! element only its name and what was written last in it is known, so a result of any length needs no memory.
//!
//! **Why it can stream.** Siblings of one repeatable name stand next to each other: the array begins with the first and
//! ends before a sibling of another name or with the parent.

use std::io::{self, Write};

use super::ROOT;
use super::places::Places;

/// Which of the two forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A text is `{"$":"text"}`, names keep their prefix (R44).
    Full,
    /// A text is a string, names have no prefix (R47).
    Simple,
}

/// The elements of a document.
pub(super) struct Json<'a> {
    out: &'a mut dyn Write,
    form: Form,
    places: Places,
    /// The open elements, the root first.
    open: Vec<Open>,
}

/// An element that was opened.
struct Open {
    name: &'static str,
    /// Which of its children are arrays.
    repeatable: &'static [&'static str],
    /// The child written last.
    last: Option<&'static str>,
}

impl Open {
    fn is_array(&self, child: &str) -> bool {
        self.repeatable.contains(&child)
    }
}

impl<'a> Json<'a> {
    /// Opens the document and its root, in the answer to `action`.
    pub(super) fn begin(out: &'a mut dyn Write, form: Form, action: &str) -> io::Result<Self> {
        out.write_all(b"{")?;
        let document = Open { name: "", repeatable: &[], last: None };
        let mut json = Self { out, form, places: Places::of(action), open: vec![document] };
        json.open(ROOT)?;
        Ok(json)
    }

    pub(super) fn open(&mut self, name: &'static str) -> io::Result<()> {
        self.begin_child(name)?;
        self.out.write_all(b"{")?;
        self.open.push(Open { name, repeatable: self.places.below(name), last: None });
        Ok(())
    }

    pub(super) fn close(&mut self, name: &'static str) -> io::Result<()> {
        let closed = self.open.pop().expect("what is closed was opened");
        debug_assert_eq!(closed.name, name, "the element opened last is closed first");
        if closed.last.is_some_and(|last| closed.is_array(last)) {
            self.out.write_all(b"]")?;
        }
        self.out.write_all(b"}")
    }

    pub(super) fn text(&mut self, name: &'static str, text: &str) -> io::Result<()> {
        self.begin_child(name)?;
        match self.form {
            Form::Full => {
                self.out.write_all(b"{\"$\":")?;
                serde_json::to_writer(&mut *self.out, text)?;
                self.out.write_all(b"}")
            }
            Form::Simple => Ok(serde_json::to_writer(&mut *self.out, text)?),
        }
    }

    /// Closes the root and the document.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.close(ROOT)?;
        self.out.write_all(b"}")
    }

    /// Writes what stands before a child of the innermost element: the end of the array before it, a comma, its name,
    /// the beginning of its own array.
    fn begin_child(&mut self, name: &'static str) -> io::Result<()> {
        let parent = self.open.last_mut().expect("the document is open until the end");
        let (last, is_array) = (parent.last.replace(name), parent.is_array(name));
        if last == Some(name) {
            debug_assert!(is_array, "'{name}' is in '{}' twice and not among the repeatable places", parent.name);
            return self.out.write_all(b",");
        }
        if let Some(last) = last {
            self.out.write_all(if parent.is_array(last) { b"]," } else { b"," })?;
        }
        serde_json::to_writer(&mut *self.out, self.form.name(name))?;
        self.out.write_all(if is_array { b":[" } else { b":" })
    }
}

impl Form {
    fn name(self, name: &'static str) -> &'static str {
        match self {
            Self::Full => name,
            Self::Simple => name.strip_prefix("autn:").unwrap_or(name),
        }
    }
}
