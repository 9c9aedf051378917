//! Options that something else on the line leaves without effect: refused by name, with status 2, before any file is opened.

use super::desk::Desk;

const RECALL: &str = "recall --patterns p.npy --queries q.npy --out o.npz";
const KERNEL: &str =
    "recall --memory kernelized --weights w.npz --patterns p.npy --queries q.npy --out o.npz";
const FEATURES: &str =
    "recall --memory random-features --features 9 --patterns p.npy --queries q.npy --out o.npz";

#[test]
fn options_without_effect_are_refused_by_name() {
    let desk = Desk::new(&[], &[]);
    let of_recall = [
        ("--map sincos", "--map"),
        ("--features 9", "--features"),
        ("--projection gaussian", "--projection"),
        ("--frequencies f.npy", "--frequencies"),
        ("--scale 1", "--scale"),
        ("--epsilon 0", "--epsilon"),
        ("--centre", "--centre"),
        ("--weights w.npy", "--weights"),
        ("--energy hopfield --similarity dot", "--similarity"),
        ("--energy hopfield --beta 2", "--beta"),
        ("--energy lagrangian:c:3 --beta 2", "--beta"),
        ("--energy universal:js:max --beta 2", "--beta"),
        ("--energy universal:js:max --steps 5", "--steps"),
        ("--energy rectified:3 --tol 0.1", "--tol"),
        ("--order sync", "--order"),
        ("--energy sparsemax --precision f16", "--precision"),
        ("--post tanh", "--post"),
    ];
    let of_kernel = [
        ("--energy sparsemax", "--energy"),
        ("--similarity cosine", "--similarity"),
        ("--precision f16", "--precision"),
        ("--post tanh", "--post"),
        ("--order sync", "--order"),
        ("--map exp", "--map"),
    ];
    let of_features = [
        ("--energy sparsemax", "--energy"),
        ("--similarity l2", "--similarity"),
        ("--precision f16", "--precision"),
        ("--post tanh", "--post"),
        ("--order async", "--order"),
        ("--weights w.npy", "--weights"),
    ];
    let mut lines: Vec<(String, &str)> = Vec::new();
    for (line, options) in [(RECALL, &of_recall[..]), (KERNEL, &of_kernel), (FEATURES, &of_features)] {
        lines.extend(options.iter().map(|(more, name)| (format!("{line} {more}"), *name)));
    }
    let of_memory = "--memory m.safetensors";
    for command in [
        "features energy --states q.npy --out o.npz",
        "features recall --queries q.npy --out o.npz",
        "features advise",
    ] {
        for (more, name) in [
            ("--scale 5 --map exp", "--map"),
            ("--scale 1", "--scale"),
            ("--beta 5", "--beta"),
            ("--features 30", "--features"),
            ("--epsilon 0.1", "--epsilon"),
            ("--projection orthogonal", "--projection"),
            ("--centre", "--centre"),
            ("--seed 3", "--seed"),
        ] {
            lines.push((format!("{command} {of_memory} {more}"), name));
        }
    }
    for (line, name) in [
        ("recall --patterns p.npy --queries q.npy --out o.npy --trace", "--trace"),
        ("recall --patterns p.npy --queries q.npy --out o.npy --values v.npy", "--values"),
        ("recall --patterns p.npy --queries q.npy --out o.NPY --top-k 3", "--top-k"),
        ("explain --patterns p.npy --queries q.npy --post tanh", "--post"),
        ("explain --patterns p.npy --queries q.npy --energy hopfield --beta 2", "--beta"),
        ("energy --patterns p.npy --states q.npy --out o.npy --order sync", "--order"),
        ("store recall s.safetensors --queries q.npy --out o.npy --payloads", "--payloads"),
        ("store recall s.safetensors --queries q.npy --out o.npy --top-k 2", "--top-k"),
        ("features recall --memory m.safetensors --queries q.npy --out o.npy --trace", "--trace"),
        (
            "features encode --patterns p.npy --frequencies f.npy --beta 1 --seed 3 --out m.safetensors",
            "--seed",
        ),
        (
            "features encode --patterns p.npy --frequencies f.npy --phases b.npy --beta 1 --out m.safetensors",
            "--phases",
        ),
        ("features merge a.safetensors b.safetensors --out c.safetensors --seed 3", "--seed"),
        ("features forget a.safetensors --patterns p.npy --seed 3", "--seed"),
        ("separate --patterns p.npy --out w.npz --optimizer lbfgs --batch 8", "--batch"),
        ("separate --patterns p.npy --out w.npz --optimizer lbfgs --rate 0.1", "--rate"),
        ("separate --patterns p.npy --out w.npz --loss max --tau 0.1", "--tau"),
        ("code --measure p.npy --out o.npy", "--out"),
        ("code --known cube --seed 3", "--seed"),
        ("reproduce dense --data nonexistent.npy", "--data"),
        ("reproduce drdam --data nonexistent.npy", "--data"),
        ("reproduce uhop --quick --data nonexistent.npy", "--data"),
        ("reproduce dense --quick", "--quick"),
        ("bench --op matmul --precision f16", "--precision"),
        ("bench --op step --ensemble bipolar", "--ensemble"),
    ] {
        lines.push((line.to_owned(), name));
    }
    for (line, name) in lines {
        let text = desk.fails_with(&line, 2);
        assert!(text.contains(&format!("{name} would have no effect")), "{line}: {text}");
    }
}
