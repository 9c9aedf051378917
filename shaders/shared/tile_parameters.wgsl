    // The first parameters of kernels that go over tiles of left and right rows.
    // Needs: to stand in `struct Parameters`.
    // Gives: `rows` to `slice`.
    // Left rows; right rows from `first` to before `last`; vec4s per left row, and per right row.
    rows: u32,
    first: u32,
    last: u32,
    width: u32,
    pattern_width: u32,
    splits: u32,
    // Right rows per split, a multiple of BP.
    slice: u32,
