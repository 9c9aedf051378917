//! Columns of parquet files, as [`Source`] reads them.

#[path = "../common/columns.rs"]
#[allow(dead_code, reason = "other tests write the other kinds")]
mod columns;

use attractor::{
    io::{Source, check_writable},
    narrow::Narrowing,
};
use columns::{Column, EMBEDDING, Values, Way, embedding, file};
use std::path::PathBuf;

fn open(bytes: &[u8]) -> (tempfile::TempDir, Source) {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("table.parquet");
    std::fs::write(&path, bytes).unwrap();
    let source = Source::open(path).unwrap();
    (folder, source)
}

fn one(schema: &str, values: Values) -> Vec<u8> {
    file(&format!("message m {{ {schema} }}"), vec![vec![Column::flat(values)]], Way::Plain)
}

/// A table as embeddings come: an id, a text and the numbers.
const TABLE: &str = "message m {
    required int64 ids (INTEGER(64, false));
    optional binary text (STRING);
    optional group embedding (LIST) { repeated group list { optional float element; } }
}";

fn table() -> Vec<u8> {
    let columns = vec![
        Column::flat(Values::I64(vec![7, -1])),
        Column::optional(Values::Text(vec!["one"]), &[1, 0]),
        embedding(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3),
    ];
    file(TABLE, vec![columns], Way::Snappy)
}

#[test]
fn a_column_of_lists_is_a_matrix_whatever_stands_beside_it() {
    let (_folder, source) = open(&table());
    assert_eq!(source.names().unwrap(), ["embedding", "ids"]);
    let rows = source.matrix(&["patterns"]).unwrap();
    assert_eq!((rows.rows(), rows.columns()), (2, 3));
    assert_eq!(rows.as_slice(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(source.integers(&["ids"]).unwrap(), (vec![7, u64::MAX], vec![2]));
    let strings = source.matrix(&["text"]).unwrap_err().to_string();
    assert!(strings.contains("column 'text' holds strings"), "{strings}");
}

#[test]
fn every_way_of_writing_gives_the_same_numbers() {
    // More rows than are read at a time, in groups of unlike sizes, and values that no dictionary has room for.
    let values: Vec<f32> = (0..5000 * 4).map(|i| (i as f32).sin()).collect();
    for way in [Way::Plain, Way::Snappy, Way::Gzip, Way::Zstd, Way::Second] {
        let groups = vec![vec![embedding(&values[..12_000], 4)], vec![embedding(&values[12_000..], 4)]];
        let (_folder, source) = open(&file(EMBEDDING, groups, way));
        let rows = source.matrix(&[]).unwrap();
        assert_eq!((rows.rows(), rows.columns()), (5000, 4));
        assert!(rows.as_slice() == values);
        let (shared, columns) = source.shared(&[]).unwrap();
        assert!((*shared).as_ref() == values && columns == 4);
        assert_eq!(source.matrix_f64(&[]).unwrap().0[17], f64::from(values[17]));
    }
}

#[test]
fn columns_of_numbers_stand_side_by_side_or_alone() {
    let schema = "message m { required double x; optional int32 y; required boolean keep; }";
    let columns = vec![
        Column::flat(Values::F64(vec![0.5, 1.5])),
        Column::optional(Values::I32(vec![-3, 4]), &[1, 1]),
        Column::flat(Values::Bool(vec![true, false])),
    ];
    let (_folder, source) = open(&file(schema, vec![columns], Way::Plain));
    let rows = source.matrix(&["patterns"]).unwrap();
    assert_eq!((rows.rows(), rows.columns()), (2, 3));
    assert_eq!(rows.as_slice(), [0.5, -3.0, 1.0, 1.5, 4.0, 0.0]);
    assert_eq!(source.mask(&["keep"]).unwrap(), (vec![true, false], vec![2]));
    assert_eq!(source.values(&["y"]).unwrap(), ([-3.0, 4.0][..].into(), vec![2]));
    assert!(source.integers(&["y"]).unwrap_err().to_string().contains("-3 at position 0"));
    assert!(source.integers(&["x"]).unwrap_err().to_string().contains("no whole numbers"));
}

#[test]
fn every_type_of_numbers_is_read() {
    let halves = Values::Fixed(vec![[0, 0x3c], [0, 0xc0]]);
    for (schema, values, want) in [
        ("required int32 a;", Values::I32(vec![-1, 2]), [-1.0, 2.0]),
        ("required int32 a (INTEGER(32, false));", Values::I32(vec![-1, 2]), [4_294_967_295.0, 2.0]),
        ("required int32 a (UINT_8);", Values::I32(vec![255, 2]), [255.0, 2.0]),
        ("required int64 a;", Values::I64(vec![-1, 2]), [-1.0, 2.0]),
        ("required int64 a (UINT_64);", Values::I64(vec![-1, 2]), [18_446_744_073_709_551_615.0, 2.0]),
        ("required float a;", Values::F32(vec![0.5, 2.0]), [0.5, 2.0]),
        ("required double a;", Values::F64(vec![1e300, 2.0]), [1e300, 2.0]),
        ("required fixed_len_byte_array(2) a (FLOAT16);", halves, [1.0, -2.0]),
        ("required boolean a;", Values::Bool(vec![true, false]), [1.0, 0.0]),
    ] {
        let (_folder, source) = open(&one(schema, values));
        assert_eq!(source.matrix_f64(&["a"]).unwrap(), (want.to_vec(), 2), "{schema}");
    }
}

#[test]
fn what_is_no_matrix_is_named_with_its_column_and_row() {
    let lists = |defined: &[i16], repeated: &[i16], count: usize| {
        let values = Values::F32(vec![1.0; count]);
        file(EMBEDDING, vec![vec![Column::lists(values, defined, repeated)]], Way::Plain)
    };
    let optional = Column::optional(Values::F64(vec![1.0, 2.0]), &[1, 0, 1]);
    let wide = Column::rows(Values::F64(vec![1.0, 2.0, 3.0, 1e300]), 4, 2, 1);
    let wide_schema =
        "message m { required group w (LIST) { repeated group list { required double element; } } }";
    let deep = "message m { required group s { required float x; required float y; } }";
    let two = vec![Column::flat(Values::F32(vec![1.0])), Column::flat(Values::F32(vec![1.0]))];
    for (bytes, want) in [
        (
            lists(&[3, 3, 0, 3, 3], &[0, 1, 0, 0, 1], 4),
            "column 'embedding' has a null, or an empty list, in row 1",
        ),
        (lists(&[3, 3, 3, 2], &[0, 1, 0, 1], 3), "column 'embedding' has a null, or an empty list, in row 1"),
        (lists(&[3, 3, 1], &[0, 1, 0], 2), "column 'embedding' has a null, or an empty list, in row 1"),
        (
            lists(&[3, 3, 3, 3, 3], &[0, 1, 0, 1, 1], 5),
            "column 'embedding' has 2 numbers in row 0 and 3 in row 1",
        ),
        (lists(&[3, 3, 3], &[0, 1, 0], 3), "column 'embedding' has 2 numbers in row 0 and 1 in row 1"),
        (
            file("message m { optional double x; }", vec![vec![optional]], Way::Plain),
            "column 'x' has a null in row 1",
        ),
        (
            file(wide_schema, vec![vec![wide]], Way::Plain),
            "column 'w' has 1e300 in row 1, which is beyond f32",
        ),
        (one("required int32 d (DATE);", Values::I32(vec![1])), "holds no array"),
        (file(deep, vec![two], Way::Plain), "holds no array"),
    ] {
        let (_folder, source) = open(&bytes);
        let message = source.matrix(&["patterns"]).unwrap_err().to_string();
        assert!(message.contains(want), "{message}");
        assert!(message.contains("table.parquet"), "{message}");
    }
}

#[test]
fn a_table_of_another_writer_is_read() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/parquet/table.parquet");
    let source = Source::open(path).unwrap();
    let several = source.matrix(&["patterns"]).unwrap_err().to_string();
    assert!(several.contains("the file holds the arrays ids, embedding, keep, half"), "{several}");
    let rows = source.matrix(&["patterns", "embedding"]).unwrap();
    assert_eq!((rows.rows(), rows.columns()), (3, 4));
    assert_eq!(rows.row(2), [8.0, 9.0, 10.0, 11.0]);
    let halves = source.matrix(&["half"]).unwrap();
    assert_eq!((halves.row(1), halves.columns()), (&[2.5_f32, 3.5][..], 2));
    assert_eq!(source.integers(&["ids"]).unwrap().0, [3, 1, 2]);
    assert_eq!(source.mask(&["keep"]).unwrap().0, [true, false, true]);
}

#[test]
fn a_file_that_claims_more_than_it_can_hold_is_refused_before_it_is_unpacked() {
    // Ten million numbers of 8 bytes from a file of some thousand, as runs of one.
    let constant = one("required int64 n;", Values::I64(vec![7; 10_000_000]));
    assert!(constant.len() < 60_000, "{}", constant.len());
    let (_folder, source) = open(&constant);
    let message = source.matrix(&[]).unwrap_err().to_string();
    assert!(message.contains("10000000 values or more in column 'n'"), "{message}");
    // The same of moderate size is nobody's attack.
    let (_folder, source) = open(&one("required int64 n;", Values::I64(vec![7; 100_000])));
    assert_eq!(source.matrix(&[]).unwrap().columns(), 100_000);
}

#[test]
fn a_compression_that_is_not_read_is_named_with_what_is() {
    let sound =
        file("message m { required float n; }", vec![vec![Column::flat(Values::F32(vec![1.0]))]], Way::Zstd);
    // Where the metadata of the column says its codec, behind its path: 6, which is zstd, written as 12.
    let at = sound.windows(6).position(|bytes| bytes == [0x19, 0x18, 1, b'n', 0x15, 12]).unwrap() + 5;
    for (code, name) in [(3, "lzo"), (4, "brotli"), (5, "lz4"), (7, "lz4")] {
        let mut other = sound.clone();
        other[at] = 2 * code;
        let (_folder, source) = open(&other);
        let message = source.matrix(&[]).unwrap_err().to_string();
        let want = format!("column 'n' is compressed with {name}, which is not read here");
        assert!(
            message.contains(&want) && message.contains("zstd") && !message.contains("damaged"),
            "{message}"
        );
    }
}

#[test]
fn a_column_is_taken_by_the_name_behind_the_path() {
    let (folder, source) = open(&table());
    drop(source);
    let named = |name: &str| Source::open(folder.path().join(format!("table.parquet:{name}")));
    assert_eq!(named("ids").unwrap().integers(&["other"]).unwrap().0, [7, u64::MAX]);
    assert_eq!(named("embedding").unwrap().matrix(&["ids"]).unwrap().columns(), 3);
    let missing = named("none").unwrap().matrix(&["embedding"]).unwrap_err().to_string();
    assert!(
        missing.ends_with("table.parquet: the file holds no array 'none'; it holds ids, embedding, text"),
        "{missing}"
    );
}

#[test]
fn whole_and_wide_columns_keep_their_detail() {
    let stamps: Vec<i64> = (0..50).map(|i| 1_700_000_000_000_000_001 + i).collect();
    let (_folder, source) = open(&one("required int64 at;", Values::I64(stamps)));
    // A column of numbers is a vector, and that a row.
    let narrowed = source.narrowed(&[], Narrowing::Nearest).unwrap();
    assert_eq!(narrowed.rows().columns(), 50);
    let schema = "message m { required int64 at; required int64 again; }";
    let columns = (0..2).map(|c| {
        Column::flat(Values::I64((0..50).map(|i| 1_700_000_000_000_000_001 + i * (c + 1)).collect()))
    });
    let (_folder, source) = open(&file(schema, vec![columns.collect()], Way::Plain));
    let narrowed = source.narrowed(&[], Narrowing::Centred).unwrap();
    assert_eq!(narrowed.collisions(), None);
    let rows = narrowed.rows();
    assert!(
        (1..50).all(|i| rows[(i, 0)] - rows[(i - 1, 0)] == 1.0 && rows[(i, 1)] - rows[(i - 1, 1)] == 2.0)
    );
}

#[test]
fn parquet_files_are_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let message = check_writable(folder.path().join("a.parquet")).unwrap_err().to_string();
    assert!(message.contains("read alone"), "{message}");
}
