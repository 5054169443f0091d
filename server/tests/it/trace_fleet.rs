//! The same trace through four processes: the portal, the signaling process that the page is connected to, the one that
//! owns the waiting room, and the media node.

use crate::{
    browser::Browser,
    http::get,
    process::Server,
    trace::{exchange, find, media},
};
use model::TraceContext;
use signaling_protocol::view::MediaWish;
use testkit::{
    collector::{Collector, Span},
    engines::{Postgres, RedisServer},
    media_client::Tag,
    wait::eventually,
};

const PAGE: &str = "00-2cf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

struct Fleet {
    owner: Server,
    other: Server,
    portal: Server,
    _media: Server,
    _engines: (Postgres, RedisServer),
    _keys: tempfile::TempDir,
}

impl Fleet {
    fn start(collector: &Collector) -> Self {
        let engines = (Postgres::start(false), RedisServer::start());
        let keys = tempfile::tempdir().unwrap();
        let (postgres, redis) = (engines.0.url(), engines.1.url());
        let start = |roles: &str, name: &str, demo: &[&str]| {
            let environment = [
                ("TELEHEALTH__TELEMETRY__OTLP_ENDPOINT", collector.endpoint()),
                ("TELEHEALTH__HTTP__PUBLIC_URL", "http://visits.example".to_owned()),
                ("TELEHEALTH__FLEET__LISTEN", "127.0.0.1:0".to_owned()),
                ("TELEHEALTH__FLEET__NAME", name.to_owned()),
                ("TELEHEALTH__FLEET__KEYS_DIR", keys.path().to_str().unwrap().to_owned()),
                ("TELEHEALTH__STORE__POSTGRES", postgres.clone()),
                ("TELEHEALTH__PRESENCE__REDIS", redis.clone()),
            ];
            let environment: Vec<_> = environment.iter().map(|(key, value)| (*key, value.as_str())).collect();
            Server::start_with(&[&["--roles", roles], demo].concat(), &environment)
        };
        Self {
            owner: start("signaling", "owner", &["--demo"]),
            _media: start("sfu", "node", &[]),
            other: start("signaling", "other", &[]),
            portal: start("portal", "portal", &[]),
            _engines: engines,
            _keys: keys,
        }
    }
}

/// Until the owner of the waiting room has found the media node, which it does a moment after both are up.
async fn there_is_a_node(fleet: &Fleet) {
    let metrics = fleet.owner.metrics();
    let up = "telehealth_media_link_up{node=\"node\"} 1";
    eventually("the media node to be found", async || get(metrics, "/metrics").body.contains(up)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_through_four_processes() {
    let collector = Collector::start();
    let fleet = Fleet::start(&collector);
    let token = exchange(&fleet.portal, fleet.owner.secret("clinic"), "");
    let mut clinician = Browser::connect(&fleet.owner, &token).await;
    clinician.until(|me| me.wish() == MediaWish::Warm).await;
    there_is_a_node(&fleet).await;
    let (doctor, _) = media(&mut clinician, Tag(1)).await;
    let (visit, secret) = clinician.invite("Xochitl Canarymoor", "canary-reason-4711").await;
    let token = exchange(&fleet.portal, &secret, PAGE);
    let page: TraceContext = PAGE.parse().unwrap();
    let mut patient = Browser::connect_traced(&fleet.other, &token, Some(page)).await;
    patient.check_in().await;
    patient.until(|me| me.wish() == MediaWish::Warm).await;
    let (visitor, _) = media(&mut patient, Tag(2)).await;
    clinician.until(|me| me.waiting().len() == 1).await;
    clinician.admit(visit).await;
    assert!(doctor.wait(|seen| seen.sees(0, Tag(2))) && visitor.wait(|seen| seen.sees(0, Tag(1))));

    let trace = format!("{:032x}", page.trace);
    let of_visit =
        |spans: &[Span]| -> Vec<Span> { spans.iter().filter(|span| span.trace == trace).cloned().collect() };
    let all = ["relay", "relayed", "exchange", "answer", "check-in", "admit"];
    let complete = |spans: &[Span]| {
        let spans = of_visit(spans);
        let shown = spans.iter().filter(|span| span.name == "first-frame").count() == 2;
        shown && all.iter().all(|name| spans.iter().any(|span| span.name == *name))
    };
    assert!(collector.wait(complete), "{:#?}", of_visit(&collector.spans()));
    let spans = of_visit(&collector.spans());
    let me = patient.me.to_string();
    let at = |name: &str, node: &str| {
        let about = ["connect", "transport", "seat", "first-frame"].contains(&name).then_some(me.as_str());
        let span = find(&spans, name, about);
        assert!(node.is_empty() || span.node == node, "{name} at {} instead of {node}", span.node);
        (span.id.clone(), span.parent.clone().unwrap())
    };
    let below = |name: &str, node: &str, parent: (&str, &str)| {
        assert_eq!(at(name, node).1, at(parent.0, parent.1).0, "{name} below {parent:?}");
    };
    let of_page = format!("{:016x}", page.span);
    for (name, node) in
        [("exchange", "portal"), ("relay", "other"), ("hello", "owner"), ("check-in", "owner")]
    {
        assert_eq!(at(name, node).1, of_page, "{name}");
    }
    // Either signaling process answers the portal.
    below("answer", "", ("exchange", "portal"));
    below("relayed", "owner", ("relay", "other"));
    below("admit", "owner", ("check-in", "owner"));
    below("offer", "owner", ("check-in", "owner"));
    below("place", "owner", ("offer", "owner"));
    below("connect", "node", ("place", "owner"));
    below("transport", "node", ("connect", "node"));
    below("seat", "node", ("admit", "owner"));
    below("first-frame", "node", ("seat", "node"));
    let processes: std::collections::BTreeSet<_> = spans.iter().map(|span| span.process.as_str()).collect();
    assert!(processes.len() >= 4, "{processes:?}");
    let everything = collector.everything();
    for canary in ["Canarymoor", "canary-reason", secret.as_str(), "a=ice", "v=0"] {
        assert!(!everything.contains(canary), "{canary} in a span");
    }
}
