//! A server with two healthcare units, what there is in each, and who asks.

use super::rows::Row;
use crate::{
    browser::Browser,
    device::{Link, SDP},
    http::{Answer, ask},
    process::Server,
};
use identity::codes::totp_code;
use platform::clock::{Clock as _, SystemClock};
use policy::{Scope, StaffRole};
use serde_json::{Value, json};
use std::{collections::BTreeMap, net::SocketAddr};
use testkit::media_client::{MediaClient, Options};
use uuid::Uuid;

pub(super) const PASSWORD: &str = "correct horse battery";

/// Everything that a request can name, as it is sent.
#[derive(Clone)]
pub(super) struct Ids {
    /// Of people: invited, and nobody else's business.
    pub(super) person: Uuid,
    /// Of somebody who has joined.
    pub(super) email: String,
    /// After their password.
    pub(super) ticket: String,
    /// Of a session.
    pub(super) cookie: String,
    /// Of somebody who has not joined.
    pub(super) invitation: String,
    /// After they were shown whom it is for.
    pub(super) join_ticket: String,
    /// That somebody has declared.
    pub(super) emergency: Uuid,
    /// Of a partner's system.
    pub(super) partner_key: Uuid,
    /// Of a patient.
    pub(super) link: String,
    pub(super) waiting_room: Uuid,
    pub(super) visit: Uuid,
    pub(super) room: Uuid,
    pub(super) participant: Uuid,
    /// That a device has begun.
    pub(super) whip_session: Uuid,
    pub(super) whep_session: Uuid,
}

impl Ids {
    /// What nobody has, written alike, and right beside it where there is an order.
    pub(super) fn nobodys(&self) -> Self {
        let beside = |id: Uuid| Uuid::from_u128(id.as_u128() + 1);
        let secret =
            || format!("{}{}", Uuid::simple(platform::ids::fresh()), Uuid::simple(platform::ids::fresh()));
        let held = |like: &str| {
            let (_, secret_part) = like.split_once('.').unwrap();
            format!("{}.{}", platform::ids::fresh().simple(), &secret()[..secret_part.len()])
        };
        Self {
            person: beside(self.person),
            email: self.email.replace("joined", "nobody"),
            ticket: "e30.e30.e30".into(),
            cookie: held(&self.cookie),
            invitation: held(&self.invitation),
            join_ticket: "e30.e30.e30".into(),
            emergency: beside(self.emergency),
            partner_key: beside(self.partner_key),
            link: secret()[..self.link.len()].to_owned(),
            waiting_room: beside(self.waiting_room),
            visit: beside(self.visit),
            room: beside(self.room),
            participant: beside(self.participant),
            whip_session: beside(self.whip_session),
            whep_session: beside(self.whep_session),
        }
    }

    fn path(&self, route: &str) -> String {
        let id = match route {
            "/whip/session/{id}" => self.whip_session,
            "/whep/session/{id}" => self.whep_session,
            _ if route.starts_with("/api/v1/waiting-rooms/") => self.waiting_room,
            _ if route.starts_with("/api/v1/emergencies/") => self.emergency,
            _ if route.starts_with("/api/v1/partner-keys/") => self.partner_key,
            _ => self.person,
        };
        let named = [("{id}", id), ("{room}", self.room), ("{participant}", self.participant)];
        named.iter().fold(route.to_owned(), |path, (name, id)| path.replace(name, &id.to_string()))
    }
}

/// Status, headers and body, apart from what is another each time.
pub(super) fn plain(answer: &Answer) -> (u16, BTreeMap<String, String>, String) {
    let mut headers = answer.headers.clone();
    headers.remove("date");
    // How much is left of whose quota: another number each time.
    headers.remove("ratelimit");
    let mut body = answer.body.clone();
    if let Some((before, rest)) = answer.body.split_once(r#""trace_id":""#) {
        body = format!("{before}{}", &rest[32..]);
    }
    (answer.status, headers, body)
}

/// One unit, at its host.
pub(super) struct Unit {
    pub(super) host: String,
    http: SocketAddr,
    administrator: String,
    /// Secrets of the clinician's and the patient's link.
    pub(super) links: [String; 2],
    /// Lines of `telehealth token`.
    devices: Vec<Value>,
}

/// Somebody of A who asks.
pub(super) struct Asker {
    pub(super) name: String,
    kind: Kind,
}

enum Kind {
    Stranger,
    Staff(String),
    /// A partner's system, with a key for everything that there is one for.
    Key(String),
    /// By one of the unit's links: a join token lives for a minute.
    Seat(usize),
    /// Publishes, or subscribes.
    Device(&'static str),
}

pub(super) struct Site {
    pub(super) a: Unit,
    pub(super) b: Unit,
    pub(super) of_a: Ids,
    pub(super) of_b: Ids,
    /// Everybody of A.
    pub(super) askers: Vec<Asker>,
    _devices: Vec<MediaClient>,
    pub(super) server: Server,
}

impl Site {
    pub(super) fn start() -> Self {
        let server = Server::start_unhurried(&["--demo", "--demo-units", "2"]);
        let text = |name: &str| server.other_unit()[name].as_str().unwrap().to_owned();
        let secret = |link: String| link.split_once("#k=").unwrap().1.to_owned();
        let links = ["clinic", "patient"].map(|of| server.secret(of).to_owned());
        let a = Unit::open(&server, "localhost", server.administrator(), links, &[]);
        let (links, id) = (["clinic", "patient"].map(|of| secret(text(of))), text("id"));
        let b = Unit::open(&server, &text("host"), &text("administrator"), links, &["--tenant", &id]);
        let mut devices = Vec::new();
        let of_a = a.ids(&server, "a", "01900000-0000-7000-8000-000000000002", &mut devices);
        let of_b = b.ids(&server, "b", "01900000-0001-7000-8000-000000000002", &mut devices);
        let askers = a.askers(of_a.waiting_room);
        Self { a, b, of_a, of_b, askers, _devices: devices, server }
    }
}

impl Asker {
    pub(super) const fn is_staff(&self) -> bool {
        matches!(self.kind, Kind::Staff(_))
    }

    pub(super) fn token(&self, unit: &Unit) -> Option<String> {
        match &self.kind {
            Kind::Stranger => None,
            Kind::Staff(token) | Kind::Key(token) => Some(token.clone()),
            Kind::Seat(of) => Some(unit.join_token(*of)),
            Kind::Device("publish") => Some(unit.device("publish").bearer),
            Kind::Device(_) => Some(unit.device("subscribe").bearer),
        }
        .map(|token| token.trim_start_matches("Bearer ").to_owned())
    }
}

impl Unit {
    fn open(server: &Server, host: &str, administrator: &str, links: [String; 2], of: &[&str]) -> Self {
        let devices = server.tokens(&[&["--rooms", "1", "--participants", "2"], of].concat());
        let (host, administrator_link) = (host.to_owned(), administrator);
        let mut unit = Self { host, http: server.http(), administrator: String::new(), links, devices };
        unit.administrator = unit.joins(administrator_link).0;
        unit
    }

    /// Asks for a row's route.
    pub(super) fn ask(&self, row: &Row, token: Option<&str>, ids: &Ids) -> Answer {
        let path = format!("{}{}", ids.path(row.route), (row.query)(ids));
        let cookie = (row.cookie)(ids);
        self.asks(row.method, &path, token, cookie.as_deref(), &(row.body)(ids))
    }

    fn asks(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        cookie: Option<&str>,
        body: &Value,
    ) -> Answer {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("host", self.host.as_str()), ("content-type", "application/json")];
        headers.extend(bearer.as_ref().map(|bearer| ("authorization", bearer.as_str())));
        headers.extend(cookie.map(|cookie| ("cookie", cookie)));
        let body = if method == "GET" { String::new() } else { body.to_string() };
        ask(self.http, method, path, &headers, &body)
    }

    fn posts(&self, path: &str, body: &Value) -> Answer {
        self.asks("POST", path, None, None, body)
    }

    /// Sets password and app; access token and cookie.
    fn joins(&self, link: &str) -> (String, String) {
        let look = self.posts("/api/v1/auth/invitation", &json!({ "secret": invitation(link) })).json();
        let totp = look["authenticator"]["secret"].as_str().unwrap().into();
        let code = totp_code(&totp, SystemClock.now()).unwrap();
        let body = json!({ "ticket": look["ticket"], "password": PASSWORD, "code": code });
        let joined = self.posts("/api/v1/auth/join", &body);
        assert_eq!(joined.status, 200, "{}", joined.body);
        let cookie = joined.headers["set-cookie"].split("__Host-session=").nth(1).unwrap();
        let token = joined.json()["accessToken"].as_str().unwrap().to_owned();
        (token, cookie.split(';').next().unwrap().to_owned())
    }

    /// Their id and their link.
    fn invites(&self, email: &str, role: StaffRole) -> (Uuid, String) {
        self.invites_on_duty(email, role, &[])
    }

    fn invites_on_duty(&self, email: &str, role: StaffRole, duties: &[Uuid]) -> (Uuid, String) {
        let body = json!({ "email": email, "name": "Ana", "roles": [role], "duties": duties });
        let answer = self.asks("POST", "/api/v1/people", Some(&self.administrator), None, &body);
        assert_eq!(answer.status, 201, "{}", answer.body);
        let text = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
        (text("id").parse().unwrap(), text("invitation"))
    }

    fn makes_key(&self) -> Value {
        let body = json!({ "name": "Billing", "scopes": Scope::ALL, "days": 1 });
        let made = self.asks("POST", "/api/v1/partner-keys", Some(&self.administrator), None, &body);
        assert_eq!(made.status, 201, "{}", made.body);
        made.json()
    }

    pub(super) fn join_token(&self, of: usize) -> String {
        let answer = self.posts("/api/v1/links/exchange", &json!({ "secret": self.links[of] }));
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["joinToken"].as_str().unwrap().to_owned()
    }

    fn device(&self, does: &str) -> Link {
        Link::of(if does == "publish" {
            &self.devices[0]["publish"]
        } else {
            &self.devices[0]["subscribe"][0]
        })
    }

    /// A device begins a session.
    fn begins(&self, does: &str, options: Options) -> (MediaClient, Uuid) {
        let (client, offer) = MediaClient::offer(options).unwrap();
        let link = self.device(does);
        let headers = [("host", self.host.as_str()), SDP, ("authorization", &link.bearer)];
        let answer = ask(self.http, "POST", &link.path, &headers, &offer);
        assert_eq!(answer.status, 201, "{}", answer.body);
        client.answer(&answer.body).unwrap();
        client.connected().unwrap();
        (client, answer.headers["location"].rsplit('/').next().unwrap().parse().unwrap())
    }

    /// Some of everything.
    fn ids(&self, server: &Server, of: &str, waiting_room: &str, devices: &mut Vec<MediaClient>) -> Ids {
        let email = |who: &str| format!("{who}@{of}.example");
        let (person, _) = self.invites(&email("person"), StaffRole::Clinician);
        let (_, link) = self.invites(&email("joined"), StaffRole::Clinician);
        self.joins(&link);
        let password = json!({ "email": email("joined"), "password": PASSWORD });
        let signed_in = self.posts("/api/v1/auth/sign-in", &password).json();
        let (_, link) = self.invites(&email("holder"), StaffRole::Clinician);
        let (holder, cookie) = self.joins(&link);
        let reason = "A patient collapsed while talking to a colleague who does not answer.";
        let declared = json!({ "waitingRoom": waiting_room, "category": "danger", "reason": reason });
        let declared = self.asks("POST", "/api/v1/emergencies", Some(&holder), None, &declared);
        assert_eq!(declared.status, 201, "{}", declared.body);
        let (_, link) = self.invites(&email("guest"), StaffRole::Clinician);
        let invitation = invitation(&link).to_owned();
        let look = self.posts("/api/v1/auth/invitation", &json!({ "secret": invitation })).json();
        let uuid = |value: &Value| value.as_str().unwrap().parse().unwrap();
        let (camera, whip_session) = self.begins("publish", Options::whip());
        let (viewer, whep_session) = self.begins("subscribe", Options::whep());
        devices.extend([camera, viewer]);
        let clinician = async {
            let token = self.join_token(0);
            let mut clinician = Browser::connect_at(server, &self.host, &token).await.unwrap();
            clinician.invite("Ana", "Knee").await.0
        };
        Ids {
            person,
            email: email("joined"),
            ticket: signed_in["ticket"].as_str().unwrap().to_owned(),
            cookie,
            invitation,
            join_ticket: look["ticket"].as_str().unwrap().to_owned(),
            emergency: uuid(&declared.json()["id"]),
            partner_key: uuid(&self.makes_key()["partnerKey"]["id"]),
            link: self.links[1].clone(),
            waiting_room: waiting_room.parse().unwrap(),
            visit: tokio::runtime::Runtime::new().unwrap().block_on(clinician).0,
            room: uuid(&self.devices[0]["room"]),
            participant: uuid(&self.devices[0]["subscribe"][0]["participant"]),
            whip_session,
            whep_session,
        }
    }

    /// Everybody there is here.
    fn askers(&self, waiting_room: Uuid) -> Vec<Asker> {
        let staff = StaffRole::ALL.into_iter().map(|role| {
            let email = format!("the-{role:?}@a.example");
            let (_, link) = self.invites_on_duty(&email, role, &[waiting_room]);
            Asker { name: format!("{role:?}"), kind: Kind::Staff(self.joins(&link).0) }
        });
        let key = self.makes_key()["key"].as_str().unwrap().to_owned();
        let others = [
            ("stranger", Kind::Stranger),
            ("partner's system", Kind::Key(key)),
            ("clinician's seat", Kind::Seat(0)),
            ("patient's seat", Kind::Seat(1)),
            ("publisher", Kind::Device("publish")),
            ("subscriber", Kind::Device("subscribe")),
        ];
        staff.chain(others.map(|(name, kind)| Asker { name: name.to_owned(), kind })).collect()
    }
}

/// The secret of an invitation's link.
fn invitation(link: &str) -> &str {
    link.split_once("#i=").unwrap().1
}
