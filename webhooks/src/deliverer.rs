//! Reads what happened, keeps what webhooks are told of, and sends it: in one process at a time, in the batch lane.
//!
//! ```text
//! record ─tail─▶ keep (book) ─▶ of each webhook the next event ─▶ send ─▶ note what came of it (book) ─▶ the next
//! ```
//!
//! It follows the record and not the bus: the record is what was decided, it is there after any restart, and whoever is
//! behind reads on. What is kept, how far the record was read and how far each webhook has come stands in one table; whatever
//! goes wrong with the store, all of it is read anew.

use crate::{
    book::{self, Book, Delivery, Ends, Lost, Pen, Places},
    limits::{FORGOTTEN_AT_ONCE, LOOKS, MAX_HOMES, MAX_SENDING, PAGES_AT_ONCE, PEEKED_AT_ONCE, READ_AT_ONCE},
    metrics::Metrics,
    records::{Failed, Records, Unloaded, WEBHOOKS},
    sender::{Parcel, Post},
    signature::{random, signature},
    turn::Turn,
};
use model::{TenantId, Timestamp, VisitId, WaitingRoomId};
use platform::{
    clock::Clock,
    event_log::{
        Category, Moment, NewAudit, Partition, Position, ReadError, Store, StreamId, TailEvent, Version,
    },
    lane::{Lane, task},
};
use prometheus::Registry;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::Arc,
};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use webhooks_core::{
    Answer, Because, Course, Notice, Webhook, WebhookId, Webhooks,
    course::Verdict,
    limits::{EVENTS_KEPT_FOR, MAX_EVENTS_KEPT},
    notice::Told,
    webhook::Command,
};

/// What sending needs from the others.
pub struct Deps {
    /// Where webhooks and the table are.
    pub store: Arc<dyn Store>,
    /// The same with PHI as it is on disk: the record is followed without opening any of it.
    pub raw: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Whoever sends.
    pub post: Arc<dyn Post>,
    /// Category of visits' streams.
    pub visits: Category,
    /// No other process can have the store.
    pub alone: bool,
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps").finish_non_exhaustive()
    }
}

/// Sends.
pub struct Deliverer {
    deps: Arc<Deps>,
    metrics: Metrics,
    turn: Turn,
}

impl fmt::Debug for Deliverer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliverer").finish_non_exhaustive()
    }
}

/// Whose, which, where in the unit's events; since when it is under way; what came of it.
type Sent = (TenantId, WebhookId, u64, Instant, Answer);

/// A webhook that is being sent to.
#[derive(Default)]
struct Live {
    course: Course,
    /// The next event that it is told of, if it was looked up.
    next: Option<(u64, Notice)>,
    sending: bool,
}

/// A unit with webhooks, or that had some.
struct Unit {
    webhooks: Webhooks,
    ends: Ends,
    live: BTreeMap<WebhookId, Live>,
}

/// All that whoever has the turn knows.
struct Desk<'a> {
    deps: &'a Arc<Deps>,
    metrics: &'a Metrics,
    book: Book,
    pen: Pen,
    records: Records,
    places: Places,
    /// How far changes of webhooks were read.
    changes: Places,
    homes: HashMap<(TenantId, Uuid), Option<WaitingRoomId>>,
    units: BTreeMap<TenantId, Unit>,
    sending: JoinSet<Sent>,
}

impl Deliverer {
    /// Registers its metrics, and makes sure that nothing is missed which happens from now on.
    ///
    /// # Errors
    /// The metrics are registered already, or the store does not answer.
    pub async fn open(deps: Deps, registry: &Registry) -> Result<Self, Unopened> {
        let metrics = Metrics::new(registry)?;
        let turn = Turn::new(Arc::clone(&deps.store), deps.alone);
        let deps = Arc::new(deps);
        begin(&deps).await.map_err(|Lost| Unopened::Store)?;
        Ok(Self { deps, metrics, turn })
    }

    /// Sends until it is told to stop. What is under way then is sent again.
    pub async fn run(mut self, stop: CancellationToken) {
        let (deps, metrics) = (Arc::clone(&self.deps), self.metrics);
        let mut looks = interval(LOOKS);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let work = async {
            let mut desk: Option<Desk<'_>> = None;
            loop {
                let sent = tokio::select! {
                    biased;
                    _ = looks.tick() => None,
                    Some(Ok(sent)) = next_of(&mut desk) => Some(sent),
                };
                let done = match (sent, &mut desk) {
                    (Some(sent), Some(desk)) => desk.sent(sent).await,
                    (Some(_), None) => Ok(()),
                    (None, _) => look(&mut self.turn, &deps, &metrics, &mut desk).await,
                };
                if done.is_err() {
                    // What is under way is forgotten, and sent again.
                    desk = None;
                    metrics.begun_anew.inc();
                }
                metrics.turn.set(i64::from(desk.is_some()));
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = task::scope(Lane::Batch, work) => {}
        }
    }
}

/// Why nothing can be sent.
#[derive(Debug, thiserror::Error)]
pub enum Unopened {
    /// A metric has the name of another.
    #[error("metrics of webhooks are registered already")]
    Metrics(#[from] prometheus::Error),
    /// Now.
    #[error("the table of webhooks cannot be read or written")]
    Store,
}

async fn next_of(desk: &mut Option<Desk<'_>>) -> Option<Result<Sent, tokio::task::JoinError>> {
    match desk {
        Some(desk) if !desk.sending.is_empty() => desk.sending.join_next().await,
        _ => std::future::pending().await,
    }
}

async fn look<'a>(
    turn: &mut Turn,
    deps: &'a Arc<Deps>,
    metrics: &'a Metrics,
    desk: &mut Option<Desk<'a>>,
) -> Result<(), Lost> {
    if !turn.look(deps.clock.now()).await? {
        *desk = None;
        return Ok(());
    }
    if desk.is_none() {
        tracing::info!("This process sends webhooks");
        *desk = Some(Desk::open(deps, metrics).await?);
    }
    match desk {
        Some(desk) => desk.look().await,
        None => Ok(()),
    }
}

/// Where the record is read from for the first time: from its end, since nobody was told of anything before.
async fn begin(deps: &Deps) -> Result<(), Lost> {
    let book = Book(Arc::clone(&deps.store));
    if book.places().await?.is_some() {
        return Ok(());
    }
    let mut pen = book.pen().await?;
    let places = heads(deps, deps.visits).await?;
    if pen.write(vec![book::put_places(&places)]).await.is_err() && book.places().await?.is_none() {
        return Err(Lost);
    }
    Ok(())
}

async fn heads(deps: &Deps, category: Category) -> Result<Places, ReadError> {
    let mut places = Places::new();
    for partition in of_lane(deps, category.lane) {
        places.insert(partition.0, deps.raw.head(partition).await?.0);
    }
    Ok(places)
}

fn of_lane(deps: &Deps, lane: Lane) -> Vec<Partition> {
    deps.raw.partitions().into_iter().filter(|partition| deps.raw.lane(*partition) == lane).collect()
}

impl<'a> Desk<'a> {
    async fn open(deps: &'a Arc<Deps>, metrics: &'a Metrics) -> Result<Self, Lost> {
        begin(deps).await?;
        let book = Book(Arc::clone(&deps.store));
        let mut desk = Self {
            deps,
            metrics,
            pen: book.pen().await?,
            records: Records { store: Arc::clone(&deps.store), clock: Arc::clone(&deps.clock) },
            // Before any webhook is read: what is changed meanwhile is read again.
            changes: heads(deps, WEBHOOKS).await?,
            places: book.places().await?.ok_or(Lost)?,
            book,
            homes: HashMap::new(),
            units: BTreeMap::new(),
            sending: JoinSet::new(),
        };
        // Whoever wrote until now finds that they do not any more.
        desk.pen.write(Vec::new()).await?;
        let mut after = None;
        loop {
            let page = deps.store.streams(WEBHOOKS, after, READ_AT_ONCE).await?;
            let full = page.len() >= READ_AT_ONCE;
            for StreamId { tenant, id, .. } in page {
                after = Some((tenant, id));
                desk.take_up(tenant).await?;
            }
            if !full {
                return Ok(desk);
            }
        }
    }

    /// Time has passed.
    async fn look(&mut self) -> Result<(), Lost> {
        for _ in 0..PAGES_AT_ONCE {
            if !self.keep().await? {
                break;
            }
        }
        let all: Vec<_> =
            self.units.iter().flat_map(|(tenant, unit)| unit.live.keys().map(|id| (*tenant, *id))).collect();
        for (tenant, id) in all {
            self.send(tenant, id).await?;
        }
        self.count();
        Ok(())
    }

    /// A unit's webhooks as they are now.
    async fn take_up(&mut self, tenant: TenantId) -> Result<(), Lost> {
        let webhooks = match self.records.load(tenant).await {
            Ok((webhooks, _)) => webhooks,
            Err(Unloaded::Away) => return Err(Lost),
            // The other units' are sent all the same.
            Err(Unloaded::Unreadable) => {
                self.units.remove(&tenant);
                return Ok(());
            }
        };
        let mut unit = match self.units.remove(&tenant) {
            Some(unit) => Unit { webhooks, ..unit },
            None => Unit { webhooks, ends: self.book.ends(tenant).await?, live: BTreeMap::new() },
        };
        let mut changes = Vec::new();
        let ids: Vec<_> = unit.webhooks.all().map(|(id, _)| id).collect();
        for id in ids {
            if unit.live.contains_key(&id) {
                continue;
            }
            let course = match self.book.course(tenant, id).await? {
                Some(course) => course,
                None => {
                    // It hears of what comes after it was added.
                    let course = Course::after(unit.ends.next - 1);
                    changes.push(book::put_course(tenant, id, &course));
                    course
                }
            };
            unit.live.insert(id, Live { course, ..Live::default() });
        }
        for id in self.book.courses(tenant).await? {
            if unit.webhooks.get(id).is_none() {
                unit.live.remove(&id);
                changes.extend(self.book.forget(tenant, id).await?);
            }
        }
        if !changes.is_empty() {
            self.pen.write(changes).await?;
        }
        self.units.insert(tenant, unit);
        Ok(())
    }

    /// Keeps a page of what happened. Whether there may be more.
    async fn keep(&mut self) -> Result<bool, Lost> {
        let (mut pages, mut more) = (Vec::new(), false);
        for partition in of_lane(self.deps, self.deps.visits.lane) {
            let place = self.places.get(&partition.0).copied().unwrap_or(0);
            let page = self.deps.raw.tail(partition, Position(place), READ_AT_ONCE).await?;
            more |= page.len() >= READ_AT_ONCE;
            pages.push((partition, page));
        }
        // After that: a webhook that was added before something happened is known by now.
        self.learn().await?;
        for (partition, page) in pages {
            self.keep_page(partition, page).await?;
        }
        Ok(more)
    }

    /// Takes up what was changed about webhooks.
    async fn learn(&mut self) -> Result<(), Lost> {
        let mut changed = BTreeSet::new();
        for partition in of_lane(self.deps, WEBHOOKS.lane) {
            loop {
                let place = self.changes.get(&partition.0).copied().unwrap_or(0);
                let page = self.deps.raw.tail(partition, Position(place), READ_AT_ONCE).await?;
                let Some(last) = page.last() else { break };
                self.changes.insert(partition.0, last.position.0);
                changed.extend(
                    page.iter().filter(|event| event.category == WEBHOOKS.name).map(|event| event.tenant),
                );
            }
        }
        for tenant in changed {
            self.take_up(tenant).await?;
        }
        Ok(())
    }

    async fn keep_page(&mut self, partition: Partition, page: Vec<TailEvent>) -> Result<(), Lost> {
        let Some(last) = page.last().map(|event| event.position.0) else { return Ok(()) };
        let (mut changes, mut ends, now) =
            (Vec::new(), BTreeMap::<TenantId, Ends>::new(), self.deps.clock.now());
        for event in page {
            let Some(unit) = self.units.get(&event.tenant).filter(|unit| !unit.webhooks.is_empty()) else {
                continue;
            };
            let TailEvent { tenant, stream, event, category, .. } = event;
            if category != self.deps.visits.name {
                continue;
            }
            let Some(told) = Told::read(&event.kind, &event.body) else { continue };
            let mut of = *ends.entry(tenant).or_insert(unit.ends);
            let waiting_room = match told.waiting_room {
                Some(room) => Some(room),
                None => self.home(tenant, stream).await?,
            };
            let noted = now.max(of.noted);
            let notice = Notice {
                kind: told.kind,
                visit: VisitId(stream),
                version: event.version.0,
                waiting_room,
                at: event.at,
                noted,
                outcome: told.outcome,
            };
            changes.push(book::put_notice(tenant, of.next, &notice));
            (of.next, of.noted) = (of.next + 1, noted);
            ends.insert(tenant, of);
        }
        self.places.insert(partition.0, last);
        // What partners are not told of is read again after a restart, which costs little.
        if ends.is_empty() {
            return Ok(());
        }
        let mut left = FORGOTTEN_AT_ONCE;
        for (tenant, of) in &mut ends {
            while left > 0 && of.first + 1 < of.next && self.is_old(*tenant, of, now).await? {
                changes.push(book::delete_notice(*tenant, of.first));
                (of.first, left) = (of.first + 1, left - 1);
            }
            changes.push(book::put_ends(*tenant, of));
        }
        changes.push(book::put_places(&self.places));
        self.pen.write(changes).await?;
        for (tenant, of) in ends {
            if let Some(unit) = self.units.get_mut(&tenant) {
                unit.ends = of;
            }
        }
        Ok(())
    }

    async fn is_old(&self, tenant: TenantId, ends: &Ends, now: Timestamp) -> Result<bool, ReadError> {
        if ends.next - ends.first > MAX_EVENTS_KEPT {
            return Ok(true);
        }
        let oldest = self.book.notice(tenant, ends.first).await?;
        Ok(oldest.is_some_and(|notice| now.since(notice.noted) > EVENTS_KEPT_FOR))
    }

    /// The waiting room of a visit, as its first event says.
    async fn home(&mut self, tenant: TenantId, visit: Uuid) -> Result<Option<WaitingRoomId>, ReadError> {
        if let Some(home) = self.homes.get(&(tenant, visit)) {
            return Ok(*home);
        }
        let stream = StreamId { tenant, category: self.deps.visits, id: visit };
        let first = self.deps.raw.read(stream, Version(0), 1, Moment::NOW).await?;
        let body = first.first().map(|event| event.body.as_str()).unwrap_or_default();
        let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        let home = body["waitingRoom"].as_str().and_then(|room| room.parse().ok());
        if self.homes.len() >= MAX_HOMES {
            self.homes.clear();
        }
        self.homes.insert((tenant, visit), home);
        Ok(home)
    }

    /// Sends the next event to a webhook, if there is one and it is time.
    async fn send(&mut self, tenant: TenantId, id: WebhookId) -> Result<(), Lost> {
        let now = self.deps.clock.now();
        let Some(unit) = self.units.get_mut(&tenant) else { return Ok(()) };
        let (Some(webhook), Some(live)) = (unit.webhooks.get(id), unit.live.get_mut(&id)) else {
            return Ok(());
        };
        if live.sending {
            return Ok(());
        }
        if live.course.obey(webhook) {
            live.next = None;
            self.pen.write(vec![book::put_course(tenant, id, &live.course)]).await?;
        }
        if live.next.is_none() {
            peek(&self.book, self.metrics, tenant, webhook, live, unit.ends).await?;
        }
        let waits = webhook.off.is_some() || live.course.not_before().is_some_and(|then| now < then);
        let Some((place, notice)) = live.next.clone().filter(|_| !waits) else { return Ok(()) };
        if self.sending.len() >= MAX_SENDING {
            return Ok(());
        }
        live.sending = true;
        let parcel = parcel(tenant, webhook, place, &notice, now);
        let (post, begun) = (Arc::clone(&self.deps.post), Instant::now());
        self.sending.spawn(async move {
            let answer = match parcel {
                Some(parcel) => post.post(parcel).await,
                None => Answer::Unreadable,
            };
            (tenant, id, place, begun, answer)
        });
        Ok(())
    }

    /// Something was sent.
    async fn sent(&mut self, (tenant, id, place, begun, answer): Sent) -> Result<(), Lost> {
        self.metrics.sent(answer);
        let now = self.deps.clock.now();
        // Removed meanwhile: nobody wants to know.
        let Some(unit) = self.units.get_mut(&tenant) else { return Ok(()) };
        let (Some(webhook), Some(live)) = (unit.webhooks.get(id), unit.live.get_mut(&id)) else {
            return Ok(());
        };
        let Some((_, notice)) = live.next.clone().filter(|(next, _)| *next == place) else {
            return Err(Lost);
        };
        let number = live.course.sent;
        let verdict = live.course.answered(place, answer, now, random());
        let delivery = Delivery {
            event: notice.id(tenant, place).to_string(),
            kind: notice.kind,
            visit: notice.visit,
            at: now,
            took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            answer,
        };
        let mut changes = book::put_delivery(tenant, id, number, &delivery);
        changes.push(book::put_course(tenant, id, &live.course));
        let ordered = live.course.ordered;
        (live.sending, live.next) = (false, live.next.take().filter(|_| verdict != Verdict::Next));
        let is_on = webhook.off.is_none();
        self.pen.write(changes).await?;
        match verdict {
            Verdict::Next => self.send(tenant, id).await,
            Verdict::Off(because) if is_on => self.switch_off(tenant, id, because, ordered).await,
            Verdict::Again | Verdict::Off(_) => Ok(()),
        }
    }

    async fn switch_off(
        &mut self,
        tenant: TenantId,
        id: WebhookId,
        because: Because,
        ordered: u64,
    ) -> Result<(), Lost> {
        let audit = NewAudit {
            action: "webhook.off",
            actor: None,
            subject: Some(id.0),
            body: serde_json::json!({ "because": because }).to_string(),
            phi: None,
        };
        let command = Command::SwitchOff { id, because, ordered };
        match self.records.change(tenant, audit, command).await {
            Ok((_, changed)) => {
                if changed {
                    self.metrics.off.inc();
                    tracing::warn!(tenant.id = %tenant, webhook.id = %id, ?because, "A webhook is switched off");
                }
                self.take_up(tenant).await
            }
            // Removed meanwhile.
            Err(Failed::Rejected(_)) => Ok(()),
            Err(Failed::Later) => Err(Lost),
        }
    }

    fn count(&self) {
        let (mut backlog, mut oldest) = (0, None::<Timestamp>);
        let mut states = BTreeMap::from([("on", 0), ("failing", 0), ("off", 0)]);
        for unit in self.units.values() {
            for (id, live) in &unit.live {
                let is_off = unit.webhooks.get(*id).is_none_or(|webhook| webhook.off.is_some());
                let state = match (is_off, live.course.failing) {
                    (true, _) => "off",
                    (false, Some(_)) => "failing",
                    (false, None) => "on",
                };
                *states.entry(state).or_insert(0) += 1;
                if let Some((place, notice)) = live.next.as_ref().filter(|_| !is_off) {
                    backlog += unit.ends.next - place;
                    oldest = Some(oldest.map_or(notice.noted, |oldest| oldest.min(notice.noted)));
                }
            }
        }
        self.metrics.backlog.set(i64::try_from(backlog).unwrap_or(i64::MAX));
        let age = oldest.map_or(0, |oldest| self.deps.clock.now().since(oldest).as_secs());
        self.metrics.age.set(i64::try_from(age).unwrap_or(i64::MAX));
        for (state, count) in states {
            self.metrics.webhooks.with_label_values(&[state]).set(count);
        }
    }
}

/// Looks up the next event that a webhook is told of.
async fn peek(
    book: &Book,
    metrics: &Metrics,
    tenant: TenantId,
    webhook: &Webhook,
    live: &mut Live,
    ends: Ends,
) -> Result<(), ReadError> {
    while live.course.cursor + 1 < ends.next {
        let page = book.notices(tenant, live.course.cursor, PEEKED_AT_ONCE).await?;
        for (place, notice) in &page {
            // Places have no gaps: what is missing was forgotten.
            metrics.forgotten.inc_by(place - live.course.cursor - 1);
            if webhook.events.contains(&notice.kind) {
                live.course.pass(place - 1);
                live.next = Some((*place, notice.clone()));
                return Ok(());
            }
            live.course.pass(*place);
        }
        if page.is_empty() {
            return Ok(());
        }
    }
    Ok(())
}

/// What is sent; none if the webhook's secrets were erased.
fn parcel(
    tenant: TenantId,
    webhook: &Webhook,
    place: u64,
    notice: &Notice,
    now: Timestamp,
) -> Option<Parcel> {
    let (id, body) = (notice.id(tenant, place).to_string(), notice.body(tenant, place));
    let timestamp_s = now.as_millis().div_euclid(1_000);
    let signature = signature(webhook.secrets(now), &id, timestamp_s, &body)?;
    Some(Parcel { url: webhook.url.clone(), id, timestamp_s, signature, body })
}

/// What a page of changes may have at most fits one write.
const _: () = assert!(2 * READ_AT_ONCE + (FORGOTTEN_AT_ONCE as usize) < platform::limits::MAX_CHANGES);
