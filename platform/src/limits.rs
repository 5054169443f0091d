//! Every limit of this crate, and what happens beyond it.

use crate::lane::Lane;
use std::{ops::RangeInclusive, time::Duration};

/// Longest token that is looked at, bytes. Longer ones are refused unread: ours are under 1 KiB, and
/// base64 and JSON of a stranger's megabyte would be parsed before its signature is known.
pub const MAX_TOKEN_BYTES: usize = 2_048;

/// How often a process looks whether keys that sign tokens were made or taken away: so long a stolen one is still taken by it.
pub const KEY_LOOK: Duration = Duration::from_secs(10);

/// How long a new key is announced before it signs. Longer than a process, or somebody who keeps the list of public keys,
/// takes to look again: otherwise tokens would be refused whose key is not known yet.
pub const KEY_ANNOUNCED: Duration = Duration::from_secs(15 * 60);

/// How long the list of public keys may be kept.
pub const JWKS_MAX_AGE: Duration = Duration::from_secs(5 * 60);

/// How long a key verifies after its successor began to sign: as long as the longest token lives, which is 180 days, that
/// of a browser that is known. Later its tokens are refused, whatever their expiry says.
pub const KEY_OVERLAP: Duration = Duration::from_secs(181 * 24 * 60 * 60);

/// Most keys for tokens that are known at a time. Of more, the oldest are not: their tokens are refused.
pub const MAX_TOKEN_KEYS: usize = 64;

/// By which part of the time that passes a steady clock is drawn towards the machine's: an hour that the machine's was
/// set by is made up for in ten. Less, and it would be wrong for longer; more, and waits would be shown more wrongly.
pub const CLOCK_DRAWN_BY: u32 = 10;

/// How far the machine's clock may be from the steady one before it is said that it was set. It is followed as slowly
/// either way.
pub const CLOCK_JUMP: Duration = Duration::from_secs(2);

/// Most events in one append. One command decides a handful; more is a programming mistake, refused as
/// too large.
pub const MAX_EVENTS_PER_APPEND: usize = 64;

/// Most bytes of one event, body and PHI together, whether that is sealed or not. Larger appends are refused as too large.
pub const MAX_EVENT_BYTES: usize = 64 * 1_024;

/// Appends that may wait for the writer. Beyond it an append is refused as unavailable, with nothing
/// recorded: the caller sheds load instead of piling up memory.
pub const MAX_QUEUED_APPENDS: usize = 4_096;

/// Most appends in one transaction on PostgreSQL. More would make the first of them wait for the last.
pub const MAX_APPENDS_PER_COMMIT: usize = 1_024;

/// Longest name of a schema in PostgreSQL, in bytes: the names of its roles, which begin and end with words of ours, have at
/// most the 63 that PostgreSQL keeps. A longer one is refused when a process starts.
pub const MAX_SCHEMA_NAME: usize = 40;

/// Most work of each lane in one transaction on SQLite, whose writer serves all of them. What is urgent goes first, and
/// what is not goes along in small pieces, so that the next urgent append never waits for a long commit.
pub const SHARES_OF_A_COMMIT: [usize; Lane::ALL.len()] = [2_048, 512, 128];

/// Most bytes of each lane's work in one transaction on SQLite, for the same reason; what comes after them waits for the
/// next. One piece of work is always taken, however large. A megabyte is written in some 10 ms.
pub const BYTES_OF_A_COMMIT: [usize; Lane::ALL.len()] = [16 * 1_024 * 1_024, 1_024 * 1_024, 256 * 1_024];

/// Longest that the batch lane's work waits on SQLite for urgent work to share its commit with, where there was some
/// [lately](URGENT_LATELY). A sync of its own, in which urgent work would find the disk busy, is made after that.
pub const BATCH_RIDES_ALONG: Duration = Duration::from_millis(40);

/// For how long after urgent work more of it is expected. Later, batch work is written at once.
pub const URGENT_LATELY: Duration = Duration::from_millis(250);

/// Most rows that are deleted in one transaction on SQLite because nobody needs them any more; what is left waits for the
/// next.
pub const FORGOTTEN_AT_ONCE: usize = 1_000;

/// Longest that work waits for the writer of its lane. Older work is refused as overdue before it is begun: whoever
/// asked has given up, or asks again. The lower the lane, the sooner.
pub const MAX_APPEND_WAIT: [Duration; Lane::ALL.len()] =
    [Duration::from_secs(8), Duration::from_secs(5), Duration::from_secs(2)];

/// Most events or streams that one read returns; a larger `limit` is cut to it. Callers page.
pub const MAX_READ: usize = 1_000;

/// Reads that run at a time, each on its own connection; further ones wait their turn.
pub const READERS: usize = 2;

/// Most bytes of the answer that is kept with a command. Larger ones are refused as too large.
pub const MAX_ANSWER_BYTES: usize = 16 * 1_024;

/// Most messages for other services in one append; more are refused as too large.
pub const MAX_MESSAGES_PER_APPEND: usize = 16;

/// Longest subject of such a message, bytes; a longer one is refused as too large. The bus puts the service's name
/// before it.
pub const MAX_OUTBOX_SUBJECT_BYTES: usize = 96;

/// Most audit rows in one append; more are refused as too large.
pub const MAX_AUDITS_PER_APPEND: usize = 128;

/// Most events a projection takes at a time. More would hold the writer up for longer.
pub const PROJECTED_AT_ONCE: usize = 500;

/// Most changes one step of a projection may have; more are refused as too large.
pub const MAX_CHANGES: usize = 8 * PROJECTED_AT_ONCE;

/// Longest key of a projection's row, bytes; a longer one is refused as too large.
pub const MAX_KEY_BYTES: usize = 256;

/// Longest address under which an owner says that it is reached, bytes: a host name has at most 253, a port five. A
/// longer one is refused as too large.
pub const MAX_ADDRESS_BYTES: usize = 260;

/// Streams whose place the writer remembers. Beyond it all are forgotten and looked up again.
pub const MAX_KNOWN_STREAMS: usize = 65_536;

/// Longest that an append of the critical lane waits for the store while the local journal stands before it. Beyond it
/// the append is journaled if it may be, or its outcome is unknown, and the store counts as away.
pub const STORE_PATIENCE: Duration = Duration::from_secs(1);

/// Longest that one replay out of the local journal, or a question whether the store is back, waits for an answer.
/// Longer than any adapter takes to give up, so that a store that is merely slow is heard. Beyond it: the next try.
pub const REPLAY_PATIENCE: Duration = Duration::from_secs(10);

/// Pause between two questions whether the store is back.
pub const PROBE_PAUSE: Duration = Duration::from_millis(250);

/// Streams of the local journal that are replayed at a time. More would be in the way of who comes now.
pub const REPLAYS_AT_ONCE: usize = 32;

/// Appends that the local journal holds, parked ones included. Beyond it appends are refused as unavailable.
pub const MAX_JOURNAL_ENTRIES: usize = 50_000;

/// Bytes of appends that the local journal holds, parked ones included; as above.
pub const MAX_JOURNAL_BYTES: u64 = 64 * 1_024 * 1_024;

/// Requests that wait for the journal's disk. Beyond it appends are refused as unavailable.
pub const MAX_QUEUED_FOR_JOURNAL: usize = 4_096;

/// Most requests in one commit of the local journal. More would make the first of them wait for the last.
pub const MAX_JOURNALED_PER_COMMIT: usize = 512;

/// Streams whose version is remembered for the time when the store is away. Beyond it those that were not touched for
/// longest are forgotten, and cannot be journaled until the store has told where they are.
pub const MAX_STREAMS_SEEN: usize = 65_536;

/// Appends of one stream whose outcome is open at the same time, as far as the local journal follows. Beyond it the
/// stream's version counts as not known. An owner has one.
pub const MAX_DOUBTS: usize = 8;

/// Names of categories, events and audited actions that are taken from journals on disk. Beyond it entries with
/// further names are parked as unreadable. A build knows some dozens.
pub const MAX_JOURNAL_NAMES: usize = 4_096;

/// Longest subject or pattern of the bus, bytes. Ours are a few words and an id or two; longer ones are
/// refused when they are made.
pub const MAX_SUBJECT_BYTES: usize = 160;

/// Longest name of a durable consumer, bytes. It becomes a name in JetStream and a label of metrics.
pub const MAX_CONSUMER_NAME_BYTES: usize = 32;

/// Largest message body on the bus, bytes. Larger ones are refused as too large: what is big belongs in
/// a store, and its id on the bus. NATS itself refuses 1 MiB.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1_024;

/// Most headers of a message; a further one is refused. Trace context takes two.
pub const MAX_HEADERS: usize = 8;

/// Longest value of a message header, bytes (W3C `tracestate` is at most 512).
pub const MAX_HEADER_BYTES: usize = 512;

/// Messages that a listener may be behind. Beyond it the oldest are dropped and it is told how many:
/// who listens live wants the newest.
pub const MAX_HEARD: usize = 1_024;

/// Listeners of one process. Further ones are refused.
pub const MAX_LISTENERS: usize = 1_024;

/// Durable consumers in one lane of one process. Further ones are refused: each is a label of metrics.
pub const MAX_CONSUMERS: usize = 64;

/// Deliveries of one durable consumer that are neither acknowledged nor given back. Beyond it nothing
/// more is delivered, so that what piles up stays in the lane.
pub const MAX_IN_FLIGHT: usize = 256;

/// How often a message is delivered before it is parked: by then it is not the network.
pub const MAX_DELIVERIES: u32 = 8;

/// Longest time that a consumer may put a message off; longer ones are cut to it.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// Parked messages that are kept for somebody to look at. Beyond it the oldest go; the metric has
/// counted them.
pub const MAX_PARKED: usize = 1_000;

/// Messages that a lane of the in-process bus holds. Those that no consumer still wants make room for
/// new ones; when all are wanted, publishing is refused as unavailable.
pub const MAX_LANE_MESSAGES: usize = 16_384;

/// Bytes of bodies that a lane of the in-process bus holds; as above.
pub const MAX_LANE_BYTES: usize = 64 * 1_024 * 1_024;

/// Bytes that a lane's JetStream stream holds. Beyond it the oldest are dropped, read or not: it is
/// transport, and whoever published still has them.
pub const MAX_STREAM_BYTES: i64 = 256 * 1_024 * 1_024;

/// How long a lane's JetStream stream holds a message. Older ones are dropped, read or not.
pub const MAX_STREAM_AGE: Duration = Duration::from_secs(72 * 3_600);

/// How long the bus remembers ids: a message published twice within it is delivered once.
pub const DEDUPE_WINDOW: Duration = Duration::from_secs(120);

/// Ids that a lane of the in-process bus remembers. Beyond it the oldest are forgotten before the
/// window is over, and a repetition is delivered again.
pub const MAX_DEDUPE_IDS: usize = 65_536;

/// Publishes of one lane that wait for the server's acknowledgement. Further ones wait their turn,
/// within their time limit.
pub const MAX_PUBLISHES: usize = 512;

/// Longest that any operation of the bus takes. Beyond it the caller hears `Unavailable`, never silence.
pub const BUS_TIME_LIMIT: Duration = Duration::from_secs(2);

/// Longest id in presence, bytes; a UUID has 36. Longer ones are refused.
pub const MAX_PRESENCE_ID_BYTES: usize = 64;

/// Largest value in presence, bytes; larger ones are refused. It says where somebody is, not who.
pub const MAX_PRESENCE_BYTES: usize = 4_096;

/// Shortest and longest time that an announcement outlives its process; others are cut to it. Shorter
/// ones would vanish in a failover, longer ones keep ghosts.
pub const PRESENCE_TTL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(300);

/// Announcements that one process keeps up. Further ones are refused as full.
pub const MAX_ANNOUNCED: usize = 16_384;

/// Most entries that one listing returns; it says when it was cut.
pub const MAX_LISTED: usize = 1_000;

/// Announcements that are refreshed at a time. More would make a recovering Redis wait for all of them.
pub const MAX_REFRESHES: usize = 32;

/// Longest that one command to Redis takes, connecting included. Beyond it the connection is given up
/// and the next command asks anew where the master is.
pub const REDIS_COMMAND_LIMIT: Duration = Duration::from_millis(400);

/// Longest that an operation of presence takes, a second attempt included.
pub const PRESENCE_TIME_LIMIT: Duration = Duration::from_millis(1_000);

/// Longest that a queue of a lane may stand without having been empty. Beyond it the lane counts as overloaded: newest
/// first, and who has waited longer than [`OVERLOADED_AGE`] is shed. It counts as well again after as long a time
/// in which nobody was shed.
pub const STANDING_QUEUE: Duration = Duration::from_millis(100);

/// Longest that work waits in an overloaded lane. Older work is shed. Longer lets more of a burst through; shorter
/// answers sooner that it was not done. Nobody looks at a batch, so it hears at once: with no wait at all, nobody
/// more is queued then, and who is queued already has their turn.
pub const OVERLOADED_AGE: [Duration; Lane::ALL.len()] =
    [Duration::from_millis(500), Duration::from_millis(100), Duration::ZERO];

/// Delay that stands in a whole process, in the scheduling of what is ready or before the critical lane. Beyond it
/// the lowest lane that has workers left gets half of them.
pub const STANDING_DELAY: Duration = Duration::from_millis(10);

/// Into how many parts a lane's workers are divided when some are taken away. One more would be of no use: it is a
/// power of two, so that halving ends at one and then at none.
pub const PARTS_OF_A_LANE: usize = 64;

/// Parts that a lane gets back at each look that finds no delay: all of them in some 16 looks.
pub const PARTS_GIVEN_BACK: usize = 4;

/// Fewest parts that the standard lane keeps in an overload. The batch lane may lose all, the critical one loses none.
pub const STANDARD_KEEPS: usize = 8;

/// Longest budget that a request may bring, by lane; what it has when it brings none. Longer ones are cut to it.
pub const MAX_BUDGET: [Duration; Lane::ALL.len()] =
    [Duration::from_secs(20), Duration::from_secs(20), Duration::from_secs(60)];

/// Most digits of a budget in milliseconds. More are not a budget.
pub const MAX_BUDGET_DIGITS: usize = 9;

/// Longest name of a service, bytes. It begins the subjects of its messages and is a label of metrics.
pub const MAX_SERVICE_NAME_BYTES: usize = 32;

/// Messages that a relay reads from the outbox at a time, and an inbox asks for at a time. More would let one
/// partition hold up the others of its lane.
pub const OUTBOX_PAGE: usize = 128;

/// Publishes of one partition that are under way at a time. Further ones wait, in their order.
pub const RELAY_PIPELINE: usize = 32;

/// How often a relay looks at the outbox though nobody woke it, and an inbox at what it is missing: the longest that a
/// lost hint delays a message.
pub const OUTBOX_LOOKS: Duration = Duration::from_secs(1);

/// How often a relay tells how far the outbox goes, and an inbox how far it has come: the longest that an inbox that
/// got nothing believes that there was nothing.
pub const HEADS_EVERY: Duration = Duration::from_secs(2);

/// How long whoever relays or consumes may be silent before another process takes its turn.
pub const TURN_SILENCE: Duration = Duration::from_secs(6);

/// How often a relay looks for messages that it may forget.
pub const PRUNE_EVERY: Duration = Duration::from_secs(10);

/// How long messages stay in the outbox that all consumers have handled: for consumers that the relay does not know.
pub const OUTBOX_KEPT: Duration = Duration::from_secs(3_600);

/// How long messages stay in the outbox for a consumer that has not handled them. Beyond it they are forgotten, once
/// published: counted, logged as an error, and the consumer stands still until it was rebuilt from events.
pub const OUTBOX_KEPT_FOR_ABSENT: Duration = Duration::from_secs(14 * 24 * 3_600);

/// Messages that came too early and that an inbox keeps of a partition until those before them come. Further ones are
/// dropped, and come again from the outbox.
pub const MAX_EARLY: usize = 256;

/// Partitions of one lane that an inbox knows. Messages of further ones are dropped, and that is logged: no store has
/// as many.
pub const MAX_PARTITIONS: usize = 64;

/// How long an inbox waits for a missing message to come by itself before it asks for it.
pub const INBOX_PATIENCE: Duration = Duration::from_millis(500);

/// Longest that the handling of one message takes. Beyond it, it is tried again later.
pub const HANDLER_LIMIT: Duration = Duration::from_secs(5);

/// Longest pause before a message that could not be handled is tried again; the first is a hundredth of it, and each
/// is twice the one before.
pub const MAX_HANDLER_PAUSE: Duration = Duration::from_secs(10);

/// How often handling a message may panic before the message is parked: by then it is the message.
pub const MAX_PANICS: u32 = 3;

/// Largest body of what relays and inboxes tell each other, bytes. Larger ones are ignored unread.
pub const MAX_TOLD_BYTES: usize = 16 * 1_024;

/// Spans that wait to be exported. Beyond it they are dropped, and counted as `queue-full`: nobody waits for a collector.
pub const MAX_QUEUED_SPANS: usize = 4_096;

/// Most spans in one request to the collector; some 300 KiB.
pub const MAX_SPANS_PER_EXPORT: usize = 512;

/// Most attributes of a span; a further one is left out.
pub const MAX_SPAN_ATTRIBUTES: usize = 8;

/// How long spans are gathered before they are sent together.
pub const EXPORT_EVERY: Duration = Duration::from_secs(1);

/// Longest that the collector may take for one request. Beyond it the request counts as failed.
pub const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a request is tried. Beyond it its spans are dropped, and counted as `unreachable`.
pub const EXPORT_TRIES: u32 = 3;

/// The pause before the second try; each further one is twice as long.
pub const EXPORT_PAUSE: Duration = Duration::from_secs(1);

/// Longest answer of the collector that is read, bytes. Longer ones are not looked at.
pub const MAX_EXPORT_ANSWER_BYTES: usize = 64 * 1_024;

/// How long a process that ends waits for the collector to take what is left. Then it is dropped, and counted.
pub const FLUSH_WITHIN: Duration = Duration::from_millis(400);

/// Keys whose failures a [`Throttle`](crate::throttle::Throttle) remembers. Beyond it the one that failed least is
/// forgotten: a flood from many addresses must not lock anybody else out.
pub const MAX_THROTTLED: usize = 10_000;

/// Longest sealed PHI as it stands in a store, bytes: an event's worth in base64, with what says how to open it. A longer one
/// is taken for damaged.
pub const MAX_SEALED_BYTES: usize = MAX_EVENT_BYTES.div_ceil(3) * 4 + 64;

/// Data keys that a process holds unwrapped. Beyond it those that were not used for longest are wiped, and asked for
/// again; while the keyring is away, what they sealed cannot be read then.
pub const MAX_KEYS_HELD: usize = 65_536;

/// Tenants whose keys a process holds unwrapped. Beyond it all are wiped and asked for again.
pub const MAX_TENANTS_HELD: usize = 1_024;

/// Longest that the keyring, or who holds the key encryption key, may take for one question. Beyond it the answer is
/// "unavailable".
pub const KEYRING_PATIENCE: Duration = Duration::from_millis(800);

/// For how long after a question without an answer the keyring is not asked again: whoever needs a key that is not held
/// hears "unavailable" at once.
pub const KEYRING_PAUSE: Duration = Duration::from_millis(250);

/// How often a process looks which keys were shredded or rotated elsewhere: the longest that it goes on with them.
pub const KEYS_LOOKS: Duration = Duration::from_secs(1);

/// Data keys that are asked for, made or wrapped anew in one question; more are asked for in several.
pub const KEYS_AT_ONCE: usize = 500;

/// Most questions to a SQLite keyring that share a commit. More would make the first of them wait for the last.
pub const MAX_KEYRING_JOBS_PER_COMMIT: usize = 256;

/// Questions that wait for a SQLite keyring. Beyond it they are refused as unavailable.
pub const MAX_QUEUED_FOR_KEYRING: usize = 4_096;

/// Longest wrapped key, bytes; a longer one is refused. AES-256-GCM makes 60 of 32, cloud services some hundred.
pub const MAX_WRAPPED_BYTES: usize = 2_048;

/// Longest id of a key encryption key, bytes; a longer one is refused.
pub const MAX_KEK_ID_BYTES: usize = 512;

/// Longest reason that is kept with an erasure, bytes; a longer one is refused.
pub const MAX_REASON_BYTES: usize = 256;

/// Key encryption keys in a directory or the environment. With more, the process does not start: old ones are to be
/// removed once nothing is wrapped under them.
pub const MAX_KEKS: usize = 64;

/// Longest answer of a key service that is read, bytes. Longer ones count as none.
pub const MAX_KMS_ANSWER_BYTES: usize = 16 * 1_024;

/// Places where sealed PHI could not be opened that are remembered, so that each is said once. Beyond it all are
/// forgotten, and may be said again.
pub const MAX_PLACES_SAID: usize = 1_024;
/// Most rows of the audit trail under one seal, and as many as make the next seal due before its time. More would make
/// a seal an event of more bytes than one may have.
pub const SEALED_ROWS: usize = 1_000;

/// How long a row of the audit trail may wait for its seal: for so long nobody can prove that it was altered.
pub const SEAL_WITHIN: Duration = Duration::from_secs(60);

/// How often a sealer looks for rows that are not sealed.
pub const SEAL_LOOKS: Duration = Duration::from_secs(5);

/// How often a watcher looks at the next seals of each chain.
pub const WATCH_LOOKS: Duration = Duration::from_secs(2);

/// Seals of a chain that a watcher takes at a look: with as many rows as they may have, 2,000 a second.
pub const WATCHED_SEALS: usize = 4;

/// Places of missing rows that a watcher keeps apart, until a later seal says of some that they were pruned. Further ones
/// are taken for one with the last.
pub const WATCHED_BREAKS: usize = 16;

/// When a watcher begins anew with the first row: what was altered after it was looked at is found within that.
pub const WATCH_AGAIN: Duration = Duration::from_secs(24 * 3_600);

/// The shortest time that rows of the audit trail may be kept: six years with their leap days, as HIPAA asks for records
/// (45 CFR 164.316(b)(2)). A shorter one is refused; PostgreSQL itself deletes none that is younger, and whoever verifies
/// finds each that was pruned before.
pub const MIN_AUDIT_RETENTION: Duration = Duration::from_secs(2_192 * 24 * 3_600);

/// The longest: a hundred years. A longer one is refused; who wants to keep everything turns pruning off.
pub const MAX_AUDIT_RETENTION: Duration = Duration::from_secs(36_525 * 24 * 3_600);

/// How often a process looks for rows of the audit trail whose time is over.
pub const PRUNE_LOOKS: Duration = Duration::from_secs(24 * 3_600);

/// How long after its start it looks first: a process that has just come up has better things to do.
pub const PRUNE_FIRST: Duration = Duration::from_secs(10 * 60);

/// Rows that are pruned on the word of one seal, about: what is over beyond it waits for the next seal, at once.
pub const PRUNED_AT_ONCE: u64 = 100_000;

/// Rows that a sealer or an export reads at a time: some 20 MB, if all are as large as they may be.
pub const AUDIT_PAGE: usize = 250;

/// Chains whose newest seal a sealer remembers. Beyond it all are forgotten and looked up again.
pub const MAX_CHAINS_KNOWN: usize = 16_384;

/// Public keys of the audit trail. A further one is refused: one a year is enough.
pub const MAX_AUDIT_KEYS: usize = 256;

/// Largest file of public keys, bytes. A larger one is refused unread.
pub const MAX_AUDIT_KEYS_BYTES: u64 = 64 * 1_024;

/// For how long a key that was replaced may still sign: until then every process has been restarted.
pub const AUDIT_KEY_OVERLAP: Duration = Duration::from_secs(24 * 3_600);

/// Largest frame of an exported audit trail, bytes: a row with its PHI, encrypted. A larger one makes the file
/// unreadable, and a row that would need one cannot be exported: nothing here writes such a row.
pub const MAX_AUDIT_FRAME_BYTES: usize = 256 * 1_024;

/// How many rows around damage are looked at to find where rows and seals agree again, before the rest of the chain is
/// searched.
pub const AUDIT_LOOK_AHEAD: usize = 1_024;

/// Findings that a verification lists. Beyond it they are counted only: by then it is not one row.
pub const MAX_AUDIT_FINDINGS: usize = 10_000;

/// Seals that one verification can be anchored with. Further ones are refused.
pub const MAX_AUDIT_ANCHORS: usize = 10_000;

/// Longest that the second place may take for one copy. Beyond it the copy counts as not taken, and is tried again.
pub const COPY_LIMIT: Duration = Duration::from_secs(30);

/// Longest pause before a copy that was not taken is tried again; the first is a sealer's look, and each is twice the
/// one before.
pub const MAX_COPY_PAUSE: Duration = Duration::from_secs(300);

/// Longest `Idempotency-Key`, bytes. Beyond it: 400.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 128;

/// Who asked lately and is counted. Beyond it those whose quota is full again are forgotten, and if there are none, all.
pub const MAX_RATED: usize = 100_000;

/// Longest address of a server that somebody else names, characters: the hospital's own sign-in, a webhook. Longer ones are
/// refused.
pub const MAX_OUTBOUND_URL_CHARS: usize = 2_048;
