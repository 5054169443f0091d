//! Browsers and the wires between them and the server.

use super::*;

impl World {
    pub(super) fn connect(&mut self, browser: usize) {
        let page = &self.browsers[browser];
        if page.connection.is_some() || page.gone {
            return;
        }
        let Some(owner) = &self.owner else {
            let again = self.random.millis(100, 2_000);
            return self.later(again, Soon::Connect(browser));
        };
        let token = match page.seat {
            Some(generation) => {
                let (visit, participant, role) = (page.visit_id, page.participant, page.role);
                let bearer =
                    Bearer { tenant: TENANT, waiting_room: ROOM, visit, participant, role, held_by: None };
                Verified::Resume { claims: ResumeClaims { bearer, generation } }
            }
            None => match owner.greet(&page.link) {
                Ok(greeting) => Verified::Join {
                    claims: JoinClaims { bearer: greeting.bearer },
                    jti: self.random.uuid(),
                    expires_at: self.now + Duration::from_secs(60),
                },
                Err(_) => {
                    self.browsers[browser].gone = true;
                    return;
                }
            },
        };
        self.next_connection += 1;
        let connection = ConnectionId(self.next_connection);
        self.connections.insert(connection, Wire { browser, broken: false, up: self.now, down: self.now });
        self.browsers[browser].connection = Some(connection);
        self.hello(connection, token);
    }

    pub(super) fn hello(&mut self, connection: ConnectionId, token: Verified) {
        if let Verified::Resume { claims } = token {
            self.resumed.insert(connection, claims.generation);
        } else if self.random.chance(5) {
            // A join token that was seen on its way, used by somebody else too.
            self.next_connection += 1;
            let thief = ConnectionId(self.next_connection);
            let browser = self.connections[&connection].browser;
            self.connections.insert(thief, Wire { browser, broken: false, up: self.now, down: self.now });
            self.thieves.insert(connection, thief);
            self.say(thief, Said::Hello(token));
        }
        self.say(connection, Said::Hello(token));
    }

    pub(super) fn second_tab(&mut self, browser: usize) {
        let page = &mut self.browsers[browser];
        if page.gone {
            return;
        }
        // From now on the person looks at the new tab; the old one's wire is left to the server.
        let (before, visit, participant, role) = (page.seat, page.visit_id, page.participant, page.role);
        page.cut(true);
        page.seat = None;
        self.count("second-tab");
        self.connect(browser);
        if let Some(generation) = before
            && self.random.chance(50)
        {
            // The old tab comes back by itself, which it must not.
            let bearer =
                Bearer { tenant: TENANT, waiting_room: ROOM, visit, participant, role, held_by: None };
            self.next_connection += 1;
            let old = ConnectionId(self.next_connection);
            self.connections.insert(old, Wire { browser, broken: false, up: self.now, down: self.now });
            self.hello(old, Verified::Resume { claims: ResumeClaims { bearer, generation } });
        }
    }

    pub(super) fn say(&mut self, from: ConnectionId, said: Said) {
        let delay = self.random.millis(1, 200);
        let Some(wire) = self.connections.get_mut(&from) else { return };
        wire.up = wire.up.max(self.now + delay);
        let at = wire.up;
        self.at(at, Soon::ToServer { from, said });
    }

    pub(super) fn reach_server(&mut self, from: ConnectionId, said: Said) {
        let broken = self.connections.get(&from).is_none_or(|wire| wire.broken);
        match said {
            Said::Gone => {
                self.owner(|owner, now| owner.handle_disconnected(now, from));
                self.connections.remove(&from);
            }
            // What was on the way when the connection broke may or may not have arrived before.
            _ if broken && self.random.chance(50) => {}
            Said::Hello(token) => self.owner(|owner, now| owner.handle_hello(now, from, &token, true)),
            Said::Message(message) => self.owner(|owner, now| owner.handle_message(now, from, message, None)),
        }
    }

    /// Both ends will notice, the server perhaps much later.
    pub(super) fn break_wire(&mut self, connection: ConnectionId) {
        let Some(wire) = self.connections.get_mut(&connection) else { return };
        if wire.broken {
            return;
        }
        wire.broken = true;
        let browser = wire.browser;
        self.count("connection-broken");
        // A server may take as long as its idle timeout to notice.
        let slow = self.random.chance(20);
        let notices = self.random.millis(10, if slow { 40_000 } else { 500 });
        let at = self.connections[&connection].up.max(self.now + notices);
        if let Some(wire) = self.connections.get_mut(&connection) {
            wire.up = at;
        }
        self.at(at, Soon::ToServer { from: connection, said: Said::Gone });
        if self.browsers[browser].connection == Some(connection) {
            let reload = self.random.chance(30);
            self.browsers[browser].cut(reload);
            let back = self.random.millis(50, 3_000);
            self.later(back, Soon::Connect(browser));
        }
    }

    pub(super) fn reach_browser(&mut self, to: ConnectionId, told: Told) {
        let Some(wire) = self.connections.get(&to) else { return };
        if wire.broken {
            return;
        }
        let browser = wire.browser;
        let current = self.browsers[browser].connection == Some(to);
        match told {
            Told::Close(because) => self.closed(to, browser, current, because),
            // A tab nobody looks at any more.
            _ if !current => {}
            Told::Welcome(generation) => {
                let page = &mut self.browsers[browser];
                page.welcomed = true;
                page.seat = Some(generation);
                for message in page.unanswered.clone() {
                    self.count("command-sent-again");
                    self.say(to, Said::Message(message));
                }
            }
            Told::Message(message) => {
                let again = matches!(
                    &message,
                    ServerMessage::Error { re: Some(_), code: ErrorCode::Unavailable, .. }
                );
                self.browsers[browser].hear(message);
                if again {
                    for message in self.browsers[browser].unanswered.clone() {
                        self.say(to, Said::Message(message));
                    }
                }
            }
        }
    }

    pub(super) fn closed(
        &mut self,
        to: ConnectionId,
        browser: usize,
        current: bool,
        because: Option<ErrorCode>,
    ) {
        self.connections.remove(&to);
        if because == Some(ErrorCode::Replaced) {
            self.count("replaced");
        }
        if !current {
            return;
        }
        let page = &mut self.browsers[browser];
        page.cut(false);
        match because {
            None => page.gone |= page.role != Role::Clinician,
            Some(ErrorCode::Replaced) => {
                // Only this person's newest tab is looked at: taking over is joining anew.
                page.seat = None;
            }
            Some(ErrorCode::NotAuthorized) => page.seat = None,
            Some(_) => {}
        }
        if self.browsers[browser].role == Role::Clinician {
            self.browsers[browser].gone = false;
        }
        let back = self.random.millis(100, 5_000);
        self.later(back, Soon::Connect(browser));
    }

    pub(super) fn act(&mut self, browser: usize) {
        let page = &mut self.browsers[browser];
        if let Some(connection) = page.connection
            && page.welcomed
            && !self.calm
            && let Some(message) = page.act(&mut self.random)
        {
            // Some press twice.
            let twice = self.random.chance(10);
            if twice {
                self.say(connection, Said::Message(message.clone()));
            }
            self.tell(|| format!("browser {browser} says {message:?}"));
            self.say(connection, Said::Message(message));
            if self.random.chance(8) {
                let breaks = self.random.millis(1, 300);
                self.later(breaks, Soon::Break(connection));
            }
        }
        // A few go for a walk, so that some waits grow old.
        let next = if self.random.chance(4) { 900_000 } else { 8_000 };
        let next = self.random.millis(50, next);
        if !self.calm {
            self.later(next, Soon::Act(browser));
        }
    }
}
