//! Tests of single rules.

mod coming;
mod evidence;
mod going;
mod handover;
mod left_out;
mod maps;
mod plans;
