//! Spans as OTLP/HTTP has them in JSON (opentelemetry-proto 1.x, `ExportTraceServiceRequest`): ids are hexadecimal,
//! 64-bit numbers are strings.

use super::{
    export::Resource,
    span::{Finished, Kind, Value},
};
use model::TraceContext;
use serde_json::{Value as Json, json};

/// The body of one request.
pub(super) fn request(resource: &Resource, spans: &[Finished]) -> Vec<u8> {
    let attribute = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let resource = json!({ "attributes": [
        attribute("service.name", "telehealth"),
        attribute("service.version", resource.version),
        attribute("service.instance.id", &resource.instance.to_string()),
        attribute("telehealth.node", &resource.node),
        attribute("telehealth.roles", &resource.roles),
    ] });
    let spans: Vec<Json> = spans.iter().map(span).collect();
    let scope = json!({ "scope": { "name": "telehealth" }, "spans": spans });
    json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [scope] }] }).to_string().into_bytes()
}

fn span(span: &Finished) -> Json {
    let Finished { name, kind, context, parent, begun, took, attributes, link, failed } = span;
    let kind = match kind {
        Kind::Internal => 1,
        Kind::Server => 2,
        Kind::Client => 3,
    };
    let ended = *begun + *took;
    let mut json = json!({
        "traceId": format!("{:032x}", context.trace),
        "spanId": format!("{:016x}", context.span),
        "flags": 1,
        "name": name,
        "kind": kind,
        "startTimeUnixNano": begun.as_nanos().to_string(),
        "endTimeUnixNano": ended.as_nanos().to_string(),
        "attributes": attributes.iter().map(attribute).collect::<Vec<_>>(),
    });
    if let Some(parent) = parent {
        json["parentSpanId"] = format!("{parent:016x}").into();
    }
    if let Some(TraceContext { trace, span, .. }) = link {
        json["links"] = json!([{ "traceId": format!("{trace:032x}"), "spanId": format!("{span:016x}") }]);
    }
    if let Some(why) = failed {
        json["status"] = json!({ "code": 2, "message": why });
    }
    json
}

fn attribute((key, value): &(&'static str, Value)) -> Json {
    let value = match value {
        Value::Id(id) => json!({ "stringValue": id.to_string() }),
        Value::Number(number) => {
            json!({ "intValue": i64::try_from(*number).unwrap_or(i64::MAX).to_string() })
        }
        Value::Word(word) => json!({ "stringValue": word }),
    };
    json!({ "key": key, "value": value })
}

/// How many spans of an accepted request the collector did not take after all. Whatever cannot be read says none.
pub(super) fn rejected(body: &[u8]) -> u64 {
    let answer: Json = serde_json::from_slice(body).unwrap_or_default();
    let rejected = &answer["partialSuccess"]["rejectedSpans"];
    rejected.as_u64().or_else(|| rejected.as_str()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{num::NonZeroU64, time::Duration};
    use uuid::Uuid;

    #[test]
    fn a_span_stands_as_the_protocol_has_it() {
        let context: TraceContext =
            "00-0af7651916cd43dd8448eb211c80319c-00ad6b7169203331-01".parse().unwrap();
        let spans = [Finished {
            name: "check-in",
            kind: Kind::Server,
            context,
            parent: NonZeroU64::new(0xb),
            begun: Duration::from_nanos(1_700_000_000_000_000_001),
            took: Duration::from_nanos(9),
            attributes: vec![
                ("visit.id", Value::Id(Uuid::nil())),
                ("session.id", Value::Number(u64::MAX)),
                ("outcome", Value::Word("ok")),
            ],
            link: Some(context),
            failed: Some("conflict"),
        }];
        let instance = Uuid::from_u128(1);
        let resource = Resource { version: "1", instance, node: "sfu-1".into(), roles: "sfu".into() };
        let body: Json = serde_json::from_slice(&request(&resource, &spans)).unwrap();
        let resource = &body["resourceSpans"][0];
        assert_eq!(resource["resource"]["attributes"][3]["value"]["stringValue"], "sfu-1");
        let expected = json!({
            "traceId": "0af7651916cd43dd8448eb211c80319c",
            "spanId": "00ad6b7169203331",
            "parentSpanId": "000000000000000b",
            "flags": 1,
            "name": "check-in",
            "kind": 2,
            "startTimeUnixNano": "1700000000000000001",
            "endTimeUnixNano": "1700000000000000010",
            "attributes": [
                { "key": "visit.id", "value": { "stringValue": "00000000-0000-0000-0000-000000000000" } },
                { "key": "session.id", "value": { "intValue": "9223372036854775807" } },
                { "key": "outcome", "value": { "stringValue": "ok" } },
            ],
            "links": [{ "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "00ad6b7169203331" }],
            "status": { "code": 2, "message": "conflict" },
        });
        assert_eq!(resource["scopeSpans"][0]["spans"], json!([expected]));
    }

    #[test]
    fn what_a_collector_did_not_take_is_read_in_either_form() {
        assert_eq!(rejected(br#"{"partialSuccess":{"rejectedSpans":"3"}}"#), 3);
        assert_eq!(rejected(br#"{"partialSuccess":{"rejectedSpans":2}}"#), 2);
        for none in [&b"{}"[..], b"", b"[1]", b"\xff", br#"{"partialSuccess":{"rejectedSpans":-1}}"#] {
            assert_eq!(rejected(none), 0);
        }
    }
}
