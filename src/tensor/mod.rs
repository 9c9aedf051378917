//! Numbers on a device: [`Tensor`], and [`Shards`] for patterns that outgrow one buffer.

mod bits;
mod shards;

pub use bits::Bits;
pub(crate) use bits::{Packed, TOGETHER, check as check_bipolar};
pub(crate) use shards::{CpuShard, GpuShard, Shards, check_numbers, packed};

use crate::{Device, Error, Result, Rows, ToRows, device};
use std::sync::{Arc, OnceLock};

/// A row-major f32 tensor of rank 1 to 4 on a device. Operations see it as a matrix: the last axis
/// is its columns, the others together its rows; rank 1 is one row. Clones share the values, which
/// never change.
///
/// ```
/// use attractor::{Device, Tensor};
/// let t = Tensor::new(&Device::cpu(), &[[1.0, 2.0], [3.0, 4.0]])?;
/// assert_eq!(t.shape(), [2, 2]);
/// assert_eq!(t.to_vec()?, [1.0, 2.0, 3.0, 4.0]);
/// # Ok::<(), attractor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tensor {
    shape: Vec<usize>,
    storage: Storage,
    /// The largest squared length of a row, once it has been asked for.
    longest: Arc<OnceLock<f32>>,
}

#[derive(Clone, Debug)]
enum Storage {
    Cpu(Arc<Vec<f32>>),
    Gpu(Arc<device::Matrix>),
}

/// A tensor's values, where they are.
pub(crate) enum Place<'a> {
    Cpu(&'a [f32]),
    Gpu(&'a device::Matrix),
}

/// The values of two tensors on one device.
pub(crate) enum Pair<'a> {
    Cpu(&'a [f32], &'a [f32]),
    Gpu(&'a device::Matrix, &'a device::Matrix),
}

impl<'a> Pair<'a> {
    /// Refuses tensors of two devices; `what` names the operation.
    pub(crate) fn new(what: &'static str, a: &'a Tensor, b: &'a Tensor) -> Result<Self> {
        let mismatch =
            || Error::DeviceMismatch { what, left: a.device().to_string(), right: b.device().to_string() };
        match (a.place(), b.place()) {
            (Place::Cpu(x), Place::Cpu(y)) => Ok(Self::Cpu(x, y)),
            (Place::Gpu(x), Place::Gpu(y)) if a.device() == b.device() => Ok(Self::Gpu(x, y)),
            _ => Err(mismatch()),
        }
    }
}

/// Rows and columns of a shape.
fn matrix_shape(shape: &[usize]) -> (usize, usize) {
    match shape.split_last() {
        Some((columns, rows)) => (rows.iter().product(), *columns),
        None => (0, 0),
    }
}

impl Tensor {
    /// A tensor `[rows, columns]` of what can be read as rows; rank 1 where that is one flat row.
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`] for ragged rows, [`Error::TooLarge`] beyond the device's buffers.
    pub fn new<M: ToRows + ?Sized>(device: &Device, values: &M) -> Result<Self> {
        let rows = values.to_rows()?;
        Self::from_flat(device, rows.as_slice(), &[rows.rows(), rows.columns()])
    }

    /// A tensor of a shape of rank 1 to 4 from its values in row-major order.
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`] where the shape has another number of elements,
    /// [`Error::InvalidParameter`] for another rank; [`Error::TooLarge`] beyond the device's buffers, and for sizes whose product
    /// no memory could hold, also where one of them is 0.
    ///
    /// ```
    /// use attractor::{Device, Tensor};
    /// let images = Tensor::from_flat(&Device::cpu(), &[0.0; 24], &[2, 3, 4])?;
    /// assert_eq!(images.shape(), [2, 3, 4]);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn from_flat(device: &Device, values: &[f32], shape: &[usize]) -> Result<Self> {
        let (rows, columns) = check_shape(shape, values.len())?;
        match device {
            Device::Cpu => Self::on_cpu(values.to_vec(), shape),
            Device::Gpu(context) => Self::on_gpu(
                device::Matrix::upload(context, &Rows::new(values, columns.max(1))?, rows, columns)?,
                shape,
            ),
        }
    }

    pub(crate) fn on_cpu(values: Vec<f32>, shape: &[usize]) -> Result<Self> {
        check_shape(shape, values.len())?;
        Ok(Self { shape: shape.to_vec(), storage: Storage::Cpu(Arc::new(values)), longest: Arc::default() })
    }

    pub(crate) fn on_gpu(matrix: device::Matrix, shape: &[usize]) -> Result<Self> {
        check_shape(shape, matrix.rows() * matrix.columns())?;
        Ok(Self { shape: shape.to_vec(), storage: Storage::Gpu(Arc::new(matrix)), longest: Arc::default() })
    }

    /// Takes in more rows of a matrix `[n, d]`, at a cost in proportion to them, if no other tensor shares the values (a copy of all otherwise).
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`] for rows of another length; faults of the device. The tensor is as before then.
    pub(crate) fn append(&mut self, more: &Rows<'_>) -> Result<()> {
        let (rows, columns) = self.matrix_shape();
        if more.rows() == 0 {
            return Ok(());
        }
        if more.columns() != columns {
            return Err(Error::dimension("columns of rows to append", more.columns(), columns));
        }
        let shape = [rows + more.rows(), columns];
        check_shape(&shape, shape[0] * columns)?;
        match &mut self.storage {
            Storage::Cpu(values) => Arc::make_mut(values).extend_from_slice(more.as_slice()),
            Storage::Gpu(matrix) => device::Matrix::own(matrix)?.append(more)?,
        }
        (self.shape, self.longest) = (shape.to_vec(), Arc::default());
        Ok(())
    }

    /// Leaves out rows beyond the first `rows` of a matrix, for an append that was not to be.
    pub(crate) fn truncate(&mut self, rows: usize) -> Result<()> {
        let (before, columns) = self.matrix_shape();
        if rows < before {
            match &mut self.storage {
                Storage::Cpu(values) => Arc::make_mut(values).truncate(rows * columns),
                Storage::Gpu(matrix) => device::Matrix::own(matrix)?.truncate(rows),
            }
            (self.shape, self.longest) = (vec![rows, columns], Arc::default());
        }
        Ok(())
    }

    /// The shape, 1 to 4 sizes.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Rows and columns as operations see them.
    pub(crate) fn matrix_shape(&self) -> (usize, usize) {
        matrix_shape(&self.shape)
    }

    /// The same values in another shape with as many columns.
    pub(crate) fn with_shape(&self, shape: &[usize]) -> Result<Self> {
        let (rows, columns) = self.matrix_shape();
        if check_shape(shape, rows * columns)?.1 != columns {
            return Err(Error::dimension(
                format!("columns of the shape {shape:?}"),
                columns,
                shape[shape.len() - 1],
            ));
        }
        Ok(Self { shape: shape.to_vec(), storage: self.storage.clone(), longest: Arc::clone(&self.longest) })
    }

    /// The device that holds the values.
    pub fn device(&self) -> Device {
        match &self.storage {
            Storage::Cpu(_) => Device::Cpu,
            Storage::Gpu(matrix) => Device::Gpu(matrix.context().clone()),
        }
    }

    pub(crate) fn longest(&self) -> &OnceLock<f32> {
        &self.longest
    }

    pub(crate) fn place(&self) -> Place<'_> {
        match &self.storage {
            Storage::Cpu(v) => Place::Cpu(v),
            Storage::Gpu(m) => Place::Gpu(m),
        }
    }

    /// The values in row-major order. On a GPU this waits for all work recorded so far.
    ///
    /// # Errors
    /// [`Error::DeviceLost`], [`Error::Timeout`] and other faults of the GPU.
    pub fn to_vec(&self) -> Result<Vec<f32>> {
        match &self.storage {
            Storage::Cpu(v) => Ok(v.as_ref().clone()),
            Storage::Gpu(m) => m.download(),
        }
    }

    /// The same tensor on another device (or itself, where it is there already).
    ///
    /// # Errors
    /// Those of [`Tensor::to_vec`] and [`Tensor::from_flat`].
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        if self.device() == *device {
            Ok(self.clone())
        } else {
            Self::from_flat(device, &self.to_vec()?, &self.shape)
        }
    }
}

/// Rows and columns of a shape of `count` elements.
fn check_shape(shape: &[usize], count: usize) -> Result<(usize, usize)> {
    if !(1..=4).contains(&shape.len()) {
        return Err(Error::parameter("rank", shape.len(), "1 to 4"));
    }
    // Also where an axis is 0: a sum over it has as many values as the others together.
    let most = isize::MAX as usize / size_of::<f32>();
    let product = |least| shape.iter().try_fold(1_usize, |a, size| a.checked_mul((*size).max(least)));
    let (wanted, apart) = (product(0), product(1).filter(|values| *values <= most));
    if apart.is_none() && count == 0 {
        let what = format!("a tensor of shape {shape:?}");
        return Err(Error::TooLarge { what, needed: u64::MAX, limit: isize::MAX as u64 });
    }
    if wanted != Some(count) {
        return Err(Error::dimension(
            format!("number of values for shape {shape:?}"),
            count,
            wanted.unwrap_or(usize::MAX),
        ));
    }
    Ok(matrix_shape(shape))
}
