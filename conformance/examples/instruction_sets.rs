//! Tells which instruction sets this machine has, which one the kernels use, and whether that multiplies pairs of 16-bit numbers.

use convnet_kernels::cpu;

fn main() {
    let names: Vec<_> = cpu::supported().into_iter().map(|isa| isa.name()).collect();
    match cpu::init() {
        Ok(isa) => {
            println!("supported: {}; chosen: {isa}; pairs: {}", names.join(", "), isa.has_pairs());
        }
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
}
