//! Matrix products on the CPU, through the `gemm` crate. `unsafe` lives here because that crate
//! takes raw pointers; the shapes are checked first.

use crate::ops::Layout;
use gemm::Parallelism;

/// The numbers that `gemm` has kernels for here.
pub(crate) trait Real: Copy + 'static {
    const ZERO: Self;
    const ONE: Self;
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
}

/// A matrix operand: a slice with its row stride and shape.
#[derive(Clone, Copy)]
pub(crate) struct Operand<'a, T = f32> {
    pub(crate) data: &'a [T],
    /// Rows and columns as stored.
    pub(crate) shape: (usize, usize),
}

impl<'a, T> Operand<'a, T> {
    pub(crate) fn new(data: &'a [T], rows: usize, columns: usize) -> Self {
        assert!(data.len() >= rows * columns, "operand is shorter than its shape");
        Self { data, shape: (rows, columns) }
    }

    /// (rows, columns, row stride, column stride) as the product sees it.
    fn seen(&self, transposed: bool) -> (usize, usize, isize, isize) {
        let (r, c) = self.shape;
        if transposed { (c, r, 1, c as isize) } else { (r, c, c as isize, 1) }
    }
}

/// `c <- [c +] a b` with the operands as the layout has them; `c` is row-major `[m, n]`.
/// `threads` of 1 stays on the calling thread.
pub(crate) fn matmul<T: Real>(
    c: &mut [T],
    a: Operand<'_, T>,
    b: Operand<'_, T>,
    layout: Layout,
    add: bool,
    threads: usize,
) {
    let (m, k, a_rs, a_cs) = a.seen(layout == Layout::TN);
    let (kb, n, b_rs, b_cs) = b.seen(layout == Layout::NT);
    assert_eq!(k, kb, "inner sizes");
    assert!(c.len() >= m * n, "product is shorter than its shape");
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        if !add {
            c[..m * n].fill(T::ZERO);
        }
        return;
    }
    let parallelism = if threads > 1 { Parallelism::Rayon(threads) } else { Parallelism::None };
    #[allow(unsafe_code, reason = "the gemm crate takes raw pointers")]
    // SAFETY: `Operand::new` and the asserts above keep every index `i * rs + j * cs` that the
    // product touches inside its slice, and `c` is borrowed mutably, so nothing aliases it.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n as isize,
            add,
            a.data.as_ptr(),
            a_cs,
            a_rs,
            b.data.as_ptr(),
            b_cs,
            b_rs,
            T::ONE,
            T::ONE,
            false,
            false,
            false,
            parallelism,
        );
    }
}
