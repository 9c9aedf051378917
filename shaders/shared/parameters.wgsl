// Where a kernel's parameters come from: with the command itself where the adapter can (IMMEDIATES), else
// from a uniform buffer.
// Needs: `struct Parameters`.
// Gives: `p`, the parameters; binding 0.
#if IMMEDIATES
var<immediate> p: Parameters;
#else
@group(0) @binding(0) var<uniform> p: Parameters;
#endif
