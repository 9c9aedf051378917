//! Matrix products on the CPU, through the `gemm` crate. `unsafe` lives here because that crate
//! takes raw pointers; the shapes are checked first.

use crate::contract::Layout;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Every layout on shapes around the edges of `gemm`'s tiles, in both precisions, on one thread and on two: small whole
    /// numbers, so that sums are exact. What lies behind the product in its slice stays as it is.
    fn every_layout<T: Real + From<i8> + PartialEq + std::fmt::Debug + std::ops::Add<Output = T>>(
        to_f64: fn(T) -> f64,
    ) {
        let value = |i: usize| T::from((i * 7 % 11) as i8 - 5);
        let shapes = [(1, 1, 1), (9, 5, 3), (5, 6, 0), (0, 4, 4), (13, 17, 6)];
        for (m, n, k) in shapes {
            for layout in [Layout::NN, Layout::NT, Layout::TN] {
                for (add, threads) in [(false, 1), (true, 1), (false, 2), (true, 2)] {
                    let (a, b): (Vec<T>, Vec<T>) =
                        ((0..m * k).map(value).collect(), (0..k * n).map(|i| value(i + 3)).collect());
                    let (a_shape, b_shape) = match layout {
                        Layout::NN => ((m, k), (k, n)),
                        Layout::NT => ((m, k), (n, k)),
                        Layout::TN => ((k, m), (k, n)),
                    };
                    let mut c = vec![T::from(2); m * n + 3];
                    let operand = |data, (rows, columns)| Operand::new(data, rows, columns);
                    matmul(&mut c, operand(&a, a_shape), operand(&b, b_shape), layout, add, threads);
                    for i in 0..m {
                        for j in 0..n {
                            let of = |p: usize| {
                                let x = if layout == Layout::TN { a[p * m + i] } else { a[i * k + p] };
                                let y = if layout == Layout::NT { b[j * k + p] } else { b[p * n + j] };
                                to_f64(x) * to_f64(y)
                            };
                            let want = (0..k).map(of).sum::<f64>() + if add { 2.0 } else { 0.0 };
                            assert_eq!(to_f64(c[i * n + j]), want, "{m}x{n}x{k} {layout:?} {add} {threads}");
                        }
                    }
                    assert_eq!(c[m * n..], [T::from(2); 3]);
                }
            }
        }
    }

    #[test]
    fn products_are_right_and_stay_inside() {
        every_layout::<f32>(f64::from);
        every_layout::<f64>(|v| v);
    }

    #[test]
    #[should_panic(expected = "operand is shorter than its shape")]
    fn an_operand_that_is_too_short_is_refused() {
        Operand::new(&[0.0_f32; 5], 2, 3);
    }

    #[test]
    #[should_panic(expected = "product is shorter than its shape")]
    fn a_product_that_is_too_short_is_refused() {
        let (a, b) = (Operand::new(&[0.0_f32; 6], 2, 3), Operand::new(&[0.0_f32; 6], 3, 2));
        matmul(&mut [0.0; 3], a, b, Layout::NN, false, 1);
    }
}
