//! The best of many.

/// How many candidates are looked for where the `k` best of `n` are wanted: two or more to spare, which tell whether one has been left
/// out, and not so many that a short list becomes a long one, which both devices keep more slowly.
pub(crate) fn candidates(k: usize, n: usize) -> usize {
    (k + 2).next_multiple_of(4).min(n)
}
