// Where a kernel's parameters come from: with the command itself where the adapter can, else from a
// uniform buffer.
#if IMMEDIATES
var<immediate> p: Parameters;
#else
@group(0) @binding(0) var<uniform> p: Parameters;
#endif
