//! The peer: Janus (VideoRoom) as Debian ships it, spoken to through its JSON API over HTTP.
//!
//! A participant of Janus is two PeerConnections: one that publishes, and one that receives, for which Janus makes
//! the offer.

use anyhow::{Context as _, Result, bail, ensure};
use loadtest::{
    consult::talk,
    deployment::Place,
    http,
    media::{Client, Fleet, Options, Sending, Sink, Tag},
    net::Origin,
    participant::command_id,
};
use serde_json::{Value, json};
use std::{
    net::{IpAddr, TcpListener},
    path::Path,
    process::{Child, Stdio},
    time::Duration,
};
use tokio::time::timeout;

/// A running Janus. Dropping it ends the process.
pub(crate) struct Janus {
    child: Child,
    _dir: tempfile::TempDir,
    at: Origin,
}

/// Threads that all connections share, instead of one each: cheaper, and all of it is on one core anyway.
const EVENT_LOOPS: usize = 1;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where Debian puts its modules.
const MODULES: &str = "/usr/lib/x86_64-linux-gnu/janus";

impl Janus {
    /// Whether it is there to be started, before anything else is measured.
    pub(crate) fn installed() -> Result<()> {
        ensure!(Path::new(MODULES).exists(), "janus is not installed: apt-get install janus, or JANUS=0");
        Ok(())
    }

    pub(crate) async fn start(rooms: usize, place: Place) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        configure(dir.path(), port, rooms)?;
        let child = place
            .command(Path::new("janus"))
            .arg("--configs-folder")
            .arg(dir.path())
            .args(["--debug-level", "2"])
            .stdout(Stdio::null())
            .spawn()
            .context("start janus (Debian's package janus)")?;
        let (at, _) = Origin::split(&format!("http://127.0.0.1:{port}"))?;
        let mut started = Self { child, _dir: dir, at };
        loop {
            if http::get(&started.at, "/janus/info").await.is_ok_and(|info| info["janus"] == "server_info") {
                return Ok(started);
            }
            ensure!(started.child.try_wait()?.is_none(), "janus ended before it was ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Two people who talk to each other: all four connections.
    pub(crate) async fn consult(&self, fleet: &Fleet, ip: IpAddr, room: u32) -> Result<Vec<Client>> {
        let (ana, ana_feed) = self.publish(fleet, ip, room).await.context("publish")?;
        let (ben, ben_feed) = self.publish(fleet, ip, room).await.context("publish")?;
        let to_ana = self.subscribe(fleet, ip, room, ben_feed).await.context("subscribe")?;
        let to_ben = self.subscribe(fleet, ip, room, ana_feed).await.context("subscribe")?;
        for client in [&ana, &ben] {
            talk(client, Sending::talking(Tag(room)));
        }
        for client in [&to_ana, &to_ben] {
            client.first_frame(Sink::Video(0)).await?;
        }
        Ok(vec![ana, ben, to_ana, to_ben])
    }

    async fn publish(&self, fleet: &Fleet, ip: IpAddr, room: u32) -> Result<(Client, u64)> {
        let handle = self.attach().await?;
        let (pending, offer) =
            fleet.offer(Options { ip, slots: 0, screen: false, data: false, ..Options::default() }).await?;
        let body = json!({ "request": "joinandconfigure", "ptype": "publisher", "room": room });
        let event =
            self.message(&handle, body, Some(json!({ "type": "offer", "sdp": whole(&offer) }))).await?;
        let feed = event["plugindata"]["data"]["id"].as_u64().context("no feed")?;
        let client = pending.answered(event["jsep"]["sdp"].as_str().context("no answer")?).await?;
        client.connected().await?;
        // Only then can others subscribe.
        self.event(&handle, |event| event["janus"] == "webrtcup").await?;
        Ok((client, feed))
    }

    async fn subscribe(&self, fleet: &Fleet, ip: IpAddr, room: u32, feed: u64) -> Result<Client> {
        let handle = self.attach().await?;
        let body =
            json!({ "request": "join", "ptype": "subscriber", "room": room, "streams": [{ "feed": feed }] });
        let event = self.message(&handle, body, None).await?;
        let (client, answer) = fleet.accept(event["jsep"]["sdp"].as_str().context("no offer")?, ip)?;
        let answer = json!({ "type": "answer", "sdp": whole(&answer) });
        self.message(&handle, json!({ "request": "start" }), Some(answer)).await?;
        client.connected().await?;
        Ok(client)
    }

    /// A session of its own with one handle: the path of its messages.
    async fn attach(&self) -> Result<Handle> {
        let created = self.post("/janus", json!({ "janus": "create" })).await?;
        let session = format!("/janus/{}", created["data"]["id"].as_u64().context("no session")?);
        let attach = json!({ "janus": "attach", "plugin": "janus.plugin.videoroom" });
        let attached = self.post(&session, attach).await?;
        let handle = format!("{session}/{}", attached["data"]["id"].as_u64().context("no handle")?);
        Ok(Handle { session, handle })
    }

    /// Asks the plugin, and waits for the event that answers.
    async fn message(&self, at: &Handle, body: Value, jsep: Option<Value>) -> Result<Value> {
        let transaction = command_id().0.to_string();
        let mut message = json!({ "janus": "message", "body": body, "transaction": transaction });
        if let Some(jsep) = jsep {
            message["jsep"] = jsep;
        }
        self.post(&at.handle, message).await?;
        let answers = |event: &Value| event["janus"] == "event" && event["transaction"] == transaction;
        let event = self.event(at, answers).await?;
        match event["plugindata"]["data"]["error"].as_str() {
            Some(error) => bail!("janus: {error}"),
            None => Ok(event),
        }
    }

    /// Waits for an event of a session.
    async fn event(&self, at: &Handle, is_it: impl Fn(&Value) -> bool) -> Result<Value> {
        let path = format!("{}?maxev=1", at.session);
        let waiting = async {
            loop {
                let event = http::get(&self.at, &path).await?;
                if is_it(&event) {
                    return Ok(event);
                }
            }
        };
        timeout(PATIENCE, waiting).await.context("janus does not answer")?
    }

    async fn post(&self, path: &str, mut body: Value) -> Result<Value> {
        if body["transaction"].is_null() {
            body["transaction"] = json!(command_id().0.to_string());
        }
        let answer = http::post(&self.at, path, &[], &body).await?;
        ensure!(answer["janus"] != "error", "janus: {}", answer["error"]["reason"]);
        Ok(answer)
    }
}

struct Handle {
    session: String,
    handle: String,
}

impl Drop for Janus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An SDP whose candidates are all there, and that says so: Janus need not wait for more.
fn whole(sdp: &str) -> String {
    sdp.replace("a=ice-options:trickle\r\n", "")
}

fn configure(dir: &Path, port: u16, rooms: usize) -> Result<()> {
    std::fs::write(
        dir.join("janus.jcfg"),
        format!(
            "general: {{ plugins_folder = \"{MODULES}/plugins\" transports_folder = \"{MODULES}/transports\" \
             events_folder = \"{MODULES}/events\" loggers_folder = \"{MODULES}/loggers\" debug_level = 2 \
             session_timeout = 0 event_loops = {EVENT_LOOPS} }}\n\
             media: {{ ipv6 = false rtp_port_range = \"20000-40000\" }}\nnat: {{ nice_debug = false }}\n\
             plugins: {{ disable = \"libjanus_audiobridge.so,libjanus_echotest.so,libjanus_nosip.so,\
             libjanus_recordplay.so,libjanus_sip.so,libjanus_streaming.so,libjanus_textroom.so,\
             libjanus_videocall.so,libjanus_voicemail.so\" }}\n\
             transports: {{ disable = \"libjanus_mqtt.so,libjanus_nanomsg.so,libjanus_pfunix.so,\
             libjanus_rabbitmq.so,libjanus_websockets.so\" }}\n"
        ),
    )?;
    std::fs::write(
        dir.join("janus.transport.http.jcfg"),
        format!(
            "general: {{ json = \"plain\" base_path = \"/janus\" http = true port = {port} ip = \"127.0.0.1\" https = false }}\nadmin: {{ admin_http = false }}\n"
        ),
    )?;
    let room = |n: usize| {
        format!(
            "room-{n}: {{ description = \"bench\" publishers = 2 bitrate = 3000000 audiocodec = \"opus\" \
             videocodec = \"vp8\" record = false }}\n"
        )
    };
    std::fs::write(dir.join("janus.plugin.videoroom.jcfg"), (1..=rooms).map(room).collect::<String>())?;
    Ok(())
}
