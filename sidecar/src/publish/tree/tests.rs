use std::os::unix::fs::MetadataExt as _;

use cairn_core::claim::{ClaimState, Fence, Holder};
use cairn_core::identity::Slot;
use cairn_core::lease::Inherited;
use cairn_core::pool::{OnLoss, Scope};
use cairn_core::time::{BootInstant, UnixMillis};

use super::*;
use crate::snapshot::{Claim, Snapshot};

fn pools() -> Vec<PoolName> {
    vec!["mountains".parse().unwrap(), "snowflake".parse().unwrap()]
}

fn held(first: &str, second: &str) -> Snapshot {
    let mut snapshot = Snapshot::starting(&pools(), "-", &Holder::default());
    for (claim, name) in snapshot.claims.iter_mut().zip([first, second]) {
        claim.status.on_loss = Some(OnLoss::Keep);
        claim.was_held = true;
        claim.status.identity.state = ClaimState::Held;
        claim.status.identity.slot = Some(Slot {
            name: name.into(),
            index: None,
            prefix: format!("shop.{name}"),
            fence: Fence { epoch: 1, revision: 7 },
            since: UnixMillis(0),
            valid_until: UnixMillis(30_000),
            valid_until_boottime: BootInstant::from_nanos(30),
            not_before: None,
            not_after: None,
        });
    }
    snapshot.claims[1].status.on_loss = Some(OnLoss::Stop);
    for claim in &mut snapshot.claims {
        claim.status.mark = Some(mark(claim));
    }
    snapshot
}

fn mark(claim: &Claim) -> Inherited {
    let slot = claim.status.identity.slot.clone().unwrap();
    Inherited {
        pool: claim.status.identity.pool.clone(),
        on_loss: claim.status.on_loss.unwrap(),
        scope: Scope::Namespace,
        key: slot.name.clone(),
        name: slot.name,
        index: slot.index,
        prefix: slot.prefix,
        fence: slot.fence,
        since: slot.since,
        incarnation: 1,
        validity_ms: 30_000,
        quarantine_ms: 15_000,
        deadline: None,
        not_before: None,
        not_after: None,
    }
}

struct Published {
    dir: tempfile::TempDir,
    tree: Tree,
}

impl Published {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::open(dir.path(), &pools()).unwrap();
        Self { dir, tree }
    }

    fn apply(&self, snapshot: &Snapshot) {
        self.tree.apply(&Plan::of(snapshot)).unwrap();
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.dir.path().join(name)).ok()
    }
}

#[test]
fn the_first_pool_is_linked_and_every_pool_has_its_directory() {
    let published = Published::new();
    published.apply(&held("Denali", "17"));
    let read = |name| published.read(name).unwrap();
    assert_eq!(read("name"), "Denali");
    assert_eq!(read("prefix"), "shop.Denali");
    assert_eq!(read("snowflake/name"), "17");
    assert_eq!(read("snowflake/fence"), "1-7");
    assert_eq!(read("claim.json"), read("mountains/claim.json"));
    assert!(read("env").contains("CAIRN_SNOWFLAKE_NAME='17'\n"));
    let link = fs::read_link(published.dir.path().join("name")).unwrap();
    assert_eq!(link, Path::new("mountains/name"));
}

#[test]
fn a_lost_stop_claim_removes_its_files_and_the_env_file_and_nothing_else() {
    let published = Published::new();
    published.apply(&held("Denali", "17"));
    let mut lost = held("Denali", "17");
    lost.claims[1].status.identity.state = ClaimState::Degraded;
    published.apply(&lost);
    for gone in ["env", "snowflake/name", "snowflake/claim.json"] {
        assert_eq!(published.read(gone), None, "{gone}");
    }
    assert_eq!(published.read("name").unwrap(), "Denali");
    published.apply(&held("Denali", "17"));
    assert_eq!(published.read("snowflake/name").unwrap(), "17");
    assert!(published.read("env").is_some());
}

#[test]
fn a_lost_keep_claim_keeps_its_name_and_shows_its_state() {
    let published = Published::new();
    published.apply(&held("Denali", "17"));
    let mut degraded = held("Denali", "17");
    degraded.claims[0].status.identity.state = ClaimState::Degraded;
    published.apply(&degraded);
    assert_eq!(published.read("name").unwrap(), "Denali");
    let json = published.read("claim.json").unwrap();
    assert!(json.contains("\"state\":\"degraded\""), "{json}");
    assert!(published.read("env").is_some());
}

#[test]
fn a_restarted_sidecar_leaves_the_files_until_it_knows_the_state() {
    let published = Published::new();
    published.apply(&held("Denali", "17"));
    let inode = |name: &str| fs::metadata(published.dir.path().join(name)).unwrap().ino();
    let before = inode("name");
    published.apply(&Snapshot::starting(&pools(), "-", &Holder::default()));
    assert_eq!(inode("name"), before);
    let last = published.tree.last_published();
    assert_eq!(last.len(), 1, "only the Stop pool is guarded");
    let snowflake = held("Denali", "17").claims.remove(1);
    assert_eq!(last[0].1.claim, snowflake.status.mark.map(Into::into));
    let until = (BootInstant::from_nanos(30), UnixMillis(30_000));
    assert_eq!(last[0].1.until, Some(until));
    published.apply(&held("Denali", "17"));
    assert_eq!(inode("name"), before);
}

#[test]
fn the_mark_of_a_stop_pool_stays_after_its_files_are_withdrawn() {
    let published = Published::new();
    published.apply(&held("Denali", "17"));
    let mut lost = held("Denali", "17");
    lost.claims[1].status.identity.state = ClaimState::Lost;
    published.apply(&lost);
    let found = published.tree.last_published();
    assert_eq!(found[0].1.until, None);
    assert!(found[0].1.claim.is_some());
}

#[test]
fn one_directory_has_one_sidecar() {
    let published = Published::new();
    let error = Tree::open(published.dir.path(), &pools()).unwrap_err();
    assert!(error.to_string().contains("a --dir of its own"), "{error}");
    let dir = published.dir;
    drop(published.tree);
    Tree::open(dir.path(), &pools()).unwrap();
}

#[test]
fn released_claims_leave_no_files() {
    let published = Published::new();
    published.apply(&held("Denali", "17"));
    published.tree.clear().unwrap();
    let left: Vec<_> = fs::read_dir(published.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, [LOCK]);
}

#[test]
fn a_sidecar_that_ends_alone_removes_the_files_of_stop_pools_and_leaves_the_marks() {
    let published = Published::new();
    published.apply(&held("Denali", "17"));
    let uid = Holder::default().uid;
    let inherited =
        |pool: &str| mark::inherited(published.dir.path(), &pool.parse().unwrap(), &uid);
    assert!(inherited("snowflake").unwrap().deadline.is_some());
    published.tree.withdraw().unwrap();
    for gone in ["env", "snowflake/name", "snowflake/claim.json"] {
        assert_eq!(published.read(gone), None, "{gone}");
    }
    for stays in ["name", "prefix", "fence", "claim.json"] {
        assert!(published.read(stays).is_some(), "{stays}");
    }
    let [keep, stop] = ["mountains", "snowflake"].map(|pool| inherited(pool).unwrap());
    assert_eq!((keep.key.as_str(), stop.key.as_str()), ("Denali", "17"));
    // The withdrawn claim has no deadline any more, and the other keeps its deadline.
    assert_eq!(stop.deadline, None);
    assert_eq!(keep.deadline.unwrap().boot, BootInstant::from_nanos(30));
    assert_eq!(published.tree.last_published()[0].1.until, None);
}

#[test]
fn a_pod_with_keep_pools_alone_keeps_its_env_file() {
    let published = Published::new();
    let mut snapshot = held("Denali", "17");
    snapshot.claims[1].status.on_loss = Some(OnLoss::Keep);
    snapshot.claims[1].status.mark = Some(mark(&snapshot.claims[1]));
    published.apply(&snapshot);
    published.tree.withdraw().unwrap();
    assert!(published.read("env").is_some());
    assert_eq!(published.read("snowflake/name").unwrap(), "17");
}

#[test]
fn a_mark_belongs_to_one_holder_and_boot_and_renewals_do_not_rewrite_it() {
    let published = Published::new();
    published.apply(&held("Denali", "17"));
    let pool = "snowflake".parse().unwrap();
    let inode = || fs::metadata(published.dir.path().join("snowflake/.claim")).unwrap().ino();
    let before = inode();
    let mut renewed = held("Denali", "17");
    renewed.claims[1].status.identity.slot.as_mut().unwrap().valid_until_boottime =
        BootInstant::from_nanos(60);
    renewed.claims[1].status.mark.as_mut().unwrap().not_after = Some(UnixMillis(90));
    published.apply(&renewed);
    assert_eq!(inode(), before);
    assert_eq!(mark::inherited(published.dir.path(), &pool, "another"), None);
    let text = published.read("snowflake/.claim").unwrap();
    let rebooted = text.replace(&mark::boot_id(), "another");
    fs::write(published.dir.path().join("snowflake/.claim"), rebooted).unwrap();
    let uid = Holder::default().uid;
    assert_eq!(mark::inherited(published.dir.path(), &pool, &uid).unwrap().deadline, None);
}

#[test]
fn the_directory_records_the_pod_whose_gate_was_open() {
    let published = Published::new();
    assert!(!published.tree.was_opened("u"));
    published.tree.set_opened("u").unwrap();
    assert!(published.tree.was_opened("u") && !published.tree.was_opened("another"));
    published.tree.clear().unwrap();
    assert!(!published.tree.was_opened("u"));
}
