//! The forms and findings of a page, read as a browser without a script would.

use std::fmt::Write as _;

/// A form: the key that sends it, and its fields.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    pub(crate) key: Option<String>,
    fields: Vec<(String, String)>,
}

impl Form {
    pub(crate) fn of(fields: Vec<(String, String)>) -> Self {
        Self { key: None, fields }
    }

    /// What stands in a field; nothing if there is none.
    pub(crate) fn value(&self, name: &str) -> &str {
        self.fields.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value)
    }

    /// As it is sent, with what was filled in.
    pub(crate) fn encoded(&self, filled: &[(&str, &str)]) -> String {
        let given = self.fields.iter().map(|(name, value)| (&**name, &**value));
        let kept = given.filter(|(name, _)| !filled.iter().any(|(field, _)| field == name));
        let pairs = kept.chain(filled.iter().copied()).map(|(name, value)| format!("{name}={}", percent(value)));
        pairs.collect::<Vec<_>>().join("&")
    }
}

fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(byte.into());
        } else {
            write!(encoded, "%{byte:02X}").unwrap();
        }
        encoded
    })
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    let value = rest.split('"').next().unwrap();
    let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    Some(plain.iter().fold(value.to_owned(), |value, (escaped, plain)| value.replace(escaped, plain)))
}

/// The forms that change something, with the first choice of each list.
pub(crate) fn forms(page: &str) -> Vec<Form> {
    let form = |text: &str| {
        let (text, _) = text.split_once("</form>").unwrap();
        let (head, inside) = text.split_once('>').unwrap();
        let tags = inside.split('<').map(|tag| tag.split('>').next().unwrap());
        let (mut fields, mut list) = (Vec::new(), None);
        for tag in tags {
            if tag.starts_with("select ") {
                list = attribute(tag, "name");
            } else if tag.starts_with("option ") {
                fields.extend(list.take().zip(attribute(tag, "value")));
            } else if tag.starts_with("input ") {
                fields.extend(attribute(tag, "name").zip(attribute(tag, "value")));
            }
        }
        Form { key: attribute(head, "data-key"), fields }
    };
    let changes = |text: &&str| text.split('>').next().is_some_and(|head| head.contains("method=\"post\""));
    page.split("<form").skip(1).filter(changes).map(form).collect()
}

/// The findings of a page, by their identifiers.
pub(crate) fn ids(page: &str) -> Vec<String> {
    page.split("<article ")
        .skip(1)
        .filter_map(|text| attribute(text.split('>').next().unwrap(), "data-finding"))
        .collect()
}

/// The finding of this identifier.
pub(crate) fn part<'p>(page: &'p str, id: &str) -> &'p str {
    let mark = format!("data-finding=\"{id}\"");
    let at = page.find(&mark).unwrap_or_else(|| panic!("no {mark} in {page}"));
    let begin = page[..at].rfind("<article ").unwrap();
    &page[begin..][..page[begin..].find("</article>").unwrap()]
}
