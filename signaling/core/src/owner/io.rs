//! What an owner asks of the world, and how the world answers.

use crate::{
    codec::{Encoded, Stored},
    link::LinkHash,
    record::Actor,
    rejection::Rejection,
    token::Bearer,
    visit::Escalation,
};
use model::{CommandId, Generation, ParticipantId, RoomId, Timestamp, VisitId};
use sfu_core::port::{Connect, SessionId};
use signaling_protocol::{ErrorCode, ServerMessage};

/// One WebSocket, for the life of the process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u64);

/// Matches an answer to what was asked of the store or of the media node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub u64);

/// Matches an answer to what a program (not a participant) asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProgramTicket(pub u64);

/// One stream of the waiting room's owner.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Stream {
    /// The waiting room's own.
    WaitingRoom,
    /// A visit's.
    Visit(VisitId),
}

/// One atomic append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// Where to.
    pub stream: Stream,
    /// Answered with [`super::Owner::handle_appended`].
    pub ticket: Ticket,
    /// How many events the stream had when it was decided.
    pub expected: u64,
    /// The same key is recorded once.
    pub key: CommandId,
    /// Who asked for it.
    pub by: Actor,
    /// What happened.
    pub events: Vec<Encoded>,
    /// When it was decided.
    pub at: Timestamp,
}

/// The append is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The stream's events after it.
    pub version: u64,
    /// The key had been used before; nothing was recorded now.
    pub repeated: bool,
    /// The disk is this machine's: the store does not have it yet.
    pub provisional: bool,
}

/// What was acknowledged will never be in the store: somebody else has taken the waiting room over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overtaken;

/// Why an append is not known to be on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendFailure {
    /// Somebody else appended first; nothing was recorded.
    Conflict,
    /// Too large; nothing was recorded.
    TooLarge,
    /// Not now; nothing was recorded.
    Unavailable,
    /// Another process owns the waiting room since: nothing was recorded, nor will be.
    Fenced,
    /// It may or may not be recorded.
    Unknown,
}

/// The stream could not be read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadFailure;

/// A page of a stream, or not.
pub type Page = Result<Vec<Stored>, ReadFailure>;

/// New ids and a link for an invitation: randomness comes from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fresh {
    /// The new visit.
    pub visit: VisitId,
    /// The patient's seat in it.
    pub patient: ParticipantId,
    /// Hash of the secret in the patient's link.
    pub link: LinkHash,
}

/// How a command went, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handled {
    /// Which command.
    pub kind: &'static str,
    /// `Ok`, or the name of the refusal.
    pub outcome: Option<ErrorCode>,
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Append to the log; answer with [`super::Owner::handle_appended`].
    Append(Append),
    /// Read events after `after`, at most [`crate::limits::READ_PAGE`]; answer with
    /// [`super::Owner::handle_page`].
    Read {
        /// Which stream.
        stream: Stream,
        /// For the answer.
        ticket: Ticket,
        /// Events known already.
        after: u64,
    },
    /// Wait until the store has everything of this waiting room; answer with [`super::Owner::handle_recorded`].
    AwaitRecord {
        /// For the answer.
        ticket: Ticket,
    },
    /// Accept a connection: sign a resume token of these claims and send `welcome`.
    Welcome {
        /// Whom.
        to: ConnectionId,
        /// Who they are.
        bearer: Bearer,
        /// Which generation of the seat they have.
        generation: Generation,
    },
    /// Send a message.
    Send {
        /// Whom.
        to: ConnectionId,
        /// What.
        message: ServerMessage,
    },
    /// Close a connection: with this error, or because all is done.
    Close {
        /// Which.
        to: ConnectionId,
        /// Why.
        because: Option<ErrorCode>,
    },
    /// This link is no longer known.
    Unlink {
        /// Which.
        hash: LinkHash,
    },
    /// Send `invited` with the patient's link, which only the shell can write.
    Invited {
        /// Whom.
        to: ConnectionId,
        /// Which command.
        re: CommandId,
        /// The new visit.
        visit: VisitId,
        /// Whose link.
        patient: ParticipantId,
    },
    /// Answer a program.
    Answer {
        /// Which question.
        ticket: ProgramTicket,
        /// Recorded, or why not.
        result: Result<super::program::Done, Rejection>,
    },
    /// Answer an SDP offer with a new session; answer with [`super::Owner::handle_answer`].
    Connect {
        /// For the answer.
        ticket: Ticket,
        /// The offer.
        connect: Connect,
    },
    /// Answer a re-offer of a session; answer with [`super::Owner::handle_answer`].
    Restart {
        /// For the answer.
        ticket: Ticket,
        /// Which session.
        session: SessionId,
        /// SDP (PHI: holds addresses).
        offer: String,
    },
    /// Seat a session. A failure is answered with [`super::Owner::handle_seat_failed`].
    Seat {
        /// Which session.
        session: SessionId,
        /// Where; `None` is a warm seat.
        room: Option<RoomId>,
    },
    /// Say who may share a screen. A failure is answered with [`super::Owner::handle_sharer_failed`].
    SetSharer {
        /// In which visit's room.
        visit: VisitId,
        /// Who.
        sharer: Option<ParticipantId>,
    },
    /// End a session.
    Disconnect {
        /// Which.
        session: SessionId,
    },
    /// A link leads here now.
    Link {
        /// Hash of its secret.
        hash: LinkHash,
        /// Whose it is.
        bearer: Bearer,
    },
    /// A wait was escalated: tell whoever it is now with.
    Escalated {
        /// Which visit.
        visit: VisitId,
        /// To whom.
        to: Escalation,
    },
    /// A command was carried out or refused.
    Handled(Handled),
}
