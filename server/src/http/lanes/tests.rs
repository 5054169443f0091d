//! Each lane alone in its trouble: what would hang here if lanes shared a thread, a queue, a pool or a lock.

use super::*;
use crate::http::{limits::BLOCKING_THREADS, tests as http};
use axum::{Router, body::Body, middleware, routing::get};
use model::{TenantId, Timestamp};
use platform::event_log::{
    Append, Category, EventStore as _, Moment, NewEvent, StreamId, Version, sqlite::SqliteStore,
};
use std::{sync::mpsc, time::Duration};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

/// Longer than anything here takes that does not hang.
const HANGS: Duration = Duration::from_secs(30);

fn lane_of(route: Option<&str>) -> Lane {
    let name = route.and_then(|route| route.strip_prefix('/')?.split('/').next());
    Lane::ALL.into_iter().find(|lane| Some(lane.as_str()) == name).unwrap_or(Lane::Standard)
}

/// Holds up whoever comes until it is dropped.
struct Stuck {
    tasks: Arc<Semaphore>,
    threads: Vec<mpsc::SyncSender<()>>,
}

struct World {
    router: Router,
    lanes: Arc<Lanes>,
    stuck: Stuck,
    /// One message for each that is stuck.
    arrivals: tokio::sync::mpsc::Receiver<()>,
    _dir: tempfile::TempDir,
}

fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&dir.path().join("e"), &Registry::new()).unwrap());
    let lanes = Lanes::start(lane_of, &Registry::new()).unwrap();
    let tasks = Arc::new(Semaphore::new(0));
    let (arrived, arrivals) = tokio::sync::mpsc::channel(100_000);
    let (release, released) = mpsc::sync_channel::<()>(0);
    let released = Arc::new(Mutex::new(released));
    let mut router = Router::new();
    for lane in Lane::ALL {
        let (store, tasks) = (Arc::clone(&store), Arc::clone(&tasks));
        let (asked, threads) = ((arrived.clone(), arrived.clone()), Arc::clone(&released));
        router = router
            .route(&format!("/{lane}/work"), get(move || work(Arc::clone(&store), lane)))
            .route(
                &format!("/{lane}/panic"),
                get(|| async {
                    panic!("on purpose");
                    #[expect(unreachable_code, reason = "a handler answers")]
                    ""
                }),
            )
            .route(
                &format!("/{lane}/about"),
                get(|| async {
                    let left = deadline::current().unwrap().saturating_duration_since(Instant::now());
                    let niceness = rustix::process::getpriority_process(None).unwrap();
                    format!("{} {niceness} {}", left.as_millis(), task::lane_for(Lane::Critical))
                }),
            )
            .route(
                &format!("/{lane}/stuck"),
                get(move || async move {
                    asked.0.send(()).await.unwrap();
                    let _ = tasks.acquire().await;
                    "released"
                }),
            )
            .route(
                &format!("/{lane}/stuck/thread"),
                get(move || async move {
                    let arrived = asked.1.clone();
                    let wait = move || {
                        arrived.blocking_send(()).unwrap();
                        // Ends when nobody can send any more.
                        let _ = threads.lock().recv();
                    };
                    tokio::task::spawn_blocking(wait).await.unwrap();
                    "released"
                }),
            );
    }
    let router = router.layer(middleware::from_fn_with_state(Arc::clone(&lanes), Lanes::admit));
    World { router, lanes, stuck: Stuck { tasks, threads: vec![release] }, arrivals, _dir: dir }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        self.tasks.close();
        self.threads.clear();
    }
}

/// A command and a look, durably, in a lane's category: its partition, its queue, its pool.
async fn work(store: Arc<SqliteStore>, lane: Lane) -> &'static str {
    let category = Category { name: lane.as_str(), lane };
    let stream = StreamId { tenant: TenantId(platform::ids::fresh()), category, id: platform::ids::fresh() };
    let event = NewEvent { kind: "done", schema: 1, body: "{}".to_owned(), phi: None, effective: None };
    store.append(Append::new(stream, Version(0), vec![event], Timestamp::from_millis(0))).await.unwrap();
    assert_eq!(store.read(stream, Version(0), 10, Moment::default()).await.unwrap().len(), 1);
    "worked"
}

async fn ask(router: &Router, path: &str) -> Response {
    ask_with(router, path, None).await
}

async fn ask_with(router: &Router, path: &str, budget: Option<&str>) -> Response {
    let mut request = Request::get(path);
    if let Some(budget) = budget {
        request = request.header(deadline::HEADER, budget);
    }
    let answer = router.clone().oneshot(request.body(Body::empty()).unwrap());
    tokio::time::timeout(HANGS, answer).await.expect("it hangs").unwrap()
}

async fn text(response: Response) -> String {
    let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

/// Everything of a lane is taken: its blocking threads, its workers, its queue.
async fn fill(world: &mut World, lane: Lane, threads: usize) -> JoinSet<u16> {
    let (workers, queue) = (WORKERS[lane.index()], QUEUE[lane.index()]);
    let mut asking = JoinSet::new();
    let mut go = |path: String| {
        let (router, request) = (world.router.clone(), Request::get(path).body(Body::empty()).unwrap());
        asking.spawn(async move { router.oneshot(request).await.unwrap().status().as_u16() });
    };
    (0..threads).for_each(|_| go(format!("/{lane}/stuck/thread")));
    (threads..workers).for_each(|_| go(format!("/{lane}/stuck")));
    for _ in 0..workers {
        world.arrivals.recv().await.unwrap();
    }
    (0..queue).for_each(|_| go(format!("/{lane}/work")));
    let door = &world.lanes.doors[lane.index()];
    while door.counts() != (workers, queue) {
        tokio::task::yield_now().await;
    }
    asking
}

fn runtime(threads: usize) -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).max_blocking_threads(threads).enable_all().build().unwrap()
}

#[test]
fn whichever_lane_is_full_and_stuck_the_others_work_and_it_answers_503() {
    for stuck in Lane::ALL {
        let threads = if stuck == Lane::Critical { 3 } else { BLOCKING_THREADS[stuck.index() - 1] };
        runtime(3).block_on(async {
            let mut world = world();
            let asking = fill(&mut world, stuck, threads).await;
            for lane in Lane::ALL.into_iter().filter(|lane| *lane != stuck) {
                for _ in 0..20 {
                    assert_eq!(text(ask(&world.router, &format!("/{lane}/work")).await).await, "worked");
                }
            }
            // One too many.
            let shed = ask(&world.router, &format!("/{stuck}/work")).await;
            assert_eq!(shed.status(), 503);
            assert_eq!(shed.headers()["content-type"], "application/problem+json");
            let after = crate::http::limits::RETRY_AFTER[stuck.index()].as_secs().to_string();
            assert_eq!(shed.headers()["retry-after"], after.as_str());
            assert!(text(shed).await.contains("Nothing was done"));
            // Let go, those that were worked for are done; who waited for long while it was full was shed.
            drop(world.stuck);
            let said = asking.join_all().await;
            assert!(said.iter().filter(|status| **status == 200).count() >= WORKERS[stuck.index()]);
            assert!(said.iter().all(|status| [200, 503].contains(status)), "{said:?}");
            assert_eq!(text(ask(&world.router, &format!("/{stuck}/work")).await).await, "worked");
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_has_lost_its_workers_is_shed_and_has_them_back() {
    let world = world();
    let door = &world.lanes.doors[Lane::Batch.index()];
    door.allow(0);
    // Those who watch the process may give some back meanwhile: then it is done, and that is as well.
    let shed = ask(&world.router, "/batch/work").await;
    assert_eq!(shed.status(), 503);
    assert_eq!(ask(&world.router, "/critical/work").await.status(), 200);
    door.allow(door.workers());
    assert_eq!(ask(&world.router, "/batch/work").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_becomes_a_deadline_that_handlers_see_and_that_ends_them() {
    let mut world = world();
    for lane in Lane::ALL {
        let about = async |budget| {
            let text = text(ask_with(&world.router, &format!("/{lane}/about"), budget).await).await;
            let [left, niceness, of] = text.split(' ').collect::<Vec<_>>().try_into().unwrap();
            assert_eq!(of, lane.as_str(), "what it asks for is its lane's");
            (left.parse::<u128>().unwrap(), niceness.parse::<i32>().unwrap())
        };
        let longest = platform::limits::MAX_BUDGET[lane.index()].as_millis();
        let (left, niceness) = about(None).await;
        assert!(left <= longest && left + 5_000 > longest, "{left}");
        let mine = rustix::process::getpriority_process(None).unwrap();
        let below = lane.index().checked_sub(1).map_or(0, |below| crate::http::limits::NICENESS[below]);
        assert_eq!(niceness, (mine + below).min(19));
        assert!(about(Some("15000")).await.0 <= 15_000);
        assert_eq!(ask_with(&world.router, &format!("/{lane}/about"), Some("soon")).await.status(), 400);
        // None left when it comes: nothing is done.
        let late = ask_with(&world.router, &format!("/{lane}/stuck"), Some("0")).await;
        assert_eq!((late.status().as_u16(), late.headers().contains_key("retry-after")), (503, true));
        assert!(world.arrivals.try_recv().is_err());
        // None left when it runs: it ends, and may have done something.
        let cut = ask_with(&world.router, &format!("/{lane}/stuck"), Some("30")).await;
        assert_eq!(cut.status(), 504);
        assert!(text(cut).await.contains("out-of-time"));
        world.arrivals.recv().await.unwrap();
        assert_eq!(world.lanes.doors[lane.index()].counts(), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_answered_and_gives_its_worker_back() {
    let world = world();
    for _ in 0..WORKERS[Lane::Batch.index()] + 1 {
        assert_eq!(ask(&world.router, "/batch/panic").await.status(), 500);
    }
    assert_eq!(ask(&world.router, "/batch/work").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_is_not_worked_for_and_leaves_no_place_taken() {
    let mut world = world();
    let asking = fill(&mut world, Lane::Batch, 0).await;
    drop(asking);
    while world.lanes.doors[Lane::Batch.index()].counts() != (0, 0) {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask(&world.router, "/batch/work").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_has_so_many_connections_and_one_more_is_answered_503_and_closed() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let world = world();
    let server = http::start(world.router.clone()).await;
    let go = async |path: &str| {
        let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        (String::from_utf8_lossy(&head[9..]).into_owned(), stream)
    };
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS_OF_A_LANE[Lane::Batch.index()] {
        let (status, stream) = go("/batch/about").await;
        assert_eq!(status, "200");
        held.push(stream);
    }
    let (status, mut closed) = go("/batch/about").await;
    assert_eq!(status, "503");
    let mut rest = String::new();
    tokio::time::timeout(HANGS, closed.read_to_string(&mut rest)).await.expect("it is closed").unwrap();
    assert!(rest.contains("retry-after: 10") && rest.contains("connection: close"), "{rest}");
    assert_eq!(go("/critical/about").await.0, "200");
}
