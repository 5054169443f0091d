//! One trace from check-in to the first picture, as a collector gets it.

use crate::{
    browser::Browser,
    http::{self, get},
    process::Server,
};
use model::TraceContext;
use signaling_protocol::view::MediaWish;
use std::collections::BTreeSet;
use testkit::{
    collector::{Collector, Mood, Span},
    media_client::{MediaClient, Options, Source, Tag},
};

const NAME: &str = "Xochitl Canarymoor";
const REASON: &str = "canary-reason-4711";
const PAGE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const CLINIC: &str = "00-1bf7651916cd43dd8448eb211c80319c-c7ad6b7169203331-01";

fn traced(collector: &Collector) -> Server {
    Server::start_with(&["--demo"], &[("TELEHEALTH__TELEMETRY__OTLP_ENDPOINT", &collector.endpoint())])
}

pub(crate) fn exchange(server: &Server, secret: &str, traceparent: &str) -> String {
    let body = serde_json::json!({ "secret": secret }).to_string();
    let headers = [("content-type", "application/json"), ("traceparent", traceparent)];
    let answer = http::ask(server.http(), "POST", "/api/v1/links/exchange", &headers, &body);
    answer.json()["joinToken"].as_str().unwrap().to_owned()
}

async fn open(server: &Server, secret: &str, traceparent: &str) -> Browser {
    let token = exchange(server, secret, traceparent);
    Browser::connect_traced(server, &token, traceparent.parse().ok()).await
}

pub(crate) async fn media(person: &mut Browser, tag: Tag) -> (MediaClient, String) {
    let (client, offer) = MediaClient::offer(Options::default()).unwrap();
    let answer = person.offer(offer.clone()).await.unwrap();
    client.answer(&answer).unwrap();
    client.connected().unwrap();
    client.send(Source::Microphone, tag);
    client.send(Source::Camera, tag);
    (client, offer)
}

/// The span of this name that is about somebody, or about whoever it is.
pub(crate) fn find<'a>(spans: &'a [Span], name: &str, about: Option<&str>) -> &'a Span {
    let fits = |span: &&Span| {
        let who = span.attributes.get("participant.id").map(String::as_str);
        span.name == name && about.is_none_or(|about| who == Some(about))
    };
    let found: Vec<_> = spans.iter().filter(fits).collect();
    assert_eq!(found.len(), 1, "{name}: {spans:#?}");
    found[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_check_in_to_the_first_picture_and_holds_ids_only() {
    const DOCTOR: Tag = Tag(1);
    const PATIENT: Tag = Tag(2);
    let collector = Collector::start();
    let server = traced(&collector);
    let page: TraceContext = PAGE.parse().unwrap();
    let clinic_secret = server.secret("clinic").to_owned();
    let mut clinician = open(&server, &clinic_secret, CLINIC).await;
    let (visit, secret) = clinician.invite(NAME, REASON).await;
    let mut patient = open(&server, &secret, PAGE).await;
    patient.check_in().await;
    let mut offers = Vec::new();
    let mut clients = Vec::new();
    for (person, tag) in [(&mut clinician, DOCTOR), (&mut patient, PATIENT)] {
        person.until(|me| me.wish() == MediaWish::Warm).await;
        let (client, offer) = media(person, tag).await;
        clients.push(client);
        offers.push(offer);
    }
    clinician.until(|me| me.waiting().len() == 1).await;
    clinician.admit(visit).await;
    assert!(clients[0].wait(|seen| seen.sees(0, PATIENT)) && clients[1].wait(|seen| seen.sees(0, DOCTOR)));

    let trace = format!("{:032x}", page.trace);
    let of_visit =
        |spans: &[Span]| -> Vec<Span> { spans.iter().filter(|span| span.trace == trace).cloned().collect() };
    let shown =
        |spans: &[Span]| of_visit(spans).iter().filter(|span| span.name == "first-frame").count() == 2;
    assert!(collector.wait(shown), "{:#?}", collector.spans());
    let (visit, me, doctor) = (visit.to_string(), patient.me.to_string(), clinician.me.to_string());
    let spans = of_visit(&collector.spans());
    let names: BTreeSet<_> = spans.iter().map(|span| span.name.as_str()).collect();
    let expected = [
        "admit",
        "append",
        "check-in",
        "connect",
        "exchange",
        "first-frame",
        "hello",
        "offer",
        "place",
        "seat",
        "transport",
    ];
    assert_eq!(names.into_iter().collect::<Vec<_>>(), expected);

    // Who asked whom.
    let parent = |span: &Span| span.parent.clone().unwrap();
    let (check_in, admit) = (find(&spans, "check-in", None), find(&spans, "admit", None));
    let of_page = format!("{:016x}", page.span);
    assert_eq!(parent(find(&spans, "exchange", None)), of_page);
    assert_eq!(parent(find(&spans, "hello", None)), of_page);
    assert_eq!((parent(check_in), &check_in.attributes["visit.id"]), (of_page, &visit));
    assert_eq!((parent(admit), &admit.attributes["visit.id"]), (check_in.id.clone(), &visit));
    let clinic: TraceContext = CLINIC.parse().unwrap();
    assert_eq!(admit.link, Some(format!("{:032x}", clinic.trace)), "who admitted is linked");
    let recorded: Vec<_> = spans.iter().filter(|span| span.name == "append").map(parent).collect();
    assert!(recorded.contains(&check_in.id) && recorded.contains(&admit.id), "{recorded:?}");
    let offer = find(&spans, "offer", None);
    let (place, connect) = (find(&spans, "place", None), find(&spans, "connect", Some(&me)));
    assert_eq!((parent(offer), parent(place)), (check_in.id.clone(), offer.id.clone()));
    assert_eq!(parent(connect), place.id);
    assert_eq!(parent(find(&spans, "transport", None)), connect.id);
    for who in [&me, &doctor] {
        let seat = find(&spans, "seat", Some(who));
        let first = find(&spans, "first-frame", Some(who));
        assert_eq!((parent(seat), parent(first)), (admit.id.clone(), seat.id.clone()));
        assert!(first.failed.is_none() && check_in.begun <= first.begun && first.begun < first.ended);
        assert_eq!(seat.attributes["room.id"], visit);
    }

    // The clinician's own connection is in the trace of the clinician's page.
    let all = collector.spans();
    let theirs = all.iter().filter(|span| span.trace == format!("{:032x}", clinic.trace));
    assert!(theirs.clone().any(|span| span.name == "connect"), "{all:#?}");

    // Nothing of what anybody is called, says or is reached by.
    let everything = collector.everything();
    assert!(everything.contains(&visit), "this is not what was sent");
    let part = |offer: &str, line: &str| offer.lines().find_map(|l| l.strip_prefix(line)).unwrap().to_owned();
    let passwords: Vec<_> = offers.iter().map(|offer| part(offer, "a=ice-pwd:")).collect();
    let addresses: Vec<_> = clients.iter().map(|client| client.addr().unwrap().to_string()).collect();
    for canary in [
        NAME,
        "Canarymoor",
        "Marisol",
        REASON,
        &secret,
        &clinic_secret,
        &patient.resume_token,
        "a=ice",
        "v=0",
    ]
    .into_iter()
    .chain(passwords.iter().chain(&addresses).map(String::as_str))
    {
        assert!(!everything.contains(canary), "{canary} in a span");
    }
    let metrics = get(server.metrics(), "/metrics").body;
    assert!(metrics.contains("telehealth_telemetry_spans_total{outcome=\"exported\"}"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_traceparent_counts_as_none() {
    let collector = Collector::start();
    let server = traced(&collector);
    let token = exchange(&server, server.secret("patient"), "00-zz-zz-01");
    let mut patient = Browser::connect(&server, &token).await;
    patient.check_in().await;
    assert!(collector.wait(|spans| spans.iter().any(|span| span.name == "check-in")));
    let spans = collector.spans();
    let (exchange, hello) = (find(&spans, "exchange", None), find(&spans, "hello", None));
    assert_eq!((&exchange.parent, &hello.parent), (&None, &None), "traces of the server's own");
    assert_eq!(find(&spans, "check-in", None).parent.as_ref(), Some(&hello.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_says_nothing_holds_nobody_up_not_even_the_end() {
    let collector = Collector::start();
    collector.be(Mood::Silent);
    let mut server = traced(&collector);
    let mut patient = Browser::open_link(&server, server.secret("patient")).await;
    patient.check_in().await;
    assert!(collector.wait_for_requests(1));
    drop(patient);
    let (code, took) = server.terminate();
    assert_eq!(code, Some(0), "{}", server.log());
    assert!(took.as_secs() < 5, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_there_are_no_spans() {
    let server = Server::start();
    let mut patient = Browser::open_link(&server, server.secret("patient")).await;
    patient.check_in().await;
    let metrics = get(server.metrics(), "/metrics").body;
    assert!(metrics.contains("telehealth_http_requests_total") && !metrics.contains("telehealth_telemetry"));
}
