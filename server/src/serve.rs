//! `telehealth serve`: plan, bind, build, log addresses, serve, drain by a deadline.

use crate::{
    announce::Ready,
    cli::Serve,
    demo,
    failure::Failure,
    health::{self, Checks, probe},
    http,
    limits::{DRAIN_DEADLINE, MOVED_LOOK},
    nodes::Nodes,
    plan::{self, Plan},
    units,
    wiring::{self, Journal, Media, Process, Signaling},
};
use platform::{
    clock::SystemClock,
    lifecycle::{self, Drained},
    telemetry,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::{sync::watch, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

/// In the data directory, while nobody has used it.
const FIRST_ADMINISTRATOR: &str = "first-administrator.link";

/// Runs until a signal, or until a service fails.
///
/// # Errors
/// What cannot be used, in one line; or which service failed.
pub(crate) async fn run(args: &Serve) -> Result<(), Failure> {
    let plan = plan::plan(args, &SystemClock)?;
    telemetry::init(&plan.config.telemetry)?;
    let shutdown = CancellationToken::new();
    let mut signals = JoinSet::new();
    lifecycle::cancel_on_signal(shutdown.clone(), &mut signals)
        .map_err(|e| Failure::Broken(format!("cannot listen for signals: {e}")))?;
    Box::pin(Server::bind(plan).await?.serve(args, shutdown)).await
}

struct Server {
    process: Process,
    plan: Plan,
    url: String,
    http: Vec<tokio::net::TcpListener>,
    metrics: Vec<tokio::net::TcpListener>,
    inside: Vec<tokio::net::TcpListener>,
}

impl Server {
    async fn bind(plan: Plan) -> Result<Self, Failure> {
        let http = http::bind("http.listen", &plan.http).await?;
        let metrics = http::bind("metrics.listen", &plan.metrics).await?;
        let (bound, lan) = (wiring::addresses(&http), plan.lan.as_deref());
        let url = plan::public_url(&plan.config, &bound, plan.tls.is_some(), lan);
        let origins = plan::origins(&url, &bound, plan.tls.is_some(), lan);
        let inside = http::bind("fleet.listen", &plan.inside).await?;
        let address = wiring::addresses(&inside)
            .first()
            .map(|bound| plan.config.fleet.advertise.clone().unwrap_or_else(|| bound.to_string()));
        let process = Box::pin(wiring::build(&plan, &url, origins, address)).await?;
        Ok(Self { process, plan, url, http, metrics, inside })
    }

    async fn serve(self, args: &Serve, shutdown: CancellationToken) -> Result<(), Failure> {
        let Self { process, plan, url, http, metrics, inside } = self;
        let accepting = Arc::new(AtomicBool::new(false));
        let (probes, findings) = (wiring::probes(&process), Arc::clone(&process.findings));
        let (well, is_well) = watch::channel(true);
        let others = process.nodes.as_ref().map(Nodes::others_are_well);
        let checks = Checks {
            findings: Arc::clone(&findings),
            // Alone, nobody keeps it in: there is no edge to take it out.
            others_are_well: Box::new(move || others.as_ref().is_none_or(|others| *others.borrow())),
            is_accepting: Box::new({
                let (accepting, shutdown) = (Arc::clone(&accepting), shutdown.clone());
                move || accepting.load(Ordering::Relaxed) && !shutdown.is_cancelled()
            }),
        };
        let mut ready = Ready {
            url,
            http: wiring::addresses(&http),
            metrics: wiring::addresses(&metrics),
            media: process.media.as_ref().map(|media| media.handle.local_addrs()).unwrap_or_default(),
            demo: None,
            administrator: None,
            units: Vec::new(),
        };
        tracing::info!(http = ?ready.http, metrics = ?ready.metrics, media = ?ready.media, "Listening");
        let Process {
            registry,
            store,
            vault,
            journal,
            audit,
            alarm,
            failures,
            webhooks,
            media,
            signaling,
            nodes,
            router,
            inside: inside_router,
            identity,
            units,
            traces,
            keys,
            findings: _,
            board,
        } = process;

        // Media, metrics and the ways between processes outlive the rest: calls go on while signaling says goodbye.
        let stop = CancellationToken::new();
        let (mut last, mut first) = (JoinSet::new(), JoinSet::new());
        let media_handle = media.as_ref().map(|media| media.handle.clone());
        if let Some(Media { service, link, .. }) = media {
            last.spawn(run_media(service, stop.clone()));
            if let Some(link) = link {
                last.spawn(well_done(link.run(stop.clone())));
            }
        }
        if let Some(alarm) = alarm {
            last.spawn(well_done(alarm.run(stop.clone())));
        }
        if let Some(failures) = failures {
            last.spawn(well_done(failures.run(stop.clone())));
        }
        if let Some(webhooks) = webhooks {
            last.spawn(well_done(webhooks.run(stop.clone())));
        }
        if let Some(audit) = audit {
            last.spawn(well_done(audit.run(stop.clone())));
        }
        if let Some(traces) = traces {
            last.spawn(well_done(traces.run(stop.clone())));
        }
        if let Some(vault) = vault {
            let stop = stop.clone();
            last.spawn(well_done(async move { vault.run(stop).await }));
        }
        if store.is_some() && plan.config.store.postgres().is_none() {
            let (socket, units) = (units::socket_of(&plan.config.data_dir), Arc::clone(&units));
            last.spawn(well_done(units::control::serve(socket, units, identity.clone(), stop.clone())));
        }
        last.spawn({
            let (units, stop) = (Arc::clone(&units), stop.clone());
            well_done(async move { units.run(stop).await })
        });
        last.spawn(well_done(keys.watch(stop.clone())));
        last.spawn(serve_http(metrics, None, health::router(registry, checks), stop.clone()));
        last.spawn(well_done(probe::run(probes, findings, board, well, stop.clone())));
        if !inside.is_empty() {
            last.spawn(serve_http(inside, None, inside_router, stop.clone()));
        }
        let in_fleet = nodes.is_some();
        if let Some(nodes) = nodes {
            last.spawn(well_done(nodes.run(is_well, shutdown.clone(), stop.clone())));
        }
        let mut signaling_handle = None;
        if let Some(Signaling { service, handle, fleet, relay }) = signaling {
            last.spawn(well_done(relay.run(stop.clone())));
            if let Some(fleet) = fleet {
                let stop = stop.clone();
                last.spawn(well_done(async move { fleet.run(stop).await }));
            }
            // Every room is there before the first browser is.
            first.spawn(well_done(service.run(shutdown.clone())));
            signaling_handle = Some(handle);
        }
        let acceptor = plan.tls.map(|tls| {
            last.spawn(well_done(tls.renewal.run(stop.clone())));
            tls.acceptor
        });
        first.spawn(serve_http(http, acceptor, router, shutdown.clone()));

        if args.demo {
            let signaling = signaling_handle.as_ref().ok_or_else(|| {
                Failure::Usage("--demo: this process has no role `signaling`, which opens the rooms".into())
            })?;
            ready.demo = Some(demo::open(signaling, args.demo_rooms).await?);
            for number in 2..=args.demo_units {
                ready.units.push(demo::open_unit(signaling, &units, identity.as_deref(), number).await?);
            }
        }
        if let Some(identity) = &identity {
            ready.administrator = first_administrator(identity, &plan.config.data_dir, args.demo).await?;
        }
        accepting.store(true, Ordering::Relaxed);
        if let Some(path) = &args.ready_file {
            ready.write(path)?;
        }
        ready.tell(&mut std::io::stdout().lock(), args.lan).map_err(crate::broken_output)?;

        let failed = tokio::select! {
            () = shutdown.cancelled() => None,
            Some(ended) = first.join_next() => ended.map_err(|e| Failure::Broken(e.to_string())).flatten().err(),
            Some(ended) = last.join_next() => ended.map_err(|e| Failure::Broken(e.to_string())).flatten().err(),
        };
        shutdown.cancel();
        let deadline = Instant::now() + DRAIN_DEADLINE;
        if let Some(media) = media_handle {
            media.drain();
            if in_fleet {
                // The other nodes take them over, one waiting room after the other.
                first.spawn(well_done(async move {
                    while media.sessions() > 0 {
                        tokio::time::sleep(MOVED_LOOK).await;
                    }
                }));
            }
        }
        let drained = lifecycle::drain(first, DRAIN_DEADLINE).await;
        if let Some(journal) = &journal {
            record_the_rest(journal, deadline).await;
        }
        stop.cancel();
        let cut = lifecycle::drain(last, std::time::Duration::from_millis(500)).await;
        // The last handle to the store: what was queued is written before the process ends.
        drop((store, signaling_handle));
        if let Some(journal) = journal {
            journal.close().await;
        }
        match (drained, cut) {
            (Drained::Clean, Drained::Clean) => tracing::info!("Stopped"),
            late => tracing::warn!(?late, "Stopped at the deadline"),
        }
        failed.map_or(Ok(()), Err)
    }
}

/// Lets the first administrator in: the link goes to a file that only the operator reads, and, of a demonstration, to
/// whoever looks at it.
async fn first_administrator(
    identity: &identity::Identity,
    data: &std::path::Path,
    demo: bool,
) -> Result<Option<String>, Failure> {
    let path = data.join(FIRST_ADMINISTRATOR);
    match identity.first_administrator().await {
        Ok(identity::FirstAdministrator::Invited(link)) if demo => Ok(Some(link.into_exposed())),
        Ok(identity::FirstAdministrator::Invited(link)) => {
            let broken = |e: std::io::Error| Failure::Usage(format!("data_dir: {}: {e}", path.display()));
            write_private(&path, &format!("{}\n", link.expose())).map_err(broken)?;
            tracing::info!("The first administrator's link is in {}", path.display());
            Ok(None)
        }
        Ok(identity::FirstAdministrator::Nobody) => {
            // It was used, or is not wanted: nobody should find it and wonder.
            let _ = std::fs::remove_file(&path);
            Ok(None)
        }
        // People who have joined can sign in as soon as it answers.
        Err(identity::service::Later) => {
            tracing::warn!("Whether there is an administrator cannot be seen now: the store does not answer");
            Ok(None)
        }
    }
}

fn write_private(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let _ = std::fs::remove_file(path);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// Nobody appends any more: what was acknowledged while the database was away gets to it now, or at the next start.
async fn record_the_rest(journal: &Journal, deadline: Instant) {
    let before = *journal.unrecorded().borrow();
    match journal.replayed(deadline.saturating_duration_since(Instant::now())).await {
        Ok(()) if before == 0 => {}
        Ok(()) => tracing::info!(journal.entries = before, "The database has all that was acknowledged"),
        Err(entries) => tracing::warn!(
            journal.entries = entries,
            "The database does not have all that was acknowledged: entries stay in the local journal and are recorded \
             at the next start on this data directory"
        ),
    }
}

async fn serve_http(
    listeners: Vec<tokio::net::TcpListener>,
    tls: Option<tokio_rustls::TlsAcceptor>,
    router: axum::Router,
    shutdown: CancellationToken,
) -> Result<(), Failure> {
    http::serve(listeners, tls, router, http::Patience::default(), shutdown).await;
    Ok(())
}

async fn well_done(done: impl Future<Output = ()>) -> Result<(), Failure> {
    done.await;
    Ok(())
}

async fn run_media(media: sfu::Service, stop: CancellationToken) -> Result<(), Failure> {
    Ok(media.run(stop).await?)
}
