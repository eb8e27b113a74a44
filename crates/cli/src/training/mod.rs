//! What `train`, `tune` and `report` share: [`settings`] of a training, the [`network`], the [`session`] that trains it, the
//! [`folder`] of a run, what is kept of it while it runs ([`record`]), the search for a step size ([`rate`]), and how training is asked to stop
//! ([`interrupt`]).

pub mod folder;
pub mod interrupt;
pub mod network;
pub mod rate;
pub mod record;
pub mod session;
pub mod settings;
