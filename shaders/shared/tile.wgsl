// Staged slices of the operands: left rows [16][BQ], then right rows [16][BP] or [16][D], where rows of the
// transposed ones are longer by a vec4 against bank conflicts. Between them, [TX][BQ] for what the TX
// invocations of a left row have to combine.
// Needs: TILE; to come before other variables of the workgroup: behind an odd number of words, drivers read 8 bytes at a time.
// Gives: `tile`.
var<workgroup> tile: array<vec4<f32>, ${TILE}>;
