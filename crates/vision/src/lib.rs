//! What the networks are for. Now: [`zoo`], the architectures of published papers.

pub mod zoo;
