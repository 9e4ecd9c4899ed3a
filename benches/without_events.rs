//! The program with a ledger that writes the rows of transfers alone, for the benchmark of what events cost: the same build,
//! the same options, `benches/without-events.json` beside `benches/gateway.json` (docs/performance.md).

use std::process::ExitCode;

use clap::Parser;
use lucca_gateway::app::Foundations;
use lucca_gateway::cli::{Cli, report};
use lucca_gateway::events::StoreLedger;

fn main() -> ExitCode {
    let foundations = Foundations { ledger: StoreLedger::start_without_events, ..Foundations::default() };
    match Cli::parse().run_on(foundations) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}
