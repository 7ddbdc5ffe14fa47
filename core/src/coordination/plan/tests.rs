//! The rules of the plan, one by one ([`rules`]), carried out until nothing is left ([`course`]), and in rollouts
//! ([`rollout`]).

mod course;
mod group;
mod rollout;
mod rules;
