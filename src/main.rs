//! The program: reads the command line, runs the command, turns its outcome into an exit code (0: done; 1: failed;
//! 2: the command line was wrong, which clap answers by itself).

use std::process::ExitCode;

use clap::Parser;
use lucca_gateway::cli::{Cli, report};

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}
