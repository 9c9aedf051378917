//! Banks of patterns that are generated, not stored: any pattern can be made from its number at any time, so that experiments
//! with 10^8 patterns and more need no memory for them.
//!
//! The numbers come from a generator with a counter (J. Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011:
//! Philox4x32-10), in the same way on every device.

use super::matmul::zeros;
use super::{Bank, Ensemble};
use crate::{Bits, Device, Error, Result, Rows, cpu};
use std::ops::Range;

impl Bank {
    /// The patterns of a range, `[rows, d]`.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for a range beyond the bank, [`Error::OutOfMemory`].
    ///
    /// ```
    /// use attractor::ops::{Bank, Ensemble};
    /// let bank = Bank::new(Ensemble::Gaussian, 42, 100, 8)?;
    /// assert_eq!(bank.rows(7..9)?.row(1), bank.rows(8..9)?.row(0));
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn rows(&self, range: Range<u64>) -> Result<Rows<'static>> {
        let rows = self.check(&range)?;
        let mut all = zeros("generated patterns", rows, self.d())?;
        cpu::bank::rows(self, range, &mut all);
        Rows::new(all, self.d())
    }

    /// Patterns by their numbers, `[numbers, d]`.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for a number beyond the bank, [`Error::OutOfMemory`].
    ///
    /// ```
    /// use attractor::ops::{Bank, Ensemble};
    /// let bank = Bank::new(Ensemble::Bipolar, 42, 100, 8)?;
    /// assert_eq!(bank.gather(&[99, 3])?.row(1), bank.rows(3..4)?.row(0));
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn gather(&self, numbers: &[u64]) -> Result<Rows<'static>> {
        let mut all = zeros("generated patterns", numbers.len(), self.d())?;
        for (number, row) in numbers.iter().zip(all.chunks_exact_mut(self.d())) {
            self.check(&(*number..number.saturating_add(1)))?;
            cpu::bank::rows(self, *number..*number + 1, row);
        }
        Rows::new(all, self.d())
    }

    /// The patterns of a range as bits.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for another ensemble than [`Ensemble::Bipolar`] or a range beyond the bank; faults of the device.
    ///
    /// ```
    /// use attractor::{Device, ops::{Bank, Ensemble}};
    /// let bank = Bank::new(Ensemble::Bipolar, 42, 100, 8)?;
    /// let bits = bank.bits(&Device::cpu(), 10..20)?;
    /// assert_eq!(bits.row(3), bank.rows(13..14)?.row(0));
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn bits(&self, device: &Device, range: Range<u64>) -> Result<Bits> {
        if self.ensemble() != Ensemble::Bipolar {
            return Err(Error::parameter("ensemble of bits", self.ensemble(), "bipolar"));
        }
        self.check(&range)?;
        Bits::from_packed(device, cpu::bank::bits(self, range), "generated bits")
    }
}
