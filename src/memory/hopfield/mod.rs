//! The classical network.

mod learning;

pub use learning::Learning;

use super::{
    Memory, Order, Recall, RecallOptions,
    binary::{bit_limits, bit_plan, decided, inert, inert_after, known_bits},
    check_columns,
    relax::{Ask, Best, Landscape, Look, relax},
};
use crate::{
    Bits, Device, Error, Result, Rows, Tensor, ToRows,
    ops::{
        FlipTable, Interaction, Layout, Rule, Unary, Wanted, flips, matmul, matrix_sweep, noise, overlaps,
        sweep, top_k, unary,
    },
    random::permutation,
    tensor::check_bipolar,
};
use learning::Couplings;
use parking_lot::Mutex;
use std::sync::Arc;

/// The classical Hopfield network: states of -1 and 1, energy `-1/2 x.W x - b.x`, updates `x_i <- sign(sum_j W_ij x_j + b_i)`; where the
/// field is 0, or as small as the rounding of its sum, the bit stays (Hopfield, PNAS 79, 1982).
///
/// [`Order::Asynchronous`] never raises the energy and always ends; [`Order::Synchronous`] ends in a fixed point or in a cycle of two states
/// ([`Status::Cycle2`](super::Status::Cycle2)). With Hebb's rule, no bias and fewer than `d / 2` patterns no matrix is made: fields come from the bits
/// of the patterns.
///
/// Of [`RecallOptions`], `beta` and `tolerance` have no meaning here (but a tolerance of 0 makes all steps), `step_size` must be 1, and a mask is refused: what
/// is stored is mixed in one matrix.
/// Reported weights are overlaps `xi_k.x / d` of the final state with the stored patterns, the largest sizes first: -1 is the mirror image of a pattern.
///
/// ```
/// use attractor::{memory::{HopfieldMemory, Learning, Order}, prelude::*};
/// let patterns = [[1.0, 1.0, 1.0, -1.0, -1.0, -1.0], [1.0, -1.0, 1.0, -1.0, 1.0, -1.0]];
/// let memory = HopfieldMemory::new(&patterns, Learning::Hebb, Order::Asynchronous)?;
/// let recalled = memory.recall(&[[1.0, 1.0, 1.0, -1.0, -1.0, 1.0]])?;
/// assert_eq!(recalled.states.row(0), patterns[0]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub struct HopfieldMemory {
    patterns: Bits,
    settings: HopfieldSettings,
    /// For fields without a matrix.
    table: FlipTable,
    /// Hebb's and Storkey's, kept up with the patterns once it is needed.
    couplings: Mutex<Option<Couplings>>,
    matrix: Mutex<Option<Arc<Matrix>>>,
}

/// Couplings on the device.
struct Matrix {
    /// `[d, d]`, times `d` for Hebb's rule.
    values: Tensor,
    /// What the field of each bit must exceed to be told from 0, `[d]`.
    noise: Vec<f32>,
}

/// Settings of a [`HopfieldMemory`].
#[derive(Clone, Debug, Default)]
pub struct HopfieldSettings {
    /// Where the memory lives; [`Device::best`] where `None`.
    pub device: Option<Device>,
    /// How patterns become couplings.
    pub learning: Learning,
    /// Whether bits change together or one after another.
    pub order: Order,
    /// Added to the fields, `[d]`; none where empty.
    pub bias: Vec<f32>,
    /// Of the random orders of asynchronous sweeps.
    pub seed: u64,
}

impl HopfieldMemory {
    /// A network that stores patterns `[n, d]` of -1 and 1, on [`Device::best`].
    ///
    /// # Errors
    /// As [`HopfieldMemory::with`].
    pub fn new<P: ToRows + ?Sized>(patterns: &P, learning: Learning, order: Order) -> Result<Self> {
        Self::with(patterns, HopfieldSettings { learning, order, ..HopfieldSettings::default() })
    }

    /// A network that stores patterns `[n, d]` of -1 and 1, with settings.
    ///
    /// # Errors
    /// [`Error::EmptyMemory`] without patterns, [`Error::NotBipolar`], [`Error::DimensionMismatch`] for a bias of another length,
    /// [`Error::Singular`] where the pseudo-inverse needs independent patterns, and faults of the device.
    pub fn with<P: ToRows + ?Sized>(patterns: &P, settings: HopfieldSettings) -> Result<Self> {
        let rows = patterns.to_rows()?;
        let d = rows.columns();
        if rows.rows() == 0 || d == 0 {
            return Err(Error::EmptyMemory);
        }
        if !settings.bias.is_empty() {
            if settings.bias.len() != d {
                return Err(Error::dimension("length of the bias", settings.bias.len(), d));
            }
            Rows::new(&settings.bias[..], d)?.check_finite("bias")?;
        }
        let device = match &settings.device {
            Some(device) => device.clone(),
            None => Device::best()?,
        };
        let memory = Self {
            patterns: Bits::new(&device, &rows)?,
            table: FlipTable::new(Interaction::Polynomial(2), Rule::Exact, d)?,
            settings,
            couplings: Mutex::new(None),
            matrix: Mutex::new(None),
        };
        if memory.settings.learning == Learning::PseudoInverse {
            // Dependent patterns are an error of storing, not of recalling.
            memory.matrix()?;
        }
        Ok(memory)
    }

    /// The settings.
    pub fn settings(&self) -> &HopfieldSettings {
        &self.settings
    }

    /// Takes a stored pattern out of the couplings again, exactly; the last pattern gets its number.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] where there is no such pattern, it is the only one, or the rule is not Hebb's.
    ///
    /// ```
    /// use attractor::{memory::{HopfieldMemory, Learning, Order}, prelude::*};
    /// let patterns = [[1.0, 1.0, -1.0, -1.0], [1.0, -1.0, 1.0, -1.0]];
    /// let mut memory = HopfieldMemory::new(&patterns, Learning::Hebb, Order::Asynchronous)?;
    /// memory.forget(0)?;
    /// assert_eq!(memory.recall(&[patterns[1]])?.states.row(0), patterns[1]);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn forget(&mut self, pattern: usize) -> Result<()> {
        let n = self.len();
        if pattern >= n || n == 1 {
            let want = format!("below the {n} stored patterns, of which one must stay");
            return Err(Error::parameter("number of the pattern to forget", pattern, want));
        }
        if self.settings.learning != Learning::Hebb {
            return Err(Error::parameter(
                "learning rule",
                self.settings.learning,
                "hebb, to forget a pattern",
            ));
        }
        let row = self.patterns.row(pattern);
        let mut kept: Vec<u32> = (0..n as u32 - 1).collect();
        if pattern < n - 1 {
            kept[pattern] = n as u32 - 1;
        }
        self.patterns = self.patterns.select(&kept)?;
        if let Some(couplings) = self.couplings.get_mut() {
            couplings.hebb(&row, -1.0);
        }
        *self.matrix.get_mut() = None;
        Ok(())
    }

    /// Whether fields come from the bits of the patterns.
    fn matrix_free(&self) -> bool {
        let HopfieldSettings { learning, bias, .. } = &self.settings;
        *learning == Learning::Hebb && bias.is_empty() && 2 * self.len() < self.dim()
    }

    /// What the matrix is multiplied with to give the couplings.
    fn unit(&self) -> f64 {
        if self.settings.learning == Learning::Hebb { 1.0 / self.dim() as f64 } else { 1.0 }
    }

    /// The couplings on the device.
    fn matrix(&self) -> Result<Arc<Matrix>> {
        let kept = || self.matrix.lock();
        if let Some(matrix) = kept().as_ref() {
            return Ok(Arc::clone(matrix));
        }
        // Nothing is held while couplings are made: a thread of rayon's that waits for its share takes up another
        // recall meanwhile, which would wait for itself. Threads that come at once make them each.
        let couplings = || self.couplings.lock();
        let before = couplings().take();
        let d = self.dim();
        let made = match before {
            Some(made) => made,
            None if self.settings.learning == Learning::PseudoInverse => {
                Couplings::pseudo_inverse(&self.patterns)?
            }
            None => {
                let mut made = Couplings::new(d)?;
                (0..self.len()).for_each(|k| self.learn(&mut made, &self.patterns.row(k)));
                made
            }
        };
        let values: Vec<f32> = made.values.iter().map(|w| *w as f32).collect();
        *couplings() = Some(made);
        let noise = values.chunks_exact(d).enumerate().map(|(i, of_bit)| self.noise(of_bit, i)).collect();
        let matrix = Arc::new(Matrix { values: Tensor::from_flat(self.device(), &values, &[d, d])?, noise });
        *kept() = Some(Arc::clone(&matrix));
        Ok(matrix)
    }

    /// What the field of bit `i`, with these couplings, must exceed to be told from 0.
    fn noise(&self, couplings: &[f32], i: usize) -> f32 {
        let sum: f64 = couplings.iter().map(|w| f64::from(w.abs())).sum();
        let bias = self.settings.bias.get(i).map_or(0.0, |b| f64::from(b.abs()) / self.unit());
        // To the whole numbers of Hebb's rule a bias is added last, with the same rounding everywhere.
        noise(sum + bias, self.settings.learning == Learning::Hebb) as f32
    }

    fn learn(&self, couplings: &mut Couplings, xi: &[f32]) {
        match self.settings.learning {
            Learning::Storkey => couplings.storkey(xi),
            _ => couplings.hebb(xi, 1.0),
        }
    }

    fn recall_rows(&self, rows: &Rows<'_>, options: &RecallOptions<'_>) -> Result<Recall> {
        if options.mask.is_some() {
            let want =
                "none: a network of couplings cannot leave patterns out; forget them, or use another energy";
            return Err(Error::parameter("pattern mask", "given", want));
        }
        let limits = bit_limits(self.len(), self.dim());
        limits.check(rows, None)?;
        let plan = bit_plan(&limits, options, rows.rows())?;
        let listed = limits.listed(options)?;
        check_bipolar(rows, "queries")?;
        if rows.rows() == 0 {
            return Recall::none(self.dim(), &plan, 1.0).listing(listed);
        }
        let matrix = if self.matrix_free() { None } else { Some(self.matrix()?) };
        relax(&View { memory: self, matrix, clamp: plan.clamp }, rows, &limits, &plan, 1.0)?.listing(listed)
    }
}

struct View<'a> {
    memory: &'a HopfieldMemory,
    matrix: Option<Arc<Matrix>>,
    clamp: Option<&'a [bool]>,
}

/// Fields and energies of some states.
struct Fields {
    /// Empty without a matrix, where no update needs them.
    fields: Vec<f32>,
    energy: Vec<f32>,
}

impl View<'_> {
    fn fields(&self, states: &Bits, ask: &Ask<'_>) -> Result<Fields> {
        let memory = self.memory;
        let d = memory.dim();
        let Some(matrix) = &self.matrix else {
            let fields = memory.settings.order == Order::Synchronous && ask.top_k.is_none();
            let found = flips(states, &memory.patterns, &memory.table, Wanted { fields, top_k: 0 })?;
            // The table's energy is -sum (h/d)^2, with the diagonal that W has not.
            let energy = |e: &f32| 0.5 * (f64::from(*e) * d as f64 + memory.len() as f64);
            return Ok(Fields {
                energy: found.energy.iter().map(|e| energy(e) as f32).collect(),
                fields: found.fields,
            });
        };
        let x = Tensor::from_flat(memory.device(), ask.states, &[states.rows(), d])?;
        let mut fields = matmul(&x, &matrix.values, Layout::NT)?.to_vec()?;
        let unit = memory.unit();
        let bias = &memory.settings.bias;
        let energy = |(x, f): (&[f32], &mut [f32])| {
            let quadratic: f64 = x.iter().zip(&*f).map(|(x, f)| f64::from(*x) * f64::from(*f)).sum();
            let linear: f64 = x.iter().zip(bias).map(|(x, b)| f64::from(*x) * f64::from(*b)).sum();
            f.iter_mut().zip(bias).for_each(|(f, b)| *f += (f64::from(*b) / unit) as f32);
            f.iter_mut()
                .zip(&matrix.noise)
                .filter(|(f, noise)| f.abs() <= **noise)
                .for_each(|(f, _)| *f = 0.0);
            (-0.5 * unit * quadratic - linear) as f32
        };
        let energy = ask.states.chunks_exact(d).zip(fields.chunks_exact_mut(d)).map(energy).collect();
        Ok(Fields { fields, energy })
    }

    fn best(&self, states: &Bits, k: usize) -> Result<Best> {
        let memory = self.memory;
        let (d, n) = (memory.dim() as f32, memory.len());
        let overlaps = overlaps(states, &memory.patterns)?;
        let signed = overlaps.to_vec()?;
        let (_, indices) = top_k(&unary(Unary::Abs, &overlaps)?, k)?;
        let at = |(place, index): (usize, &u32)| signed[place / k.max(1) * n + *index as usize] / d;
        let effective = |of: &[f32]| {
            let squares: Vec<f64> = of.iter().map(|h| f64::from(*h).powi(2)).collect();
            let total: f64 = squares.iter().sum();
            let shares: Vec<f64> = squares.iter().map(|s| s / total.max(f64::MIN_POSITIVE)).collect();
            // `exp(H)`; 0 ln 0 is 0.
            let entropy: f64 = shares.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
            entropy.exp() as f32
        };
        Ok(Best {
            weights: indices.iter().enumerate().map(at).collect(),
            indices,
            effective: signed.chunks_exact(n).map(effective).collect(),
            support: None,
            values: None,
        })
    }
}

impl Landscape for View<'_> {
    fn look(&self, ask: &Ask<'_>) -> Result<Look> {
        let memory = self.memory;
        let HopfieldSettings { order, seed, .. } = memory.settings;
        let d = memory.dim();
        let states = Bits::new(memory.device(), &Rows::new(ask.states, d)?)?;
        let Fields { fields, energy } = self.fields(&states, ask)?;
        let known = known_bits(self.clamp, ask.queries, d);
        let (updates, halted) = match order {
            _ if ask.top_k.is_some() => (Vec::new(), Vec::new()),
            Order::Synchronous => (decided(ask.states, &fields), inert(&fields, &known, d)),
            Order::Asynchronous => {
                let order = permutation(d, seed, ask.step);
                match &self.matrix {
                    None => {
                        let updates = sweep(&states, &memory.patterns, &memory.table, &order, &known)?;
                        let halted = inert_after((ask.states, &updates), &known, d, |stayed| {
                            let states = Bits::new(memory.device(), &Rows::new(stayed, d)?)?;
                            let wanted = Wanted { fields: true, top_k: 0 };
                            Ok(flips(&states, &memory.patterns, &memory.table, wanted)?.fields)
                        })?;
                        (updates, halted)
                    }
                    Some(matrix) => {
                        let Matrix { values, noise } = &**matrix;
                        let halted = inert(&fields, &known, d);
                        (matrix_sweep(ask.states, &fields, values, noise, &order, &known)?, halted)
                    }
                }
            }
        };
        let best = match ask.top_k {
            Some(k) => Some(self.best(&states, k)?),
            None => None,
        };
        Ok(Look { energy, updates, halted, best })
    }

    fn cycles(&self) -> bool {
        self.memory.settings.order == Order::Synchronous
    }
}

impl Memory for HopfieldMemory {
    fn len(&self) -> usize {
        self.patterns.rows()
    }

    fn dim(&self) -> usize {
        self.patterns.columns()
    }

    fn device(&self) -> &Device {
        self.patterns.device()
    }

    /// Stores more patterns: an update of rank 1 each, or the whole projection anew for the pseudo-inverse.
    fn append(&mut self, patterns: &dyn ToRows) -> Result<()> {
        let rows = patterns.to_rows()?;
        check_columns(&rows, self.dim())?;
        let mut bits = self.patterns.clone();
        bits.append(&rows, "patterns")?;
        let made = self.couplings.get_mut().take();
        let made = match (self.settings.learning, made) {
            (Learning::PseudoInverse, _) => Some(Couplings::pseudo_inverse(&bits)?),
            (_, Some(mut made)) => {
                rows.iter().for_each(|xi| self.learn(&mut made, xi));
                Some(made)
            }
            (_, None) => None,
        };
        self.patterns = bits;
        self.couplings = Mutex::new(made);
        *self.matrix.get_mut() = None;
        Ok(())
    }

    fn recall_with(&self, queries: &dyn ToRows, options: &RecallOptions<'_>) -> Result<Recall> {
        self.recall_rows(&queries.to_rows()?, options)
    }
}
