//! `cairn release`: takes a name from its holder, by the fence that `cairn claims` shows (T6 in `docs/protocol.md`).
//!
//! The fence makes sure that the command releases the claim that the user has seen: the name may have gone to another
//! pod meanwhile.

use cairn_core::claim::Fence;
use cairn_core::duration;
use cairn_store::Forced;

use crate::args::ReleaseArgs;
use crate::etcd::EtcdError;
use crate::reach::Reach;
use crate::report::Report;
use crate::snapshot::{Claim, Snapshot, TakenName};

/// Runs the command.
pub async fn run(args: &ReleaseArgs) -> Result<Report, EtcdError> {
    let etcd = Reach::open(&args.access).await?;
    let snapshot = Snapshot::read(&etcd.read().await?);
    let (taken, claim) = match choose(args, &snapshot) {
        Ok(chosen) => chosen,
        Err(message) => return Ok(Report::refused(message)),
    };
    let forced = etcd
        .store()
        .force_release(&taken.path, &taken.key, args.fence.revision)
        .await
        .map_err(EtcdError::Unsure)?;
    let name = &taken.name;
    let pod = format!("{}/{}", claim.record.holder.namespace, claim.record.holder.pod);
    Ok(match forced {
        Forced::Released(rest) => Report {
            text: format!(
                "'{name}' was taken from pod {pod}; it rests for {} and can then be claimed again.\n",
                duration::print(rest)
            ),
            ..Report::default()
        },
        Forced::NotHeld => {
            Report::refused(format!("'{name}' is not held any more; see cairn claims"))
        }
        Forced::Other(_) => {
            Report::refused(format!("'{name}' is held by another pod by now; see cairn claims"))
        }
    })
}

/// The claim with this name and fence.
fn choose<'s>(
    args: &ReleaseArgs,
    snapshot: &'s Snapshot,
) -> Result<(&'s TakenName, &'s Claim), String> {
    let (pool, name) = (&args.pool, &args.name);
    let of_namespace = |taken: &TakenName| {
        args.namespace.as_deref().is_none_or(|wanted| taken.namespace() == Some(wanted))
    };
    let named: Vec<_> = snapshot
        .taken
        .iter()
        .filter(|taken| taken.path.pool.as_str() == pool && taken.name == *name)
        .filter(|taken| of_namespace(taken))
        .filter_map(|taken| Some((taken, taken.claim.as_ref()?)))
        .collect();
    let is_meant = |fence: Fence| fence == args.fence;
    match named.iter().find(|(_, claim)| is_meant(claim.fence)) {
        Some((taken, claim)) => Ok((taken, claim)),
        None if named.is_empty() => {
            Err(format!("nobody holds '{name}' of pool '{pool}'; see cairn claims"))
        }
        None => {
            let fences: Vec<String> =
                named.iter().map(|(_, claim)| claim.fence.to_string()).collect();
            Err(format!(
                "'{name}' of pool '{pool}' is held with fence {}, not {}; look at cairn claims again",
                fences.join(" and "),
                args.fence
            ))
        }
    }
}
