//! What the networks are for. Now: [`zoo`], the architectures of published papers, [`blocks`], pieces that several have, and
//! [`layers`], which single ones have.

pub mod blocks;
pub mod layers;
pub mod zoo;
