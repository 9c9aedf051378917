//! `.parquet`.

use super::Seed;
use crate::columns::{Column, EMBEDDING, Values, Way, embedding, file};

pub(super) fn parquet_files() -> Vec<Seed> {
    let six = [1.0_f32, -2.0, 0.5, f32::NAN, -0.0, 1e-40];
    let sound = file(EMBEDDING, vec![vec![embedding(&six, 3)]], Way::Plain);
    let flat =
        "message m { required int32 id (INTEGER(16, false)); optional double x; required boolean keep; }";
    let flat = |way| {
        let columns = vec![
            Column::flat(Values::I32(vec![1, 2, 65_535])),
            Column::optional(Values::F64(vec![0.5, 1e300, -1.0]), &[1, 1, 1]),
            Column::flat(Values::Bool(vec![true, false, true])),
        ];
        file(flat, vec![columns], way)
    };
    let lists = |defined: &[i16], repeated: &[i16], values: &[f32]| {
        file(
            EMBEDDING,
            vec![vec![Column::lists(Values::F32(values.to_vec()), defined, repeated)]],
            Way::Plain,
        )
    };
    let one = |schema: &str, values| {
        file(&format!("message m {{ {schema} }}"), vec![vec![Column::flat(values)]], Way::Plain)
    };
    let zeros = file(EMBEDDING, vec![vec![embedding(&vec![0.0; 1 << 18], 1 << 9)]], Way::Zstd);
    let constant = one("required int64 n;", Values::I64(vec![7; 100_000]));
    let end = sound.len();
    let with_length = |length: u32| {
        let mut file = sound.clone();
        file[end - 8..end - 4].copy_from_slice(&length.to_le_bytes());
        file
    };
    let mut many_elements = sound[..4].to_vec();
    // Metadata of one list of 2^31 - 1 structures.
    many_elements.extend([0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 7, 0, 0]);
    many_elements.extend([9, 0, 0, 0]);
    many_elements.extend(b"PAR1");
    let mut files = vec![
        ("sound", sound.clone()),
        ("sound-flat", flat(Way::Plain)),
        ("snappy", flat(Way::Snappy)),
        ("gzip", flat(Way::Gzip)),
        ("zstd", flat(Way::Zstd)),
        ("second-version", flat(Way::Second)),
        ("second-version-lists", file(EMBEDDING, vec![vec![embedding(&six, 2)]], Way::Second)),
        (
            "two-groups",
            file(EMBEDDING, vec![vec![embedding(&six, 3)], vec![embedding(&six[..3], 3)]], Way::Snappy),
        ),
        ("no-rows", file(EMBEDDING, vec![], Way::Plain)),
        ("null-list", lists(&[3, 3, 0, 3, 3], &[0, 1, 0, 0, 1], &six[..4])),
        ("null-number", lists(&[3, 2, 3, 3], &[0, 1, 0, 1], &six[..3])),
        ("empty-list", lists(&[3, 1], &[0, 0], &six[..1])),
        ("ragged", lists(&[3, 3, 3], &[0, 1, 0], &six[..3])),
        (
            "halves",
            one("required fixed_len_byte_array(2) h (FLOAT16);", Values::Fixed(vec![[0, 0x3c], [0, 0x7e]])),
        ),
        ("not-halves", one("required fixed_len_byte_array(2) h;", Values::Fixed(vec![[0, 0x3c]]))),
        ("strings", one("required binary name (STRING);", Values::Text(vec!["a", "b\n\u{1b}"]))),
        ("decimals", one("required int32 price (DECIMAL(9, 2));", Values::I32(vec![199]))),
        ("dates", one("required int32 day (DATE);", Values::I32(vec![1]))),
        ("structure", one("required group s { required float x; }", Values::F32(vec![1.0]))),
        ("bomb", zeros),
        ("constant", constant),
        ("metadata-beyond", with_length(u32::MAX)),
        ("metadata-of-nothing", with_length(0)),
        ("metadata-cut", with_length(40)),
        ("many-elements", many_elements),
        ("encrypted", super::replaced(&sound, b"PAR1", b"PARE")),
        ("magic-alone", b"PAR1\0\0\0\0PAR1".to_vec()),
    ];
    let mut encrypted = sound;
    encrypted[end - 1] = b'E';
    files.push(("encrypted-end", encrypted));
    files.into_iter().map(|(name, bytes)| Seed::new("parquet", name, bytes)).collect()
}
