//! What the rest of the process asks of signaling. Cheap to clone.

use crate::{
    access,
    find::{Place, Wanted},
    history, inside, limits, load,
    peers::{NoAnswer, Question, Reply},
    room::Input,
    shared::Shared,
    upgrade,
};
use axum::{Router, extract::DefaultBodyLimit, routing::get};
use model::{CommandId, ParticipantId, Phi, TenantId, VisitId, WaitingRoomId};
use platform::lane::deadline;
use signaling_core::{
    Rejection,
    link::LinkHash,
    owner::{
        Fresh,
        program::{Done, Greeting},
    },
    port::{Census, LinkError, LinkGrant, Links, NotNow, PortFuture, Visits},
    token::{JOIN_AUDIENCE, JOIN_TTL, JoinClaims},
    waiting_room::Opened,
};
use signaling_protocol::view::ClinicView;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Talks to a running [`crate::Service`].
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

/// A waiting room to be opened.
#[derive(Clone, Debug)]
pub struct NewWaitingRoom {
    /// Whose.
    pub tenant: TenantId,
    /// Its id: opening the same one again changes nothing.
    pub id: WaitingRoomId,
    /// The clinic, as it presents itself.
    pub clinic: ClinicView,
    /// The practitioner's display name.
    pub practitioner: Phi<String>,
    /// The clinician's seat. An open room keeps the one it has.
    pub clinician: ParticipantId,
}

/// An open waiting room.
#[derive(Clone, Debug)]
pub struct OpenedRoom {
    /// The clinician's seat.
    pub clinician: ParticipantId,
    /// The clinician's link, secret in its fragment.
    pub link: String,
}

/// Somebody to be invited to a visit.
#[derive(Clone, Debug)]
pub struct NewInvitation {
    /// Whose waiting room it is.
    pub tenant: TenantId,
    /// To which waiting room.
    pub waiting_room: WaitingRoomId,
    /// Inviting with the same id again changes nothing and answers the same.
    pub id: CommandId,
    /// The patient's name.
    pub name: Phi<String>,
    /// What it is about.
    pub reason: Phi<String>,
}

/// A visit somebody is invited to.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// The visit.
    pub visit: VisitId,
    /// The patient's seat.
    pub patient: ParticipantId,
    /// The patient's link, secret in its fragment.
    pub link: String,
    /// The visit is over already.
    pub over: bool,
}

/// Why a question has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// The service does not run, or is too busy to answer in time.
    #[error("signaling does not answer now")]
    Unavailable,
    /// It refuses.
    #[error("signaling refuses: {0}")]
    Rejected(Rejection),
}

impl Shared {
    pub(crate) fn fresh(&self) -> Fresh {
        let patient = ParticipantId(platform::ids::fresh());
        let link = LinkHash::of(&self.keys.link_secret(patient));
        Fresh { visit: VisitId(platform::ids::fresh()), patient, link }
    }

    pub(crate) fn patient_link(&self, tenant: TenantId, patient: ParticipantId) -> String {
        format!("{}/visit#k={}", self.units.url(tenant), self.keys.link_secret(patient))
    }

    fn clinician_link(&self, tenant: TenantId, clinician: ParticipantId) -> String {
        format!("{}/clinic#k={}", self.units.url(tenant), self.keys.link_secret(clinician))
    }
}

impl Handle {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// `GET /ws` and `GET /api/v1/history`, for the process's HTTP server.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/ws", get(upgrade::upgrade))
            .route("/api/v1/history", get(history::history).fallback(history::not_so))
            .route("/api/v1/visit/access", get(access::by_seat).post(access::by_link))
            .layer(DefaultBodyLimit::max(limits::MAX_LINK_BODY_BYTES))
            .with_state(Arc::clone(&self.shared))
    }

    /// What the other processes of a fleet ask of this one, for the listener between them.
    pub fn inside(&self) -> Router {
        inside::router(Arc::clone(&self.shared))
    }

    /// Opens a waiting room, or finds it open. The service must be running.
    ///
    /// # Errors
    /// [`HandleError`].
    pub async fn open_waiting_room(&self, room: NewWaitingRoom) -> Result<OpenedRoom, HandleError> {
        let NewWaitingRoom { tenant, id: room, clinic, practitioner, clinician } = room;
        match self.answer(Question::Open { tenant, room, clinic, practitioner, clinician }).await {
            Reply::Opened { clinician } => {
                Ok(OpenedRoom { clinician, link: self.shared.clinician_link(tenant, clinician) })
            }
            other => Err(refusal(&other)),
        }
    }

    /// Invites a patient, once per id. The service must be running.
    ///
    /// # Errors
    /// [`HandleError`].
    pub async fn invite(&self, invitation: NewInvitation) -> Result<Invitation, HandleError> {
        let NewInvitation { tenant, waiting_room: room, id, name, reason } = invitation;
        match self.answer(Question::Invite { tenant, room, id, name, reason }).await {
            Reply::Invited { visit, patient, over } => {
                Ok(Invitation { visit, patient, link: self.shared.patient_link(tenant, patient), over })
            }
            other => Err(refusal(&other)),
        }
    }

    /// Answers a program of this process or of another.
    pub(crate) async fn answer(&self, question: Question) -> Reply {
        let mut wanted = match &question {
            Question::Open { tenant, room, .. } => Wanted { new: true, ..Wanted::new(*tenant, *room) },
            Question::Invite { tenant, room, .. } => Wanted::new(*tenant, *room),
            Question::Exchange { tenant, secret } => {
                let tenant = tenant.unwrap_or_else(|| self.shared.units.now().home().id);
                return granted(self.exchange(tenant, secret.clone()).await);
            }
            Question::Count { tenant } => {
                let Census { waiting, in_call, longest_wait } = self.shared.metrics.census(*tenant);
                return Reply::Counted { waiting, in_call, longest_wait_s: longest_wait.as_secs() };
            }
        };
        for _ in 0..limits::MAX_FINDS {
            if deadline::has_passed() {
                break;
            }
            match self.shared.find(wanted).await {
                Place::Here(inbox) => return self.here(&inbox, question).await,
                Place::There { address, epoch } => match self.shared.peers.ask(&address, &question).await {
                    Ok(reply) => return reply,
                    Err(NoAnswer::Gone) => wanted.gone = Some(epoch),
                    Err(NoAnswer::Leaving | NoAnswer::Refused | NoAnswer::Late) => return Reply::Unavailable,
                },
                Place::Nowhere => return Reply::Rejected { because: Rejection::NotFound },
                Place::Unknown | Place::Draining => return Reply::Unavailable,
            }
        }
        Reply::Unavailable
    }

    async fn here(&self, inbox: &mpsc::Sender<Input>, question: Question) -> Reply {
        let done = match question {
            Question::Open { clinic, practitioner, clinician, .. } => {
                let link = LinkHash::of(&self.shared.keys.link_secret(clinician));
                let opened = Opened { clinic, practitioner, clinician, link };
                ask(inbox, |done| Input::Open { opened, done }).await
            }
            Question::Invite { id, name, reason, .. } => {
                let fresh = self.shared.fresh();
                ask(inbox, |done| Input::Invite { id, name, reason, fresh, done }).await
            }
            Question::Exchange { .. } | Question::Count { .. } => Err(HandleError::Unavailable),
        };
        match done {
            Ok(Ok(Done::Opened { clinician })) => Reply::Opened { clinician },
            Ok(Ok(Done::Invited { visit, patient, over })) => Reply::Invited { visit, patient, over },
            Ok(Err(because)) => Reply::Rejected { because },
            Err(_) => Reply::Unavailable,
        }
    }

    /// What a link gives. Whoever owns the room, its history says who the link's holder is; only while that cannot be
    /// read must it be a room of this process.
    async fn greeting(&self, tenant: TenantId, hash: LinkHash) -> Result<Greeting, LinkError> {
        // Another unit's link takes the way, and the time, of one that never was.
        let local = self.shared.links.read().get(&hash).copied().filter(|home| home.tenant == tenant);
        if let Some(inbox) = local.and_then(|home| self.shared.room(home)) {
            let answer = ask(&inbox, |done| Input::Greet { hash, done }).await;
            return answer.map_err(|_| LinkError::Busy)?;
        }
        let target = self.shared.index.target_in(tenant, &hash).await.map_err(|_| LinkError::Busy)?;
        let target = target.ok_or(LinkError::Unknown)?;
        let owner = load::glance(&*self.shared.store, target).await.map_err(|error| {
            tracing::warn!(waiting_room.id = %target.room, %error, "A link's waiting room cannot be read");
            LinkError::Busy
        })?;
        owner.greet(&hash)
    }

    fn grant(&self, greeting: Greeting) -> LinkGrant {
        let Greeting { bearer, clinic, practitioner, name, scheduled_at } = greeting;
        let now = self.shared.clock.now();
        let join_token = self.shared.keys.sign(JOIN_AUDIENCE, JOIN_TTL, now, &JoinClaims { bearer });
        LinkGrant { join_token, role: bearer.role, clinic, practitioner, name, scheduled_at }
    }
}

impl Links for Handle {
    fn exchange(
        &self,
        tenant: TenantId,
        secret: Phi<String>,
    ) -> PortFuture<'_, Result<LinkGrant, LinkError>> {
        Box::pin(async move {
            if self.shared.draining.is_cancelled() {
                return Err(LinkError::Busy);
            }
            let hash = LinkHash::of(secret.expose());
            let greeted = tokio::time::timeout(limits::ASK_TIMEOUT, self.greeting(tenant, hash)).await;
            greeted.unwrap_or(Err(LinkError::Busy)).map(|greeting| self.grant(greeting))
        })
    }
}

/// Where this is the only process that has any.
impl Visits for Handle {
    fn census(&self, tenant: TenantId) -> PortFuture<'_, Result<Census, NotNow>> {
        Box::pin(std::future::ready(Ok(self.shared.metrics.census(tenant))))
    }
}

fn refusal(reply: &Reply) -> HandleError {
    match reply {
        Reply::Rejected { because } => HandleError::Rejected(*because),
        _ => HandleError::Unavailable,
    }
}

fn granted(result: Result<LinkGrant, LinkError>) -> Reply {
    match result {
        Ok(LinkGrant { join_token, role, clinic, practitioner, name, scheduled_at }) => {
            Reply::Granted { join_token, role, clinic, practitioner, name, scheduled_at }
        }
        Err(LinkError::Unknown) => Reply::NoSuchLink,
        Err(LinkError::Over { clinic }) => Reply::Over { clinic },
        Err(LinkError::Busy) => Reply::Unavailable,
    }
}

/// Asks a room's task and waits for the answer, but not for ever. When the deadline of the task that asks passes before
/// it is the question's turn, the room does nothing.
async fn ask<T>(
    inbox: &mpsc::Sender<Input>,
    question: impl FnOnce(oneshot::Sender<T>) -> Input,
) -> Result<T, HandleError> {
    let (done, answer) = oneshot::channel();
    let asked = async {
        let question = question(done);
        let question = match deadline::current() {
            Some(deadline) => Input::Until(deadline, Box::new(question)),
            None => question,
        };
        inbox.send(question).await.ok()?;
        answer.await.ok()
    };
    tokio::time::timeout(limits::ASK_TIMEOUT, asked).await.ok().flatten().ok_or(HandleError::Unavailable)
}
