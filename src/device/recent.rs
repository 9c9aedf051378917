//! A cache that forgets what has not been asked for in a while.

use std::{collections::HashMap, hash::Hash};

/// Values by key, those of this generation and of the one before. What the older one still has and is asked for comes
/// into the younger; the rest goes with it. What is kept hangs on what was asked for of late, not on all that ever
/// was: where threads take turns by chance there is always another combination that was not there yet, and a cache
/// that only fills would grow for hours.
pub(super) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    /// Questions in this generation.
    asked: usize,
}

/// Questions in a generation. What is not asked for that often costs little to make again.
const GENERATION: usize = 4096;
/// Most values of a generation.
const MOST: usize = 512;

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    pub(super) fn new() -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), asked: 0 }
    }

    /// The value of a key, where it is still known.
    pub(super) fn get(&mut self, key: &K) -> Option<V> {
        self.asked += 1;
        if self.asked > GENERATION {
            self.age();
        }
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.insert(key, value.clone());
        Some(value)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= MOST {
            self.age();
        }
        self.young.insert(key, value);
    }

    /// Begins a generation. The tables are used in turn: they keep their room.
    fn age(&mut self) {
        std::mem::swap(&mut self.young, &mut self.old);
        self.young.clear();
        self.asked = 0;
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks, and makes what is not known; tells whether it was.
    fn ask(cache: &mut Recent<usize, usize>, key: usize) -> bool {
        let known = cache.get(&key);
        assert!(known.is_none_or(|value| value == 2 * key), "{key}: {known:?}");
        if known.is_none() {
            cache.insert(key, 2 * key);
        }
        known.is_some()
    }

    #[test]
    fn what_comes_round_is_made_once() {
        let mut cache = Recent::new();
        let made = (0..20 * GENERATION).filter(|i| !ask(&mut cache, i % MOST)).count();
        assert_eq!(made, MOST);
    }

    #[test]
    fn what_is_not_asked_for_goes() {
        let mut cache = Recent::new();
        // One key all the time, and now and then another that does not come again.
        let mut made = 0;
        for i in 0..10 * GENERATION {
            made += usize::from(!ask(&mut cache, if i % 64 == 0 { i + 1 } else { 0 }));
            assert!(cache.young.len() + cache.old.len() <= 2 * (GENERATION / 64 + 1), "{i}");
        }
        assert_eq!(made, 1 + 10 * GENERATION / 64);
        cache.clear();
        assert!(!ask(&mut cache, 0));
    }

    #[test]
    fn there_are_never_more_than_two_generations_of_them() {
        let mut cache = Recent::new();
        for i in 0..5 * MOST {
            assert!(!ask(&mut cache, i));
            assert!(cache.young.len() <= MOST && cache.old.len() <= MOST, "{i}");
        }
        // The last ones are still there.
        assert!((4 * MOST..5 * MOST).all(|i| ask(&mut cache, i)));
    }
}
