//! Pods, shards and processes, and one value for each of them.
//!
//! The types are small and fixed, so that a state is copied and hashed without the heap. A look-up by such a key
//! cannot fail. Not for: how many of them a check has ([`crate::Config`]).

use std::fmt;
use std::ops::{Index, IndexMut};

/// A pod. Its letter stands for its UID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pod {
    /// The first one.
    A,
    /// The second one.
    B,
    /// The third one.
    C,
}

/// A shard; in some bounds the second one stands for the leadership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shard {
    /// The first one.
    Zero,
    /// The second one.
    One,
}

/// A sidecar process: of a pod's two processes the older or the younger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId {
    /// The pod.
    pub(crate) pod: Pod,
    /// Whether an older process of the pod is there too.
    pub(crate) younger: bool,
}

/// One value for each pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PerPod<T> {
    pub(crate) a: T,
    pub(crate) b: T,
    pub(crate) c: T,
}

/// One value for each shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PerShard<T> {
    pub(crate) zero: T,
    pub(crate) one: T,
}

/// The processes of a pod, in order of age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Pair<T> {
    pub(crate) older: Option<T>,
    pub(crate) younger: Option<T>,
}

// === impl Pod ===

impl Pod {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::A, Self::B, Self::C];

    /// Its processes.
    pub(crate) fn processes(self) -> [ProcessId; 2] {
        [false, true].map(|younger| ProcessId { pod: self, younger })
    }
}

impl fmt::Display for Pod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

// === impl Shard ===

impl Shard {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::Zero, Self::One];
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zero => "0",
            Self::One => "1",
        })
    }
}

// === impl ProcessId ===

impl ProcessId {
    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Pod::ALL.into_iter().flat_map(Pod::processes)
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pod, younger } = self;
        write!(f, "{pod}{}", if *younger { "'s younger process" } else { "" })
    }
}

// === impl PerPod ===

impl<T> PerPod<T> {
    pub(crate) fn values(&self) -> [&T; 3] {
        [&self.a, &self.b, &self.c]
    }

    pub(crate) fn values_mut(&mut self) -> [&mut T; 3] {
        [&mut self.a, &mut self.b, &mut self.c]
    }
}

impl<T> Index<Pod> for PerPod<T> {
    type Output = T;

    fn index(&self, pod: Pod) -> &T {
        match pod {
            Pod::A => &self.a,
            Pod::B => &self.b,
            Pod::C => &self.c,
        }
    }
}

impl<T> IndexMut<Pod> for PerPod<T> {
    fn index_mut(&mut self, pod: Pod) -> &mut T {
        match pod {
            Pod::A => &mut self.a,
            Pod::B => &mut self.b,
            Pod::C => &mut self.c,
        }
    }
}

// === impl PerShard ===

impl<T> PerShard<T> {
    pub(crate) fn values(&self) -> [&T; 2] {
        [&self.zero, &self.one]
    }

    pub(crate) fn values_mut(&mut self) -> [&mut T; 2] {
        [&mut self.zero, &mut self.one]
    }
}

impl<T> Index<Shard> for PerShard<T> {
    type Output = T;

    fn index(&self, shard: Shard) -> &T {
        match shard {
            Shard::Zero => &self.zero,
            Shard::One => &self.one,
        }
    }
}

impl<T> IndexMut<Shard> for PerShard<T> {
    fn index_mut(&mut self, shard: Shard) -> &mut T {
        match shard {
            Shard::Zero => &mut self.zero,
            Shard::One => &mut self.one,
        }
    }
}

// === impl Pair ===

impl<T> Pair<T> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.older.iter().chain(&self.younger)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.older.iter_mut().chain(&mut self.younger)
    }

    pub(crate) fn get(&self, younger: bool) -> Option<&T> {
        if younger { self.younger.as_ref() } else { self.older.as_ref() }
    }

    pub(crate) fn get_mut(&mut self, younger: bool) -> Option<&mut T> {
        if younger { self.younger.as_mut() } else { self.older.as_mut() }
    }

    /// Whether another process fits in.
    pub(crate) fn has_room(&self) -> bool {
        self.younger.is_none()
    }

    pub(crate) fn push(&mut self, process: T) {
        let place = if self.older.is_none() { &mut self.older } else { &mut self.younger };
        *place = Some(process);
    }

    /// Removes one; a younger one that is left becomes the older one.
    pub(crate) fn remove(&mut self, younger: bool) -> Option<T> {
        if younger {
            return self.younger.take();
        }
        let removed = self.older.take();
        self.older = self.younger.take();
        removed
    }
}

impl<T> Default for Pair<T> {
    fn default() -> Self {
        Self { older: None, younger: None }
    }
}
