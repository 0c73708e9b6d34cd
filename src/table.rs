//! Values by their numbers. The search is the same code for all of them: what stands in a table is moved by
//! its place, and only the places are looked up.

use std::collections::{BTreeSet, HashMap};

/// Pairs of a place or a time and what stands there, in order.
pub(crate) type Sequence = BTreeSet<(u64, u64)>;

pub(crate) struct Table<V> {
    /// Where in `entries` the value of a number is.
    places: HashMap<u64, usize>,
    entries: Vec<(u64, V)>,
}

impl<V> Default for Table<V> {
    fn default() -> Table<V> {
        Table { places: HashMap::new(), entries: Vec::new() }
    }
}

impl<V> Table<V> {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn has(&self, number: u64) -> bool {
        self.place(number).is_some()
    }

    pub(crate) fn get(&self, number: u64) -> Option<&V> {
        Some(&self.entries[self.place(number)?].1)
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut V> {
        let place = self.place(number)?;
        Some(&mut self.entries[place].1)
    }

    /// The value, after making it if there is none.
    pub(crate) fn get_or_make(&mut self, number: u64, make: impl FnOnce() -> V) -> &mut V {
        let place = self.place(number).unwrap_or_else(|| self.add(number, make()));
        &mut self.entries[place].1
    }

    /// Takes the place of what was there.
    pub(crate) fn put(&mut self, number: u64, value: V) {
        match self.place(number) {
            Some(place) => self.entries[place].1 = value,
            None => drop(self.add(number, value)),
        }
    }

    pub(crate) fn remove(&mut self, number: u64) -> Option<V> {
        let place = take_out(&mut self.places, number)?;
        let (_, value) = self.entries.swap_remove(place);
        if let Some((moved, _)) = self.entries.get(place) {
            enter(&mut self.places, *moved, place);
        }
        Some(value)
    }

    pub(crate) fn retain(&mut self, is_kept: impl Fn(u64, &V) -> bool) {
        let gone = self.iter().filter(|(number, value)| !is_kept(*number, value));
        let gone: Vec<u64> = gone.map(|(number, _)| number).collect();
        gone.into_iter().for_each(|number| drop(self.remove(number)));
    }

    /// In any order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &V)> {
        self.entries.iter().map(|(number, value)| (*number, value))
    }

    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.iter().map(|(number, _)| number).collect()
    }

    fn place(&self, number: u64) -> Option<usize> {
        find(&self.places, number)
    }

    fn add(&mut self, number: u64, value: V) -> usize {
        let place = self.entries.len();
        self.entries.push((number, value));
        enter(&mut self.places, number, place);
        place
    }
}

#[inline(never)]
fn find(places: &HashMap<u64, usize>, number: u64) -> Option<usize> {
    places.get(&number).copied()
}

#[inline(never)]
fn enter(places: &mut HashMap<u64, usize>, number: u64, place: usize) {
    places.insert(number, place);
}

#[inline(never)]
fn take_out(places: &mut HashMap<u64, usize>, number: u64) -> Option<usize> {
    places.remove(&number)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_numbers_whatever_else_is_removed() {
        let mut table = Table::default();
        for number in 0..100 {
            table.put(number * 7, number);
        }
        table.put(7, 1000);
        table.retain(|number, _| number % 3 != 0);
        assert_eq!(table.remove(14), Some(2));
        assert_eq!((table.remove(14), table.get(21)), (None, None));
        *table.get_or_make(14, || 5) += 1;
        *table.get_or_make(14, || 0) += 1;
        assert_eq!(
            (table.get(7), table.get(14), table.get(98)),
            (Some(&1000), Some(&7), Some(&14))
        );
        let left = (0..100).filter(|number| number % 3 != 0).count();
        assert_eq!((table.len(), table.numbers().len()), (left, left));
        assert!(table.iter().all(|(number, value)| number < 15 || *value == number / 7));
    }
}
