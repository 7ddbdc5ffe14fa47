//! Which etcd an enrolled sidecar talks to: roots that were replaced, and the cluster that the agent names.

use super::*;

/// The pod is first given an access with which every handshake with etcd fails, and then the right one.
fn enrols_at_the_first_handshake_that_fails(spoil: impl FnOnce(EnrolResponse) -> EnrolResponse) {
    let site = Site::new();
    let access = site.access(Duration::from_secs(3600));
    site.answer(Ok(spoil(access.clone())));
    let sidecar = site.start(&[]);
    site.until("a first request", || !site.requests().is_empty());
    site.answer(Ok(access));
    site.until_probe(HELD);
    // The pauses grow: a request for each handshake would be ten and more.
    assert!((2..=4).contains(&site.requests().len()), "{}", site.requests().len());
    sidecar.stop();
}

/// As after new roots were begun with: the pod was given the roots of the former etcd.
#[test]
fn a_pod_that_trusts_lost_roots_of_etcd_enrols_at_the_first_handshake_that_fails() {
    let lost = Pki::new("lost").unwrap();
    enrols_at_the_first_handshake_that_fails(|access| EnrolResponse {
        etcd_authorities: lost.root().to_owned(),
        ..access
    });
}

/// As after the root of the clients was replaced: etcd does not accept the pod's certificate.
#[test]
fn a_pod_whose_certificate_is_of_lost_roots_enrols_at_the_first_handshake_that_fails() {
    let lost = Pki::new("lost").unwrap().client("cairn:shop").unwrap();
    enrols_at_the_first_handshake_that_fails(|access| EnrolResponse {
        certificate_chain: lost.chain,
        shared_key: lost.key,
        ..access
    });
}

#[test]
fn the_etcd_cluster_that_the_agent_names_is_used_and_a_different_one_is_refused() {
    let site = Site::new();
    let named = |id: &str| {
        let access = site.access(Duration::from_secs(600));
        site.answer(Ok(EnrolResponse { etcd_cluster_id: id.to_owned(), ..access }));
    };
    named("abc");
    let sidecar = site.start(&[]);
    site.until_probe("not to abc, which --etcd-cluster-id or Cairn's webhook names");
    drop(sidecar);
    fs::remove_dir_all(site.credentials()).unwrap();

    let actual = site.cluster();
    named(&actual);
    let sidecar = site.start(&[]);
    site.until_probe(HELD);
    assert_eq!(site.dir.read(".etcd-cluster").as_deref(), Some(&*actual));
    assert!(!site.log().contains("names etcd cluster"), "{}", site.log());
    drop(sidecar);
}

#[test]
fn a_cluster_that_was_given_wins_over_the_one_that_the_agent_names() {
    let site = Site::new();
    let (actual, access) = (site.cluster(), site.access(Duration::from_secs(600)));
    site.answer(Ok(EnrolResponse { etcd_cluster_id: "abc".to_owned(), ..access.clone() }));
    let sidecar = site.start(&[&format!("--etcd-cluster-id={actual}")]);
    site.until_probe(HELD);
    let said = format!("Cairn's webhook names etcd cluster abc, but this pod uses {actual}; ");
    assert!(site.log().contains(&said), "{}", site.log());
    sidecar.stop();

    site.answer(Ok(EnrolResponse { etcd_cluster_id: actual, ..access }));
    let sidecar = site.start(&["--etcd-cluster-id=abc"]);
    let said = "not to abc, which --etcd-cluster-id or Cairn's webhook names; ";
    site.until("the cluster is refused", || site.log().contains(said));
    drop(sidecar);
}
