//! The known codes, built.

use super::measure::dot;
use crate::Matrix;

fn matrix(rows: &[Vec<f64>]) -> Matrix {
    let columns = rows.first().map_or(0, Vec::len);
    Matrix { data: rows.concat(), rows: rows.len(), columns }
}

/// `points <= dim + 1` points whose angles are all the same, in the first `points - 1` dimensions.
pub(super) fn simplex(points: usize, dim: usize) -> Matrix {
    let product = -1.0 / (points.max(2) - 1) as f64;
    let mut rows = vec![vec![0.0; dim]; points];
    // The triangular root of the matrix of products.
    for j in 0..(points - 1).min(dim) {
        let of_row = |row: &[f64]| dot(&row[..j], &row[..j]);
        let diagonal = (1.0 - of_row(&rows[j])).max(0.0).sqrt();
        rows[j][j] = diagonal;
        for i in j + 1..points {
            let so_far = dot(&rows[i][..j], &rows[j][..j]);
            rows[i][j] = (product - so_far) / diagonal;
        }
    }
    matrix(&rows)
}

/// The first of the points `e_1, -e_1, e_2, ...`.
pub(super) fn orthoplex(points: usize, dim: usize) -> Matrix {
    Matrix::from_fn(points, dim, |i, j| match (i / 2 == j, i % 2) {
        (false, _) => 0.0,
        (true, 0) => 1.0,
        (true, _) => -1.0,
    })
}

/// Corners of a regular polygon.
pub(super) fn polygon(points: usize) -> Matrix {
    let angle = |i: usize| std::f64::consts::TAU * i as f64 / points as f64;
    Matrix::from_fn(points, 2, |i, j| if j == 0 { angle(i).cos() } else { angle(i).sin() })
}

/// Points on parallels of the sphere in three dimensions: height, how many, longitude of the first in turns.
fn parallels(parallels: &[(f64, usize, f64)]) -> Matrix {
    let mut rows = Vec::new();
    for &(height, count, first) in parallels {
        let radius = (1.0 - height * height).max(0.0).sqrt();
        for i in 0..count {
            let angle = std::f64::consts::TAU * (first + i as f64 / count as f64);
            rows.push(vec![radius * angle.cos(), radius * angle.sin(), height]);
        }
    }
    matrix(&rows)
}

/// A pole and two triangles; `cosine` is that of the smallest angle.
pub(super) fn seven(cosine: f64) -> Matrix {
    let lower = -((1.0 + 2.0 * cosine) / 3.0).sqrt();
    parallels(&[(1.0, 1, 0.0), (cosine, 3, 0.0), (lower, 3, 0.5)])
}

/// The square antiprism.
pub(super) fn eight(cosine: f64) -> Matrix {
    parallels(&[(cosine.sqrt(), 4, 0.0), (-cosine.sqrt(), 4, 0.125)])
}

/// Three triangles.
pub(super) fn nine() -> Matrix {
    let height = 5.0_f64.sqrt() / 3.0;
    parallels(&[(height, 3, 0.0), (0.0, 3, 0.5), (-height, 3, 0.0)])
}

/// Ten points with two planes of symmetry, by the contacts that they have: `cosine` is that of the smallest angle.
pub(super) fn ten(cosine: f64) -> Matrix {
    // Two points in one plane, four beside them as far from each other, then two that touch all four, in either plane.
    let y = (0.5 * (1.0 - cosine)).sqrt();
    let x = -(0.5 * (1.0 + cosine)).sqrt();
    let beside = (cosine - y * y) / x;
    let z = (1.0 - beside * beside - y * y).sqrt();
    // The angle from the axis at which a point touches one at (beside, height) of its plane.
    let touching = |height: f64| (height.atan2(beside) - (cosine / beside.hypot(height)).acos()).sin_cos();
    let ((z_top, x_top), (y_top, x_side)) = (touching(z), touching(y));
    let mut rows = Vec::new();
    for sign in [1.0, -1.0] {
        rows.push(vec![x, sign * y, 0.0]);
        rows.push(vec![beside, sign * y, z]);
        rows.push(vec![beside, sign * y, -z]);
        rows.push(vec![x_top, 0.0, sign * z_top]);
        rows.push(vec![x_side, sign * y_top, 0.0]);
    }
    matrix(&rows)
}

/// Golden ratio.
fn golden() -> f64 {
    0.5 * (1.0 + 5.0_f64.sqrt())
}

/// The icosahedron, or all but one of its corners.
pub(super) fn icosahedron(points: usize) -> Matrix {
    let mut rows = Vec::new();
    for i in 0..3 {
        for (a, b) in [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)] {
            let mut row = vec![0.0; 3];
            (row[i], row[(i + 1) % 3]) = (a, b * golden());
            rows.push(row);
        }
    }
    rows.truncate(points);
    matrix(&rows)
}

/// The snub cube: with the tribonacci constant `t`, even permutations of `(1, 1/t, t)` with an even number of minus signs and odd
/// ones with an odd number.
pub(super) fn snub_cube() -> Matrix {
    let root = 3.0 * 33.0_f64.sqrt();
    let t = (1.0 + (19.0 + root).cbrt() + (19.0 - root).cbrt()) / 3.0;
    let base = [1.0, 1.0 / t, t];
    let mut rows = Vec::new();
    for (order, odd) in
        [([0, 1, 2], 0), ([1, 2, 0], 0), ([2, 0, 1], 0), ([1, 0, 2], 1), ([0, 2, 1], 1), ([2, 1, 0], 1)]
    {
        for signs in (0..8_u32).filter(|s| s.count_ones() % 2 == odd) {
            rows.push(
                (0..3).map(|i| if signs >> i & 1 == 1 { -base[order[i]] } else { base[order[i]] }).collect(),
            );
        }
    }
    matrix(&rows)
}

/// Middles of the ten edges of the simplex of five corners.
pub(super) fn petersen() -> Matrix {
    let mut rows = Vec::new();
    for i in 0..5 {
        for j in 0..i {
            let at = |k: usize| if k == i || k == j { 0.6 } else { -0.4 };
            rows.push((0..5).map(at).collect());
        }
    }
    within(&rows, 4)
}

/// `+-e_i +- e_j`: the roots of `D_dim`.
fn d_roots(dim: usize) -> Vec<Vec<f64>> {
    let mut rows = Vec::new();
    for i in 0..dim {
        for j in 0..i {
            for (a, b) in [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)] {
                let mut row = vec![0.0; dim];
                (row[i], row[j]) = (a, b);
                rows.push(row);
            }
        }
    }
    rows
}

/// Vectors of `size` in all coordinates, with every choice of signs for which the number of minus signs is even.
fn even_signs(dim: usize, size: f64) -> Vec<Vec<f64>> {
    let even = (0..1_u32 << dim).filter(|s| s.count_ones() % 2 == 0);
    even.map(|s| (0..dim).map(|i| if s >> i & 1 == 1 { -size } else { size }).collect()).collect()
}

pub(super) fn cell_24() -> Matrix {
    matrix(&d_roots(4))
}

/// The 600-cell: unit vectors, halves of all signs, and even permutations of `(phi, 1, 1/phi, 0) / 2`.
pub(super) fn cell_600() -> Matrix {
    let mut rows = Vec::new();
    for i in 0..4 {
        for sign in [1.0, -1.0] {
            let mut row = vec![0.0; 4];
            row[i] = sign;
            rows.push(row);
        }
    }
    rows.extend((0..16_u32).map(|s| (0..4).map(|i| if s >> i & 1 == 1 { -0.5 } else { 0.5 }).collect()));
    let base = [golden(), 1.0, golden() - 1.0, 0.0];
    for order in even_permutations() {
        for signs in 0..8_u32 {
            let mut row = vec![0.0; 4];
            for (i, to) in order.iter().enumerate() {
                let sign = if signs >> i & 1 == 1 { -0.5 } else { 0.5 };
                row[*to] = if i < 3 { sign * base[i] } else { 0.0 };
            }
            rows.push(row);
        }
    }
    matrix(&rows)
}

/// The twelve even permutations of four.
fn even_permutations() -> Vec<[usize; 4]> {
    let mut all = Vec::new();
    for code in 0..256_usize {
        let order = [code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6];
        let distinct = (0..4).all(|i| (0..i).all(|j| order[i] != order[j]));
        let inversions =
            (0..4).flat_map(|i| (0..i).map(move |j| (i, j))).filter(|(i, j)| order[*j] > order[*i]);
        if distinct && inversions.count() % 2 == 0 {
            all.push(order);
        }
    }
    all
}

/// Half of the corners of a cube in five dimensions.
pub(super) fn half_cube() -> Matrix {
    matrix(&even_signs(5, 1.0))
}

fn e8_roots() -> Vec<Vec<f64>> {
    let mut rows = d_roots(8);
    rows.extend(even_signs(8, 0.5));
    rows
}

pub(super) fn e8() -> Matrix {
    matrix(&e8_roots())
}

/// Roots of E8 whose product with each of `fixed` is 1, less their part in the span of these.
fn beside(fixed: &[Vec<f64>], dim: usize) -> Matrix {
    let near = e8_roots().into_iter().filter(|x| fixed.iter().all(|f| (dot(x, f) - 1.0).abs() < 1e-9));
    let axes = orthonormal(fixed, fixed.len());
    let rows: Vec<Vec<f64>> = near.map(|x| without(x, &axes)).collect();
    within(&rows, dim)
}

/// The 56 points of E7.
pub(super) fn e7() -> Matrix {
    beside(&[e8_roots()[0].clone()], 7)
}

/// The 27 points of Schlaefli's graph.
pub(super) fn schlaefli() -> Matrix {
    let roots = e8_roots();
    let next = roots.iter().find(|x| (dot(x, &roots[0]) - 1.0).abs() < 1e-9);
    beside(&[roots[0].clone(), next.cloned().unwrap_or_default()], 6)
}

/// The axes and the columns of a Hadamard matrix in 16 dimensions, both ways.
pub(super) fn hadamard_64() -> Matrix {
    Matrix::from_fn(64, 16, |i, j| {
        let (k, sign) = (i / 2 % 16, if i % 2 == 0 { 1.0 } else { -1.0 });
        match i < 32 {
            true => f64::from(u8::from(k == j)) * sign,
            false => sign * if (k & j).count_ones() % 2 == 1 { -0.25 } else { 0.25 },
        }
    })
}

fn without(mut x: Vec<f64>, axes: &[Vec<f64>]) -> Vec<f64> {
    // Twice, because the first time leaves rounding errors of what it takes away.
    for axis in axes.iter().chain(axes) {
        let share = dot(&x, axis);
        x.iter_mut().zip(axis).for_each(|(x, a)| *x -= share * a);
    }
    x
}

/// `count` orthonormal vectors of the span of some rows.
fn orthonormal(rows: &[Vec<f64>], count: usize) -> Vec<Vec<f64>> {
    let mut axes: Vec<Vec<f64>> = Vec::new();
    for row in rows {
        let mut rest = without(row.clone(), &axes);
        let length = dot(&rest, &rest).sqrt();
        if axes.len() < count && length > 1e-6 {
            rest.iter_mut().for_each(|v| *v /= length);
            axes.push(rest);
        }
    }
    axes
}

/// Rows that span `dim` dimensions, in coordinates of that space.
fn within(rows: &[Vec<f64>], dim: usize) -> Matrix {
    let axes = orthonormal(rows, dim);
    Matrix::from_fn(rows.len(), axes.len(), |i, j| dot(&rows[i], &axes[j]))
}
