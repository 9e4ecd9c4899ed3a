//! What the gateway tells of itself: the log, and metrics.

pub mod fields;
pub mod logs;
mod metrics;

pub use fields::escaped;
pub use metrics::Metrics;
