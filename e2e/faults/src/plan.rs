//! Turns a seed into faults: their kinds, targets, instants and lengths. The same seed and menu give the same plan.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

/// The etcd member that a fault is injected into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// The member with this index.
    Member(usize),
    /// The member that is the leader at that moment.
    Leader,
}

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// kill -9 of a member, and a restart.
    KillMember(Whom),
    /// SIGSTOP and SIGCONT of a member.
    FreezeMember(Whom),
    /// A member is cut off from the other members, from the clients, or from both.
    CutMember(Whom, Cut),
    /// All members are cut off from the clients.
    CutClients,
    /// A member is removed for good and a new one is added.
    ReplaceMember(Whom),
    /// The store is wiped.
    Wipe,
    /// The store is compacted up to the present revision.
    Compact,
    /// The specs of the pools are edited in a way that does not affect their holders.
    EditPools,
    /// kill -9 of a sidecar, and a restart; its app runs on.
    KillSidecar(usize),
    /// SIGTERM of a sidecar while its app runs on, as when its image is changed in place.
    TermSidecar(usize, Comeback),
    /// The app ends, and its kubelet starts it again.
    CrashApp(usize),
    /// SIGSTOP and SIGCONT of a sidecar; its app runs on.
    FreezeSidecar(usize),
    /// The pod is deleted: its app ends, its sidecar gets SIGTERM, and another pod replaces it.
    DeletePod(usize),
    /// The pod's node is lost: app and sidecar are killed, and later another pod replaces it.
    LosePod(usize),
    /// Requests of a sidecar do not arrive.
    CutSidecar(usize),
    /// Requests of a sidecar arrive, but it gets no answers.
    DeafenSidecar(usize),
    /// A pod's wall clock is moved by so many milliseconds, until the end of the history.
    StepClock(usize, i64),
    /// A second sidecar of the same pod is started while the first is frozen. Then the second is frozen, and the first
    /// is continued with SIGTERM.
    TwinSidecar(usize),
    /// A second sidecar of the same pod is started while the first is frozen. Then the first is continued, and must
    /// notice that it is fenced.
    DoubleSidecar(usize),
}

/// Which links of a member are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The link to the other members. Clients still reach it.
    Peers,
    /// The link to the clients. It stays a member of the cluster.
    Clients,
    /// Both links.
    Both,
}

/// When a sidecar is started again after SIGTERM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comeback {
    /// Within two seconds.
    Soon,
    /// Long after its name was granted to another pod.
    Late,
    /// Not in this pod, as with an image that does not exist. At the end the pod is deleted.
    Never,
}

/// A fault with its start and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The time from the start of the plan to the fault.
    pub at: Duration,
    /// How long the fault lasts.
    pub lasts: Duration,
    /// The fault.
    pub fault: Fault,
}

/// What a plan may contain.
#[derive(Clone, Debug)]
pub struct Menu {
    /// How long faults are injected.
    pub span: Duration,
    /// How many pods there are.
    pub pods: usize,
    /// V of the pools.
    pub validity: Duration,
    /// S of the pools.
    pub lease: Duration,
    /// The average time between two faults of pods; zero means no faults of pods.
    pub pod_pace: Duration,
    /// The kinds of pod faults. A kind that is listed twice is twice as frequent.
    pub pod_kinds: Vec<PodKind>,
    /// Whether faults are injected into members.
    pub members: bool,
    /// The only fault of members is freezing the leader, for longer than S.
    pub only_pauses: bool,
    /// When the store is wiped.
    pub wipe_at: Option<Duration>,
}

/// A kind of fault of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodKind {
    /// [`Fault::KillSidecar`]
    Kill,
    /// [`Fault::TermSidecar`]
    Term,
    /// [`Fault::CrashApp`]
    Crash,
    /// [`Fault::FreezeSidecar`]
    Freeze,
    /// [`Fault::DeletePod`]
    Delete,
    /// [`Fault::LosePod`]
    Lose,
    /// [`Fault::CutSidecar`]
    Cut,
    /// [`Fault::DeafenSidecar`]
    Deafen,
    /// [`Fault::StepClock`]
    Clock,
    /// [`Fault::TwinSidecar`]
    Twin,
    /// [`Fault::DoubleSidecar`]
    Double,
}

/// All faults of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The seed that the plan was made from.
    pub seed: u64,
    /// Faults of members, one after the other.
    pub members: Vec<Planned>,
    /// Faults of pods; no pod has two at once.
    pub pods: Vec<Planned>,
}

// === impl Fault ===

impl Fault {
    /// The name of its kind, for summaries.
    pub fn kind(self) -> &'static str {
        match self {
            Self::KillMember(Whom::Leader) => "kill leader",
            Self::KillMember(_) => "kill member",
            Self::FreezeMember(Whom::Leader) => "freeze leader",
            Self::FreezeMember(_) => "freeze member",
            Self::CutMember(Whom::Leader, _) => "cut leader off",
            Self::CutMember(_, Cut::Clients) => "cut member from clients",
            Self::CutMember(_, Cut::Peers) => "cut member from peers",
            Self::CutMember(_, Cut::Both) => "cut member off",
            Self::CutClients => "cut all clients off",
            Self::ReplaceMember(_) => "replace member",
            Self::Wipe => "wipe",
            Self::Compact => "compact",
            Self::EditPools => "edit pools",
            Self::DoubleSidecar(_) => "double sidecars",
            Self::KillSidecar(_) => "kill sidecar",
            Self::TermSidecar(_, Comeback::Soon) => "stop sidecar, restart it",
            Self::TermSidecar(_, Comeback::Late) => "stop sidecar, restart it late",
            Self::TermSidecar(_, Comeback::Never) => "stop sidecar for good",
            Self::CrashApp(_) => "crash app",
            Self::FreezeSidecar(_) => "freeze sidecar",
            Self::DeletePod(_) => "delete pod",
            Self::LosePod(_) => "lose pod",
            Self::CutSidecar(_) => "cut sidecar off",
            Self::DeafenSidecar(_) => "deafen sidecar",
            Self::StepClock(..) => "step wall clock",
            Self::TwinSidecar(_) => "twin sidecars",
        }
    }
}

// === impl Plan ===

impl Plan {
    /// Makes the plan of a seed.
    pub fn new(seed: u64, menu: &Menu) -> Self {
        let mut rng = Rng::with_seed(seed);
        Self { seed, members: members(&mut rng.fork(), menu), pods: pods(&mut rng.fork(), menu) }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan of seed {}:", self.seed)?;
        let mut all: Vec<_> = self.members.iter().chain(&self.pods).collect();
        all.sort_by_key(|planned| planned.at);
        for Planned { at, lasts, fault } in all {
            writeln!(f, "  {:7.2}s for {:5.2}s {fault:?}", at.as_secs_f64(), lasts.as_secs_f64())?;
        }
        Ok(())
    }
}

fn millis(rng: &mut Rng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(rng.u64(range))
}

fn members(rng: &mut Rng, menu: &Menu) -> Vec<Planned> {
    let mut planned = Vec::new();
    let mut at = millis(rng, 1_500..3_000);
    let mut wipe = menu.wipe_at;
    while (menu.members || wipe.is_some()) && at < menu.span {
        if wipe.is_some_and(|wipe| at >= wipe) {
            wipe = None;
            planned.push(Planned { at, lasts: Duration::ZERO, fault: Fault::Wipe });
        } else if menu.members {
            let (fault, lasts) = member_fault(rng, menu);
            planned.push(Planned { at, lasts, fault });
            at += lasts;
        }
        at += millis(rng, 1_000..3_500);
    }
    planned
}

fn member_fault(rng: &mut Rng, menu: &Menu) -> (Fault, Duration) {
    if menu.only_pauses {
        return (Fault::FreezeMember(Whom::Leader), menu.lease + millis(rng, 500..4_000));
    }
    let whom = if rng.u8(0..5) < 2 {
        Whom::Leader
    } else {
        Whom::Member(rng.usize(0..crate::cluster::MEMBERS))
    };
    // Some are shorter than an election, some longer than an election and V.
    let validity = u64::try_from(menu.validity.as_millis()).unwrap_or(u64::MAX);
    let lasts = millis(rng, 300..validity.saturating_add(2_000));
    let fault = match rng.u8(0..14) {
        0 | 1 => Fault::KillMember(whom),
        2 | 3 => Fault::FreezeMember(whom),
        4 | 5 => Fault::CutMember(whom, Cut::Both),
        6 | 7 => Fault::CutMember(whom, Cut::Peers),
        8 | 9 => Fault::CutMember(whom, Cut::Clients),
        10 => Fault::CutClients,
        11 => return (Fault::EditPools, Duration::ZERO),
        12 => return (Fault::Compact, Duration::ZERO),
        _ => return (Fault::ReplaceMember(whom), Duration::ZERO),
    };
    (fault, lasts)
}

fn pods(rng: &mut Rng, menu: &Menu) -> Vec<Planned> {
    let mut planned = Vec::new();
    if menu.pod_kinds.is_empty() || menu.pod_pace.is_zero() || menu.pods == 0 {
        return planned;
    }
    let mut busy = vec![Duration::ZERO; menu.pods];
    let pace = u64::try_from(menu.pod_pace.as_millis()).unwrap_or(u64::MAX);
    let mut at = Duration::from_millis(500);
    while at < menu.span {
        let pod = rng.usize(0..menu.pods);
        let kind = menu.pod_kinds.get(rng.usize(0..menu.pod_kinds.len()));
        if let (Some(kind), Some(until)) = (kind, busy.get_mut(pod))
            && *until <= at
        {
            let (fault, lasts) = pod_fault(rng, menu, *kind, pod);
            // A new pod needs some time to claim its names.
            *until = at + lasts + menu.validity / 2;
            planned.push(Planned { at, lasts, fault });
        }
        at += millis(rng, pace / 2..pace.saturating_mul(3) / 2 + 1);
    }
    planned
}

fn pod_fault(rng: &mut Rng, menu: &Menu, kind: PodKind, pod: usize) -> (Fault, Duration) {
    let longest = u64::try_from(menu.lease.as_millis()).unwrap_or(u64::MAX).saturating_add(3_000);
    let lasts = millis(rng, 300..longest);
    match kind {
        PodKind::Kill => (Fault::KillSidecar(pod), lasts / 2),
        PodKind::Term => match rng.u8(0..5) {
            0..3 => (Fault::TermSidecar(pod, Comeback::Soon), millis(rng, 0..2_000)),
            3 => (Fault::TermSidecar(pod, Comeback::Late), menu.lease + lasts / 4),
            _ => (Fault::TermSidecar(pod, Comeback::Never), menu.lease + lasts / 4),
        },
        PodKind::Crash => (Fault::CrashApp(pod), Duration::ZERO),
        PodKind::Freeze => (Fault::FreezeSidecar(pod), lasts),
        PodKind::Delete => (Fault::DeletePod(pod), lasts / 4),
        PodKind::Lose => (Fault::LosePod(pod), lasts / 2),
        PodKind::Cut => (Fault::CutSidecar(pod), lasts),
        PodKind::Deafen => (Fault::DeafenSidecar(pod), lasts / 2),
        PodKind::Clock => {
            // From a second to some hours, forward or back.
            let step = 10_i64.pow(rng.u32(3..8)) * rng.i64(1..5);
            let step = if rng.bool() { step } else { -step };
            (Fault::StepClock(pod, step), Duration::ZERO)
        }
        PodKind::Twin => (Fault::TwinSidecar(pod), menu.validity),
        PodKind::Double => (Fault::DoubleSidecar(pod), menu.validity),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn menu() -> Menu {
        Menu {
            span: Duration::from_mins(1),
            pods: 20,
            validity: Duration::from_secs(4),
            lease: Duration::from_secs(7),
            pod_pace: Duration::from_millis(300),
            pod_kinds: vec![PodKind::Kill, PodKind::Freeze, PodKind::Clock, PodKind::Twin],
            members: true,
            only_pauses: false,
            wipe_at: Some(Duration::from_secs(30)),
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_plan_and_another_seed_another_plan() {
        assert_eq!(Plan::new(7, &menu()), Plan::new(7, &menu()));
        assert_ne!(Plan::new(7, &menu()).pods, Plan::new(8, &menu()).pods);
    }

    #[test]
    fn faults_of_members_do_not_overlap_and_the_store_is_wiped_once() {
        let plan = Plan::new(11, &menu());
        let in_turn = |pair: &[Planned]| pair[0].at + pair[0].lasts < pair[1].at;
        assert!(plan.members.windows(2).all(in_turn), "{plan}");
        let wipes = plan.members.iter().filter(|planned| planned.fault == Fault::Wipe);
        assert_eq!(wipes.count(), 1);
    }
}
