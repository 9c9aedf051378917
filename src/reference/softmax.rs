//! Softmax, log-sum-exp and the effective number of entries.

fn maximum(z: &[f64]) -> f64 {
    z.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// `p_k = exp(beta z_k) / sum_j exp(beta z_j)`, stabilised by the maximum.
pub fn softmax(z: &[f64], beta: f64) -> Vec<f64> {
    let m = maximum(z);
    let e: Vec<f64> = z.iter().map(|v| (beta * (v - m)).exp()).collect();
    let total: f64 = e.iter().sum();
    e.iter().map(|v| v / total).collect()
}

/// `(1/beta) log sum_k exp(beta z_k)`, stabilised by the maximum.
pub fn log_sum_exp(z: &[f64], beta: f64) -> f64 {
    let m = maximum(z);
    m + z.iter().map(|v| (beta * (v - m)).exp()).sum::<f64>().ln() / beta
}

/// `exp(H(p))`, the number of entries that a distribution `p` effectively mixes: 1 where it has one
/// entry, `n` where it is uniform over `n`.
pub fn effective_number(p: &[f64]) -> f64 {
    p.iter().map(|&v| if v > 0.0 { -v * v.ln() } else { 0.0 }).sum::<f64>().exp()
}
