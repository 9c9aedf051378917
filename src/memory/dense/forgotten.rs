//! Patterns that are stored no more. Their rows stay where they are, hidden from every recall, so that
//! forgetting costs in proportion to what is forgotten and the numbers of the others stay.

use super::DenseMemory;
use crate::{Error, Result, memory::Memory, ops::Term};
use std::{collections::HashSet, sync::Arc};

/// Which rows are forgotten.
#[derive(Debug, Default)]
pub(super) struct Forgotten {
    /// As long as it has to be: rows beyond are not forgotten.
    flags: Vec<bool>,
    pub(super) count: usize,
}

impl Forgotten {
    pub(super) fn has(&self, i: usize) -> bool {
        self.flags.get(i).copied().unwrap_or(false)
    }

    /// Marks a row, one of `rows`.
    fn mark(&mut self, i: usize, rows: usize) {
        if self.flags.len() < rows {
            self.flags.resize(rows, false);
        }
        self.flags[i] = true;
        self.count += 1;
    }
}

impl DenseMemory {
    /// Forgets patterns by their numbers, as [`Recall::indices`](crate::memory::Recall) has them: no recall
    /// returns them any more, and neither energies nor the automatic `beta` count them. Costs in
    /// proportion to how many they are.
    ///
    /// The other patterns keep their numbers: [`Memory::len`], masks and values go on counting the rows of forgotten
    /// patterns. A memory built anew from the others has that room back.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for a number that is beyond the stored patterns, forgotten already or there
    /// twice; faults of the device. Nothing is forgotten then.
    ///
    /// ```
    /// use attractor::prelude::*;
    /// let mut memory = DenseMemory::new(&[[0.0, 1.0], [1.0, 0.0], [0.9, 0.1]])?;
    /// memory.forget(&[1])?;
    /// assert_eq!((memory.len(), memory.live()), (3, 2));
    /// assert_eq!(memory.recall(&[1.0, 0.0])?.indices[0], 2);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn forget(&mut self, numbers: &[u32]) -> Result<()> {
        let mut seen = HashSet::with_capacity(numbers.len());
        for &i in numbers {
            if i as usize >= self.len() || self.is_forgotten(i) || !seen.insert(i) {
                let want = format!("that of one of the {} stored patterns, each once", self.live());
                return Err(Error::parameter("number of a pattern to forget", i, want));
            }
        }
        if numbers.is_empty() {
            return Ok(());
        }
        self.forget_surely(numbers);
        Ok(())
    }

    /// The same with numbers that are known to be right.
    pub(crate) fn forget_surely(&mut self, numbers: &[u32]) {
        let rows = self.len();
        numbers.iter().for_each(|&i| self.forgotten.mark(i as usize, rows));
        if numbers.iter().any(|&i| self.squared[i as usize] == self.widest) {
            self.widest = self.most_of(&self.squared, self.widest);
        }
        if numbers.iter().any(|&i| self.magnitudes[i as usize] == self.largest) {
            self.largest = self.most_of(&self.magnitudes, self.largest);
        }
        self.hide(numbers);
        let (live, forgotten) = (self.live(), &self.forgotten);
        let neighbours = self.neighbours.get_mut();
        neighbours.drop_forgotten(|i| forgotten.has(i as usize), live);
        self.drop_choices();
    }

    /// The largest of these values, one for each stored pattern, among the patterns that are not forgotten. One that is `enough` ends the
    /// search, so that it is long only where values differ.
    pub(super) fn most_of(&self, values: &[f32], enough: f32) -> f32 {
        let mut most = 0.0_f32;
        for (_, value) in values.iter().enumerate().filter(|(i, _)| !self.forgotten.has(*i)) {
            most = most.max(*value);
            if *value >= enough {
                break;
            }
        }
        most
    }

    /// How many patterns are stored and not forgotten.
    pub fn live(&self) -> usize {
        self.len() - self.forgotten.count
    }

    /// Whether the pattern of this number has been forgotten.
    ///
    /// ```
    /// use attractor::prelude::*;
    /// let mut memory = DenseMemory::new(&[[0.0, 1.0], [1.0, 0.0]])?;
    /// memory.forget(&[0])?;
    /// assert!(memory.is_forgotten(0) && !memory.is_forgotten(1));
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn is_forgotten(&self, number: u32) -> bool {
        self.forgotten.has(number as usize)
    }

    /// Hides patterns in the terms, where those are made.
    fn hide(&mut self, numbers: &[u32]) {
        let terms = self.terms.get_mut();
        let patterns = &self.patterns;
        // No recall holds them while this memory is changed.
        let kept = terms.as_mut().and_then(Arc::get_mut).is_some_and(|terms| {
            numbers.iter().all(|&i| terms.set(i as usize, Term::HIDDEN, patterns).is_ok())
        });
        if !kept {
            *terms = None;
        }
    }
}
