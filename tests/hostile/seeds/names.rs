//! Text: names, tables of timings, results that are kept.

use super::Seed;

pub(super) fn names() -> Vec<Seed> {
    let texts = [
        "sound",
        "softmax",
        "entmax:1.5",
        "entmax:NaN",
        "entmax:inf",
        "entmax:1e-50",
        "entmax:1.0000000000000001",
        "sparsemax",
        "normmax:2",
        "normmax:1",
        "ksubsets:2",
        "ksubsets:999999999",
        "ksubsets:-0",
        "epanechnikov",
        "polynomial:3",
        "polynomial:+3",
        "rectified:1000",
        "rectified:4294967296",
        "exponential",
        "hopfield",
        "hopfield:storkey",
        "lagrangian:a:3",
        "lagrangian:b",
        "lagrangian:c:",
        "universal:js:max",
        "universal:dot:power10",
        "universal::",
        "power0",
        "power+7",
        "nearest",
        "converged",
        "10000",
        "10001",
        "sphere",
        "sparse:0.1",
        "sparse:1e-400",
        "clusters:0.999999999999999999",
        "manifold:3",
        "manifold:18446744073709551615",
        "l2:0.1",
        "l2:-0",
        "ssd:1e308",
        "ball:4e-324",
        "hamming:3",
        "overlap:-1",
        "flip:0.5",
        "noise:inf",
        "mask:1",
        "half",
        "half:",
        "dropout",
        "image-noise:2",
        "adam",
        "lbfgs",
        "auto",
        "1e-45",
        "1e39",
        "0x10",
        "f16",
        "u64",
        "string",
        "18446744073709551615",
        "-1",
        "simplex:5,4",
        "simplex:1,1",
        "orthoplex:2,1",
        "polygon:3",
        "polygon:4294967296",
        "simplex:4294967296,4294967296",
        "600-cell",
        "12,3",
        "0,0",
        "\u{0}",
        "two\nlines",
        "\u{202e}energy",
    ];
    let mut seeds: Vec<Seed> =
        texts.iter().enumerate().map(|(i, text)| Seed::new("names", format!("text-{i:02}"), *text)).collect();
    seeds.push(Seed::new("names", "sound", "universal:cosine:power10"));
    seeds.push(Seed::new("names", "long", "entmax:".to_owned() + &"9".repeat(5000)));
    seeds.push(Seed::new("names", "many-colons", ":".repeat(5000)));
    seeds.push(Seed::new("names", "not-utf8", b"entmax:\xff\xfe".to_vec()));
    seeds
}

pub(super) fn tables() -> Vec<Seed> {
    let line = "step 64x16384x128 f32\tdirect\tdirect=1e-3 small=wrong\n";
    let tables: [(&str, Vec<u8>); 7] = [
        (
            "sound",
            format!("# adapter (driver), attractor 0.1.0\n# class, fastest, seconds of each\n{line}").into(),
        ),
        ("class-twice", format!("{line}{}", line.replace("direct\t", "fused\t")).into()),
        ("half-a-line", line.as_bytes()[..25].to_vec()),
        ("no-newline", line.trim_end().into()),
        ("unknown-winner", line.replace("direct\t", "abacus\t").into()),
        ("tabs-alone", b"\t\t\t\n\t\n".to_vec()),
        ("not-utf8", [b"\xff\xfe\tdirect\n", line.as_bytes()].concat()),
    ];
    tables.into_iter().map(|(name, bytes)| Seed::new("tuning", name, bytes)).collect()
}

pub(super) fn results() -> Vec<Seed> {
    let cell = r#"{"key":"a|b","trials":7,"successes":[3,1],"shared":2.5,"ties":0,"failed":0,"cosine":0.30000000000000004,"end_cosine":0.5,"length":1.0,"wrong_signs":0.0,"updates":1.0,"beta":null,"seconds":0.25,"copies":0,"participation":null,"mixing":null}"#;
    let shares = "0.05,".repeat(11) + "0.45";
    let mixing = format!(
        r#"{{"queries":1,"participation":1.0,"effective":1.0,"support":1.0,"k90":1.0,"support_histogram":[{shares}],"exact":true}}"#
    );
    let mixed = cell.replace(r#""mixing":null"#, &format!(r#""mixing":{mixing}"#));
    let journals: [(&str, String); 9] = [
        ("sound-cells", format!("{cell}\n")),
        ("mixing", format!("{mixed}\n{cell}\n")),
        ("half-a-line", format!("{cell}\n{}", &cell[..40])),
        ("whole-line-without-end", cell.to_owned()),
        ("nonsense-between", format!("nonsense\n{cell}\n")),
        ("nested", "[".repeat(3000)),
        ("number-too-large", format!("{}\n", cell.replace("\"trials\":7", "\"trials\":1e400"))),
        ("negative", format!("{}\n", cell.replace("\"trials\":7", "\"trials\":-7"))),
        ("many-successes", format!("{}\n", cell.replace("[3,1]", &format!("[{}1]", "1,".repeat(3000))))),
    ];
    let kept: [(&str, &str); 6] = [
        ("sound-numbers", "# seed 1\na b\t0.3333333333333333 -0 1e-300 inf\n"),
        ("of-another", "# seed 2\na\t1\n"),
        ("numbers-half-a-line", "# seed 1\na\t1\nb\t1 2"),
        ("head-alone", "# seed 1"),
        ("name-twice", "# seed 1\na\t1\na\t2 NaN\n\t\n"),
        ("no-number", "# seed 1\na\tone\n"),
    ];
    let cells =
        journals.iter().map(|(name, text)| Seed::new("results", *name, [&[0], text.as_bytes()].concat()));
    let numbers =
        kept.iter().map(|(name, text)| Seed::new("results", *name, [&[1], text.as_bytes()].concat()));
    let odd = Seed::new("results", "not-utf8", b"\x00\xff\xfe\n".to_vec());
    cells.chain(numbers).chain([odd]).collect()
}
