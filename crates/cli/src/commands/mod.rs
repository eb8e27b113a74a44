//! The subcommands, a file each: a struct `Args` whose documentation is the help, with a method `run`.
//!
//! To add one: its file here, and its line in the list below.

use anyhow::Result;
use clap::Subcommand;

/// Declares the modules of the commands and makes of them what clap parses.
macro_rules! commands {
    ($($module:ident :: $command:ident;)*) => {
        $(mod $module;)*

        /// A subcommand with its arguments.
        #[derive(Debug, Subcommand)]
        pub enum Command {
            $(#[allow(missing_docs)] $command($module::Args),)*
        }

        impl Command {
            /// Does what it says.
            ///
            /// # Errors
            /// Whatever hinders that.
            pub fn run(self) -> Result<()> {
                match self {
                    $(Self::$command(args) => args.run(),)*
                }
            }
        }
    };
}

commands! {
    train::Train;
    evaluate::Evaluate;
    predict::Predict;
    explain::Explain;
    augment::Augment;
    report::Report;
    tune::Tune;
    summary::Summary;
    run::Run;
    filter::Filter;
    convert::Convert;
    bench::Bench;
    datasets::Datasets;
    layers::Layers;
    zoo::Zoo;
}
