use super::*;

fn at(seconds: u64) -> BootInstant {
    BootInstant::from_nanos(seconds * 1_000_000_000)
}

fn probe(delay: u32, period: u32, threshold: u32) -> AppProbe {
    let json = serde_json::json!({
        "tcpSocket": {"port": 1}, "initialDelaySeconds": delay, "periodSeconds": period,
        "failureThreshold": threshold,
    });
    AppProbe::parse(&json.to_string(), |_| None).unwrap()
}

fn health(liveness: Option<AppProbe>, startup: Option<AppProbe>) -> Health {
    Health::new(AppProbes { container: "app".into(), liveness, startup })
}

/// Gives a result to the next probe at its time. Returns the kind, the time in seconds, and the change.
fn answer(health: &mut Health, answer: Result<(), &str>) -> (Kind, u64, Option<Change>) {
    let due = health.due().expect("nothing is due");
    let change = health.observe(&due, due.at, due.at, answer.map_err(str::to_owned));
    (due.kind, due.at.as_nanos() / 1_000_000_000, change)
}

#[test]
fn no_probe_runs_before_the_container_is_started() {
    let mut health = health(Some(probe(5, 10, 3)), None);
    assert_eq!((health.due(), health.alive()), (None, Ok(())));
    health.container_started(at(100));
    assert_eq!(answer(&mut health, Ok(())), (Kind::Liveness, 105, None));
    assert_eq!(answer(&mut health, Ok(())), (Kind::Liveness, 115, None));
}

#[test]
fn a_container_fails_after_its_threshold_of_failures_in_a_row() {
    let mut health = health(Some(probe(0, 2, 3)), None);
    health.container_started(at(0));
    for outcome in [Err("refused"), Err("refused"), Ok(()), Err("refused"), Err("refused")] {
        assert_eq!(answer(&mut health, outcome).2, None);
        assert_eq!(health.alive(), Ok(()));
    }
    let failed = "livenessProbe failed 3 times in a row: refused".to_owned();
    assert_eq!(answer(&mut health, Err("refused")).2, Some(Change::Failed(failed)));
    assert_eq!(
        health.alive(),
        Err("container app: its own livenessProbe failed 3 times in a row: refused".into())
    );
    assert_eq!(health.due(), None, "a verdict stands until the container is started again");
}

#[test]
fn a_start_of_the_container_resets_everything() {
    let mut health = health(Some(probe(4, 2, 1)), Some(probe(0, 1, 9)));
    health.container_started(at(0));
    answer(&mut health, Ok(()));
    answer(&mut health, Err("refused"));
    assert!(health.alive().is_err() && health.ready().is_err());
    health.container_started(at(50));
    assert_eq!(health.alive(), Ok(()));
    assert!(health.ready().is_err(), "its startup probe has not passed again");
    assert_eq!(answer(&mut health, Ok(())), (Kind::Startup, 50, Some(Change::Started)));
    assert_eq!(answer(&mut health, Ok(())), (Kind::Liveness, 54, None));
}

#[test]
fn the_startup_probe_comes_first_with_its_own_threshold() {
    let mut health = health(Some(probe(2, 10, 1)), Some(probe(1, 5, 4)));
    health.container_started(at(0));
    for second in [1, 6, 11] {
        assert_eq!(answer(&mut health, Err("503")), (Kind::Startup, second, None));
        assert_eq!((health.alive(), health.ready().is_ok()), (Ok(()), false));
    }
    assert_eq!(answer(&mut health, Ok(())), (Kind::Startup, 16, Some(Change::Started)));
    assert_eq!(health.ready(), Ok(()));
    // The initial delay of the liveness probe counts from the start of the container and is over.
    assert_eq!(answer(&mut health, Ok(())), (Kind::Liveness, 16, None));
    health.container_started(at(100));
    for _ in 0..4 {
        answer(&mut health, Err("503"));
    }
    assert_eq!(
        health.alive(),
        Err("container app: its own startupProbe failed 4 times in a row: 503".into())
    );
}

#[test]
fn a_container_with_only_a_startup_probe_has_no_probe_after_its_pass() {
    let mut health = health(None, Some(probe(0, 5, 4)));
    health.container_started(at(0));
    answer(&mut health, Ok(()));
    assert_eq!((health.due(), health.ready()), (None, Ok(())));
}

#[test]
fn a_new_process_continues_the_run_of_the_earlier_one() {
    let both = || health(Some(probe(0, 5, 1)), Some(probe(0, 5, 1)));
    let mut started = both();
    started.container_runs(at(7), true);
    assert_eq!(started.ready(), Ok(()));
    assert_eq!(answer(&mut started, Err("503")).0, Kind::Liveness);
    let mut starting = both();
    starting.container_runs(at(7), false);
    assert_eq!(answer(&mut starting, Ok(())).0, Kind::Startup);
    // A known run does not start again.
    starting.container_runs(at(8), false);
    assert_eq!(starting.ready(), Ok(()));
}

#[test]
fn a_result_of_an_earlier_run_is_ignored() {
    let mut health = health(Some(probe(0, 5, 1)), None);
    health.container_started(at(0));
    let due = health.due().unwrap();
    health.container_started(at(1));
    assert_eq!(health.observe(&due, at(0), at(1), Err("refused".into())), None);
    assert_eq!(health.alive(), Ok(()));
}

#[test]
fn a_slow_result_does_not_schedule_a_probe_in_the_past() {
    let mut health = health(Some(probe(0, 2, 9)), None);
    health.container_started(at(0));
    let due = health.due().unwrap();
    health.observe(&due, at(0), at(5), Err("timeout".into()));
    assert_eq!(health.due().unwrap().at, at(5));
}
