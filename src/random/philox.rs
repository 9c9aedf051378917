//! The generator: J. Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.

/// What the first and the third word are multiplied by in a round.
pub(crate) const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// What is added to the two words of the key after a round.
pub(crate) const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
/// Rounds of Philox4x32-10.
pub(crate) const ROUNDS: usize = 10;

/// Philox4x32-10: four uniform words of a counter and a key.
pub(crate) fn philox(mut counter: [u32; 4], key: u64) -> [u32; 4] {
    let mut key = [key as u32, (key >> 32) as u32];
    // The lower and the upper half of a product.
    let product = |word: u32, multiplier: u32| {
        let wide = u64::from(word) * u64::from(multiplier);
        (wide as u32, (wide >> 32) as u32)
    };
    for _ in 0..ROUNDS {
        let (first, third) = (product(counter[0], MULTIPLIERS[0]), product(counter[2], MULTIPLIERS[1]));
        counter = [third.1 ^ counter[1] ^ key[0], third.0, first.1 ^ counter[3] ^ key[1], first.0];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// The 24 upper bits of a word as a number in `[0, 1)`, exactly.
fn unit(word: u32) -> f64 {
    f64::from(word >> 8) * (-24.0_f64).exp2()
}

/// Two standard normals of two words, by Box and Muller. The radius has 24 bits, so that no normal is beyond 5.8.
pub(super) fn normals(radius: u32, angle: u32) -> [f64; 2] {
    let radius = (-2.0 * (unit(radius) + (-24.0_f64).exp2()).ln()).sqrt();
    let (sin, cos) = (std::f64::consts::TAU * unit(angle)).sin_cos();
    [radius * cos, radius * sin]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors for philox4x32-10 that come with the authors' implementation, Random123.
    #[test]
    fn known_answers() {
        for (counter, key, want) in [
            ([0; 4], 0, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], u64::MAX, [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                0x299f_31d0_a409_3822,
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ] {
            assert_eq!(philox(counter, key), want);
        }
    }

    /// Radius 0 at the largest word, the largest radius at 0.
    #[test]
    fn normals_end_at_5_8() {
        assert_eq!(normals(u32::MAX, 0), [0.0, 0.0]);
        let [x, y] = normals(0, 0);
        assert!((x - (48.0 * 2.0_f64.ln()).sqrt()).abs() < 1e-12 && y == 0.0);
        let [x, y] = normals(0, 1 << 30);
        assert!(x.abs() < 1e-12 && y > 5.7);
    }
}
