use std::os::unix::fs::MetadataExt as _;

use cairn_core::claim::{ClaimState, Fence, Holder};
use cairn_core::identity::Slot;
use cairn_core::pool::OnLoss;

use super::*;
use crate::snapshot::Snapshot;

fn pools() -> Vec<PoolName> {
    vec!["mountains".parse().unwrap(), "snowflake".parse().unwrap()]
}

fn held(first: &str, second: &str) -> Snapshot {
    let mut snapshot = Snapshot::starting(&pools(), "-", &Holder::default());
    for (claim, name) in snapshot.claims.iter_mut().zip([first, second]) {
        claim.on_loss = Some(OnLoss::Keep);
        claim.was_held = true;
        claim.identity.state = ClaimState::Held;
        claim.identity.slot = Some(Slot {
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
    snapshot.claims[1].on_loss = Some(OnLoss::Stop);
    snapshot
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
fn a_lost_stop_claim_takes_its_files_and_the_env_file_and_nothing_else() {
    let published = Published::new();
    published.apply(&held("Denali", "17"));
    let mut lost = held("Denali", "17");
    lost.claims[1].identity.state = ClaimState::Degraded;
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
fn a_lost_keep_claim_keeps_its_name_and_says_its_state() {
    let published = Published::new();
    published.apply(&held("Denali", "17"));
    let mut degraded = held("Denali", "17");
    degraded.claims[0].identity.state = ClaimState::Degraded;
    published.apply(&degraded);
    assert_eq!(published.read("name").unwrap(), "Denali");
    let json = published.read("claim.json").unwrap();
    assert!(json.contains("\"state\":\"degraded\""), "{json}");
    assert!(published.read("env").is_some());
}

#[test]
fn a_restarted_sidecar_leaves_the_files_until_it_knows_better() {
    let published = Published::new();
    published.apply(&held("Denali", "17"));
    let inode = |name: &str| fs::metadata(published.dir.path().join(name)).unwrap().ino();
    let before = inode("name");
    published.apply(&Snapshot::starting(&pools(), "-", &Holder::default()));
    assert_eq!(inode("name"), before);
    let told = published.tree.told();
    assert_eq!(told.len(), 1, "only the Stop pool's app is told to stop");
    assert_eq!(told[0].1.fence.unwrap().to_string(), "1-7");
    let until = (BootInstant::from_nanos(30), UnixMillis(30_000));
    assert_eq!(told[0].1.until, Some(until));
    published.apply(&held("Denali", "17"));
    assert_eq!(inode("name"), before);
}

#[test]
fn a_stop_pool_whose_files_were_withdrawn_is_still_remembered() {
    let published = Published::new();
    published.apply(&held("Denali", "17"));
    let mut lost = held("Denali", "17");
    lost.claims[1].identity.state = ClaimState::Lost;
    published.apply(&lost);
    let told = published.tree.told();
    assert_eq!(told[0].1.until, None);
    assert!(told[0].1.fence.is_some());
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
fn released_claims_leave_nothing_that_tells_of_them() {
    let published = Published::new();
    published.apply(&held("Denali", "17"));
    published.tree.clear().unwrap();
    let left: Vec<_> = fs::read_dir(published.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, [LOCK]);
}
