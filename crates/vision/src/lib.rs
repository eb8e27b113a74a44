//! What the networks are for: [`zoo`], the architectures of published papers, [`imagenet`], what those that were trained on
//! it expect and say, and [`filter`], convolution by hand.

pub mod filter;
pub mod imagenet;
pub mod zoo;
