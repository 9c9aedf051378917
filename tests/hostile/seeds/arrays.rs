//! `.npy` and `.safetensors`.

use super::Seed;

/// A `.npy` file with this text for a header.
pub(super) fn npy_text(version: [u8; 2], text: &[u8], values: &[u8]) -> Vec<u8> {
    let length = text.len() as u32;
    let length =
        if version[0] == 1 { length.to_le_bytes()[..2].to_vec() } else { length.to_le_bytes().to_vec() };
    [b"\x93NUMPY", &version[..], &length, text, values].concat()
}

/// A `.npy` file whose header says this.
pub(super) fn npy(descr: &str, fortran: &str, shape: &str, values: &[u8]) -> Vec<u8> {
    let text = format!("{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    npy_text([1, 0], text.as_bytes(), values)
}

pub(super) fn npy_files() -> Vec<Seed> {
    let numbers: Vec<u8> =
        [1.5_f32, -2.0, f32::NAN, f32::INFINITY, 1e-40, -0.0].map(f32::to_le_bytes).concat();
    let mut files = vec![
        ("sound", npy("'<f4'", "False", "(2, 3)", &numbers)),
        ("version-2", npy_text([2, 0], b"{'descr': '<f4', 'fortran_order': False, 'shape': (6,)}", &numbers)),
        (
            "version-3",
            npy_text([3, 0], b"{\"shape\":(6,),\"fortran_order\":False,\"descr\":\"<f4\"}", &numbers),
        ),
        ("version-4", npy_text([4, 0], b"{}", &numbers)),
        ("long-header-claimed", b"\x93NUMPY\x02\0\xff\xff\xff\xff{".to_vec()),
        ("header-100-mb-claimed", b"\x93NUMPY\x02\0\x00\xe1\xf5\x05{'descr'".to_vec()),
        ("not-utf8", npy_text([1, 0], b"{'descr': '<f4\xff\xfe', 'shape': (6,)}", &numbers)),
        ("nested", npy_text([1, 0], &[b'['; 3000], &numbers)),
        ("nested-shape", npy("'<f4'", "False", &"(".repeat(500), &numbers)),
        (
            "key-twice",
            npy_text(
                [1, 0],
                b"{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (3,)}",
                &numbers,
            ),
        ),
        ("objects", npy("'|O'", "False", "(3,)", b"\x80\x03]q\0.")),
        ("objects-in-fields", npy("[('a', '|O'), ('b', '<f4')]", "False", "(3,)", b"\x80\x03]q\0.")),
        ("fortran", npy("'<f4'", "True", "(2, 3)", &numbers)),
        ("big-endian", npy("'>f4'", "False", "(2, 3)", &numbers)),
        (
            "sound-reversed",
            npy(
                "'>f8'",
                "True",
                "(1, 3, 2)",
                &[1.0_f64, -2.0, 3.0, 0.5, 5.0, 6.0].map(f64::to_be_bytes).concat(),
            ),
        ),
        (
            "fortran-out-of-range",
            npy("'>f8'", "True", "(1, 3)", &[1e300_f64, 1.0, -1e39].map(f64::to_be_bytes).concat()),
        ),
        ("fortran-huge", npy("'<f4'", "True", "(1099511627776, 4)", &numbers)),
        (
            "fortran-of-many-dimensions",
            npy("'<f4'", "True", &format!("({}2, 3)", "1, ".repeat(5000)), &numbers),
        ),
        (
            "fortran-zero-hides-overflow",
            npy("'>i8'", "True", "(0, 9223372036854775807, 9223372036854775807)", &numbers),
        ),
        (
            "sound-strings",
            npy(
                "'>U2'",
                "False",
                "(3,)",
                &['a', 'b', 'c', '\0', 'e', 'f'].map(|c| (c as u32).to_be_bytes()).concat(),
            ),
        ),
        ("strings-without-characters", npy("'<U0'", "False", "(1000000000000,)", &[])),
        ("strings-not-unicode", npy("'<U2'", "False", "(3,)", &[0xff; 24])),
        ("strings-not-utf8", npy("'|S8'", "False", "(3,)", &[0xff; 24])),
        ("strings-2-to-62-characters", npy("'<U4611686018427387904'", "False", "(3,)", &numbers)),
        ("strings-of-a-word", npy("'<Uword'", "False", "(3,)", &numbers)),
        ("big-endian-bytes", npy("'>u1'", "False", "(24,)", &numbers)),
        ("followed", npy("'<f4'", "False", "(5,)", &numbers)),
        (
            "out-of-range",
            npy("'<f8'", "False", "(3,)", &[1e300_f64, 1.0, -1e39].map(f64::to_le_bytes).concat()),
        ),
        ("negative", npy("'<i8'", "False", "(2,)", &[-1_i64, i64::MIN].map(i64::to_le_bytes).concat())),
        ("largest", npy("'<u8'", "False", "(2,)", &[u64::MAX, 1 << 63].map(u64::to_le_bytes).concat())),
        ("odd-bools", npy("'|b1'", "False", "(3,)", &[0, 1, 255])),
        ("many-dimensions", npy("'<f4'", "False", &format!("({})", "1, ".repeat(6000)), &numbers[..4])),
        ("empty", Vec::new()),
    ];
    for (name, shape) in [
        ("2-to-63", "(9223372036854775808,)"),
        ("2-to-64", "(18446744073709551616,)"),
        ("product-overflows", "(4294967296, 4294967296)"),
        ("product-overflows-to-6", "(3, 6148914691236517206)"),
        ("zero-hides-overflow", "(0, 9223372036854775807, 9223372036854775807)"),
        ("no-rows", "(0, 3)"),
        ("no-columns", "(1000000000000, 0)"),
        ("no-dimensions", "()"),
        ("minus-one", "(-1, 3)"),
        ("real", "(6.0,)"),
        ("huge", "(1099511627776, 4)"),
    ] {
        files.push((name, npy("'<f4'", "False", shape, &numbers)));
    }
    for descr in
        ["<f2", "<f8", "<i1", "<i2", "<i4", "<i8", "<u1", "<u2", "<u4", "<c8", "<U2", "|S8", "<M8[s]", "|V8"]
    {
        let name = if descr == "<M8[s]" { "<M8" } else { descr };
        let size = name[2..].parse::<usize>().unwrap_or(8) * if name.starts_with("<U") { 4 } else { 1 };
        let shape = format!("({},)", 24 / size);
        files.push((name, npy(&format!("'{descr}'"), "False", &shape, &numbers)));
    }
    let plain = |name: &str| name.replace(['<', '|'], "type-");
    files.into_iter().map(|(name, bytes)| Seed::new("npy", plain(name), bytes)).collect()
}

/// A safetensors file with this header.
pub(super) fn safetensors(header: &str, values: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), values].concat()
}

pub(super) fn safetensors_files() -> Vec<Seed> {
    let tensor = |dtype: &str, shape: &str, from: u64, to: u64| {
        format!(r#"{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{from},{to}]}}"#)
    };
    let one = |dtype: &str, shape: &str, from, to| format!(r#"{{"a":{}}}"#, tensor(dtype, shape, from, to));
    let two = |first: (u64, u64), second: (u64, u64)| {
        let shape = |(from, to): (u64, u64)| format!("[{}]", to.wrapping_sub(from));
        let (a, b) =
            (tensor("U8", &shape(first), first.0, first.1), tensor("U8", &shape(second), second.0, second.1));
        format!(r#"{{"a":{a},"b":{b}}}"#)
    };
    let values = [1.0_f32, -2.0, 0.5, f32::NAN].map(f32::to_le_bytes).concat();
    let files = [
        ("sound", two((0, 8), (8, 16))),
        ("sound-f32", one("F32", "[2,2]", 0, 16)),
        ("metadata", r#"{"__metadata__":{"beta":"NaN","a":"\u0000\n"},"a":{"dtype":"F16","shape":[8],"data_offsets":[0,16]}}"#.into()),
        ("metadata-is-a-number", r#"{"__metadata__":{"beta":1}}"#.into()),
        ("overlap", two((0, 16), (8, 16))),
        ("same-place", two((0, 16), (0, 16))),
        ("hole", two((0, 4), (8, 16))),
        ("begins-late", one("F32", "[2]", 8, 16)),
        ("beyond-the-end", one("F32", "[8]", 0, 32)),
        ("backwards", one("F32", "[4]", 16, 0)),
        ("shorter-than-shape", one("F32", "[5]", 0, 16)),
        ("not-all-used", one("F32", "[3]", 0, 12)),
        ("empty-tensor", one("F32", "[0,9223372036854775807]", 0, 0)),
        ("zero-hides-overflow", one("F32", "[0,4611686018427387904,4611686018427387904]", 0, 0)),
        ("shape-overflows", one("F32", "[4611686018427387904,4]", 0, 16)),
        ("offset-2-to-63", one("U8", "[9223372036854775808]", 0, 1 << 63)),
        ("offset-of-19-digits", two((0, 1 << 63), (1 << 63, u64::MAX))),
        ("negative-offset", r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[-16,0]}}"#.into()),
        ("real-offset", r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16.0]}}"#.into()),
        ("exponent", r#"{"a":{"dtype":"U8","shape":[1e18],"data_offsets":[0,1e18]}}"#.into()),
        ("name-twice", format!(r#"{{"a":{},"a":{}}}"#, tensor("F32", "[4]", 0, 16), tensor("U8", "[16]", 0, 16))),
        ("empty-name", format!(r#"{{"":{}}}"#, tensor("F32", "[4]", 0, 16))),
        ("long-name", format!(r#"{{"{}":{}}}"#, "n".repeat(70_000), tensor("F32", "[4]", 0, 16))),
        ("odd-name", format!(r#"{{"../\n\u001b[2J":{}}}"#, tensor("F32", "[4]", 0, 16))),
        ("other-type", one("F8_E4M3", "[16]", 0, 16)),
        ("unknown-type", one("F31", "[16]", 0, 16)),
        ("nested", "[".repeat(5000)),
        ("nested-metadata", format!(r#"{{"__metadata__":{}"#, r#"{"a":"#.repeat(2000))),
        ("many-dimensions", one("U8", &format!("[{}16]", "1,".repeat(5000)), 0, 16)),
        ("no-tensors", "{}".into()),
        ("not-json", "not JSON".into()),
        ("half-a-surrogate", format!(r#"{{"\ud800":{}}}"#, tensor("F32", "[4]", 0, 16))),
        ("spaces", format!("{}{}", one("F32", "[4]", 0, 16), " ".repeat(64))),
    ];
    let mut seeds: Vec<Seed> = files
        .into_iter()
        .map(|(name, header)| Seed::new("safetensors", name, safetensors(&header, &values)))
        .collect();
    for (name, length) in [
        ("header-is-all", u64::MAX),
        ("header-of-100-mb", 100_000_001),
        ("header-of-99-mb", 99_999_999),
        ("no-header", 0),
    ] {
        seeds.push(Seed::new("safetensors", name, [&length.to_le_bytes()[..], b"{}"].concat()));
    }
    let not_utf8 = safetensors("{\"a\":1}", &[]);
    seeds.push(Seed::new("safetensors", "not-utf8", super::replaced(&not_utf8, b"a", b"\xff")));
    seeds
}
