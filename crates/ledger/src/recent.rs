//! A small cache of what was used last, bounded by cost. It knows nothing of what it keeps.

use std::sync::Arc;

/// Values used recently, newest last. Look-ups scan: it holds a handful.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    entries: Vec<(K, Arc<V>, usize)>,
    cost_max: usize,
}

impl<K: PartialEq, V> Recent<K, V> {
    /// A cache that drops the oldest values once costs add up to more than `cost_max`.
    pub(crate) fn new(cost_max: usize) -> Self {
        Self { entries: Vec::new(), cost_max }
    }

    /// The value of a key, which becomes the newest.
    pub(crate) fn find(&mut self, matches: impl Fn(&K) -> bool) -> Option<Arc<V>> {
        let position = self.entries.iter().rposition(|(key, _, _)| matches(key))?;
        let entry = self.entries.remove(position);
        let value = Arc::clone(&entry.1);
        self.entries.push(entry);
        Some(value)
    }

    /// Keeps a value; one that costs more than the whole bound is handed back without being kept.
    pub(crate) fn keep(&mut self, key: K, value: V, cost: usize) -> Arc<V> {
        let value = Arc::new(value);
        if cost <= self.cost_max {
            self.entries.retain(|(kept, _, _)| *kept != key);
            self.entries.push((key, Arc::clone(&value), cost));
            let mut total: usize = self.entries.iter().map(|(_, _, cost)| cost).sum();
            while total > self.cost_max {
                total -= self.entries.remove(0).2;
            }
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first_and_the_bound_holds() {
        let mut recent = Recent::new(3);
        recent.keep('a', 1, 1);
        recent.keep('b', 2, 1);
        recent.keep('c', 3, 1);
        assert_eq!(recent.find(|key| *key == 'a').as_deref(), Some(&1));
        recent.keep('d', 4, 1);
        assert_eq!(recent.find(|key| *key == 'b'), None);
        assert_eq!(recent.find(|key| *key == 'a').as_deref(), Some(&1));
        assert_eq!(*recent.keep('e', 5, 4), 5);
        assert_eq!(recent.find(|key| *key == 'e'), None);
    }
}
