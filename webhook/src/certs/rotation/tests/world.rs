//! The model: reads and writes are single steps, and every write compares what was read.

use super::super::super::stored::{self, Data};
use super::*;

/// A turn that takes longer than this without an end is finished at once: watches wake replicas within moments.
const STALL: Duration = Duration::from_secs(1);
/// More steps than any turn needs.
const MANY: usize = 60;

pub(super) struct World {
    pub(super) now: UnixMillis,
    pub(super) configurations: [Option<Versioned<String>>; 2],
    secret: Option<Versioned<Data>>,
    /// An earlier content of the Secret.
    older: Option<Data>,
    replicas: Vec<Replica>,
    lives: Lives,
    versions: u64,
    /// What was put into a bundle by hand.
    planted: Vec<Certificate>,
}

#[derive(Clone, Debug)]
pub(super) struct Versioned<T> {
    version: u64,
    content: T,
}

struct Replica {
    rotation: Rotation,
    phase: Phase,
    /// When it had nothing to do.
    rested: UnixMillis,
    paused: bool,
    /// It was paused, and has not looked at the world since.
    woken: bool,
    leaf: Option<Serving>,
}

/// Where a replica is between its reads and writes.
#[derive(Clone, Debug, Default)]
enum Phase {
    #[default]
    Idle,
    /// It has read one configuration.
    One(Seen),
    /// It has read both.
    Both(Seen, Seen),
    /// It has read the Secret too.
    Decided { seen: [Seen; 2], secret: Option<u64>, step: Box<Step> },
    /// It has written one configuration.
    HalfPublished { seen: Seen, bundle: String },
}

type Seen = Option<Versioned<String>>;

impl World {
    pub(super) fn new(lives: Lives, replicas: usize) -> Self {
        let mut world = Self {
            now: NOW,
            configurations: [None, None],
            secret: None,
            older: None,
            replicas: Vec::new(),
            lives,
            versions: 0,
            planted: Vec::new(),
        };
        world.replicas = (0..replicas).map(|_| world.replica()).collect();
        world.create(0);
        world.create(1);
        world
    }

    fn replica(&self) -> Replica {
        let rotation = Rotation::new(self.lives);
        let (phase, rested) = (Phase::Idle, self.now);
        Replica { rotation, phase, rested, paused: false, woken: false, leaf: None }
    }

    fn version(&mut self) -> u64 {
        self.versions += 1;
        self.versions
    }

    fn create(&mut self, index: usize) {
        if self.configurations[index].is_none() {
            let version = self.version();
            self.configurations[index] = Some(Versioned { version, content: String::new() });
        }
    }

    /// All replicas are started again with other settings, one after the other.
    pub(super) fn relive(&mut self, lives: Lives) {
        self.lives = lives;
        for index in 0..self.replicas.len() {
            self.replicas[index] = self.replica();
            self.settle();
        }
    }

    pub(super) fn act(&mut self, action: Action) {
        let count = self.replicas.len();
        match action {
            Action::Advance(index) if !self.replicas[index % count].paused => {
                self.advance(index % count);
            }
            Action::Advance(_) => {}
            Action::Pause(index) => self.replicas[index % count].paused = true,
            Action::Wake(index) => self.wake(index % count),
            Action::Pass(millis) => self.pass(Duration::from_millis(millis)),
            Action::Restart(index) => self.replicas[index % count] = self.replica(),
            Action::Remove(index) => self.configurations[index] = None,
            Action::Create(index) => {
                // It is created without a bundle: until a replica has filled it, it verifies nothing.
                self.create(index);
                self.settle();
            }
            Action::Hurt(fault) => self.hurt(fault),
            Action::Bundle(index, change) => self.change(index, change),
        }
    }

    pub(super) fn pass(&mut self, span: Duration) {
        // In small parts: a replica is woken at the time that it has asked for.
        let mut left = span;
        while !left.is_zero() {
            let part = left.min(STALL / 2);
            self.now = self.now.after(part);
            left -= part;
            for index in 0..self.replicas.len() {
                let replica = &self.replicas[index];
                if !replica.paused && replica.rested.after(STALL) <= self.now {
                    self.finish(index);
                }
            }
        }
    }

    /// Every replica works until none has anything to do.
    pub(super) fn settle(&mut self) {
        for index in 0..self.replicas.len() {
            self.wake(index);
            self.cycle(index);
        }
        for _ in 0..MANY {
            let mut busy = false;
            for index in 0..self.replicas.len() {
                busy |= self.cycle(index).is_some();
            }
            if !busy {
                return;
            }
        }
        panic!("the replicas never rest");
    }

    /// A paused replica goes on with what it has read long ago.
    fn wake(&mut self, index: usize) {
        let replica = &mut self.replicas[index];
        replica.woken |= std::mem::take(&mut replica.paused);
    }

    /// Nothing more is done to the world, and every bundle settles.
    pub(super) fn calm_down(&mut self) {
        self.settle();
        self.pass(self.lives.settle.max(self.lives.linger));
        self.settle();
    }

    fn finish(&mut self, index: usize) {
        for _ in 0..MANY {
            if self.cycle(index).is_none() {
                return;
            }
        }
        panic!("replica {index} never rests");
    }

    /// Works until a step is done; `None` when it is to rest.
    pub(super) fn cycle(&mut self, index: usize) -> Option<Step> {
        loop {
            if let Some(step) = self.advance(index) {
                return (!matches!(step, Step::Rest(_))).then_some(step);
            }
        }
    }

    /// One read or write of one replica; the step when it is done.
    fn advance(&mut self, index: usize) -> Option<Step> {
        let phase = std::mem::take(&mut self.replicas[index].phase);
        let next = match phase {
            Phase::Idle => Phase::One(self.configurations[0].clone()),
            Phase::One(one) => Phase::Both(one, self.configurations[1].clone()),
            Phase::Both(one, two) => {
                let mut live = Live::default();
                for bundle in [&one, &two].into_iter().flatten() {
                    live.push(String::new(), bundle.content.clone().into_bytes());
                }
                let secret = self.secret.as_ref();
                let stored = secret
                    .map_or(Stored::Missing, |secret| Stored::read(&secret.content, self.now));
                let step = self.replicas[index].rotation.step(&live, &stored, self.now);
                if let Step::Rest(_) = step {
                    self.replicas[index].rested = self.now;
                    self.replicas[index].woken = false;
                    return Some(step);
                }
                let (secret, step) = (secret.map(|secret| secret.version), Box::new(step));
                Phase::Decided { seen: [one, two], secret, step }
            }
            Phase::Decided { seen: [one, two], secret, step } => {
                match &*step {
                    Step::Write { record, .. } => self.write(secret, record),
                    Step::Mint(vacancy) => {
                        let authority = mint::authority(&self.lives, self.now).unwrap();
                        let (record, _) = vacancy.clone().filled(authority, self.now);
                        self.write(secret, &record);
                    }
                    Step::Publish(bundle) => {
                        self.publish(0, one.as_ref(), bundle);
                        let bundle = bundle.clone();
                        self.replicas[index].phase = Phase::HalfPublished { seen: two, bundle };
                        return None;
                    }
                    Step::Serve(authority) => self.serve(index, authority),
                    Step::Rest(_) => {}
                }
                return Some(*step);
            }
            Phase::HalfPublished { seen, bundle } => {
                self.publish(1, seen.as_ref(), &bundle);
                return Some(Step::Publish(bundle));
            }
        };
        self.replicas[index].phase = next;
        None
    }

    fn serve(&mut self, index: usize, authority: &Authority) {
        let end = self.now.after(self.lives.leaf).min(authority.certificate().not_after());
        let (now, replica) = (self.now, &mut self.replicas[index]);
        replica.rotation.serve(authority, now, end);
        replica.leaf = replica.rotation.serving().cloned();
    }

    fn write(&mut self, read: Option<u64>, record: &Record) {
        if self.secret.as_ref().map(|secret| secret.version) != read {
            return;
        }
        let version = self.version();
        self.older = self.older.take().or_else(|| Some(self.secret.as_ref()?.content.clone()));
        self.secret = Some(Versioned { version, content: stored::data(record) });
    }

    fn publish(&mut self, index: usize, read: Option<&Versioned<String>>, bundle: &str) {
        let found = self.configurations[index].as_ref().map(|found| found.version);
        if found.is_none() || found != read.map(|read| read.version) {
            return;
        }
        let version = self.version();
        self.configurations[index] = Some(Versioned { version, content: bundle.to_owned() });
    }

    pub(super) fn hurt(&mut self, fault: Fault) {
        let version = self.version();
        let Some(secret) = &mut self.secret else { return };
        secret.version = version;
        let mut put = |key: &str, text: &str| {
            secret.content.insert(key.to_owned(), k8s_openapi::ByteString(text.into()));
        };
        match fault {
            Fault::Deleted => self.secret = None,
            Fault::Garbage => put("ca.key", "garbage"),
            Fault::Bundle => put("bundle.crt", ""),
            Fault::Foreign => {
                let foreign = mint::authority(&self.lives, self.now).unwrap();
                secret.content = stored::data(&Record::first(foreign, 0));
            }
            Fault::Newer => {
                let foreign = mint::authority(&self.lives, self.now).unwrap();
                secret.content = stored::data(&Record::first(foreign, version + 100));
            }
            Fault::Older => secret.content = self.older.clone().unwrap_or_default(),
        }
    }

    fn change(&mut self, index: usize, change: Change) {
        let version = self.version();
        let foreign = mint::authority(&self.lives, self.now).unwrap().certificate().clone();
        let Some(found) = &self.configurations[index] else { return };
        let content = match change {
            Change::Emptied => String::new(),
            Change::Foreign => foreign.pem(),
            Change::More => format!("{}{}", found.content, foreign.pem()),
        };
        self.planted.push(foreign);
        self.configurations[index] = Some(Versioned { version, content });
    }

    pub(super) fn record(&self) -> Record {
        let data = &self.secret.as_ref().unwrap().content;
        match Stored::read(data, self.now) {
            Stored::Whole(record) => record,
            other => panic!("{other:?}"),
        }
    }

    /// Whoever serves a leaf is trusted by every configuration that exists.
    #[track_caller]
    pub(super) fn check_trusted(&self) {
        for (index, replica) in self.replicas.iter().enumerate() {
            let Some(leaf) = &replica.leaf else { continue };
            if replica.paused || replica.woken {
                continue;
            }
            assert!(leaf.not_after > self.now, "replica {index} serves a leaf that is over");
            assert!(!leaf.authority.is_over(self.now));
            for found in self.configurations.iter().flatten() {
                let carried = Certificate::all(found.content.as_bytes());
                assert!(
                    carried.contains(&leaf.authority),
                    "replica {index} serves a leaf of {:?}, a configuration carries {carried:?}",
                    leaf.authority
                );
            }
        }
    }

    /// One record, in every configuration, nothing planted beside it, and every leaf is of its signer.
    #[track_caller]
    pub(super) fn check_converged(&self) {
        let record = self.record();
        for found in self.configurations.iter().flatten() {
            let carried = Certificate::all(found.content.as_bytes());
            assert!(record.trusted().all(|certificate| carried.contains(certificate)));
            assert!(!self.planted.iter().any(|planted| carried.contains(planted)));
        }
        for replica in &self.replicas {
            assert_eq!(replica.rotation.known(), Some(&record));
            let leaf = replica.leaf.as_ref().expect("it serves");
            assert_eq!(&leaf.authority, record.signer.certificate());
            assert!(leaf.not_after > self.now);
        }
    }
}
