//! The `convnet` command: trains, evaluates and uses convolutional networks from a shell.
//!
//! [`commands`] holds a file a subcommand, all of one shape: a clap struct of arguments, then calls of the `convnet` crate, then a
//! plain structure that [`output`] prints for people or, with `--json`, for programs. What several commands need lies beside it:
//! models by name or file ([`models`], [`description`]), data sets brought to a model ([`samples`]), live progress ([`progress`]), and [`training`],
//! what the commands that train share.
//! Nothing here computes; that is the library's.

mod arguments;
mod commands;
mod description;
mod failure;
mod format;
mod html;
mod judge;
mod models;
mod output;
mod photos;
mod progress;
mod published;
mod random;
mod remembered;
mod samples;
mod training;
mod weights;

use std::process::ExitCode;

use clap::Parser;

/// Convolutional networks: train, evaluate, predict.
#[derive(Debug, Parser)]
#[command(
    name = "convnet",
    version,
    arg_required_else_help = true,
    after_help = "Start with `convnet train`: it trains on the MNIST digits that are inside the program.",
    after_long_help = long_help()
)]
struct Cli {
    #[command(subcommand)]
    command: commands::Command,
}

const EXAMPLES: &str = "\
Examples:
  convnet train                                      train on MNIST, save mnist.keras
  convnet train fashion-mnist --model net.toml       train a network that you describe in a file
  convnet evaluate mnist.keras mnist                 loss and accuracy on the test images
  convnet predict mnist.keras digit.png              what is on a picture
  convnet summary mnist.keras                        layers, parameters, costs

Exit codes: 0 all went well, 1 something failed (`error:` says what), 2 the command line is wrong, 130 training was interrupted and
what it came to was saved.

Environment:";

fn long_help() -> String {
    let cache = (convnet::data::sources::CACHE_VARIABLE, "folder for data sets that are fetched");
    let knobs = convnet::kernels::cpu::KNOBS.iter().chain([&cache]);
    knobs.fold(EXAMPLES.to_owned(), |text, (name, meaning)| format!("{text}\n  {name:<14} {meaning}"))
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match start(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) if problem.is::<training::interrupt::Interrupted>() => {
            ExitCode::from(training::interrupt::EXIT_CODE)
        }
        Err(problem) => {
            output::note(failure::describe(&problem));
            ExitCode::FAILURE
        }
    }
}

fn start(command: commands::Command) -> anyhow::Result<()> {
    // Done here and not at the first kernel, where a wrong CONVNET_ISA would be passed over.
    convnet::kernels::cpu::init()?;
    command.run()
}
