//! Errors over HTTP: RFC 9457 problem details, one table of codes.

use serde::Serialize;
use serde_json::{Value, json};

/// Code, HTTP status, title.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    BadRequest,
    InvalidJson,
    AmbiguousPayload,
    NotFound,
    MethodNotAllowed,
    PayloadTooLarge,
    UnsupportedMediaType,
    UnknownFlow,
    InvalidSnapshot,
    SnapshotTooNew,
    SnapshotStoreDisabled,
    Internal,
    Overloaded,
    Draining,
}

impl Code {
    pub const ALL: [(Self, &'static str, u16, &'static str); 14] = [
        (Self::BadRequest, "BAD_REQUEST", 400, "The request is malformed"),
        (Self::InvalidJson, "INVALID_JSON", 400, "The body is not valid JSON"),
        (Self::AmbiguousPayload, "AMBIGUOUS_PAYLOAD", 400, "Two fields contradict each other"),
        (Self::NotFound, "NOT_FOUND", 404, "There is nothing at this path"),
        (Self::MethodNotAllowed, "METHOD_NOT_ALLOWED", 405, "This path does not take this method"),
        (Self::PayloadTooLarge, "PAYLOAD_TOO_LARGE", 413, "The request is too large"),
        (Self::UnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", 415, "The body must be JSON"),
        (Self::UnknownFlow, "UNKNOWN_FLOW", 422, "There is no such flow"),
        (Self::InvalidSnapshot, "INVALID_SNAPSHOT", 422, "The snapshot cannot be used"),
        (Self::SnapshotTooNew, "SNAPSHOT_TOO_NEW", 422, "The snapshot is of a newer version"),
        (
            Self::SnapshotStoreDisabled,
            "SNAPSHOT_STORE_DISABLED",
            422,
            "This request shape needs the session store",
        ),
        (Self::Internal, "INTERNAL", 500, "The service failed"),
        (Self::Overloaded, "OVERLOADED", 503, "Too many turns at once"),
        (Self::Draining, "DRAINING", 503, "The service is shutting down"),
    ];

    fn row(self) -> (&'static str, u16, &'static str) {
        let row = Self::ALL.iter().find(|(code, ..)| *code == self);
        row.map_or(("INTERNAL", 500, ""), |(_, name, status, title)| (*name, *status, *title))
    }

    pub fn name(self) -> &'static str {
        self.row().0
    }

    pub fn status(self) -> u16 {
        self.row().1
    }
}

/// Which field is wrong, by JSON pointer, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    pub pointer: String,
    pub detail: String,
}

/// A refusal with a sentence a person can act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub code: Code,
    pub detail: String,
    pub errors: Vec<FieldError>,
}

impl Problem {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new() }
    }

    /// A problem of one field: the detail names it, and so does `errors`.
    pub fn field(code: Code, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let (pointer, detail) = (pointer.into(), detail.into());
        Self {
            code,
            detail: format!("`{}`: {detail}", pointer.trim_start_matches('/')),
            errors: vec![FieldError { pointer, detail }],
        }
    }

    pub fn body(&self, request_id: &str) -> Value {
        let (name, status, title) = self.code.row();
        json!({
            "type": format!("urn:salesbot:problem:{name}"),
            "title": title,
            "status": status,
            "detail": self.detail,
            "code": name,
            "request_id": request_id,
            "errors": self.errors,
        })
    }
}
