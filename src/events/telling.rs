//! One log line and one count for each transfer, wherever it came from.

use crate::domain::{TransferDirection, TransferResult};
use crate::store::TransferRow;
use crate::telemetry::{Metrics, escaped};

/// Tells of a transfer that ended and, if it was an upload that succeeded, is recorded.
pub(super) fn tell(transfer: &TransferRow, metrics: &Metrics) {
    let (direction, outcome) = (transfer.direction, transfer.outcome);
    metrics.transfer(direction.as_str(), outcome.as_str(), transfer.bytes);

    let path = escaped(transfer.path.as_str()).to_string();
    let told = match (direction, outcome) {
        (TransferDirection::Upload, TransferResult::Completed) if transfer.unproven_end => {
            "Received, without proof of its end,"
        }
        (TransferDirection::Upload, TransferResult::Completed) => "Received",
        (TransferDirection::Upload, TransferResult::Failed) => "Did not receive the whole of",
        (TransferDirection::Download, TransferResult::Completed) => "Sent",
        (TransferDirection::Download, TransferResult::Failed) => "Did not send the whole of",
    };
    tracing::info!(
        actor = %escaped(&transfer.actor),
        account = %transfer.account,
        session = transfer.session.map(tracing::field::display),
        connection_type = transfer.connection_type.map(tracing::field::display),
        address = transfer.address.as_deref(),
        client = transfer.client.as_deref(),
        transfer = %transfer.id,
        bytes = transfer.bytes,
        milliseconds = transfer.ended_at.since(transfer.started_at).as_millis(),
        reason = transfer.reason.as_deref(),
        unproven_end = transfer.unproven_end.then_some(true),
        "{told} {path}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{rows, samples};

    #[test]
    fn each_transfer_is_counted_by_direction_and_outcome() {
        let metrics = Metrics::default();
        tell(&rows::of_publication(samples::publication(1)).0, &metrics);
        tell(&rows::of_note(samples::note(1)).0, &metrics);
        let text = metrics.render();
        assert!(text.contains(r#"lucca_gateway_transfers_total{direction="upload",outcome="completed"} 1"#), "{text}");
        assert!(text.contains(r#"lucca_gateway_transfers_total{direction="download""#), "{text}");
    }
}
