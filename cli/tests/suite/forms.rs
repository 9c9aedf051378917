//! Patterns that products of rows do not tell apart, through the command.

use super::desk::Desk;
use attractor::io::ArrayData;

/// Two groups of three patterns, one apart, 9,000 from each other; each is asked for itself.
#[test]
fn patterns_close_together_and_far_away_are_told_apart() {
    let desk = Desk::new(&[], &[]);
    let rows = [0, 0, 1, 0, 0, 1, 9000, 9000, 9001, 9000, 9000, 9001].map(|v| v as f32);
    desk.save("p.npy", &[6, 2], ArrayData::F32(&rows));
    let (id, file) = ("a\nb\nc\nd\ne\nf\n", desk.path("ids.txt"));
    std::fs::write(file, id).unwrap();
    for device in ["cpu", "software"] {
        for energy in ["softmax", "sparsemax", "entmax:1.5", "epanechnikov"] {
            let line = format!(
                "recall --patterns p.npy --queries p.npy --out r.npz --energy {energy} --device {device}"
            );
            let summary = desk.json(&line);
            assert_eq!(summary["similarity_form"], "difference", "{device} {energy}");
            assert_eq!(summary["beta"]["separated"], 1.0, "{device} {energy}");
            assert_eq!(summary["converged"], 6, "{device} {energy}");
            let best: Vec<f32> = desk.values("r.npz", "indices").into_iter().step_by(5).collect();
            assert_eq!(best, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "{device} {energy}");
            if energy != "softmax" {
                assert_eq!(desk.values("r.npz", "state"), rows, "{device} {energy}");
            }
        }
        let forced = desk.json(&format!(
            "recall --patterns p.npy --queries p.npy --out r.npz --similarity-form product --device {device}"
        ));
        assert_eq!(forced["similarity_form"], "product", "{device}");
    }
    desk.done("store create s.safetensors --patterns p.npy --ids ids.txt");
    desk.done("store recall s.safetensors --queries p.npy --out r.npz --device cpu");
    let best: Vec<f32> = desk.values("r.npz", "indices").into_iter().step_by(5).collect();
    assert_eq!(best, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
}
