//! The fields of an audit log record, wherever a version of GitHub or an export puts them.
//!
//! GitHub Enterprise Server and older exports keep most fields in `data`; newer ones have them all at the top. This
//! file knows where fields are and how they are spelled, not what they mean.

use std::borrow::Cow;

use crate::json::{Kind, Value};

/// One record.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    event: Value<'a>,
    data: Option<Value<'a>>,
}

impl<'a> Record<'a> {
    pub fn new(event: Value<'a>) -> Self {
        Self { event, data: event.get("data").filter(|data| data.kind() == Kind::Object) }
    }

    /// A field that is not `null`.
    pub fn value(self, name: &str) -> Option<Value<'a>> {
        let present = |value: &Value<'_>| value.kind() != Kind::Null;
        let nested = || self.data.and_then(|data| data.get(name)).filter(present);
        self.event.get(name).filter(present).or_else(nested)
    }

    /// A text that says something, or a number as written: exports write ids as either.
    pub fn text(self, name: &str) -> Option<Cow<'a, str>> {
        scalar(self.value(name)?)
    }

    /// A field that some records hold once and others as a list.
    pub fn texts(self, name: &str) -> Vec<Cow<'a, str>> {
        let Some(value) = self.value(name) else { return Vec::new() };
        match value.kind() {
            Kind::Array => value.items().filter_map(scalar).collect(),
            _ => scalar(value).into_iter().collect(),
        }
    }

    /// An identifier. GitHub writes 0 where there is none.
    pub fn id(self, name: &str) -> Option<Cow<'a, str>> {
        self.text(name).filter(|id| id != "0")
    }

    /// Whether a field is there and true.
    pub fn is_true(self, name: &str) -> bool {
        self.value(name).and_then(Value::truth) == Some(true)
    }

    /// `category.operation`.
    pub fn action(self) -> Cow<'a, str> {
        self.text("action").unwrap_or_default()
    }

    /// `owner/name` of the repository.
    pub fn repository(self) -> Option<Cow<'a, str>> {
        let is_path = |name: &Cow<'_, str>| name.contains('/');
        self.text("repo").filter(is_path).or_else(|| self.text("repository").filter(is_path))
    }

    pub fn repository_id(self) -> Option<Cow<'a, str>> {
        self.id("repo_id").or_else(|| self.id("repository_id"))
    }
}

fn scalar(value: Value<'_>) -> Option<Cow<'_, str>> {
    value.number_text().map(Cow::Borrowed).or_else(|| value.text()).filter(|text| !text.is_empty())
}
