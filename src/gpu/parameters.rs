//! What kernels are told: a struct for each `struct Parameters` of the templates, whose members are explained there.

use crate::device::Parameters;

/// Structs by the names of their templates, and the list of all for the test.
macro_rules! parameters {
    ($($name:ident($($template:literal),+) { $($member:ident: $word:ident),+ $(,)? })+) => {
        $(
            #[doc = concat!("Of", $(" `shaders/", $template, ".wgsl`",)+ ".")]
            #[repr(C)]
            #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
            pub(super) struct $name {
                $(pub(super) $member: $word),+
            }

            impl Parameters for $name {
                fn templates(&self) -> &'static [&'static str] {
                    &[$($template),+]
                }

                fn words(&self) -> &[u32] {
                    bytemuck::cast_slice(std::slice::from_ref(self))
                }
            }
        )+

        /// The templates of each struct, and its members with their types.
        #[cfg(test)]
        const ALL: &[(&[&str], &[(&str, &str)])] =
            &[$((&[$($template),+], &[$((stringify!($member), stringify!($word))),+])),+];
    };
}

parameters! {
    Accumulate("accumulate", "merge") { rows: u32, width: u32, splits: u32, skip: u32, fresh: u32 }
    AppendRow("append_row") { rows: u32, n: u32, width: u32 }
    BankBits("bank_bits") {
        rows: u32, columns: u32, width: u32, first: u32, high: u32, seed_low: u32, seed_high: u32,
    }
    Divergence("divergence") { b: u32, n: u32, width: u32, out_width: u32, begin: u32, end: u32 }
    Elementwise("elementwise") {
        rows: u32, columns: u32, width: u32, function: u32, constant: f32, y_width: u32,
    }
    Energy("energy") { rows: u32, beta: f32, quadratic: u32 }
    Features("features") { rows: u32, columns: u32, width: u32, side_width: u32, first: u32, waves: u32 }
    FeaturesFused("features_fused") {
        rows: u32, first: u32, last: u32, width: u32, pattern_width: u32, splits: u32, slice: u32,
        side_width: u32, base: u32, waves: u32, columns: u32, seed_low: u32, seed_high: u32,
        high: u32,
    }
    FeaturesSums("features_sums") {
        rows: u32, first: u32, last: u32, width: u32, pattern_width: u32, splits: u32, slice: u32,
        base: u32, waves: u32, columns: u32, seed_low: u32, seed_high: u32, high: u32,
    }
    Finish("finish") {
        rows: u32, width: u32, beta: f32, cosine: u32, skip: u32, step_size: f32, tolerance: f32,
        clamp_width: u32, use_clamp: u32, trace_first: u32, use_trace: u32,
    }
    FlipWeights("flip_weights") { rows: u32, columns: u32, width: u32, d: u32, exponential: u32 }
    Frequencies("frequencies") {
        rows: u32, columns: u32, width: u32, first: u32, seed_low: u32, seed_high: u32, high: u32,
    }
    Hadamard("hadamard") {
        rows: u32, size: u32, blocks: u32, first: u32, columns: u32, stride: u32, products: u32,
        products_stride: u32,
    }
    Matmul("matmul_direct", "matmul_tiled") {
        m: u32, n: u32, k: u32, a_width: u32, b_width: u32, c_width: u32, b_first: u32, splits: u32,
        slice: u32, skip: u32, padding: f32,
    }
    MultiplyAdds("multiply_adds") { trips: u32, factor: f32 }
    Normalize("normalize") { rows: u32, columns: u32, width: u32, centre: u32, eps: f32 }
    Overlaps("overlaps") { queries: u32, patterns: u32, columns: u32, width: u32, out_width: u32 }
    Pairs("pairs") { rows: u32, columns: u32, width: u32, first: u32, sharp: f32 }
    Reduce("reduce") { rows: u32, columns: u32, width: u32, how: u32 }
    ReduceColumns("reduce_columns") { rows: u32, width: u32, how: u32, factor: f32 }
    Rescore("rescore") { count: u32, k: u32, width: u32 }
    Scan("scan") { rows: u32, columns: u32, width: u32, beta: f32, first: u32, high: u32, targeted: u32 }
    Separate("separate") {
        rows: u32, columns: u32, width: u32, kind: u32, beta: f32, scale: f32, mass_exponent: f32,
        exponent: f32, high: f32, target_mass: f32, halvings: u32, order: f32, digits: u32,
    }
    SignedSum("signed_sum") {
        queries: u32, width: u32, weights_width: u32, bits_width: u32, columns: u32, first: u32,
        end: u32,
    }
    Softmax("softmax") { rows: u32, columns: u32, width: u32, beta: f32 }
    Start("start") { rows: u32, width: u32, beta: f32, cosine: u32, complete: u32, most: u32 }
    StepFew("step_few") {
        rows: u32, first: u32, last: u32, width: u32, units: u32, splits: u32, slice: u32, skip: u32,
        cosine: u32,
    }
    StepFused("step_fused") {
        rows: u32, first: u32, last: u32, width: u32, pattern_width: u32, splits: u32, slice: u32,
        skip: u32,
    }
    Sweep("sweep") {
        rows: u32, count: u32, kept_width: u32, state_width: u32, bits_width: u32, d: u32, first: u32,
        end: u32, exact: u32,
    }
    Terms("terms") { rows: u32, width: u32, similarity: u32 }
    TopK("top_k") { rows: u32, begin: u32, end: u32, width: u32, first: u32, k: u32 }
    Walk("walk") {
        rows: u32, width: u32, start: u32, backtrack: u32, beta: f32, scale: f32, slope: f32,
        pull: f32, epsilon: f32, tolerance: f32, longest: f32, root: f32, unit: f32, decay: f32,
    }
    Weights("weights") { rows: u32, columns: u32, width: u32, first: u32, skip: u32, cosine: u32 }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;
    use crate::device::shader::variants;
    use naga::{ScalarKind, TypeInner};

    /// Name, type and place of each member, as WGSL lays them out.
    fn declared(source: &str) -> Vec<(String, &'static str, u32)> {
        let module = naga::front::wgsl::parse_str(source).unwrap();
        let (_, of_kernel) =
            module.types.iter().find(|(_, t)| t.name.as_deref() == Some("Parameters")).unwrap();
        let TypeInner::Struct { members, .. } = &of_kernel.inner else { panic!("no struct") };
        let member = |member: &naga::StructMember| {
            let word = match module.types[member.ty].inner {
                TypeInner::Scalar(naga::Scalar { kind: ScalarKind::Uint, width: 4 }) => "u32",
                TypeInner::Scalar(naga::Scalar { kind: ScalarKind::Float, width: 4 }) => "f32",
                _ => "no word",
            };
            (member.name.clone().unwrap(), word, member.offset)
        };
        members.iter().map(member).collect()
    }

    #[test]
    fn structs_are_as_the_kernels_declare_them() {
        for variant in variants().unwrap().values() {
            let of_host: Vec<_> = ALL.iter().filter(|(t, _)| t.contains(&variant.template())).collect();
            let [(_, members)] = of_host.as_slice() else {
                panic!("{}: {} structs", variant.name, of_host.len());
            };
            let laid_out = members.iter().enumerate();
            let of_host: Vec<_> =
                laid_out.map(|(i, (name, word))| ((*name).to_owned(), *word, 4 * i as u32)).collect();
            assert_eq!(of_host, declared(&variant.source().unwrap()), "{}", variant.name);
        }
        let templates = ALL.iter().flat_map(|(templates, _)| *templates);
        for template in templates {
            assert!(variants().unwrap().values().any(|v| v.template() == *template), "{template}");
        }
    }

    #[test]
    fn words_are_the_members_in_order() {
        let sizes = ReduceColumns { rows: 7, width: 2, how: 3, factor: 0.5 };
        assert_eq!(sizes.words(), [7, 2, 3, 0.5_f32.to_bits()]);
        assert_eq!(sizes.templates(), ["reduce_columns"]);
    }
}
