//! Counters and gauges for Prometheus. Every label has a bounded set of values: nothing that a peer can choose becomes a
//! label, or a scan would fill the memory with series.

use std::collections::HashSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::domain::ConnectionType;

/// Distinct HTTP routes that are told apart; more than the API has.
const MOST_ROUTES: usize = 200;

/// Counters and gauges (prometheus-client). Clone freely. Each method is one fact; docs/OPERATIONS.md lists the names.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    sign_ins: Family<SignInLabels, Counter>,
    connections: Family<ConnectionLabels, Counter>,
    open_connections: Family<ConnectionLabels, Gauge>,
    tasks: Gauge,
    transfers: Family<TransferLabels, Counter>,
    transfer_bytes: Family<DirectionLabels, Counter<u64, AtomicU64>>,
    webhook_attempts: Family<OutcomeLabels, Counter>,
    webhook_oldest_waiting: Gauge<f64, AtomicU64>,
    http_requests: Family<RequestLabels, Counter>,
    http_seconds: Family<RouteLabels, Histogram>,
    routes: RwLock<HashSet<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SignInLabels {
    connection_type: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConnectionLabels {
    connection_type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TransferLabels {
    direction: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DirectionLabels {
    direction: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    status: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
    method: &'static str,
}

impl Metrics {
    /// A sign-in ended: `granted` or a refusal's code.
    pub fn sign_in(&self, connection_type: ConnectionType, outcome: &'static str) {
        let labels = SignInLabels { connection_type: connection_type.as_str(), outcome };
        self.0.sign_ins.get_or_create(&labels).inc();
    }

    /// A peer connected.
    pub fn connection_opened(&self, connection_type: ConnectionType) {
        let labels = ConnectionLabels { connection_type: connection_type.as_str() };
        self.0.connections.get_or_create(&labels).inc();
        self.0.open_connections.get_or_create(&labels).inc();
    }

    /// A connection that was told by [`Self::connection_opened`] ended.
    pub fn connection_closed(&self, connection_type: ConnectionType) {
        let labels = ConnectionLabels { connection_type: connection_type.as_str() };
        self.0.open_connections.get_or_create(&labels).dec();
    }

    /// An upload or a download ended: `upload`/`download`, `completed`/`failed`.
    pub fn transfer(&self, direction: &'static str, outcome: &'static str, bytes: u64) {
        self.0.transfers.get_or_create(&TransferLabels { direction, outcome }).inc();
        self.0.transfer_bytes.get_or_create(&DirectionLabels { direction }).inc_by(bytes);
    }

    /// An attempt to deliver an event ended: `delivered`, `retried`, `failed`; or an endpoint was `paused`.
    pub fn webhook_attempt(&self, outcome: &'static str) {
        self.0.webhook_attempts.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// How old the oldest event is that waits to be delivered to an endpoint that is not paused; zero when none does.
    pub fn webhooks_waiting(&self, oldest: Duration) {
        self.0.webhook_oldest_waiting.set(oldest.as_secs_f64());
    }

    /// An HTTP request was answered. `route` is the route's pattern, never the path that was asked for.
    pub fn http_request(&self, route: &str, method: &str, status: u16, took: Duration) {
        let route = self.bounded_route(route);
        let method = bounded_method(method);
        let labels = RequestLabels { route: route.clone(), method, status: status.to_string() };
        self.0.http_requests.get_or_create(&labels).inc();
        self.0.http_seconds.get_or_create(&RouteLabels { route, method }).observe(took.as_secs_f64());
    }

    /// The OpenMetrics text.
    pub fn render(&self) -> String {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let tasks = runtime.metrics().num_alive_tasks();
            self.0.tasks.set(i64::try_from(tasks).unwrap_or(i64::MAX));
        }
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.0.registry)
            .expect("a String takes whatever is written");
        text
    }

    /// A mistake of ours (a path taken for a route) must not let a peer make series without end.
    fn bounded_route(&self, route: &str) -> String {
        if self.0.routes.read().unwrap_or_else(PoisonError::into_inner).contains(route) {
            return route.to_owned();
        }
        let mut routes = self.0.routes.write().unwrap_or_else(PoisonError::into_inner);
        if routes.len() >= MOST_ROUTES || route.len() > 100 {
            return "other".to_owned();
        }
        routes.insert(route.to_owned());
        route.to_owned()
    }
}

/// The methods of RFC 9110 that we serve; a peer may send any other word.
fn bounded_method(method: &str) -> &'static str {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("other")
}

impl Default for Metrics {
    fn default() -> Self {
        let inner = Inner {
            registry: Registry::with_prefix("lucca_gateway"),
            sign_ins: Family::default(),
            connections: Family::default(),
            open_connections: Family::default(),
            tasks: Gauge::default(),
            transfers: Family::default(),
            transfer_bytes: Family::default(),
            webhook_attempts: Family::default(),
            webhook_oldest_waiting: Gauge::default(),
            http_requests: Family::default(),
            http_seconds: Family::new_with_constructor(|| {
                Histogram::new([0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0])
            }),
            routes: RwLock::default(),
        };
        Self(Arc::new(inner.registered()))
    }
}

impl Inner {
    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program that runs", version);
        registry.register("sign_ins", "Sign-ins that ended, by outcome", self.sign_ins.clone());
        registry.register("connections", "Connections accepted", self.connections.clone());
        registry.register("open_connections", "Connections open now", self.open_connections.clone());
        registry.register("tasks", "Tasks of the program's runtime that have not ended", self.tasks.clone());
        registry.register("transfers", "Uploads and downloads that ended", self.transfers.clone());
        registry.register("transfer_bytes", "Bytes of uploads and downloads", self.transfer_bytes.clone());
        let help = "Attempts to deliver events that ended, by outcome";
        registry.register("webhook_attempts", help, self.webhook_attempts.clone());
        let help = "Age of the oldest event that waits to be delivered";
        registry.register("webhook_oldest_waiting_seconds", help, self.webhook_oldest_waiting.clone());
        registry.register("http_requests", "HTTP requests answered", self.http_requests.clone());
        registry.register("http_request_seconds", "How long HTTP requests took", self.http_seconds.clone());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_in_the_text() {
        let metrics = Metrics::default();
        metrics.sign_in(ConnectionType::Sftp, "granted");
        metrics.sign_in(ConnectionType::Sftp, "granted");
        metrics.sign_in(ConnectionType::Ftps, "wrong_password");
        metrics.connection_opened(ConnectionType::Sftp);
        metrics.connection_opened(ConnectionType::Sftp);
        metrics.connection_closed(ConnectionType::Sftp);
        metrics.transfer("upload", "completed", 1000);
        metrics.transfer("upload", "failed", 24);
        metrics.webhook_attempt("delivered");
        metrics.webhooks_waiting(Duration::from_millis(1_500));
        metrics.http_request("/v1/instances/{id}", "GET", 200, Duration::from_millis(3));
        let text = metrics.clone().render();
        for line in [
            "lucca_gateway_build_info{version=\"0.1.0\"} 1",
            "lucca_gateway_sign_ins_total{connection_type=\"sftp\",outcome=\"granted\"} 2",
            "lucca_gateway_sign_ins_total{connection_type=\"ftps\",outcome=\"wrong_password\"} 1",
            "lucca_gateway_connections_total{connection_type=\"sftp\"} 2",
            "lucca_gateway_open_connections{connection_type=\"sftp\"} 1",
            "lucca_gateway_transfers_total{direction=\"upload\",outcome=\"failed\"} 1",
            "lucca_gateway_transfer_bytes_total{direction=\"upload\"} 1024",
            "lucca_gateway_webhook_attempts_total{outcome=\"delivered\"} 1",
            "lucca_gateway_webhook_oldest_waiting_seconds 1.5",
            "lucca_gateway_http_requests_total{route=\"/v1/instances/{id}\",method=\"GET\",status=\"200\"} 1",
            "lucca_gateway_http_request_seconds_count{route=\"/v1/instances/{id}\",method=\"GET\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn a_peer_cannot_make_series_without_end() {
        let metrics = Metrics::default();
        for number in 0..2000 {
            metrics.http_request(&format!("/{number}"), &format!("M{number}"), 404, Duration::ZERO);
        }
        let series = metrics.render().lines().filter(|line| line.contains("http_requests_total{")).count();
        assert_eq!(series, MOST_ROUTES + 1);
    }
}
