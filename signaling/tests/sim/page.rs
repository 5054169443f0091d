//! A person's page: connected to whichever process answers, and to another when that one does not.

use crate::{
    machine,
    net::{Place, Wire},
    person::Person,
    sim::Sim,
    world::{ORIGIN, ROOMS, World},
};
use futures_util::{SinkExt as _, StreamExt as _};
use model::{CommandId, Role};
use parking_lot::Mutex;
use signaling_core::port::{LinkError, Links as _};
use signaling_protocol::{ClientMessage, CloseCode, SUBPROTOCOL, view::MediaWish};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        client::IntoClientRequest as _,
        http::{HeaderValue, header},
    },
};

/// How long anything may take before a person tries elsewhere.
const PATIENCE: Duration = Duration::from_secs(3);
/// Silence after which a connection counts as dead.
const SILENCE: Duration = Duration::from_secs(9);
/// How often a page asks whether the other end is there.
const PING: Duration = Duration::from_secs(3);
/// A command without an answer is said again after it.
const AGAIN: Duration = Duration::from_secs(6);

/// Why a connection is over, or was none.
enum End {
    Again,
    Elsewhere,
}

/// Lives until all is over for them.
pub(crate) async fn live(world: Arc<World>, person: Arc<Mutex<Person>>) {
    let sim = Arc::clone(&world.site.sim);
    let machines = world.machines.len() as u64;
    let mut near = sim.draw(|random| random.below(machines)) as usize;
    while !person.lock().gone {
        let end = connect(&world, &person, near).await;
        person.lock().cut();
        if matches!(end, End::Elsewhere) || sim.chance(20) {
            near = sim.draw(|random| random.below(machines)) as usize;
        }
        sleep(sim.millis(50, 1_500)).await;
    }
}

/// One connection, from the link to its end.
async fn connect(world: &World, person: &Mutex<Person>, near: usize) -> End {
    let sim = &world.site.sim;
    let machine = &world.machines[near];
    let (tenant, _) = ROOMS[person.lock().room];
    let known = person.lock().resume.clone();
    let token = match known {
        Some(token) => token,
        None => {
            let secret = person.lock().secret.clone();
            let Some(handle) = machine.handle() else { return End::Elsewhere };
            let is_recorded = person.lock().is_recorded(world);
            match timeout(PATIENCE * 2, handle.exchange(tenant, secret.into())).await {
                Ok(Ok(grant)) => grant.join_token,
                Ok(Err(LinkError::Over { .. })) => {
                    person.lock().gone = true;
                    return End::Again;
                }
                Ok(Err(LinkError::Unknown)) => {
                    if is_recorded {
                        sim.fail(format!("the link of person {} is unknown", person.lock().n));
                    }
                    // It was given out while the store was away, by a process that is gone now.
                    sim.count("link-not-recorded-yet");
                    return End::Elsewhere;
                }
                Ok(Err(LinkError::Busy)) | Err(_) => return End::Elsewhere,
            }
        }
    };
    let address = machine.pages();
    let Ok(Ok(wire)) = timeout(PATIENCE, world.site.net.connect(Place::People, &address)).await else {
        return End::Elsewhere;
    };
    let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
    request.headers_mut().insert(header::ORIGIN, HeaderValue::from_static(ORIGIN));
    request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    request.headers_mut().insert(machine::UNIT, HeaderValue::try_from(tenant.to_string()).unwrap());
    let Ok(Ok((mut socket, _))) = timeout(PATIENCE, tokio_tungstenite::client_async(request, wire)).await
    else {
        return End::Elsewhere;
    };
    let hello =
        ClientMessage::Hello { token, build: "sim".to_owned(), can_share_screen: true, traceparent: None };
    if say(&mut socket, &hello).await.is_err() {
        return End::Elsewhere;
    }
    talk(world, person, sim, &mut socket).await
}

async fn talk(world: &World, person: &Mutex<Person>, sim: &Sim, socket: &mut WebSocketStream<Wire>) -> End {
    let (mut heard, mut ping, mut acts) = (Instant::now(), Instant::now() + PING, Instant::now());
    let mut welcomed = false;
    loop {
        let next = ping.min(acts.max(Instant::now() + Duration::from_millis(1)));
        let mut said = Vec::new();
        tokio::select! {
            biased;
            frame = socket.next() => {
                heard = Instant::now();
                match frame {
                    Some(Ok(Message::Text(text))) => {
                        let mut person = person.lock();
                        person.hear(world, text.as_str());
                        if person.welcomed && !welcomed {
                            welcomed = true;
                            acts = Instant::now() + sim.millis(20, 1_000);
                            said = again(&mut person, sim, Duration::ZERO);
                        }
                    }
                    Some(Ok(Message::Close(frame))) => return closed(&mut person.lock(), frame.map(|f| f.code.into())),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return End::Elsewhere,
                }
            }
            () = sleep_until(next) => {
                let now = Instant::now();
                if now - heard > SILENCE {
                    return End::Elsewhere;
                }
                let mut person = person.lock();
                if now >= ping {
                    ping = now + PING;
                    said.push(ClientMessage::Ping { nonce: 1 });
                }
                if now >= acts {
                    acts = now + sim.millis(50, 2_500);
                    if welcomed {
                        said.extend(again(&mut person, sim, AGAIN));
                        if !world.is_calm() {
                            said.extend(person.act(sim));
                        } else if person.wish() != MediaWish::Idle && !person.has_media {
                            said.extend(person.offer(CommandId(sim.draw(|random| random.uuid()))).inspect(|offer| person.offered = offer.id()));
                        }
                    }
                }
            }
        }
        // Some press twice.
        if said.len() == 1 && said[0].id().is_some() && sim.chance(8) {
            sim.count("command-pressed-twice");
            said.push(said[0].clone());
        }
        for message in said {
            if let Some(id) = message.id() {
                sim.tell(|| format!("person {} says {} {id}", person.lock().n, kind(&message)));
            }
            if say(socket, &message).await.is_err() {
                return End::Elsewhere;
            }
        }
    }
}

/// What has had no answer for so long.
fn again(person: &mut Person, sim: &Sim, after: Duration) -> Vec<ClientMessage> {
    let now = Instant::now();
    let due = person.unanswered.iter_mut().filter(|(_, said)| now - *said >= after);
    due.map(|(message, said)| {
        sim.count("command-said-again");
        *said = now;
        message.clone()
    })
    .collect()
}

fn closed(person: &mut Person, code: Option<u16>) -> End {
    match code.and_then(|code| CloseCode::try_from(code).ok()) {
        Some(CloseCode::Normal) => person.gone |= person.role != Role::Clinician,
        // Taken over by another tab, or too old: joined anew by the link.
        Some(CloseCode::Replaced | CloseCode::NotAuthorized) => person.resume = None,
        _ => return End::Elsewhere,
    }
    End::Again
}

async fn say(socket: &mut WebSocketStream<Wire>, message: &ClientMessage) -> Result<(), ()> {
    let text = serde_json::to_string(message).unwrap();
    match timeout(PATIENCE, socket.send(Message::text(text))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(()),
    }
}

fn kind(message: &ClientMessage) -> String {
    let json = serde_json::to_value(message).unwrap();
    json["type"].as_str().unwrap_or_default().to_owned()
}
