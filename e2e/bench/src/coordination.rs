//! Measures coordination: members, a leader, shards and lookups, beside two simpler protocols in the same run.
//!
//! A [`member::Member`] is the session machine of `cairn_core` carried out by `cairn_store` on a real etcd, with an app
//! that stops and confirms at once. A [`group::Group`] of them, on threads of [`crate::hosts::Hosts`], writes a
//! [`journal::Journal`] of who served what when.
//! The measurements are [`lookups`], [`plans`], [`handover`] (with [`acks`] and [`election`] for comparison),
//! [`rollout`] and [`scale`]; [`tables`], [`plots`] and [`page`] show them.
//!
//! Not for: whether the promises hold while things fail (`cairn-faults`), and what a whole sidecar costs.

use cairn_kit::clock;
use thiserror::Error;

use crate::args::{CoordinationArgs, Part};
use crate::{machine, report};

pub mod acks;
pub mod election;
pub mod group;
pub mod handover;
pub mod journal;
pub mod lookups;
pub mod member;
pub mod metered;
pub mod page;
pub mod plans;
pub mod plots;
pub mod probe;
pub mod rollout;
pub mod scale;
pub mod seed;
pub mod tables;
pub mod timing;

use group::{GroupError, Site};
use handover::HandOvers;
use journal::Verdict;
use lookups::{Balance, Speed};
use plans::Planned;
use rollout::Rollout;
use scale::Scale;

/// Members and keys among which the balance is measured.
const BALANCES: [(usize, usize); 2] = [(10, 10_000), (100, 1_000_000)];

/// Members over which plans are made.
const PLANS: [usize; 2] = [50, 1000];

/// Why coordination could not be measured.
#[derive(Debug, Error)]
#[error("could not measure coordination")]
pub struct CoordinationError(#[from] GroupError);

/// Everything that was measured.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// The day of the run.
    pub date: String,
    /// The description of the machine.
    pub machine: String,
    /// etcd's version.
    pub etcd: String,
    /// The times of lookups.
    pub speeds: Vec<Speed>,
    /// How keys are divided.
    pub balances: Vec<Balance>,
    /// The times of plans.
    pub plans: Vec<Planned>,
    /// Hand-overs.
    pub handovers: HandOvers,
    /// The rollout.
    pub rollout: Rollout,
    /// The large group.
    pub scale: Scale,
    /// Why the large group could not be measured.
    pub scale_failure: Option<String>,
}

/// Measures everything, or only one part of it.
pub async fn measure(args: &CoordinationArgs) -> Result<Figures, CoordinationError> {
    let mut figures = Figures {
        date: clock::now().wall.to_string().chars().take(10).collect(),
        machine: machine::words(),
        ..Figures::default()
    };
    let wanted = |part| args.only.is_none_or(|only| only == part);
    if wanted(Part::Lookups) {
        eprintln!("lookups and plans");
        figures.speeds = lookups::speeds();
        figures.plans = PLANS.map(plans::measure).into();
        let balances =
            BALANCES.map(|(members, keys)| lookups::balances(members, keys.min(args.keys)));
        figures.balances = balances.into_iter().flatten().collect();
    }
    // Each part has an etcd without the history of the others.
    if wanted(Part::Handovers) {
        let site = Site::start().await?;
        figures.etcd = site.version().await;
        figures.handovers = Box::pin(handover::measure(&site, args)).await?;
    }
    if wanted(Part::Rollout) {
        let site = Site::start().await?;
        figures.rollout = Box::pin(rollout::measure(&site, args)).await?;
    }
    if wanted(Part::Scale) {
        let site = Site::start().await?;
        match Box::pin(scale::measure(&site, args)).await {
            Ok(scale) => figures.scale = scale,
            // It asks most of the machine. The page then says why it is missing, beside all the rest.
            Err(error) => figures.scale_failure = Some(report::line(&error)),
        }
    }
    Ok(figures)
}

// === impl Figures ===

impl Figures {
    /// Whether the large group was measured and kept what is promised. A missed target of time or size is no failure.
    pub fn large_group(&self) -> Result<(), String> {
        if let Some(why) = &self.scale_failure {
            return Err(why.clone());
        }
        let Verdict { overlaps, old_fences, .. } = &self.scale.verdict;
        if *overlaps > 0 || *old_fences > 0 {
            return Err(format!(
                "two owners at one instant: {overlaps}; a fence that was not greater: {old_fences}"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_group_that_failed_or_broke_a_promise_fails_the_benchmark() {
        assert_eq!(Figures::default().large_group(), Ok(()));
        let figures = Figures { scale_failure: Some("too busy".into()), ..Figures::default() };
        assert_eq!(figures.large_group(), Err("too busy".into()));
        let verdict = Verdict { overlaps: 1, ..Verdict::default() };
        let figures =
            Figures { scale: Scale { verdict, ..Scale::default() }, ..Figures::default() };
        assert!(figures.large_group().is_err());
    }
}
