//! Who served which shard when, from the journals of the apps, and what must be true of that.
//!
//! Journals are those of `e2e/app`, and of `deploy/examples/shards.yaml`, which has only `serve` and `stop`. All
//! instants are of the machine's one clock, `CLOCK_BOOTTIME`, in nanoseconds.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::kept_logs::Origin;

mod judge;

pub use judge::{faults, gaps, longest_gap, moves};

/// Epoch and revision.
pub type Fence = (i64, i64);

/// An app served a shard without a break and under one fence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The shard.
    pub shard: u32,
    /// By which run of which pod's app.
    pub by: Origin,
    /// Under which fence.
    pub fence: Fence,
    /// From when.
    pub from: u64,
    /// Until when it may have been served.
    pub until: u64,
    /// When the app said that it has stopped. A process that is frozen says it late, and a killed one never.
    pub said: Option<u64>,
    /// Why no longer.
    pub ending: Ending,
}

/// Why an app does not serve any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It still does, or its process was killed. Then it has served until its deadline at the latest.
    Open,
    /// It was told to stop, before its deadline.
    Stopped,
    /// Its deadline has passed.
    Deadline,
}

/// A journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    /// What was served, in the order of ends; what is still served comes last.
    pub spans: Vec<Span>,
    /// When SIGTERM came, and how many shards were served then.
    pub term: Option<(u64, usize)>,
}

// === impl Span ===

impl Span {
    /// Whether the app has not said that it stopped.
    pub fn is_open(&self) -> bool {
        self.ending == Ending::Open
    }
}

/// Reads one journal. Lines that are no journal's are left out.
pub fn parse(by: &Origin, lines: &[String]) -> Journal {
    let mut journal = Journal::default();
    let mut open: BTreeMap<u32, Span> = BTreeMap::new();
    // An app that does not say its deadline may serve for ever.
    let mut deadline = u64::MAX;
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |index: usize| words.get(index).and_then(|word| word.parse::<u64>().ok());
        let (Some(at), Some(word)) = (number(0), words.get(1).copied()) else { continue };
        match (word, number(2)) {
            ("until", Some(until)) => {
                deadline = until;
                for span in open.values_mut() {
                    span.until = until;
                }
            }
            ("term", Some(count)) => {
                journal.term = Some((at, usize::try_from(count).unwrap_or(usize::MAX)));
            }
            ("serve" | "stop" | "expire", Some(shard)) => {
                let shard = u32::try_from(shard).unwrap_or(u32::MAX);
                let Some(fence) = words.get(3).and_then(|text| fence(text)) else { continue };
                if word == "serve" {
                    let (until, ending) = (deadline, Ending::Open);
                    let span =
                        Span { shard, by: by.clone(), fence, from: at, until, said: None, ending };
                    open.insert(shard, span);
                } else if let Some(mut span) = open.remove(&shard) {
                    span.ending = if word == "stop" && at < span.until {
                        Ending::Stopped
                    } else {
                        Ending::Deadline
                    };
                    span.until = span.until.min(at);
                    span.said = Some(at);
                    journal.spans.push(span);
                }
            }
            _ => {}
        }
    }
    journal.spans.extend(open.into_values());
    journal
}

/// The time from one instant to a later one; zero when it is not later.
pub fn between(from: u64, to: u64) -> Duration {
    Duration::from_nanos(to.saturating_sub(from))
}

fn fence(text: &str) -> Option<Fence> {
    let (epoch, revision) = text.split_once('-')?;
    Some((epoch.parse().ok()?, revision.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(lines: &[&str]) -> Journal {
        let by = Origin { pod: "a".to_owned(), uid: "uid-a".to_owned(), restart: 0 };
        parse(&by, &lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_span_ends_with_what_came_first_its_stop_or_its_deadline() {
        let read = |last: &str| {
            let lines = ["5 until 40", "6 serve 3 7-9", "8 until 50", "shard 3: 12 = 2 2 3", last];
            let Journal { mut spans, .. } = journal(&lines);
            let span = spans.pop().unwrap();
            assert_eq!((span.shard, span.fence, span.from), (3, (7, 9), 6));
            (span.until, span.said, span.ending)
        };
        assert_eq!(read("30 stop 3 7-9"), (30, Some(30), Ending::Stopped));
        assert_eq!(read("51 expire 3 7-9"), (50, Some(51), Ending::Deadline));
        assert_eq!(read("90 stop 3 7-9"), (50, Some(90), Ending::Deadline));
        assert_eq!(read(""), (50, None, Ending::Open));
    }

    #[test]
    fn a_journal_without_deadlines_is_open_until_it_says_so() {
        let open = journal(&["6 serve 3 7-9"]);
        assert_eq!(open.spans[0].until, u64::MAX);
        let ended = journal(&["6 serve 3 7-9", "20 stop 3 7-9", "21 term 0"]);
        assert_eq!((ended.spans[0].until, ended.term), (20, Some((21, 0))));
    }
}
