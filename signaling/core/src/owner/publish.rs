//! Views to connections: each is sent the newest, and none twice.

use super::{ConnectionId, Output, Owner};
use crate::{queue::Queue, views::Scene, waiting_room::Opened};
use model::{ParticipantId, Role, Timestamp, VisitId};
use signaling_protocol::{ServerMessage, view::MediaWish};

impl Owner {
    /// Sends every connection what has changed for it.
    pub(super) fn publish(&mut self, now: Timestamp) {
        let Some(opened) = self.room.opened().cloned() else { return };
        let queue = self.queue();
        let clinician_present = self.clinician_present(now);
        let everybody: Vec<_> = self
            .connections
            .iter()
            .map(|(to, connected)| (*to, connected.participant, connected.role, connected.visit))
            .collect();
        for (to, participant, role, visit) in everybody {
            let wish = self.wish(now, &queue, participant);
            self.publish_to(&opened, &queue, clinician_present, To { to, participant, role, visit, wish });
        }
    }

    fn publish_to(&mut self, opened: &Opened, queue: &Queue, clinician_present: bool, to: To) {
        let scene = Scene { opened, queue, clinician_present, presence: |id| self.presence(id) };
        let id = if to.role == Role::Clinician { queue.in_call() } else { to.visit };
        let visit = id
            .and_then(|id| self.visits.get(&id))
            .and_then(|visit| scene.visit(visit, to.participant, to.wish))
            .map(Box::new);
        let lines = (to.role == Role::Clinician).then(|| {
            let mut view = scene.queue(self.visits.values(), to.wish);
            self.unrecorded.mark(&mut view);
            Box::new(view)
        });
        let Some(connected) = self.connections.get_mut(&to.to) else { return };
        if connected.last_visit.as_ref() != Some(&visit) {
            connected.last_visit = Some(visit.clone());
            self.outputs.push_back(Output::Send { to: to.to, message: ServerMessage::Visit { visit } });
        }
        if let Some(queue) = lines
            && connected.last_queue.as_ref() != Some(&queue)
        {
            connected.last_queue = Some(queue.clone());
            self.outputs
                .push_back(Output::Send { to: to.to, message: ServerMessage::Queue { queue: *queue } });
        }
    }
}

/// Whom a view is for.
#[derive(Clone, Copy)]
struct To {
    to: ConnectionId,
    participant: ParticipantId,
    role: Role,
    visit: Option<VisitId>,
    wish: MediaWish,
}
