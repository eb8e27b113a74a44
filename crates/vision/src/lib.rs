//! What the networks are for: [`zoo`], the architectures of published papers, and [`imagenet`], what those that were trained on
//! it expect and say.

pub mod imagenet;
pub mod zoo;
