//! Saved memories, weights of layers, stores and their journals.

use super::{Seed, arrays::safetensors, replaced};
use crate::targets::{
    store::{STAMP, journal_head, sample},
    weights::COLUMNS,
};
use attractor::{
    Device, Rows,
    io::{Array, ArrayData, write},
    memory::{FeatureMemory, FeatureSettings},
    ops::{FeatureMap, FeatureSpec, FrequencySource, Projection},
    store::IdKind,
};
use std::fs;

fn saved_features(spec: FeatureSpec, settings: FeatureSettings) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("m.safetensors");
    let settings = FeatureSettings { device: Some(Device::cpu()), ..settings };
    let mut memory = FeatureMemory::with(spec, settings).expect("a memory");
    memory.absorb(&[[0.5, 0.25], [-0.5, 0.125]]).expect("patterns");
    memory.save(&path).expect("saved");
    fs::read(path).expect("its file")
}

pub(super) fn features() -> Vec<Seed> {
    let spec = FeatureSpec::new(FeatureMap::SinCos, 4, 2, 2.0, 7);
    let sound = saved_features(spec.clone(), FeatureSettings::default());
    let of = |projection| FeatureSpec {
        source: FrequencySource::Seed { seed: 7, projection },
        ..FeatureSpec::new(FeatureMap::Cos, 5, 2, 2.0, 7)
    };
    let frequencies = Rows::new(vec![1.0, 0.0, 0.5, -1.0], 2).expect("rows");
    let given = FeatureSpec::given(FeatureMap::Cos, frequencies, Some(&[0.1, 0.2]), 2.0).expect("a map");
    let shift = FeatureSettings { shift: vec![0.5, -0.5], scale: 0.5, ..FeatureSettings::default() };
    let mut files = vec![
        ("sound", sound.clone()),
        ("orthogonal", saved_features(of(Projection::Orthogonal), FeatureSettings::default())),
        ("structured", saved_features(of(Projection::Structured), FeatureSettings::default())),
        ("given", saved_features(given, FeatureSettings::default())),
        ("shift", saved_features(spec, shift)),
    ];
    let said = |name: &'static str, from: &str, to: &str| (name, said(&sound, from, to));
    files.extend([
        said("beta-nan", "\"beta\":\"2\"", "\"beta\":\"NaN\""),
        said("beta-negative", "\"beta\":\"2\"", "\"beta\":\"-2\""),
        said("features-2-to-63", "\"features\":\"4\"", "\"features\":\"9223372036854775808\""),
        said("features-2-to-62", "\"features\":\"4\"", "\"features\":\"4611686018427387904\""),
        said("features-2-to-31", "\"features\":\"4\"", "\"features\":\"2147483648\""),
        said("features-0", "\"features\":\"4\"", "\"features\":\"0\""),
        said("dim-2-to-40", "\"dim\":\"2\"", "\"dim\":\"1099511627776\""),
        said("dim-other", "\"dim\":\"2\"", "\"dim\":\"3\""),
        said("seed-negative", "\"seed\":\"7\"", "\"seed\":\"-7\""),
        said("count-overflows", "\"count\":\"2\"", "\"count\":\"18446744073709551616\""),
        said("count-largest", "\"count\":\"2\"", "\"count\":\"18446744073709551615\""),
        said("weight-nan", "\"weight\":\"2\"", "\"weight\":\"NaN\""),
        said("scale-0", "\"scale\":\"1\"", "\"scale\":\"0\""),
        said("scale-tiny", "\"scale\":\"1\"", "\"scale\":\"1e-45\""),
        said("epsilon-inf", "\"epsilon\":\"", "\"epsilon\":\"inf"),
        said("map-unknown", "\"map\":\"sincos\"", "\"map\":\"two\\nlines\""),
        said("long-version", "\"version\":\"1\"", &format!("\"version\":\"{}\"", "1\\n".repeat(3000))),
        said("other-generator", "philox4x32-10", "mersenne"),
        said("no-format", "\"format\"", "\"former\""),
        said(
            "memory-f32",
            "\"memory\":{\"dtype\":\"F64\",\"shape\":[8]",
            "\"memory\":{\"dtype\":\"F32\",\"shape\":[16]",
        ),
        said("frequencies-alone", "\"sum\"", "\"frequencies\""),
    ]);
    let nan = f64::NAN.to_le_bytes();
    // The last values before the checksums, of which there are two.
    let end = sound.len() - 16;
    files.push(("sum-nan", [&sound[..end], &nan, &sound[end + 8..]].concat()));
    files.into_iter().map(|(name, bytes)| Seed::new("features", name, bytes)).collect()
}

/// A safetensors file with one thing that its header says replaced by another, which must be there.
fn said(file: &[u8], from: &str, to: &str) -> Vec<u8> {
    let length = u64::from_le_bytes(file[..8].try_into().expect("8 bytes")) as usize;
    let header = std::str::from_utf8(&file[8..8 + length]).expect("JSON");
    assert!(header.contains(from), "{from} in {header}");
    safetensors(&header.replace(from, to), &file[8 + length..])
}

pub(super) fn weights() -> Vec<Seed> {
    const D: usize = COLUMNS;
    let values: Vec<f32> = (0..3 * D * D).map(|i| i as f32 / 16.0 - 1.0).collect();
    let file = |arrays: &[(&str, &[usize])]| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("w.safetensors");
        let array = |(name, shape): &(&'static str, &[usize])| Array {
            name,
            shape: shape.to_vec(),
            data: ArrayData::F32(&values[..shape.iter().product()]),
        };
        let arrays: Vec<Array<'_>> = arrays.iter().map(|(n, s)| (leak(n), *s)).map(|a| array(&a)).collect();
        write(&path, &arrays).expect("saved");
        fs::read(path).expect("its file")
    };
    let core: [(&str, &[usize]); 10] = [
        ("norm_stored_pattern.weight", &[D]),
        ("norm_stored_pattern.bias", &[D]),
        ("norm_state_pattern.weight", &[D]),
        ("norm_state_pattern.bias", &[D]),
        ("norm_pattern_projection.weight", &[D]),
        ("norm_pattern_projection.bias", &[D]),
        ("association_core.in_proj_weight", &[3 * D, D]),
        ("association_core.in_proj_bias", &[3 * D]),
        ("association_core.out_proj.weight", &[D, D]),
        ("association_core.out_proj.bias", &[D]),
    ];
    let sound = file(&core);
    let under: Vec<(String, &[usize])> = core.iter().map(|(n, s)| (format!("hopfield.{n}"), *s)).collect();
    let with = |name: &'static str, shape: &'static [usize]| {
        let mut all: Vec<(&str, &[usize])> = under.iter().map(|(n, s)| (n.as_str(), *s)).collect();
        all.push((name, shape));
        file(&all)
    };
    let block: [(&str, &[usize]); 5] =
        [("Wk", &[2, 3, D]), ("Wq", &[2, 3, D]), ("Xi", &[D, 6]), ("LNORM_gamma", &[]), ("LNORM_bias", &[D])];
    let mut files = vec![
        ("sound", sound.clone()),
        ("lookup", with("lookup_weights", &[1, 3, D])),
        ("lookup-no-rows", with("lookup_weights", &[1, 0, D])),
        ("pooling", with("pooling_weights", &[1, 2, D])),
        ("pooling-flat", with("pooling_weights", &[2])),
        ("lookup-numbers", with("lookup_weights", &[])),
        ("block", file(&block)),
        ("block-no-heads", file(&[("Wk", &[0, 3, D]), ("Wq", &[0, 3, D]), block[2], block[3], block[4]])),
        ("block-huge-space", file(&[("Wk", &[0, 1 << 40, 1 << 20]), block[3]])),
        ("block-two-gains", file(&[block[0], block[1], block[2], ("LNORM_gamma", &[2]), block[4]])),
        ("none", file(&[])),
        ("lacking", file(&core[..7])),
    ];
    let mut nan = sound.clone();
    let end = nan.len() - 4;
    nan[end..].copy_from_slice(&f32::NAN.to_le_bytes());
    files.push(("not-finite", nan));
    files.push(("odd-name", said(&sound, "in_proj_bias", "in\\n\\u001b_bias")));
    files.push(("halves", said(&sound, "\"F32\",\"shape\":[12, 4]", "\"F16\",\"shape\":[24, 4]")));
    files.into_iter().map(|(name, bytes)| Seed::new("weights", name, bytes)).collect()
}

/// A name that lives as long as the program, as arrays in a list of them need.
fn leak(name: &str) -> &'static str {
    Box::leak(name.to_owned().into_boxed_str())
}

pub(super) fn stores() -> Vec<Seed> {
    let [numbers, names] = [IdKind::Number, IdKind::Name].map(sample);
    let said = |name: &'static str, from: &str, to: &str| (name, said(&numbers, from, to));
    // Numbers of 8 bytes among the values: ids first, then where payloads end; of names, where these end first.
    let value = |file: &[u8], at: usize, to: u64| {
        let length = u64::from_le_bytes(file[..8].try_into().expect("8 bytes")) as usize;
        let mut file = file.to_vec();
        file[8 + length + 8 * at..][..8].copy_from_slice(&to.to_le_bytes());
        file
    };
    let order = |to: [u32; 3]| {
        let old = [0_u32, 1, 2].map(u32::to_le_bytes).concat();
        replaced(&numbers, &old, &to.map(u32::to_le_bytes).concat())
    };
    let files = vec![
        ("sound", numbers.clone()),
        ("sound-names", names.clone()),
        ("id-twice", value(&numbers, 1, 0)),
        ("id-largest", value(&numbers, 2, u64::MAX)),
        ("ids-backwards", value(&value(&numbers, 0, 9), 2, 0)),
        ("order-out-of-range", order([0, 1, 3])),
        ("order-of-one", order([1, 1, 1])),
        ("order-backwards", order([2, 1, 0])),
        ("payload-ends-backwards", value(&numbers, 3, 8)),
        ("payload-end-beyond", value(&numbers, 5, 1 << 40)),
        ("payload-end-largest", value(&numbers, 3, u64::MAX)),
        ("name-ends-beyond", value(&names, 0, 1 << 63)),
        ("name-cuts-a-letter", value(&names, 1, 3)),
        ("name-twice", replaced(&names, "baé".as_bytes(), "bbé".as_bytes())),
        ("name-not-utf8", replaced(&names, "é".as_bytes(), b"\xff\xfe")),
        said("generation-largest", "\"generation\":\"1\"", "\"generation\":\"18446744073709551615\""),
        said("generation-overflows", "\"generation\":\"1\"", "\"generation\":\"18446744073709551616\""),
        said("next-largest", "\"next\":\"3\"", "\"next\":\"18446744073709551615\""),
        said("next-below-ids", "\"next\":\"3\"", "\"next\":\"0\""),
        said("next-negative", "\"next\":\"3\"", "\"next\":\"-1\""),
        said(
            "stamp-is-previous",
            "\"previous\":\"0000000000000000\"",
            &format!("\"previous\":\"{STAMP:016x}\""),
        ),
        said("stamp-no-number", "\"previous\":\"0000000000000000\"", "\"previous\":\"xyz\""),
        said("beta-nan", "\"beta\":\"auto\"", "\"beta\":\"NaN\""),
        said("version-odd", "\"version\":\"1\"", "\"version\":\"1\\n\\u001b[2J\""),
        said(
            "similarity-long",
            "\"similarity\":\"l2\"",
            &format!("\"similarity\":\"{}\"", "l2\\n".repeat(2000)),
        ),
        said("precision-other", "\"precision\":\"f32\"", "\"precision\":\"f16\""),
        said("ids-of-other-kind", "\"ids\":\"u64\"", "\"ids\":\"string\""),
        said("patterns-flat", "\"shape\":[3, 2]", "\"shape\":[6]"),
        said("patterns-rows-more", "\"shape\":[3, 2]", "\"shape\":[6, 1]"),
        said("order-i32", "\"U32\"", "\"I32\""),
        said("no-payloads", "\"payloads\"", "\"payload\""),
    ];
    files.into_iter().map(|(name, bytes)| Seed::new("store", name, bytes)).collect()
}

/// Body of a record that stores patterns of two columns.
fn put(ids: &[&[u8]], named: bool, rows: &[f32], payloads: &[&[u8]]) -> Vec<u8> {
    let sized = |part: &[u8]| [&(part.len() as u64).to_le_bytes(), part].concat();
    let mut body = head(1, named, ids.len() as u64);
    ids.iter().for_each(|id| body.extend(if named { sized(id) } else { id.to_vec() }));
    body.extend(sized(bytemuck::cast_slice(rows)));
    body.extend((payloads.len() as u64).to_le_bytes());
    payloads.iter().for_each(|payload| body.extend(sized(payload)));
    body
}

/// Body of a record that forgets patterns.
fn forget(ids: &[u64]) -> Vec<u8> {
    let mut body = head(2, false, ids.len() as u64);
    ids.iter().for_each(|id| body.extend(id.to_le_bytes()));
    body
}

fn head(what: u8, named: bool, count: u64) -> Vec<u8> {
    [&[what, u8::from(named)][..], &count.to_le_bytes()].concat()
}

pub(super) fn journals() -> Vec<Seed> {
    let id = |id: u64| id.to_le_bytes();
    let list = |bodies: &[Vec<u8>]| {
        bodies.iter().flat_map(|b| [&(b.len() as u16).to_le_bytes()[..], b].concat()).collect::<Vec<u8>>()
    };
    let of_numbers = |bodies: &[Vec<u8>]| [vec![2], list(bodies)].concat();
    let of_names = |bodies: &[Vec<u8>]| [vec![3], list(bodies)].concat();
    let new = put(&[&id(7)], false, &[7.0, 7.5], &[b"seven"]);
    let raw = |journal: Vec<u8>| [vec![0], journal].concat();
    // As the library writes it, by way of what the target makes of bodies.
    let written = crate::targets::store::recorded(&list(&[new.clone(), forget(&[0])]), STAMP);
    let mut changed = written.clone();
    changed[60] ^= 1;
    let mut wrong_place = written.clone();
    wrong_place.drain(24..24 + 16 + new.len());
    let with_file = |file: &[u8], bodies: &[Vec<u8>]| {
        [vec![4], (file.len() as u32).to_le_bytes().to_vec(), file.to_vec(), list(bodies)].concat()
    };
    let file = sample(IdKind::Number);
    let files = vec![
        ("sound", of_numbers(&[new.clone(), forget(&[0, 7])])),
        ("sound-raw", raw(written.clone())),
        ("sound-names", of_names(&[put(&[b"c", "é".as_bytes()], true, &[1.0; 4], &[])])),
        ("sound-with-file", with_file(&file, std::slice::from_ref(&new))),
        ("replaces", of_numbers(&[put(&[&id(1)], false, &[1.0, 1.0], &[])])),
        ("id-twice-in-one", of_numbers(&[put(&[&id(7), &id(7)], false, &[1.0, 2.0, 3.0, 4.0], &[])])),
        ("forget-twice-in-one", of_numbers(&[forget(&[1, 1])])),
        ("forget-unknown", of_numbers(&[forget(&[99])])),
        ("forget-forgotten", of_numbers(&[forget(&[1]), forget(&[1])])),
        ("forget-all", of_numbers(&[forget(&[0, 1, 2])])),
        ("id-largest", of_numbers(&[put(&[&id(u64::MAX)], false, &[1.0, 1.0], &[])])),
        ("rows-too-few", of_numbers(&[put(&[&id(7), &id(8)], false, &[1.0, 1.0], &[])])),
        ("payloads-too-few", of_numbers(&[put(&[&id(7), &id(8)], false, &[1.0; 4], &[b"x"])])),
        ("rows-not-finite", of_numbers(&[put(&[&id(7)], false, &[f32::NAN, f32::INFINITY], &[])])),
        ("nothing-put", of_numbers(&[put(&[], false, &[], &[])])),
        ("names-in-numbers", of_numbers(&[put(&[b"c"], true, &[1.0, 1.0], &[])])),
        ("numbers-in-names", of_names(std::slice::from_ref(&new))),
        ("name-not-utf8", of_names(&[put(&[b"\xff"], true, &[1.0, 1.0], &[])])),
        ("name-empty", of_names(&[put(&[b""], true, &[1.0, 1.0], &[])])),
        ("count-2-to-63", of_numbers(&[head(2, false, 1 << 63)])),
        ("count-of-empty-payloads", of_numbers(&[put(&[&id(7)], false, &[1.0, 1.0], &vec![&b""[..]; 900])])),
        ("unknown-kind", of_numbers(&[head(3, false, 0)])),
        ("bytes-behind", of_numbers(&[[forget(&[1]), vec![0]].concat()])),
        ("empty-body", of_numbers(&[Vec::new()])),
        ("length-2-to-63", raw([&journal_head(STAMP)[..], &[0xff; 16]].concat())),
        ("changed", raw(changed)),
        ("first-record-gone", raw(wrong_place)),
        ("of-another-file", raw(journal_head(STAMP ^ 1))),
        ("of-the-file-before", raw(journal_head(0))),
        ("head-alone", raw(journal_head(STAMP))),
        ("half-a-head", raw(journal_head(STAMP)[..10].to_vec())),
        ("half-a-record", raw(written[..written.len() - 3].to_vec())),
        ("other-magic", raw([b"ATTRJRN2", &journal_head(STAMP)[8..]].concat())),
    ];
    files.into_iter().map(|(name, bytes)| Seed::new("journal", name, bytes)).collect()
}
