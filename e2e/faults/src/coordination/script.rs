//! What happens to the members of a group, and when: drawn from a seed.

use std::time::Duration;

/// Answers are late for this long before a session is severed: one renewal of a V of 3 s begins, and does not end.
pub const SLOWLY: Duration = Duration::from_millis(1_400);

/// A fault of one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process is killed and started again at once.
    Kill,
    /// The process is replaced by one that dies at this step, and then by another one.
    DieAt(u32),
    /// The app hangs: it calls nobody, and serves nothing. The process goes on.
    Hang,
    /// The process stops while time goes on.
    Freeze,
    /// The process and the app stop while time goes on.
    FreezeAll,
    /// Requests are lost.
    Cut,
    /// Answers are lost.
    Deaf,
    /// Answers are late.
    Slow,
    /// Answers are late, then the session ends in etcd and the member is cut off from it.
    Sever,
    /// The session ends in etcd.
    Revoke,
    /// A second process runs beside the first.
    Twin,
    /// A second process runs while the first is frozen, and then both run.
    FrozenTwin,
    /// The leader gives the leadership away.
    Resign,
    /// An administrator drops the member; its pod is replaced in the end.
    Drop,
    /// The pod is deleted and replaced.
    Drain,
    /// The pod is ended without draining, and replaced.
    Terminate,
    /// The node is lost; the pod is replaced in the end.
    Lose,
}

/// A fault of the member with an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// When it begins.
    pub at: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// Whose.
    pub member: usize,
    /// What.
    pub fault: Fault,
}

/// The faults of a group's members, in the order of their beginnings.
#[derive(Clone, Debug, Default)]
pub struct Script(pub Vec<Planned>);

/// From which a script is drawn.
#[derive(Clone, Debug)]
pub struct Menu {
    /// How many members there are.
    pub members: usize,
    /// When the first fault begins.
    pub from: Duration,
    /// Until when faults begin.
    pub until: Duration,
    /// The time between two faults.
    pub pace: Duration,
    /// V: faults are shorter or longer than it.
    pub validity: Duration,
    /// What may happen.
    pub faults: Vec<Fault>,
}

// === impl Fault ===

impl Fault {
    /// Everything.
    pub const ALL: [Self; 16] = [
        Self::Kill,
        Self::DieAt(0),
        Self::Freeze,
        Self::FreezeAll,
        Self::Cut,
        Self::Deaf,
        Self::Slow,
        Self::Sever,
        Self::Revoke,
        Self::Twin,
        Self::FrozenTwin,
        Self::Resign,
        Self::Drop,
        Self::Drain,
        Self::Terminate,
        Self::Lose,
    ];
}

// === impl Script ===

impl Script {
    /// Draws a script: one fault after the other, each of a member that has none at that time.
    pub fn draw(seed: u64, menu: &Menu) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut busy = vec![Duration::ZERO; menu.members];
        let mut planned = Vec::new();
        let mut at = menu.from;
        while at < menu.until {
            let lasts = menu.validity.mul_f64(0.1 + 2.9 * random.f64() * random.f64());
            let free = busy.iter().enumerate().filter(|(_, until)| **until <= at);
            let free: Vec<usize> = free.map(|(member, _)| member).collect();
            let member = random.choice(free);
            let fault = random.choice(menu.faults.iter().copied());
            if let (Some(member), Some(fault)) = (member, fault) {
                let fault = match fault {
                    Fault::DieAt(_) => Fault::DieAt(random.u32(1..60)),
                    fault => fault,
                };
                let lasts = if fault == Fault::Sever { SLOWLY + 2 * menu.validity } else { lasts };
                if let Some(until) = busy.get_mut(member) {
                    *until = at + lasts;
                }
                planned.push(Planned { at, lasts, member, fault });
            }
            at += menu.pace.mul_f64(0.5 + random.f64());
        }
        Self(planned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_script_and_no_member_has_two_faults_at_once() {
        let second = Duration::from_secs(1);
        let menu = Menu {
            members: 4,
            from: second,
            until: 60 * second,
            pace: second / 2,
            validity: 3 * second,
            faults: Fault::ALL.to_vec(),
        };
        let script = Script::draw(7, &menu);
        assert_eq!(script.0, Script::draw(7, &menu).0);
        assert!(script.0.len() > 60 && script.0 != Script::draw(8, &menu).0);
        for (index, one) in script.0.iter().enumerate() {
            let later = script.0.iter().skip(index + 1);
            let mut same = later.filter(|other| other.member == one.member);
            assert!(same.all(|other| other.at >= one.at + one.lasts));
        }
    }
}
