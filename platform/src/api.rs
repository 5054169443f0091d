//! What an HTTP interface says of itself: OpenAPI 3.1, made from the types that its handlers read and write.
//!
//! Each crate describes its own routes as [`Operation`]s; the server puts them together with [`document`]. Schemas come from
//! the same `serde` types that are on the wire, so what is described and what is sent cannot drift apart in silence.
//!
//! ```text
//! Operation::post("/api/v1/people", "Invite somebody")…takes::<NewPerson>().answers::<Invited>(201, "…") ─┐
//! Operation::get(…)                                                                                       ├▶ document ─▶ JSON
//! ```
//!
//! Reading order: [`Operation`], `document`.

mod document;

pub use document::{About, document};

use crate::problem::{self, Kind};
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// Makes a type's schema.
type Make = fn(&mut SchemaGenerator) -> Schema;

/// What has to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Nothing, or a secret in the body.
    Nothing,
    /// The access token of somebody who is signed in.
    AccessToken,
    /// The token of a seat in a waiting room.
    SeatToken,
    /// The token of a seat, the access token of somebody who is signed in, or a partner's key.
    SeatTokenAccessTokenOrKey,
    /// The session's cookie.
    Cookie,
    /// The access token of somebody who is signed in, or a partner's key.
    AccessTokenOrKey,
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum In {
    Path,
    Query,
    Header,
}

#[derive(Clone, Debug)]
struct Parameter {
    name: &'static str,
    place: In,
    says: &'static str,
    schema: Make,
    least: Option<u64>,
    most: Option<u64>,
}

#[derive(Clone, Debug)]
struct Answer {
    status: u16,
    says: &'static str,
    schema: Option<Make>,
    headers: Vec<&'static str>,
}

/// One method of one route.
#[derive(Clone, Debug)]
pub struct Operation {
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    details: &'static str,
    tag: &'static str,
    credential: Credential,
    parameters: Vec<Parameter>,
    takes: Option<Make>,
    body_required: bool,
    max_body_bytes: usize,
    answers: Vec<Answer>,
    problems: Vec<Kind>,
}

impl Operation {
    const fn new(method: &'static str, path: &'static str, summary: &'static str) -> Self {
        Self {
            method,
            path,
            summary,
            details: "",
            tag: "",
            credential: Credential::Nothing,
            parameters: Vec::new(),
            takes: None,
            body_required: true,
            max_body_bytes: 0,
            answers: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Reads something. The summary is what a person would say they do.
    #[must_use]
    pub const fn get(path: &'static str, summary: &'static str) -> Self {
        Self::new("get", path, summary)
    }

    /// Makes or does something.
    #[must_use]
    pub const fn post(path: &'static str, summary: &'static str) -> Self {
        Self::new("post", path, summary)
    }

    /// Changes something.
    #[must_use]
    pub const fn patch(path: &'static str, summary: &'static str) -> Self {
        Self::new("patch", path, summary)
    }

    /// Takes something away.
    #[must_use]
    pub const fn delete(path: &'static str, summary: &'static str) -> Self {
        Self::new("delete", path, summary)
    }

    /// Which method, in capitals.
    #[must_use]
    pub fn method(&self) -> String {
        self.method.to_ascii_uppercase()
    }

    /// Which route, as axum writes it.
    #[must_use]
    pub const fn path(&self) -> &'static str {
        self.path
    }

    /// What it is among.
    #[must_use]
    pub const fn of(mut self, tag: &'static str) -> Self {
        self.tag = tag;
        self
    }

    /// What there is to know that the summary does not say.
    #[must_use]
    pub const fn details(mut self, details: &'static str) -> Self {
        self.details = details;
        self
    }

    /// What has to be shown. Without it: 401 `signed-out` or `unauthorized`.
    #[must_use]
    pub fn needs(mut self, credential: Credential) -> Self {
        self.credential = credential;
        self
    }

    /// A part of the path: what is none of its kind is 404.
    #[must_use]
    pub fn path_part<T: JsonSchema>(mut self, name: &'static str, says: &'static str) -> Self {
        self.parameters.push(Parameter {
            name,
            place: In::Path,
            says,
            schema: make::<T>,
            least: None,
            most: None,
        });
        self.fails(problem::NOT_FOUND)
    }

    /// A parameter of the query that may be left out. What is none of its kind is 400.
    #[must_use]
    pub fn query<T: JsonSchema>(mut self, name: &'static str, says: &'static str) -> Self {
        self.parameters.push(Parameter {
            name,
            place: In::Query,
            says,
            schema: make::<T>,
            least: None,
            most: None,
        });
        self.fails(problem::BAD_REQUEST)
    }

    /// A header that may be left out.
    #[must_use]
    pub fn header(mut self, name: &'static str, says: &'static str) -> Self {
        self.parameters.push(Parameter {
            name,
            place: In::Header,
            says,
            schema: make::<String>,
            least: None,
            most: None,
        });
        self
    }

    /// The bounds of the parameter before it.
    #[must_use]
    pub fn between(mut self, least: u64, most: u64) -> Self {
        if let Some(parameter) = self.parameters.last_mut() {
            (parameter.least, parameter.most) = (Some(least), Some(most));
        }
        self
    }

    /// A JSON body of at most so many bytes.
    #[must_use]
    pub fn takes<T: JsonSchema>(mut self, max_bytes: usize) -> Self {
        self.takes = Some(make::<T>);
        self.max_body_bytes = max_bytes;
        self.fails(problem::BAD_REQUEST).fails(problem::TOO_LARGE).fails(problem::UNSUPPORTED_MEDIA_TYPE)
    }

    /// What comes back as JSON when all is well.
    #[must_use]
    pub fn answers<T: JsonSchema>(mut self, status: u16, says: &'static str) -> Self {
        self.answers.push(Answer { status, says, schema: Some(make::<T>), headers: Vec::new() });
        self
    }

    /// What comes back without a body.
    #[must_use]
    pub fn answers_nothing(mut self, status: u16, says: &'static str) -> Self {
        self.answers.push(Answer { status, says, schema: None, headers: Vec::new() });
        self
    }

    /// A header of the answer before it.
    #[must_use]
    pub fn with_header(mut self, name: &'static str) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers.push(name);
        }
        self
    }

    /// A problem it can answer with.
    #[must_use]
    pub fn fails(mut self, kind: Kind) -> Self {
        if !self.problems.contains(&kind) {
            self.problems.push(kind);
        }
        self
    }
}

fn make<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}
