//! Fetching a file by a child process: `curl`, or `wget` where there is none.
//!
//! One of the two is on nearly every machine, honours the proxy settings that its owner made, and costs the build
//! nothing; an HTTP client of our own would be paid for in every build and used once in a machine's life. Trust does
//! not come from the connection: whoever fetches checks a digest before the file is used.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

/// Seconds that the whole of one file may take.
const TIMEOUT: &str = "900";

/// Fetches `url` into `target`, which is replaced, and gives up beyond `max_bytes`.
///
/// `target` may hold a part of the file when this fails; the caller owns and removes it.
pub(super) fn fetch(url: &str, target: &Path, max_bytes: u64) -> Result<(), String> {
    match run(curl(url, target, max_bytes)) {
        Err(Failure::NotThere) => match run(wget(url, target)) {
            Err(Failure::NotThere) => return Err("neither curl nor wget is installed".into()),
            Err(Failure::Said(what)) => return Err(what),
            Ok(()) => {}
        },
        Err(Failure::Said(what)) => return Err(what),
        Ok(()) => {}
    }
    // curl can stop early only where the server tells the length, and wget never.
    match std::fs::metadata(target) {
        Ok(file) if file.len() > max_bytes => {
            Err(format!("{url} gave more than the {max_bytes} bytes expected"))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{}: {error}", target.display())),
    }
}

enum Failure {
    NotThere,
    Said(String),
}

fn curl(url: &str, target: &Path, max_bytes: u64) -> Command {
    let mut command = Command::new("curl");
    command.args(["--fail", "--silent", "--show-error", "--location", "--proto", "=http,https"]);
    command.args([
        "--connect-timeout",
        "20",
        "--max-time",
        TIMEOUT,
        "--max-filesize",
        &max_bytes.to_string(),
    ]);
    command.args([OsStr::new("--output"), target.as_os_str(), OsStr::new("--"), OsStr::new(url)]);
    command
}

fn wget(url: &str, target: &Path) -> Command {
    let mut command = Command::new("wget");
    command.args(["--quiet", "--tries=2", "--timeout=20"]);
    command.args([OsStr::new("-O"), target.as_os_str(), OsStr::new("--"), OsStr::new(url)]);
    command
}

fn run(mut command: Command) -> Result<(), Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.stdin(Stdio::null()).stdout(Stdio::null()).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Failure::NotThere),
        Err(error) => Err(Failure::Said(format!("cannot start {program}: {error}"))),
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = if said.trim().is_empty() { "it gave no reason" } else { said.trim() };
            Err(Failure::Said(format!("{program} failed ({}): {said}", output.status)))
        }
    }
}
