// What random features are made with.
// Needs: feature_parameters in `p` where frequencies are GENERATED.
// Gives: `exponential`, `turns`; GENERATED: `normals`.
#import exponential
#if GENERATED
#import normals
#else
#import turns
#endif
