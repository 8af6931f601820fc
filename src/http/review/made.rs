//! What is sent: a page, a file of the page, or that something is not so.

use std::io;

use hyper::header::{CACHE_CONTROL, CONTENT_DISPOSITION, ETAG, HeaderName, HeaderValue, LOCATION, SET_COOKIE};
use hyper::{Response, StatusCode};
use maud::{Markup, html};

use super::frame::{self, View};
use super::guard;
use crate::aci::{Code, Fault};
use crate::http::reply::AnswerBody;

/// An answer.
pub(super) struct Made {
    pub(super) head: Head,
    pub(super) content: Vec<u8>,
}

/// What is said before its content.
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) kind: &'static str,
    /// How long a browser may keep it; nothing but pictures and the files of the page.
    cache: &'static str,
    fields: Vec<(HeaderName, String)>,
}

pub(super) const HTML: &str = "text/html; charset=UTF-8";
pub(super) const JSON: &str = "application/json; charset=UTF-8";

impl Made {
    pub(super) fn new(kind: &'static str, content: impl Into<Vec<u8>>) -> Self {
        let head = Head { status: StatusCode::OK, kind, cache: "no-store", fields: Vec::new() };
        Self { head, content: content.into() }
    }

    /// That something stands elsewhere, where a browser then goes by GET.
    pub(super) fn elsewhere(place: &str) -> Self {
        Self::new("text/plain; charset=UTF-8", "").status(StatusCode::SEE_OTHER).with(LOCATION, place)
    }

    pub(super) fn status(mut self, status: StatusCode) -> Self {
        self.head.status = status;
        self
    }

    pub(super) fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.head.fields.push((name, value.into()));
        self
    }

    /// The same, kept by a browser as this says.
    pub(super) fn kept(mut self, cache: &'static str) -> Self {
        self.head.cache = cache;
        self
    }

    /// The same for who may have it already.
    pub(super) fn tagged(self, tag: &str, known: Option<&str>) -> Self {
        let is_known = known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag));
        let made = self.with(ETAG, tag);
        if is_known { Self { content: Vec::new(), ..made }.status(StatusCode::NOT_MODIFIED) } else { made }
    }

    /// The same as a file to be saved.
    pub(super) fn file(self, name: &str) -> Self {
        self.with(CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""))
    }

    /// The same with the cookie that forms go with.
    pub(super) fn cookie(self, cookie: Option<String>) -> Self {
        match cookie {
            Some(cookie) => self.with(SET_COOKIE, cookie),
            None => self,
        }
    }
}

impl Head {
    /// Puts this on a response.
    pub(super) fn put_on(self, response: &mut Response<AnswerBody>) -> io::Result<()> {
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(self.cache));
        for (name, value) in guard::HEADERS {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        for (name, value) in self.fields {
            headers.append(name, HeaderValue::from_str(&value).map_err(io::Error::other)?);
        }
        Ok(())
    }
}

/// Why there is no page.
#[derive(Debug)]
pub(super) struct Oops {
    status: StatusCode,
    title: &'static str,
    text: String,
}

impl Oops {
    pub(super) fn new(status: StatusCode, title: &'static str, text: impl Into<String>) -> Self {
        Self { status, title, text: text.into() }
    }

    pub(super) fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is no such page", text)
    }

    pub(super) fn of(fault: &Fault) -> Self {
        let (status, title) = match fault.code {
            Code::NotAuthorised => (StatusCode::FORBIDDEN, "This is not for you to see"),
            Code::UnknownToken => (StatusCode::NOT_FOUND, "This job is not known"),
            Code::DatabaseNotFound | Code::FaceNotFound | Code::ImageNotFound | Code::NotOffered => {
                (StatusCode::NOT_FOUND, "This is not here")
            }
            Code::StateNotPossible => (StatusCode::CONFLICT, "This is not possible now"),
            Code::Internal | Code::Storage => (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong"),
            _ => (StatusCode::BAD_REQUEST, "This is not possible"),
        };
        Self::new(status, title, fault.description.clone())
    }

    /// That an action was refused, with what its answer says.
    pub(super) fn refused(code: Code, data: &serde_json::Value) -> Self {
        let told = ["errordescription", "errorstring"].into_iter().find_map(|name| find(data, name));
        let oops = Self::of(&Fault::new(code, told.unwrap_or("the action was refused")));
        Self { title: code.errorstring(), ..oops }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The page that says so; without a view when the client may not see one.
    pub(super) fn page(&self, view: Option<&View<'_>>) -> Made {
        let content: Markup = html! {
            section.empty {
                h1 { (self.title) }
                p { (self.text) }
                @if view.is_some() { p { a.button href="/review" { "Databases and jobs" } } }
            }
        };
        let page = match view {
            Some(view) => frame::page(view, self.title, &content),
            None => frame::bare(self.title, &content),
        };
        Made::new(HTML, page.into_string()).status(self.status)
    }

    /// The same for the script.
    pub(super) fn json(&self) -> Made {
        let json = serde_json::json!({ "ok": false, "error": self.text });
        Made::new(JSON, json.to_string()).status(self.status)
    }
}

impl From<Fault> for Oops {
    fn from(fault: Fault) -> Self {
        Self::of(&fault)
    }
}

/// The text of the first member of this name.
pub(super) fn find<'v>(value: &'v serde_json::Value, name: &str) -> Option<&'v str> {
    use serde_json::Value;
    match value {
        Value::Object(members) => {
            members.get(name).and_then(Value::as_str).or_else(|| members.values().find_map(|value| find(value, name)))
        }
        Value::Array(values) => values.iter().find_map(|value| find(value, name)),
        _ => None,
    }
}
