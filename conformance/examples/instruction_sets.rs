//! Tells which instruction sets this machine has, and which one the kernels use.

use convnet_kernels::cpu;

fn main() {
    let names: Vec<_> = cpu::supported().into_iter().map(|isa| isa.name()).collect();
    match cpu::init() {
        Ok(isa) => println!("supported: {}; chosen: {isa}", names.join(", ")),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
}
