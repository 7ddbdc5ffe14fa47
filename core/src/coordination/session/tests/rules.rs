//! Tests of single rules.

mod coming;
mod evidence;
mod going;
mod handover;
mod maps;
mod plans;
