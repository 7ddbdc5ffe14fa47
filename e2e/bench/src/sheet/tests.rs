//! What the tables say of finished runs, of those given up, and of unfair ones.

use std::time::Duration;

use cairn_cli::bench::figures::Figures;
use cairn_cli::bench::herd::Herd;

use super::*;

fn run(protocol: Protocol, held: usize, wall: f64, writes: f64) -> Run {
    let wall = Duration::from_secs_f64(wall);
    let figures = Figures {
        pods: 1000,
        held,
        wall,
        p50: wall / 2,
        p99: wall,
        most_rounds: 4,
        losses: 0,
        lowest: true,
        in_order: true,
    };
    let ours = protocol == Protocol::Cairn;
    Run {
        members: 1,
        protocol,
        herd: Herd::of(1000),
        figures,
        finished: held == 1000,
        elapsed: if held == 1000 { wall } else { Duration::from_secs(120) },
        writes,
        overtaken: ours.then_some(0),
    }
}

fn herds() -> Vec<Run> {
    vec![
        run(Protocol::Cairn, 1000, 1.0, 3.0),
        run(Protocol::Baseline(Baseline::OneByOne), 1000, 45.0, 501.5),
        run(Protocol::Baseline(Baseline::LowestFree), 40, 119.0, 2000.0),
    ]
}

#[test]
fn one_that_gave_up_says_so_and_with_how_many() {
    let markdown = Sheet::herds(&herds()).markdown();
    let lines: Vec<&str> = markdown.lines().collect();
    assert_eq!(lines[4], "| 1 | 1000 | Cairn | 1000 | 1.000 | 0.500 | 1.000 | 4 | 3.00 | yes |");
    assert!(lines[6].contains("| gave up with 40 of 1000 | > 120.000 |"), "{markdown}");
}

#[test]
fn a_ratio_to_one_that_gave_up_is_a_lower_bound() {
    let text = Sheet::ratios(&herds()).text();
    let last = text.lines().last().unwrap();
    let words: Vec<&str> = last.split_whitespace().collect();
    assert_eq!(words, ["1", "1000", "45.0×", "167.2×", ">", "120×", "-"]);
}

#[test]
fn without_the_others_there_is_nothing_to_compare() {
    let text = Sheet::ratios(&herds()[..1]).text();
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn whoever_was_overtaken_is_counted() {
    let mut unfair = run(Protocol::Cairn, 1000, 1.0, 3.0);
    unfair.overtaken = Some(7);
    assert!(Sheet::herds(&[unfair]).text().contains("NO, 7 overtaken"));
}

#[test]
fn columns_line_up() {
    let text = Sheet::herds(&herds()).text();
    let starts: Vec<_> = text.lines().skip(1).filter_map(|line| line.find("1000 ")).collect();
    assert_eq!(starts.len(), 3);
    assert!(starts.iter().all(|start| *start == starts[0]), "{text}");
}
