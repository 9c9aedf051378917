//! Losses of pairs on the GPU: products of a tile of rows with all rows, and what is made of them.

use super::{
    Dispatch, Matrix,
    matmul::matmul,
    parameters,
    softmax::{by_rows, check_trips},
    topk::top_k,
};
use crate::{
    Result, Rows,
    contract::{Layout, RowStats, Weighing},
};

/// Products of a tile at most: 32 MiB of them.
const TILE_VALUES: usize = 1 << 23;

/// Rows of the tiles of `n` rows, and each tile with the number of its first row.
fn tiles(phi: &Matrix) -> Result<impl Iterator<Item = Result<(usize, Matrix)>>> {
    let n = phi.rows();
    let rows = (TILE_VALUES / n).clamp(1, n);
    let whole = phi.download()?;
    let (context, d) = (phi.context().clone(), phi.columns());
    Ok((0..n).step_by(rows).map(move |first| {
        let count = rows.min(n - first);
        let values = Rows::new(&whole[first * d..(first + count) * d], d)?;
        Ok((first, Matrix::upload(&context, &values, count, d)?))
    }))
}

/// What is known of each row of `phi` `[M, d]`; see [`RowStats`].
pub(crate) fn stats(phi: &Matrix, tau: f64) -> Result<Vec<RowStats>> {
    let mut all = Vec::with_capacity(phi.rows());
    for tile in tiles(phi)? {
        let (first, tile) = tile?;
        let z = matmul(&tile, phi, Layout::NT)?;
        let out = Matrix::new(z.context(), "terms of rows", 1, 2 * z.rows())?;
        let kernels = ("pairs.stats.serial", "pairs.stats.group");
        let (kernel, groups, trips) = by_rows(z.context(), kernels, z.rows(), z.width4(), (2, 3));
        check_trips(trips, z.columns())?;
        run(&z, kernel, first, tau, (groups, trips), &[z.buffer(), out.buffer()])?;
        let stats = out.download()?;
        let wide = |s: &[f32]| RowStats { largest: f64::from(s[0]), log_sum: f64::from(s[1]) };
        all.extend(stats.chunks_exact(2).map(wide));
    }
    Ok(all)
}

/// The gradient `[M, d]` of a loss by the rows of `phi`.
pub(crate) fn gradient(phi: &Matrix, weighing: &Weighing, tau: f64) -> Result<Matrix> {
    let (n, d, context) = (phi.rows(), phi.columns(), phi.context());
    let mut gradient = vec![0.0; n * d];
    match weighing {
        Weighing::Nearest { row, factor } => {
            let whole = phi.download()?;
            let of = |i: usize| &whole[i * d..(i + 1) * d];
            let own = Matrix::upload(context, &Rows::new(of(*row), d)?, 1, d)?;
            // The row itself is among the two nearest, unless more than one is as near.
            let nearest = top_k(&matmul(&own, phi, Layout::NT)?, 2)?.1;
            let other = nearest.into_iter().map(|i| i as usize).find(|i| i != row).unwrap_or(*row);
            for (at, from) in [(*row, other), (other, *row)] {
                let scaled = of(from).iter().map(|v| (factor * f64::from(*v)) as f32);
                gradient[at * d..(at + 1) * d].iter_mut().zip(scaled).for_each(|(g, v)| *g = v);
            }
        }
        Weighing::Terms { terms, factor } => {
            let flat: Vec<f32> = terms.iter().flat_map(|t| [t.largest as f32, t.log_sum as f32]).collect();
            let terms = Matrix::upload(context, &Rows::new(flat, 2 * n)?, 1, 2 * n)?;
            for tile in tiles(phi)? {
                let (first, tile) = tile?;
                let z = matmul(&tile, phi, Layout::NT)?;
                let weights = Matrix::new(context, "weights of pairs", z.rows(), n)?;
                let groups = (z.rows() * z.width4()).div_ceil(64);
                let buffers = [z.buffer(), terms.buffer(), weights.buffer()];
                run(&z, "pairs.weights", first, tau, (groups, 1), &buffers)?;
                let part = matmul(&weights, phi, Layout::NN)?.download()?;
                let scaled = part.iter().map(|v| (factor * f64::from(*v)) as f32);
                gradient[first * d..].iter_mut().zip(scaled).for_each(|(g, v)| *g = v);
            }
        }
    }
    Matrix::upload(context, &Rows::new(gradient, d)?, n, d)
}

fn run(
    z: &Matrix,
    kernel: &'static str,
    first: usize,
    tau: f64,
    (groups, trips): (usize, usize),
    buffers: &[&super::Buffer],
) -> Result<()> {
    z.context().dispatch(&Dispatch {
        kernel,
        parameters: &parameters::Pairs {
            rows: z.rows() as u32,
            columns: z.columns() as u32,
            width: z.width4() as u32,
            first: first as u32,
            sharp: tau.recip() as f32,
        },
        buffers,
        groups,
        trips,
        work: 20.0 * z.rows() as f64 * z.columns() as f64,
    })
}
