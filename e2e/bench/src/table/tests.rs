//! The tables of finished runs, of runs that did not finish, and of unfair runs.

use std::time::Duration;

use cairn_herd::figures::Figures;
use cairn_herd::herd::Herd;

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
        failures: 0,
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
fn the_cost_of_authentication_is_shown_as_a_ratio() {
    let [off, tls, on] = [2000, 2100, 2200].map(Duration::from_micros);
    let markdown = Table::isolation(&[Cost { what: "one pod renews", off, tls, on }]).markdown();
    let row = "| one pod renews | 2.00 | 2.10 | 2.20 | 1.05× | 1.10× |";
    assert!(markdown.contains(row), "{markdown}");
}

#[test]
fn a_run_that_did_not_finish_shows_how_many_names_were_granted() {
    let markdown = Table::herds(&herds()).markdown();
    let lines: Vec<&str> = markdown.lines().collect();
    assert_eq!(
        lines[4],
        "| 1 | 1000 | Cairn | 1000 | 1.000 | 0.500 | 1.000 | 4 | 0 | 3.00 | yes |"
    );
    assert!(lines[6].contains("| gave up with 40 of 1000 | > 120.000 |"), "{markdown}");
}

#[test]
fn the_ratio_to_a_run_that_did_not_finish_is_a_lower_bound() {
    let text = Table::ratios(&herds()).text();
    let last = text.lines().last().unwrap();
    let words: Vec<&str> = last.split_whitespace().collect();
    assert_eq!(words, ["1", "1000", "45.0×", "167.2×", ">", "120×", "-"]);
}

#[test]
fn without_runs_of_the_simpler_protocols_the_table_of_ratios_is_empty() {
    let text = Table::ratios(&herds()[..1]).text();
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn overtaken_pods_are_counted() {
    let mut unfair = run(Protocol::Cairn, 1000, 1.0, 3.0);
    unfair.overtaken = Some(7);
    assert!(Table::herds(&[unfair]).text().contains("NO, 7 overtaken"));
}

#[test]
fn columns_are_aligned() {
    let text = Table::herds(&herds()).text();
    let starts: Vec<_> = text.lines().skip(1).filter_map(|line| line.find("1000 ")).collect();
    assert_eq!(starts.len(), 3);
    assert!(starts.iter().all(|start| *start == starts[0]), "{text}");
}
