//! What the rest of the process asks of signaling. Cheap to clone.

use crate::{limits, room::Input, service::Control, shared::Shared, upgrade};
use axum::{Router, routing::get};
use model::{CommandId, ParticipantId, Phi, TenantId, VisitId, WaitingRoomId};
use signaling_core::{
    Rejection,
    link::LinkHash,
    owner::{
        Fresh,
        program::{Done, Greeting},
    },
    port::{LinkError, LinkGrant, Links, PortFuture},
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

    pub(crate) fn patient_link(&self, patient: ParticipantId) -> String {
        format!("{}/visit#k={}", self.public_url, self.keys.link_secret(patient))
    }

    fn clinician_link(&self, clinician: ParticipantId) -> String {
        format!("{}/clinic#k={}", self.public_url, self.keys.link_secret(clinician))
    }
}

impl Handle {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// `GET /ws`, for the process's HTTP server.
    pub fn router(&self) -> Router {
        Router::new().route("/ws", get(upgrade::upgrade)).with_state(Arc::clone(&self.shared))
    }

    /// Opens a waiting room, or finds it open. The service must be running.
    ///
    /// # Errors
    /// [`HandleError`].
    pub async fn open_waiting_room(&self, room: NewWaitingRoom) -> Result<OpenedRoom, HandleError> {
        let NewWaitingRoom { tenant, id, clinic, practitioner, clinician } = room;
        let link = LinkHash::of(&self.shared.keys.link_secret(clinician));
        let inbox = self.host(tenant, id).await?;
        let opened = Opened { clinic, practitioner, clinician, link };
        match ask(&inbox, |done| Input::Open { opened, done }).await?.map_err(HandleError::Rejected)? {
            Done::Opened { clinician } => {
                Ok(OpenedRoom { clinician, link: self.shared.clinician_link(clinician) })
            }
            Done::Invited { .. } => Err(HandleError::Unavailable),
        }
    }

    /// Invites a patient, once per id. The service must be running.
    ///
    /// # Errors
    /// [`HandleError`].
    pub async fn invite(&self, invitation: NewInvitation) -> Result<Invitation, HandleError> {
        let NewInvitation { waiting_room, id, name, reason } = invitation;
        let inbox = self.shared.room(waiting_room).ok_or(HandleError::Rejected(Rejection::NotFound))?;
        let fresh = self.shared.fresh();
        let answer = ask(&inbox, |done| Input::Invite { id, name, reason, fresh, done }).await?;
        match answer.map_err(HandleError::Rejected)? {
            Done::Invited { visit, patient, over } => {
                Ok(Invitation { visit, patient, link: self.shared.patient_link(patient), over })
            }
            Done::Opened { .. } => Err(HandleError::Unavailable),
        }
    }

    async fn host(&self, tenant: TenantId, room: WaitingRoomId) -> Result<mpsc::Sender<Input>, HandleError> {
        if let Some(inbox) = self.shared.room(room) {
            return Ok(inbox);
        }
        let (done, hosted) = oneshot::channel();
        let asked = async {
            self.shared.control.send(Control::Host { tenant, room, done }).await.ok()?;
            hosted.await.ok()
        };
        let answer = tokio::time::timeout(limits::ASK_TIMEOUT, asked).await;
        answer.ok().flatten().ok_or(HandleError::Unavailable)
    }

    fn grant(&self, greeting: Greeting) -> LinkGrant {
        let Greeting { bearer, clinic, practitioner, name, scheduled_at } = greeting;
        let now = self.shared.clock.now();
        let join_token = self.shared.keys.sign(JOIN_AUDIENCE, JOIN_TTL, now, &JoinClaims { bearer });
        LinkGrant { join_token, role: bearer.role, clinic, practitioner, name, scheduled_at }
    }
}

impl Links for Handle {
    fn exchange(&self, secret: Phi<String>) -> PortFuture<'_, Result<LinkGrant, LinkError>> {
        Box::pin(async move {
            if self.shared.draining.is_cancelled() {
                return Err(LinkError::Busy);
            }
            let hash = LinkHash::of(secret.expose());
            let room = self.shared.links.read().get(&hash).copied().ok_or(LinkError::Unknown)?;
            let inbox = self.shared.room(room).ok_or(LinkError::Busy)?;
            let answer = ask(&inbox, |done| Input::Greet { hash, done }).await;
            answer.map_err(|_| LinkError::Busy)?.map(|greeting| self.grant(greeting))
        })
    }
}

/// Asks a room's task and waits for the answer, but not for ever.
async fn ask<T>(
    inbox: &mpsc::Sender<Input>,
    question: impl FnOnce(oneshot::Sender<T>) -> Input,
) -> Result<T, HandleError> {
    let (done, answer) = oneshot::channel();
    let asked = async {
        inbox.send(question(done)).await.ok()?;
        answer.await.ok()
    };
    tokio::time::timeout(limits::ASK_TIMEOUT, asked).await.ok().flatten().ok_or(HandleError::Unavailable)
}
