// Tables by the overlap of two rows of bits, which is -d, 2 - d, ..., d.
// Needs: `p.d`.
// Gives: `place`, where the entry of an overlap is.
fn place(overlap: f32) -> u32 {
    return u32(0.5 * (overlap + f32(p.d)) + 0.25);
}
