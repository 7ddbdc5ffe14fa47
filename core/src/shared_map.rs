//! A sorted map whose copies share what neither of them has changed.
//!
//! Entries lie in chunks. A copy shares all of them, and a change copies only the chunk that it is about, if a copy
//! shares it: of 10,000 entries a copy costs 157 counters and a change 64 entries, and both maps need hardly more
//! memory than one.
//!
//! Invariants: keys ascend, within a chunk and from chunk to chunk; no chunk is empty, and none has more than
//! [`CHUNK`] entries.

use std::borrow::Borrow;
use std::fmt;
use std::slice;
use std::sync::Arc;

/// Entries of a full chunk.
const CHUNK: usize = 64;

type Chunk<K, V> = Arc<Vec<(K, V)>>;

/// A sorted map whose copies share what neither of them has changed.
#[derive(Clone)]
pub struct SharedMap<K, V> {
    chunks: Vec<Chunk<K, V>>,
    len: usize,
}

/// The entries of a map in the order of keys.
pub struct Iter<'m, K, V> {
    chunks: slice::Iter<'m, Chunk<K, V>>,
    entries: slice::Iter<'m, (K, V)>,
}

// === impl SharedMap ===

impl<K, V> SharedMap<K, V> {
    /// The number of entries.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The entries in the order of keys.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter { chunks: self.chunks.iter(), entries: [].iter() }
    }

    /// The keys in their order.
    pub fn keys(&self) -> impl Iterator<Item = &K> + Clone {
        self.iter().map(|(key, _)| key)
    }

    /// The values in the order of keys.
    pub fn values(&self) -> impl Iterator<Item = &V> + Clone {
        self.iter().map(|(_, value)| value)
    }
}

impl<K: Ord, V> SharedMap<K, V> {
    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let chunk = self.chunks.get(self.chunk_of(key)?)?;
        let place = place(chunk, key).ok()?;
        chunk.get(place).map(|(_, value)| value)
    }

    /// Whether the key has a value.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// The only chunk that can have the key; `None` when the key is before all others.
    fn chunk_of<Q: Ord + ?Sized>(&self, key: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
    {
        let begins_at_or_before =
            |chunk: &Chunk<K, V>| chunk.first().is_some_and(|(first, _)| first.borrow() <= key);
        self.chunks.partition_point(begins_at_or_before).checked_sub(1)
    }
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    /// Gives a key a value. Returns the one that it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let index = self.chunk_of(&key).unwrap_or_default();
        let last = index + 1 >= self.chunks.len();
        let Some(shared) = self.chunks.get_mut(index) else {
            self.chunks.push(Arc::new(vec![(key, value)]));
            self.len += 1;
            return None;
        };
        let place = match place(shared, &key) {
            Ok(place) => {
                let entry = Arc::make_mut(shared).get_mut(place);
                return entry.map(|(_, before)| std::mem::replace(before, value));
            }
            Err(place) => place,
        };
        self.len += 1;
        if shared.len() < CHUNK {
            Arc::make_mut(shared).insert(place, (key, value));
        } else if last && place == CHUNK {
            // Keys that come in order leave full chunks.
            self.chunks.push(Arc::new(vec![(key, value)]));
        } else {
            let chunk = Arc::make_mut(shared);
            let mut upper = chunk.split_off(CHUNK / 2);
            match place.checked_sub(CHUNK / 2) {
                Some(place) => upper.insert(place, (key, value)),
                None => chunk.insert(place, (key, value)),
            }
            self.chunks.insert(index + 1, Arc::new(upper));
        }
        None
    }

    /// Removes a key. Returns the value that it had.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let index = self.chunk_of(key)?;
        let shared = self.chunks.get_mut(index)?;
        let place = place(shared, key).ok()?;
        let chunk = Arc::make_mut(shared);
        let (_, value) = chunk.remove(place);
        if chunk.is_empty() {
            self.chunks.remove(index);
        }
        self.len -= 1;
        Some(value)
    }

    /// The entries in the order of keys, to be changed. It copies everything that a copy shares.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        let chunks = self.chunks.iter_mut().flat_map(|chunk| Arc::make_mut(chunk).iter_mut());
        chunks.map(|(key, value)| (&*key, value))
    }

    /// The values in the order of keys, to be changed. It copies everything that a copy shares.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.iter_mut().map(|(_, value)| value)
    }
}

/// Where a chunk has the key, or where it would be.
fn place<K: Borrow<Q>, V, Q: Ord + ?Sized>(chunk: &[(K, V)], key: &Q) -> Result<usize, usize> {
    chunk.binary_search_by(|(other, _)| other.borrow().cmp(key))
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for SharedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        let same =
            |(one, other): (&Chunk<K, V>, &Chunk<K, V>)| Arc::ptr_eq(one, other) || one == other;
        if self.len != other.len {
            return false;
        }
        // Maps of another history may have the same entries in other chunks.
        (self.chunks.len() == other.chunks.len() && self.chunks.iter().zip(&other.chunks).all(same))
            || self.iter().eq(other.iter())
    }
}

impl<K: Eq, V: Eq> Eq for SharedMap<K, V> {}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SharedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<K: Ord + Clone, V: Clone> Extend<(K, V)> for SharedMap<K, V> {
    fn extend<T: IntoIterator<Item = (K, V)>>(&mut self, entries: T) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for SharedMap<K, V> {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(entries: T) -> Self {
        let mut map = Self::default();
        map.extend(entries);
        map
    }
}

impl<K: Ord + Clone, V: Clone, const N: usize> From<[(K, V); N]> for SharedMap<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<'m, K, V> IntoIterator for &'m SharedMap<K, V> {
    type Item = (&'m K, &'m V);
    type IntoIter = Iter<'m, K, V>;

    fn into_iter(self) -> Iter<'m, K, V> {
        self.iter()
    }
}

// === impl Iter ===

impl<'m, K, V> Iterator for Iter<'m, K, V> {
    type Item = (&'m K, &'m V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((key, value)) = self.entries.next() {
                return Some((key, value));
            }
            self.entries = self.chunks.next()?.iter();
        }
    }
}

impl<K, V> Clone for Iter<'_, K, V> {
    fn clone(&self) -> Self {
        Self { chunks: self.chunks.clone(), entries: self.entries.clone() }
    }
}

impl<K, V> fmt::Debug for Iter<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
