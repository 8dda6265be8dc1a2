//! A disk in memory that can go wrong, and long tests of the ledger over it. Built for tests and with the feature
//! `simulation` only: nothing of it is in a program that keeps evidence.
//!
//! Everything here follows from a seed, so a run that failed can be had again.

mod disk;
pub mod flips;
pub mod fuzz;
pub mod hostile;
mod material;
mod mutate;
mod pages;
pub mod power_loss;
mod random;
pub mod scripted;
mod workload;

pub use disk::{Call, Fault, SimulatedDisk, Tear};
pub use pages::Survival;
pub use random::Random;
