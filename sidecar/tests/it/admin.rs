//! The admin server.

use cairn_core::claim::ClaimState;

use crate::harness::{App, eventually};

#[tokio::test]
async fn a_sidecar_is_live_at_once_and_ready_when_its_claims_are_held() {
    let app = App::start(&[]).await;
    assert_eq!(app.admin("/livez").await, (200, "ok\n".to_owned()));
    let (status, body) = app.admin("/readyz").await;
    assert_eq!((status, body.as_str()), (503, "pool mountains: waiting: asking etcd for a name\n"));
    assert_eq!(app.admin("/app/livez").await.0, 200);
    app.hold(["Denali", "17"]).await;
    assert_eq!(app.admin("/readyz").await.0, 200);
}

#[tokio::test]
async fn the_admin_port_serves_no_other_path() {
    let app = App::start(&[]).await;
    for path in ["/", "/v1/claims", "/v1/probe", "/debug"] {
        assert_eq!(app.admin(path).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn metrics_show_states_names_and_deadlines() {
    let app = App::start(&[]).await;
    let mut snapshot = app.hold(["Denali", "17"]).await;
    let (status, text) = app.admin("/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "cairn_sidecar_claim_state{pool=\"mountains\",state=\"held\"} 1",
        "cairn_sidecar_claim_state{pool=\"mountains\",state=\"lost\"} 0",
        "cairn_sidecar_claim_info{pool=\"mountains\",group=\"-\",name=\"Denali\"} 1",
        "cairn_sidecar_renewals_total 0",
        "cairn_sidecar_renewal_failures_total 0",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let left = text.lines().find_map(|line| {
        line.strip_prefix("cairn_sidecar_claim_deadline_seconds{pool=\"mountains\"} ")
    });
    let left: f64 = left.unwrap().parse().unwrap();
    assert!((0.0..=30.0).contains(&left), "{left}");
    snapshot.claims[0].status.identity.state = ClaimState::Lost;
    app.send(snapshot);
    eventually("lost", async || {
        let (_, text) = app.admin("/metrics").await;
        text.contains("cairn_sidecar_claim_state{pool=\"mountains\",state=\"lost\"} 1")
            && text.contains("cairn_sidecar_claim_state{pool=\"mountains\",state=\"held\"} 0")
    })
    .await;
}
