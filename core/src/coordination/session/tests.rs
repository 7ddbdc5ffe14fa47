//! Black-box tests of the machine: only `step`, `command`, `status` and `wake_at` are used.

mod faults;
mod fixture;
mod judge;
mod pod;
mod rules;
mod simulation;
mod store;
mod world;
