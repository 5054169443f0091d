//! One connection. It comes back by itself; whoever depends on it watches how often it came.

use super::{BusMetrics, Config, StartError};
use crate::limits::{BUS_TIME_LIMIT, MAX_PUBLISHES};
use async_nats::{
    Client, ConnectOptions, Event,
    connection::State,
    jetstream::{Context, context::ContextBuilder},
};
use secrecy::ExposeSecret as _;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// How often a silent server is asked whether it lives. Two unanswered questions end the connection.
const PING_INTERVAL: Duration = Duration::from_secs(2);

/// Longest pause between attempts to connect.
const MAX_RECONNECT_DELAY: Duration = Duration::from_secs(1);

pub(super) struct Link {
    pub(super) client: Client,
    pub(super) jetstream: Context,
    /// How often the connection came up.
    pub(super) connections: watch::Receiver<u64>,
}

impl Link {
    /// Begins to connect; does not wait for it.
    pub(super) async fn open(
        name: &'static str,
        config: &Config,
        metrics: &BusMetrics,
    ) -> Result<Self, StartError> {
        let (connected, connections) = watch::channel(0);
        let connected = Arc::new(connected);
        let metrics = metrics.clone();
        metrics.connected(name, false);
        let mut options = ConnectOptions::new()
            .name(format!("telehealth {name}"))
            .retry_on_initial_connect()
            .max_reconnects(None)
            .reconnect_delay_callback(delay)
            .connection_timeout(BUS_TIME_LIMIT)
            .request_timeout(Some(BUS_TIME_LIMIT))
            .ping_interval(PING_INTERVAL)
            .client_capacity(MAX_PUBLISHES)
            .event_callback(move |event| {
                note(name, &event, &connected, &metrics);
                std::future::ready(())
            });
        if let Some((user, password)) = &config.user {
            options = options.user_and_password(user.clone(), password.expose_secret().into());
        }
        if let Some(path) = &config.creds_file {
            let unreadable = |source| StartError::Credentials { path: path.clone(), source };
            options = options.credentials_file(path).await.map_err(unreadable)?;
        }
        if let Some(path) = &config.ca_file {
            options = options.add_root_certificates(path.clone()).require_tls(true);
        }
        let client = options.connect(&config.urls).await.map_err(StartError::Config)?;
        let jetstream =
            ContextBuilder::new().timeout(BUS_TIME_LIMIT).ack_timeout(BUS_TIME_LIMIT).build(client.clone());
        Ok(Self { client, jetstream, connections })
    }

    pub(super) fn is_up(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Returns once the connection is up.
    pub(super) async fn up(&self) {
        let mut connections = self.connections.clone();
        while !self.is_up() {
            // Without a sender there is no client any more, and whoever waits here is about to end.
            if tokio::time::timeout(MAX_RECONNECT_DELAY, connections.changed())
                .await
                .is_ok_and(|c| c.is_err())
            {
                return std::future::pending().await;
            }
        }
    }
}

/// 50 ms, doubled each time.
fn delay(attempts: usize) -> Duration {
    let doubled = 1_u32 << attempts.saturating_sub(1).min(8);
    (Duration::from_millis(50) * doubled).min(MAX_RECONNECT_DELAY)
}

/// Server errors may quote subjects and users; only their kind is logged.
fn note(name: &str, event: &Event, connected: &watch::Sender<u64>, metrics: &BusMetrics) {
    match event {
        Event::Connected => {
            metrics.connected(name, true);
            connected.send_modify(|count| *count += 1);
            tracing::info!(connection = name, "Connected to NATS");
        }
        Event::Disconnected | Event::Closed => {
            metrics.connected(name, false);
            tracing::warn!(connection = name, "The connection to NATS is lost; trying again");
        }
        Event::SlowConsumer(_) => {
            metrics.missed(1);
            tracing::warn!(connection = name, "This process does not keep up with NATS");
        }
        Event::ServerError(_) => tracing::warn!(connection = name, "NATS reports an error"),
        Event::LameDuckMode | Event::Draining | Event::ClientError(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_to_connect_slow_down_to_one_a_second() {
        assert_eq!(delay(0), Duration::from_millis(50));
        assert_eq!(delay(3), Duration::from_millis(200));
        assert_eq!(delay(usize::MAX), MAX_RECONNECT_DELAY);
    }
}
