//! Members of the bundled etcd on real etcd processes: formed, grown, lost and replaced.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where it fails"
)]

use std::fs;
use std::time::Duration;

use cairn_webhook::etcd_member::identity::first_ids;
use cairn_webhook::etcd_member::reason::Reason;
use cairn_webhook::etcd_member::record::{HexId, Record};
use cairn_webhook::etcd_member::{volume, watch};
use tokio::time::{sleep, timeout};

use pods::{PATIENCE, PAUSE, Pods};
use serde_json::json;

mod pods;

#[tokio::test]
async fn a_member_without_tls_goes_on_with_it_and_tells_the_cluster_its_new_url() {
    let mut pods = Pods::new(75, 1);
    let secure = pods.topology(0);
    let plain = |url: &str| url.replace("https://", "http://");
    let (peer, client) = (plain(&secure.me.peer_url), plain(&secure.client_url(0)));
    let config = json!({
        "name": "etcd-0",
        "data-dir": pods.data(0),
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": format!("etcd-0={peer}"),
        "initial-cluster-token": "former",
        "unsafe-no-fsync": true,
    });
    let path = pods.data(0).with_file_name("plain.json");
    fs::write(&path, config.to_string()).unwrap();
    pods.launch(0, &path);
    let serving = async {
        while !pods.whole_log(0).contains("ready to serve client requests") {
            sleep(PAUSE).await;
        }
    };
    timeout(PATIENCE, serving).await.unwrap();
    pods.kill(0);

    pods.start(0).await;
    let moved = async {
        while pods.list(0).await.unwrap().members[0].peer_urls != [secure.me.peer_url.as_str()] {
            sleep(PAUSE).await;
        }
    };
    let settings = pods.settings(0);
    tokio::select! {
        () = moved => {}
        () = watch::watch(&*pods.registry, &secure, &settings) => {}
        () = sleep(PATIENCE) => panic!("the membership has the former URL: {:?}", pods.list(0).await),
    }
    assert_eq!(pods.registry.record().cluster_id, first_ids(&peer, "former").cluster);
    pods.registry.replicas.set(3);
    pods.start(1).await;
    pods.one_cluster(&[0, 1]).await;
}

#[tokio::test]
async fn one_member_grows_to_three_and_a_lost_volume_is_replaced_in_the_same_cluster() {
    let mut pods = Pods::new(71, 1);
    pods.start(0).await;
    let record = pods.registry.record();
    let url = pods.topology(0).me.peer_url;
    assert_eq!(first_ids(&url, &record.token).cluster, record.cluster_id);
    pods.one_cluster(&[0]).await;
    pods.put(0, "kept").await;

    pods.registry.replicas.set(3);
    // Member 1 is about to start when somebody else is taken in; the watch corrects its list.
    let config = timeout(PATIENCE, pods.configure(1)).await.expect("it waits");
    let stale = fs::read_to_string(&config)
        .unwrap()
        .replace("etcd-0=", "etcd-9=http://127.0.0.9:1,etcd-0=");
    fs::write(&config, stale).unwrap();
    pods.launch(1, &config);
    pods.running[1].as_mut().unwrap().wait().unwrap();
    let corrected = async {
        while fs::read_to_string(&config).unwrap().contains("etcd-9") {
            sleep(PAUSE).await;
        }
    };
    let (topology, settings) = (pods.topology(1), pods.settings(1));
    tokio::select! {
        () = corrected => {}
        () = watch::watch(&*pods.registry, &topology, &settings) => {}
        () = sleep(PATIENCE) => panic!("the list stays wrong"),
    }
    pods.launch(1, &config);
    pods.until_full(1).await;
    pods.start(2).await;
    pods.one_cluster(&[0, 1, 2]).await;
    assert_eq!(pods.get(2).await.as_deref(), Some("kept"));

    let before = pods.registry.record().members["etcd-2"].id;
    pods.lose_volume(2);
    pods.start(2).await;
    pods.one_cluster(&[0, 1, 2]).await;
    let list = pods.list(0).await.unwrap();
    assert_eq!(list.members.len(), 3, "the former member is gone: {list:?}");
    assert_ne!(pods.registry.record().members["etcd-2"].id, before);
    assert_eq!(pods.get(2).await.as_deref(), Some("kept"));

    // A restart needs nobody: data and record agree.
    pods.kill(1);
    pods.start(1).await;

    // Everything stopped, and one of three started alone.
    (0..3).for_each(|ordinal| pods.kill(ordinal));
    pods.registry.replicas.set(1);
    let alone = timeout(Duration::from_secs(3), pods.configure(0)).await;
    assert!(alone.is_err(), "one of three members was started alone");
    assert!(matches!(pods.registry.published.borrow().last(), Some(Reason::NoMajority { .. })));
    pods.registry.replicas.set(3);
    timeout(PATIENCE, pods.configure(0)).await.unwrap();
}

#[tokio::test]
async fn a_cluster_that_has_lost_all_data_is_formed_anew_under_its_id_and_only_then() {
    let mut pods = Pods::new(72, 1);
    pods.start(0).await;
    let before = pods.registry.record();
    pods.put(0, "old").await;
    pods.lose_volume(0);
    pods.start(0).await;
    assert_eq!(pods.registry.record(), before, "the same token, member and cluster");
    pods.one_cluster(&[0]).await;
    assert_eq!(pods.get(0).await, None);

    pods.registry.replicas.set(3);
    pods.start(1).await;
    pods.put(0, "grown").await;
    pods.lose_volume(0);
    pods.kill(1);
    let early = timeout(Duration::from_secs(5), pods.configure(0)).await;
    assert!(early.is_err(), "formed a cluster although member 1 has data");
    // Member 1 has data and no majority; its volume is given up as the sentence says.
    pods.lose_volume(1);
    let (zero, one) = (pods.configure(0), async {
        let waits = timeout(Duration::from_secs(5), pods.configure(1)).await;
        assert!(waits.is_err(), "member 1 started before there was a cluster to join");
    });
    let (config, ()) = timeout(PATIENCE, async { tokio::join!(zero, one) }).await.unwrap();
    pods.launch(0, &config);
    pods.until_full(0).await;
    pods.start(1).await;
    pods.one_cluster(&[0, 1]).await;
    assert_eq!(pods.registry.record().cluster_id, before.cluster_id);
    assert_eq!(pods.get(1).await, None);
}

#[tokio::test]
async fn a_volume_of_another_cluster_is_neither_used_nor_changed() {
    let mut pods = Pods::new(73, 1);
    pods.start(0).await;
    pods.kill(0);
    let found = volume::read(&pods.data(0)).unwrap().unwrap();
    let record = pods.registry.record();
    assert_eq!((found.cluster, found.member), (record.cluster_id, record.members["etcd-0"].id));

    let other = Record { cluster_id: HexId(7), ..record };
    *pods.registry.record.borrow_mut() = Some((other, 9));
    let refused = timeout(Duration::from_secs(3), pods.configure(0)).await;
    assert!(refused.is_err(), "started with the data of another cluster");
    let published = pods.registry.published.borrow().last().cloned();
    assert_eq!(published, Some(Reason::ForeignVolume { found: found.cluster, recorded: HexId(7) }));
    assert_eq!(volume::read(&pods.data(0)).unwrap(), Some(found));
}

#[tokio::test]
async fn data_from_before_there_was_a_record_is_taken_over() {
    let mut pods = Pods::new(74, 1);
    pods.start(0).await;
    let before = pods.registry.record();
    pods.kill(0);
    *pods.registry.record.borrow_mut() = None;
    pods.start(0).await;
    let completed = async {
        while !pods.registry.record().complete {
            sleep(PAUSE).await;
        }
    };
    let (topology, settings) = (pods.topology(0), pods.settings(0));
    tokio::select! {
        () = completed => {}
        () = watch::watch(&*pods.registry, &topology, &settings) => {}
        () = sleep(PATIENCE) => panic!("the record stays incomplete"),
    }
    let after = pods.registry.record();
    assert_eq!((after.cluster_id, after.members), (before.cluster_id, before.members));
}
