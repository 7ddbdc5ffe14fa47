//! What a script does to one member, and how that is undone.

use std::time::Duration;

use cairn_core::coordination::path::GroupKey;
use cairn_core::coordination::session::Command;
use cairn_core::time::UnixMillis;
use cairn_store::Kv as _;

use super::Group;
use crate::boottime;
use crate::coordination::script::{Fault, Planned};
use crate::coordination::switches::Way;
use crate::failure::Failure;

/// How late answers are.
const LATE: Duration = Duration::from_millis(1_300);

impl Group {
    pub(super) async fn begin(&mut self, planned: Planned) -> Result<(), Failure> {
        let common = self.common.clone();
        if planned.fault == Fault::Resign {
            for pod in self.pods.iter().flatten() {
                pod.slot.command(Command::Resign);
            }
            return Ok(());
        }
        let Some(pod) = self.pod(planned.member) else { return Ok(()) };
        match planned.fault {
            Fault::Kill => pod.start_process(&common, None),
            Fault::DieAt(step) => pod.start_process(&common, Some(step)),
            Fault::Hang => {
                pod.slot.freeze_app(true);
                common.journal.hung(&pod.uid);
            }
            Fault::Freeze => pod.freeze(true),
            Fault::FreezeAll => {
                pod.freeze(true);
                pod.slot.freeze_app(true);
            }
            Fault::Cut => pod.set_way(Way::Cut),
            Fault::Deaf => pod.set_way(Way::Deaf),
            Fault::Slow | Fault::Sever => pod.set_way(Way::Slow(LATE)),
            Fault::Twin => pod.start_twin(&common),
            Fault::FrozenTwin => {
                pod.freeze(true);
                pod.start_twin(&common);
            }
            Fault::Drain => pod.drain(),
            Fault::Terminate => pod.terminate(),
            Fault::Lose => {
                pod.lose(&common.journal);
                if let Some(place) = self.pods.get_mut(planned.member) {
                    *place = None;
                }
            }
            Fault::Revoke => {
                let uid = pod.uid.clone();
                self.revoke(&uid).await;
            }
            Fault::Drop => {
                let uid = pod.uid.clone();
                let now = UnixMillis(boottime::unix_seconds() * 1000);
                // etcd may not answer now; then this is no fault.
                let _ = self.root.drop_member(&common.path, &uid, now).await;
            }
            Fault::Resign => {}
        }
        Ok(())
    }

    pub(super) async fn middle(&mut self, planned: Planned) {
        if planned.fault != Fault::Sever {
            return;
        }
        let Some(pod) = self.pod(planned.member) else { return };
        pod.set_way(Way::Cut);
        let uid = pod.uid.clone();
        self.revoke(&uid).await;
        self.journal().note(format!("the session of {uid} is ended in etcd, and {uid} is cut off"));
    }

    /// Ends the session of a pod in etcd, if etcd answers.
    async fn revoke(&self, uid: &str) {
        let kv = self.root.kv();
        if let Ok(Some(found)) = kv.get(self.common.path.member(uid)).await {
            let _ = kv.revoke(found.lease).await;
        }
    }

    /// Ends a fault of a member, and replaces a pod that is gone or kept out.
    pub(super) async fn mend(&mut self, index: usize) -> Result<(), Failure> {
        if let Some(pod) = self.pod(index) {
            pod.freeze(false);
            pod.slot.freeze_app(false);
            pod.set_way(Way::Open);
        }
        let uid = self.pod(index).map(|pod| pod.uid.clone());
        if let Some(uid) = uid
            && self.is_kept_out(&uid).await
            && let Some(pod) = self.pods.get_mut(index).and_then(Option::as_mut)
        {
            pod.lose(&self.common.journal);
            if let Some(place) = self.pods.get_mut(index) {
                *place = None;
            }
        }
        if self.pod(index).is_none() {
            let pod = self.create().await?;
            self.journal().note(format!("{} is created", pod.uid));
            if let Some(place) = self.pods.get_mut(index) {
                *place = Some(pod);
            }
        }
        Ok(())
    }

    async fn is_kept_out(&self, uid: &str) -> bool {
        let key = self.common.path.key(&GroupKey::Dropped(uid.to_owned()));
        matches!(self.root.kv().get(key).await, Ok(Some(_)))
    }
}
