//! Random numbers by counter: the value of an element depends on seed, stream, step and its index only, so it is the
//! same on any number of threads and can be made again at any time.

mod dropout;
mod noise;
mod philox;

pub use dropout::{dropout, dropout_in_place};
pub use noise::{Noise, noise_in_place};
pub use philox::Philox;
