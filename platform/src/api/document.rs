//! Operations as an OpenAPI document.

use super::{Answer, Credential, In, Operation, Parameter};
use crate::problem::{self, Kind};
use schemars::{
    SchemaGenerator,
    generate::{Contract, SchemaSettings},
};
use serde_json::{Map, Value, json};

/// What the document says of the interface as a whole.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// What it is called.
    pub title: &'static str,
    /// Which version.
    pub version: &'static str,
    /// What holds for all of it, in CommonMark.
    pub description: &'static str,
    /// The groups of operations, and what each is about.
    pub tags: &'static [(&'static str, &'static str)],
    /// What every operation may answer.
    pub everywhere: &'static [Kind],
    /// What operations with a credential may answer.
    pub signed_in: &'static [Kind],
}

/// Schemas of what comes in, and of what goes out: a field with a default may be missing in one and never is in the other.
struct Schemas {
    asked: SchemaGenerator,
    answered: SchemaGenerator,
}

/// The document.
///
/// # Errors
/// The names of schemas that are called alike and are not: one of them needs another name.
pub fn document(about: &About, operations: &[Operation]) -> Result<Value, Vec<String>> {
    let settings = |contract| {
        let mut settings = SchemaSettings::draft2020_12();
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
        settings.contract = contract;
        settings.into_generator()
    };
    let mut schemas =
        Schemas { asked: settings(Contract::Deserialize), answered: settings(Contract::Serialize) };
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations {
        let described = describe(about, operation, &mut schemas);
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Value::Object(methods) = path {
            methods.insert(operation.method.to_owned(), described);
        }
    }
    let mut all = schemas.asked.take_definitions(true);
    let mut clashes = Vec::new();
    for (name, schema) in schemas.answered.take_definitions(true) {
        if all.get(&name).is_some_and(|other| *other != schema) {
            clashes.push(name);
        } else {
            all.insert(name, schema);
        }
    }
    if !clashes.is_empty() {
        return Err(clashes);
    }
    all.values_mut().for_each(tolerate_repeats);
    all.insert("Problem".into(), problem_schema());
    let tags: Vec<_> =
        about.tags.iter().map(|(name, says)| json!({ "name": name, "description": says })).collect();
    Ok(json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": { "title": about.title, "version": about.version, "description": about.description },
        "servers": [{ "url": "/" }],
        "tags": tags,
        "paths": paths,
        "components": { "schemas": all, "securitySchemes": schemes(), "headers": headers() },
    }))
}

/// What is written twice is taken as written once, so it is no mistake to.
fn tolerate_repeats(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.remove("uniqueItems");
            fields.values_mut().for_each(tolerate_repeats);
        }
        Value::Array(items) => items.iter_mut().for_each(tolerate_repeats),
        _ => {}
    }
}

fn describe(about: &About, operation: &Operation, schemas: &mut Schemas) -> Value {
    let mut answers = Map::new();
    for answer in &operation.answers {
        answers.insert(answer.status.to_string(), answered(operation, answer, schemas));
    }
    let mut problems: Vec<Kind> = operation.problems.clone();
    let common = match operation.credential {
        Credential::Nothing => &[][..],
        _ => about.signed_in,
    };
    problems.extend(about.everywhere.iter().chain(common));
    problems.sort_by_key(|kind| (kind.status(), kind.code()));
    problems.dedup();
    for same in problems.chunk_by(|one, other| one.status() == other.status()) {
        let status = same[0].status().as_u16();
        answers.insert(status.to_string(), refused(status, same));
    }
    let mut described = json!({
        "operationId": id(operation),
        "summary": operation.summary,
        "tags": [operation.tag],
        "security": security(operation.credential),
        "responses": answers,
    });
    if !operation.details.is_empty() {
        described["description"] = json!(operation.details);
    }
    if !operation.parameters.is_empty() {
        let all = operation.parameters.iter().map(|one| parameter(one, &mut schemas.asked));
        described["parameters"] = Value::Array(all.collect());
    }
    if let Some(takes) = operation.takes {
        let schema = takes(&mut schemas.asked);
        described["requestBody"] = json!({
            "required": operation.body_required,
            "description": format!("At most {} bytes.", operation.max_body_bytes),
            "content": { "application/json": { "schema": schema } },
        });
        described["x-max-body-bytes"] = json!(operation.max_body_bytes);
    }
    described
}

fn answered(operation: &Operation, answer: &Answer, schemas: &mut Schemas) -> Value {
    let mut described = json!({ "description": answer.says });
    if let Some(make) = answer.schema {
        described["content"] = json!({ "application/json": { "schema": make(&mut schemas.answered) } });
    }
    let mut headers = Map::new();
    let limited = !matches!(operation.credential, Credential::Nothing);
    let standing = ["RateLimit", "RateLimit-Policy"].into_iter().filter(|_| limited);
    for name in answer.headers.iter().copied().chain(standing) {
        headers.insert(name.into(), json!({ "$ref": format!("#/components/headers/{name}") }));
    }
    if !headers.is_empty() {
        described["headers"] = Value::Object(headers);
    }
    described
}

fn refused(status: u16, kinds: &[Kind]) -> Value {
    let lines = kinds.iter().map(|kind| {
        format!("* [`{code}`](/problems/{code}): {title}", code = kind.code(), title = kind.title())
    });
    let mut described = json!({
        "description": lines.collect::<Vec<_>>().join("\n"),
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    });
    if status == problem::TOO_MANY_REQUESTS.status().as_u16()
        || status == problem::UNAVAILABLE.status().as_u16()
    {
        described["headers"] = json!({ "Retry-After": { "$ref": "#/components/headers/Retry-After" } });
    }
    described
}

fn parameter(parameter: &Parameter, generator: &mut SchemaGenerator) -> Value {
    let mut schema = (parameter.schema)(generator).to_value();
    for (word, bound) in [("minimum", parameter.least), ("maximum", parameter.most)] {
        if let (Some(bound), Value::Object(schema)) = (bound, &mut schema) {
            schema.insert(word.into(), json!(bound));
        }
    }
    let place = match parameter.place {
        In::Path => "path",
        In::Query => "query",
        In::Header => "header",
    };
    json!({
        "name": parameter.name, "in": place, "required": parameter.place == In::Path,
        "description": parameter.says, "schema": schema,
    })
}

/// `post /api/v1/people/{id}/invitation` is `postPeopleIdInvitation`.
fn id(operation: &Operation) -> String {
    let words = operation.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let words = words.filter(|word| !["api", "v1"].contains(word)).map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_ascii_uppercase() + rest
    });
    operation.method.to_owned() + &words.collect::<String>()
}

fn security(credential: Credential) -> Value {
    match credential {
        Credential::Nothing => json!([]),
        Credential::AccessToken => json!([{ "accessToken": [] }]),
        Credential::SeatToken => json!([{ "seatToken": [] }]),
        Credential::Cookie => json!([{ "session": [] }]),
        Credential::SeatTokenAccessTokenOrKey => {
            json!([{ "seatToken": [] }, { "accessToken": [] }, { "partnerKey": [] }])
        }
        Credential::AccessTokenOrKey => json!([{ "accessToken": [] }, { "partnerKey": [] }]),
    }
}

fn schemes() -> Value {
    json!({
        "accessToken": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "Of somebody who is signed in: `POST /api/v1/auth/second`. Five minutes.",
        },
        "seatToken": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "Of a seat in a waiting room: `POST /api/v1/links/exchange`.",
        },
        "session": {
            "type": "apiKey", "in": "cookie", "name": "__Host-session",
            "description": "The refresh token, which no script reads.",
        },
        "partnerKey": {
            "type": "http", "scheme": "bearer",
            "description": "Of a partner's system, made by an administrator: `POST /api/v1/partner-keys`.",
        },
    })
}

fn headers() -> Value {
    let text = |says: &str| json!({ "description": says, "schema": { "type": "string" } });
    json!({
        "RateLimit": text("What is left: `\"person\";r=48;t=1` (draft-ietf-httpapi-ratelimit-headers)."),
        "RateLimit-Policy": text("What there is: `\"person\";q=50;w=1` (draft-ietf-httpapi-ratelimit-headers)."),
        "Retry-After": { "description": "Seconds until it is worth another try.", "schema": { "type": "integer", "minimum": 1 } },
        "ETag": text("Which state this is; for `If-Match` and `If-None-Match`."),
        "Idempotent-Replayed": text("`true`: this was done before, with the same key; nothing was done now."),
        "Location": text("Where to go on to."),
        "Set-Cookie": text("The session's cookie."),
    })
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "description": "What went wrong, and what to do (RFC 9457). Further members depend on the code.",
        "required": ["type", "title", "status", "code", "trace_id"],
        "properties": {
            "type": { "type": "string", "description": "The page that explains it: `/problems/<code>`." },
            "title": { "type": "string", "description": "A sentence for the person who meets it." },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "code": { "type": "string", "pattern": "^[a-z-]+$", "description": "For programs; never changes its meaning." },
            "detail": { "type": "string" },
            "trace_id": { "type": "string", "pattern": "^[0-9a-f]{32}$" },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    const ABOUT: About = About {
        title: "Test",
        version: "1",
        description: "",
        tags: &[("things", "Things.")],
        everywhere: &[problem::UNAVAILABLE],
        signed_in: &[problem::UNAUTHORIZED],
    };

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Thing {
        size: u8,
    }

    mod other {
        #[derive(serde::Serialize, schemars::JsonSchema)]
        pub(super) struct Thing {
            pub(super) name: String,
        }
    }

    #[test]
    fn says_what_is_asked_what_comes_back_and_what_can_go_wrong() {
        let operation = Operation::post("/api/v1/things/{id}", "Make a thing")
            .of("things")
            .needs(Credential::AccessToken)
            .path_part::<u32>("id", "Which.")
            .takes::<Thing>(100)
            .answers::<Thing>(201, "Made.");
        let said = document(&ABOUT, &[operation]).unwrap();
        let made = &said["paths"]["/api/v1/things/{id}"]["post"];
        assert_eq!(made["operationId"], "postThingsId");
        assert_eq!(made["parameters"][0]["in"], "path");
        let thing = json!({ "$ref": "#/components/schemas/Thing" });
        assert_eq!(made["requestBody"]["content"]["application/json"]["schema"], thing);
        assert_eq!(made["responses"]["201"]["content"]["application/json"]["schema"], thing);
        for status in ["400", "401", "404", "413", "415", "503"] {
            assert!(made["responses"][status]["content"]["application/problem+json"].is_object(), "{status}");
        }
        assert_eq!(said["components"]["schemas"]["Thing"]["additionalProperties"], false);
        assert_eq!(made["security"], json!([{ "accessToken": [] }]));
    }

    #[test]
    fn two_schemas_of_one_name_are_refused() {
        let one = Operation::post("/a", "A").takes::<Thing>(1);
        let two = Operation::get("/b", "B").answers::<other::Thing>(200, "B.");
        assert_eq!(document(&ABOUT, &[one, two]), Err(vec!["Thing".to_owned()]));
        assert_eq!(other::Thing { name: "x".into() }.name, "x");
    }
}
