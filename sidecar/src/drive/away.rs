//! Between two sessions: the app has missed its heartbeat, and the pod has left its group.
//!
//! `/app/livez` fails meanwhile. The app is back when it calls, or when the kubelet has started its containers again.
//! A pod that is being deleted does not come back.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::coordination::session::{Command, Refusal};
use cairn_kit::shutdown::Shutdown;
use tokio::time::sleep;

use crate::coordination::{Link, Order, next_order};

/// An app with a liveness probe of its own on `/app/livez` has no startup probe that tells of its restart. One that
/// needs longer to its first call than its probe allows would be restarted for ever. Within this time the kubelet has
/// stopped an app whose probe has 30 failures every 10 s.
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// How an absence has ended.
#[derive(Debug)]
pub(super) enum Back {
    /// The app calls. Its heartbeat is the first order of the next session.
    Called(Order),
    /// The app was started again, or may have been.
    Restarted,
    /// The pod is being deleted, or the sidecar ends.
    Never,
}

/// Waits until the app is back.
pub(super) async fn wait(link: &Link, shutdown: &Shutdown) -> Back {
    let mut orders = link.orders.lock().await;
    let mut longest = Box::pin(sleep(LONGEST));
    loop {
        tokio::select! {
            order = next_order(&mut orders) => match order {
                Order::Drain => {
                    link.told.send_modify(|told| Arc::make_mut(told).ended = true);
                    return Back::Never;
                }
                Order::Command(_, reply) if reply.is_closed() => {}
                beat @ Order::Command(Command::Heartbeat, _) => return Back::Called(beat),
                Order::Command(_, reply) => {
                    let why = "the app has not called POST /v1/heartbeat".to_owned();
                    let _ = reply.send(Err(Refusal::NoSession(why)));
                }
            },
            () = link.restarts.all_new() => return Back::Restarted,
            () = &mut longest => return Back::Restarted,
            () = shutdown.draining() => return Back::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::{IpAddr, Ipv4Addr};

    use cairn_core::coordination::member::MemberState;
    use cairn_core::coordination::terms::Terms;
    use cairn_kit::shutdown;
    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::config;
    use crate::coordination::{Coordination, OrderError, Own, channel};

    fn ends() -> (Coordination, Link) {
        let config = config::Coordination {
            terms: Terms::default(),
            stops_app: false,
            endpoints: BTreeMap::new(),
            generation: String::new(),
            admitted: None,
            own: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        let (coordination, link, _) = channel(Own { uid: "u".into(), config });
        (coordination, link)
    }

    #[tokio::test(start_paused = true)]
    async fn an_app_is_stopped_until_it_calls_or_all_its_containers_were_started_again() {
        let (coordination, link) = ends();
        let (_trigger, shutdown) = shutdown::channel();
        coordination.restarts().probed("a");
        coordination.restarts().probed("b");
        coordination.restarts().started("a");
        let soon = timeout(Duration::from_secs(200), wait(&link, &shutdown)).await;
        assert!(soon.is_err(), "b may hang");
        let calling = coordination.command(Command::Heartbeat);
        let (called, _) = tokio::join!(wait(&link, &shutdown), calling);
        assert!(matches!(called, Back::Called(_)), "{called:?}");
        coordination.restarts().started("b");
        assert!(matches!(wait(&link, &shutdown).await, Back::Restarted));
    }

    #[tokio::test(start_paused = true)]
    async fn an_app_whose_restart_nobody_tells_is_not_stopped_for_ever() {
        let (_coordination, link) = ends();
        let (_trigger, shutdown) = shutdown::channel();
        let begun = Instant::now();
        assert!(matches!(wait(&link, &shutdown).await, Back::Restarted));
        assert_eq!(begun.elapsed().as_secs(), 300);
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_counts_and_other_commands_are_refused_with_the_reason() {
        let (coordination, link) = ends();
        let (_trigger, shutdown) = shutdown::channel();
        let asking = async {
            let set = Command::SetState(MemberState::Participant);
            let refused = coordination.command(set).await;
            coordination.drain().await.unwrap();
            refused
        };
        let (back, refused) = tokio::join!(wait(&link, &shutdown), asking);
        assert!(matches!(back, Back::Never), "{back:?}");
        assert!(link.told.borrow().ended);
        let Err(OrderError::Refused(Refusal::NoSession(why))) = refused else { panic!() };
        assert!(why.contains("POST /v1/heartbeat"), "{why}");
    }
}
