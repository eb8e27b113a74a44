//! What the Rust peers share, as `measure.py` is what the Python ones share: command line, timing, and the line of JSON.

use std::time::Instant;

#[derive(Clone, Copy, PartialEq)]
pub enum Mode {
    Train,
    Infer,
}

pub struct Arguments {
    pub network: String,
    pub mode: Mode,
    pub batch: usize,
    /// Height, width, channels.
    pub input: [usize; 3],
    pub threads: usize,
    /// At least so long is measured.
    pub seconds: f64,
    /// An ONNX file, for who reads one.
    #[allow(dead_code)]
    pub model: Option<String>,
}

impl Arguments {
    /// Ends the program with a message where an argument is wrong.
    pub fn parse() -> Self {
        Self::read(std::env::args().skip(1)).unwrap_or_else(|wrong| {
            eprintln!("{wrong}");
            std::process::exit(2)
        })
    }

    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let network = words.next().ok_or("NETWORK is missing")?;
        let (mode, batch, input, threads, seconds) = (Mode::Infer, 1, [28, 28, 1], 1, 3.0);
        let mut args = Self { network, mode, batch, input, threads, seconds, model: None };
        while let Some(name) = words.next() {
            let value = words.next().ok_or(format!("{name} has no value"))?;
            let wrong = || format!("{name} {value} is not understood");
            match name.as_str() {
                "--mode" if value == "train" => args.mode = Mode::Train,
                "--mode" if value == "infer" => args.mode = Mode::Infer,
                "--batch" => args.batch = value.parse().map_err(|_| wrong())?,
                "--threads" => args.threads = value.parse().map_err(|_| wrong())?,
                "--seconds" => args.seconds = value.parse().map_err(|_| wrong())?,
                "--model" => args.model = Some(value),
                "--input" => {
                    let sizes: Result<Vec<_>, _> = value.split('x').map(str::parse).collect();
                    args.input = sizes.ok().and_then(|sizes| sizes.try_into().ok()).ok_or_else(wrong)?;
                }
                _ => return Err(wrong()),
            }
        }
        Ok(args)
    }
}

/// The median time of `step` over `args.seconds`, but two steps; what ends in a fifth of that time before is warm-up.
pub fn seconds<E>(args: &Arguments, mut step: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    step()?;
    let (mut times, start) = (Vec::new(), Instant::now());
    while start.elapsed().as_secs_f64() < 1.2 * args.seconds || times.len() < 2 {
        let before = Instant::now();
        step()?;
        if start.elapsed().as_secs_f64() > 0.2 * args.seconds {
            times.push(before.elapsed().as_secs_f64());
        }
    }
    times.sort_by(f64::total_cmp);
    Ok((times[times.len() / 2] + times[(times.len() - 1) / 2]) / 2.0)
}

/// Numbers between 0 and 1, as random as a benchmark needs.
pub fn noise(count: usize) -> Vec<f32> {
    (0..count as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32).collect()
}

/// Prints the result of `seconds` a step; `parameters` counts what is trained, where the peer can tell.
pub fn report(peer: &str, args: &Arguments, seconds: f64, parameters: Option<usize>) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    let number = |value: Option<u64>| value.map_or("null".into(), |value| value.to_string());
    println!(
        r#"{{"peer": "{peer}", "network": "{}", "batch": {}, "images_per_second": {}, "peak_memory_bytes": {}, "parameters": {}}}"#,
        args.network,
        args.batch,
        args.batch as f64 / seconds,
        number(peak.map(|kilobytes| kilobytes * 1024)),
        number(parameters.map(|count| count as u64)),
    );
}
