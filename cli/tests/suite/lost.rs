//! A GPU that is lost while a command works.

use crate::desk::Desk;
use attractor::{gpu::Context, io::ArrayData};

/// Runs a line with a GPU that is lost with its submission `at`; the summary and stderr.
fn with_a_loss(desk: &Desk, line: &str, at: u64) -> (serde_json::Value, String) {
    let mut command = desk.command(line);
    let out = command.env("ATTRACTOR_LOSE_AT", at.to_string()).output().unwrap();
    let told = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.success(), "{line}, submission {at}: {told}");
    (serde_json::from_slice(&out.stdout).unwrap(), told)
}

#[test]
fn a_command_begins_again_from_its_files() {
    if let Err(error) = Context::open("software") {
        assert!(std::env::var("ATTRACTOR_REQUIRE_GPU").is_err(), "ATTRACTOR_REQUIRE_GPU=1, but: {error}");
        return;
    }
    let desk = Desk::new(&[], &["--json"]);
    let values =
        |n: usize, by: usize| (0..n).map(|i| (i * by % 23) as f32 / 11.0 - 1.0).collect::<Vec<f32>>();
    desk.save("p.npy", &[12, 5], ArrayData::F32(&values(60, 7)));
    desk.save("q.npy", &[3, 5], ArrayData::F32(&values(15, 5)));
    for line in [
        "recall: --device software --patterns p.npy --queries q.npy --out out.npz",
        "energy: --device software --patterns p.npy --states q.npy --out out.npz",
        "explain: --device software --patterns p.npy --queries q.npy --row 1",
    ] {
        let want: serde_json::Value = serde_json::from_str(&desk.done(line)).unwrap();
        let file = line.contains("--out").then(|| std::fs::read(desk.path("out.npz")).unwrap());
        for at in [0, 1] {
            let (mut got, told) = with_a_loss(&desk, line, at);
            let (mut got_timed, mut want) = (got.take(), want.clone());
            for timed in ["seconds", "seconds_by_phase", "recalls_per_second"] {
                got_timed.as_object_mut().unwrap().remove(timed);
                want.as_object_mut().unwrap().remove(timed);
            }
            assert_eq!(got_timed, want, "{line}, submission {at}");
            assert_eq!(told.lines().count(), 1, "{told}");
            assert!(told.contains("was lost") && told.contains("from the files"), "{told}");
            if let Some(file) = &file {
                assert_eq!(&std::fs::read(desk.path("out.npz")).unwrap(), file, "{line}, submission {at}");
            }
        }
    }
    // A store does by itself what its recall needs.
    desk.done("store: create m.safetensors --patterns p.npy --beta 2");
    let recall = "store: recall --device software m.safetensors --queries q.npy --out out.npz";
    desk.done(recall);
    let file = std::fs::read(desk.path("out.npz")).unwrap();
    with_a_loss(&desk, recall, 0);
    assert_eq!(std::fs::read(desk.path("out.npz")).unwrap(), file);
}
