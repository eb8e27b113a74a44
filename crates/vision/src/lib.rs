//! What the networks are for: [`zoo`], the architectures of published papers, [`blocks`], pieces that several have, [`layers`],
//! which single ones have, [`imagenet`], what those that were trained on it expect and say, [`filter`], convolution by hand, [`explain`],
//! what a network looks at, [`transfer`], how to train them on pictures of one's own, [`charts`] of trainings, and [`draw`], pictures of all that.

pub mod blocks;
pub mod charts;
pub mod draw;
pub mod explain;
pub mod filter;
pub mod imagenet;
pub mod layers;
pub mod transfer;
pub mod zoo;
