//! XML as S3 writes it, and as much of it as S3's clients send.

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::Response,
};
use quick_xml::{
    Reader,
    escape::{escape, unescape},
    events::Event,
};

use super::error::{Result, S3Error};

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
/// How deep what is read may be nested.
const DEPTH: usize = 8;

/// Writes a document, an element after the other.
pub(super) struct Writer {
    out: String,
    open: Vec<&'static str>,
}

impl Writer {
    /// With this root, which has S3's namespace unless it is an error.
    pub(super) fn new(root: &'static str) -> Self {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        if root == "Error" {
            out.push_str("<Error>");
        } else {
            out.push_str(&format!("<{root} xmlns=\"{NAMESPACE}\">"));
        }
        Self {
            out,
            open: vec![root],
        }
    }

    pub(super) fn open(&mut self, name: &'static str) {
        self.out.push_str(&format!("<{name}>"));
        self.open.push(name);
    }

    pub(super) fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.out.push_str(&format!("</{name}>"));
        }
    }

    pub(super) fn text(&mut self, name: &'static str, value: impl AsRef<str>) {
        let value = escape(value.as_ref());
        self.out.push_str(&format!("<{name}>{value}</{name}>"));
    }

    pub(super) fn some(&mut self, name: &'static str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    pub(super) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.out
    }

    /// 200 with the document.
    pub(super) fn answer(self) -> Response {
        let mut response = Response::new(Body::from(self.finish()));
        let kind = HeaderValue::from_static("application/xml");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

/// An element that was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// The text of a child; none if there is no such child.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut children = self.children.iter();
        let child = children.find(|child| child.name == name)?;
        Some(&child.text)
    }

    /// All children of this name.
    pub(super) fn all(&self, name: &'static str) -> impl Iterator<Item = &Self> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

/// Reads a document with this root. Entities of its own it has none.
pub(super) fn read(bytes: &[u8], root: &str) -> Result<Element> {
    let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    loop {
        match reader.read_event().map_err(|_| malformed())? {
            Event::Start(start) if open.len() < DEPTH => open.push(element(&start)?),
            Event::Start(_) | Event::DocType(_) => return Err(malformed()),
            Event::Empty(empty) => match open.last_mut() {
                Some(parent) => parent.children.push(element(&empty)?),
                None => return rooted(element(&empty)?, root),
            },
            Event::End(_) => {
                let done = open.pop().ok_or_else(malformed)?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(done),
                    None => return rooted(done, root),
                }
            }
            Event::Text(part) => {
                let part = part.decode().map_err(|_| malformed())?;
                add(&mut open, &part);
            }
            Event::CData(part) => {
                let part = part.decode().map_err(|_| malformed())?;
                add(&mut open, &part);
            }
            Event::GeneralRef(reference) => {
                let name = reference.decode().map_err(|_| malformed())?;
                let whole = format!("&{name};");
                add(&mut open, &unescape(&whole).map_err(|_| malformed())?);
            }
            Event::Eof => return Err(malformed()),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
        }
    }
}

fn element(start: &quick_xml::events::BytesStart<'_>) -> Result<Element> {
    let name = start.local_name();
    let name = std::str::from_utf8(name.as_ref()).map_err(|_| malformed())?;
    Ok(Element {
        name: name.to_owned(),
        ..Element::default()
    })
}

fn add(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

fn rooted(element: Element, root: &str) -> Result<Element> {
    if element.name == root {
        Ok(element)
    } else {
        Err(malformed())
    }
}

pub(super) fn malformed() -> S3Error {
    S3Error::new(
        400,
        "MalformedXML",
        "The XML is not well-formed, or not as S3 defines it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_whatever_the_text_is() {
        for text in [
            "a",
            "a & b < c > \"d\" 'e'",
            " two  spaces ",
            "\u{e9}\u{1f600}",
            "",
        ] {
            let mut writer = Writer::new("Delete");
            writer.open("Object");
            writer.text("Key", text);
            writer.close();
            let read = read(writer.finish().as_bytes(), "Delete").unwrap();
            let objects: Vec<_> = read.all("Object").collect();
            assert_eq!(objects[0].get("Key"), Some(text));
        }
    }

    #[test]
    fn what_is_no_such_document_is_refused() {
        let deep = format!("{}{}", "<Delete>".repeat(9), "</Delete>".repeat(9));
        for wrong in [
            "",
            "<Delete>",
            "<Other/>",
            "<Delete></Other>",
            "text",
            "<!DOCTYPE x [<!ENTITY a \"b\">]><Delete>&a;</Delete>",
            "<Delete>&unknown;</Delete>",
            &deep,
        ] {
            assert!(read(wrong.as_bytes(), "Delete").is_err(), "{wrong}");
        }
        assert!(read(b"\xff", "Delete").is_err());
        assert!(
            read(
                b"<?xml version=\"1.0\"?>\n<a:Delete xmlns:a=\"x\"><!-- c --></a:Delete>",
                "Delete"
            )
            .is_ok()
        );
    }
}
