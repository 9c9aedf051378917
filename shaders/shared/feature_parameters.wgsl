    // The last parameters of kernels that go over tiles of random features.
    // Needs: to stand in `struct Parameters`.
    // Gives: `base` to `high`, with what `normals` needs.
    // Number of the first stored frequency.
    base: u32,
    // Cosine and sine of products in turns; else exponentials.
    waves: u32,
    columns: u32,
    seed_low: u32,
    seed_high: u32,
    high: u32,
