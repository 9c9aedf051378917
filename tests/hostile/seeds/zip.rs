//! `.npz`: archives put together by hand, so that every number in them may lie.

use super::{Seed, arrays::npy};
use flate2::{Compression, write::DeflateEncoder};
use std::io::Write;

/// One entry, with what its two headers say of it.
#[derive(Clone)]
struct Entry {
    name: Vec<u8>,
    method: u16,
    flags: u16,
    data: Vec<u8>,
    checksum: u32,
    /// Compressed and uncompressed size, in the local header and in the directory.
    local: [u32; 2],
    listed: [u32; 2],
    extra: Vec<u8>,
    /// Where the directory says that it begins, if not where it does.
    offset: Option<u32>,
}

impl Entry {
    fn stored(name: &str, content: &[u8]) -> Self {
        let size = content.len() as u32;
        Self {
            name: name.as_bytes().to_vec(),
            method: 0,
            flags: 0,
            data: content.to_vec(),
            checksum: crc32fast::hash(content),
            local: [size; 2],
            listed: [size; 2],
            extra: Vec::new(),
            offset: None,
        }
    }

    fn deflated(name: &str, content: &[u8]) -> Self {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content).expect("room");
        let data = encoder.finish().expect("room");
        let sizes = [data.len() as u32, content.len() as u32];
        Self { method: 8, data, local: sizes, listed: sizes, ..Self::stored(name, content) }
    }

    /// What both headers have in common.
    fn middle(&self, [compressed, size]: [u32; 2]) -> Vec<u8> {
        let words = |words: &[u16]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
        [
            words(&[20, self.flags, self.method, 0, 33]),
            self.checksum.to_le_bytes().to_vec(),
            compressed.to_le_bytes().to_vec(),
            size.to_le_bytes().to_vec(),
            words(&[self.name.len() as u16, self.extra.len() as u16]),
        ]
        .concat()
    }
}

/// An archive of entries.
fn archive(entries: &[Entry]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let at = entry.offset.unwrap_or(file.len() as u32);
        if entry.offset.is_none() {
            file.extend(
                [b"PK\x03\x04", &entry.middle(entry.local)[..], &entry.name, &entry.extra, &entry.data]
                    .concat(),
            );
        }
        directory.extend(
            [
                b"PK\x01\x02\x14\x00",
                &entry.middle(entry.listed)[..],
                &[0; 10],
                &at.to_le_bytes(),
                &entry.name,
                &entry.extra,
            ]
            .concat(),
        );
    }
    let (count, start, length) = (entries.len() as u16, file.len() as u32, directory.len() as u32);
    file.extend(directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    file.extend([length.to_le_bytes(), start.to_le_bytes()].concat());
    file.extend([0, 0]);
    file
}

/// A zip64 end before the plain one, which says these numbers of entries, bytes and place of the directory.
fn zip64(file: &[u8], [count, length, start]: [u64; 3]) -> Vec<u8> {
    let end = file.len() - 22;
    let mut out = file[..end].to_vec();
    let record = out.len() as u64;
    out.extend(b"PK\x06\x06");
    out.extend(44_u64.to_le_bytes());
    out.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    [count, count, length, start].iter().for_each(|number| out.extend(number.to_le_bytes()));
    out.extend(b"PK\x06\x07\0\0\0\0");
    out.extend(record.to_le_bytes());
    out.extend([1, 0, 0, 0]);
    out.extend(b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0");
    out
}

/// A deflate stream of one stored block, then blocks that copy what came before: as a quine's, it grows of little.
fn repeating() -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&[0; 1 << 20]).expect("room");
    encoder.finish().expect("room")
}

pub(super) fn npz_files() -> Vec<Seed> {
    let array = npy("'<f4'", "False", "(2, 3)", &[0x3f; 24]);
    let other = npy("'<i2'", "False", "(4,)", &[1, 0, 2, 0, 3, 0, 255, 255]);
    let zeros = npy("'|u1'", "False", "(1048576,)", &vec![0; 1 << 20]);
    let (a, d) = (Entry::stored("a.npy", &array), Entry::deflated("a.npy", &array));
    let b = Entry::stored("b.npy", &other);
    let bomb = Entry::deflated("a.npy", &zeros);
    let with = |change: fn(&mut Entry), entry: &Entry| {
        let mut entry = entry.clone();
        change(&mut entry);
        archive(&[entry])
    };
    let named = |name: &[u8]| archive(&[Entry { name: name.to_vec(), ..a.clone() }]);
    let sound = archive(&[a.clone(), Entry { name: b"b.npy".to_vec(), ..d.clone() }]);
    // Entries of the directory that all lead to the first: as `zbsm`, but without its trick with quoted headers.
    let mut overlapping = vec![bomb.clone()];
    for i in 0..40 {
        overlapping.push(Entry { name: format!("{i}.npy").into_bytes(), offset: Some(0), ..bomb.clone() });
    }
    // A local header within the data of another entry.
    let inner = archive(std::slice::from_ref(&b));
    let within = Entry { name: b"in.npy".to_vec(), offset: Some(35), ..b.clone() };
    let claims = |size: u32| {
        let array = npy("'|u1'", "False", &format!("({},)", size - 128), &[0; 1000]);
        let mut entry = Entry::deflated("a.npy", &array);
        entry.listed[1] = size;
        entry.local[1] = size;
        archive(&[entry])
    };
    let files = vec![
        ("sound", sound.clone()),
        ("sound-deflated", archive(std::slice::from_ref(&d))),
        ("bomb", archive(std::slice::from_ref(&bomb))),
        ("bomb-cut-short", with(|e| e.data.truncate(500), &bomb)),
        ("bomb-smaller-listed", with(|e| e.listed[1] = 1000, &bomb)),
        ("bomb-raw", archive(&[Entry { data: repeating(), ..bomb.clone() }])),
        ("overlapping", archive(&overlapping)),
        ("within-another", archive(&[Entry::stored("out.npy", &inner), within])),
        ("claims-deflates-most", claims(1000)),
        ("claims-2-gib", claims(1 << 31)),
        ("claims-4-gib", claims(u32::MAX)),
        ("stored-claims-more", with(|e| e.listed = [1 << 30; 2], &a)),
        ("sizes-differ", with(|e| e.local = [1, 2], &d)),
        ("no-sizes-in-local", with(|e| (e.local, e.flags) = ([0; 2], 8), &d)),
        ("wrong-checksum", with(|e| e.checksum ^= 1, &d)),
        ("encrypted", with(|e| e.flags = 1, &a)),
        ("aes-without-flag", with(|e| e.extra = vec![0x01, 0x99, 7, 0, 1, 0, 0x41, 0x45, 1, 8, 0], &a)),
        ("bzip2", with(|e| e.method = 12, &a)),
        ("zstd", with(|e| e.method = 93, &a)),
        ("lzma", with(|e| e.method = 14, &a)),
        ("unknown-method", with(|e| e.method = 0xffff, &a)),
        (
            "zip64-sizes",
            with(|e| (e.listed, e.extra) = ([u32::MAX; 2], [&[1, 0, 16, 0][..], &[0xff; 16]].concat()), &a),
        ),
        ("zip64-extra-cut", with(|e| (e.listed, e.extra) = ([u32::MAX; 2], vec![1, 0, 200, 0, 9]), &a)),
        ("extra-too-long", with(|e| e.extra = vec![1, 0, 255, 255], &a)),
        ("zip64-count", zip64(&sound, [1 << 40, 100, 0])),
        ("zip64-count-fits", zip64(&sound, [7, 100, 0])),
        ("zip64-place", zip64(&sound, [2, 100, u64::MAX])),
        ("offset-beyond", with(|e| e.offset = Some(u32::MAX - 1), &a)),
        (
            "count-more",
            super::replaced(&sound, b"PK\x05\x06\0\0\0\0\x02\0\x02\0", b"PK\x05\x06\0\0\0\0\xff\x7f\xff\x7f"),
        ),
        ("no-entries", archive(&[])),
        ("same-name", archive(&[a.clone(), Entry { name: b"a.npy".to_vec(), ..b.clone() }])),
        ("parent-folder", named(b"../../etc/passwd.npy")),
        ("absolute", named(b"/etc/passwd.npy")),
        ("name-not-utf8", named(b"\xff\xfe.npy")),
        ("name-with-zero", named(b"a\0\x1b[2J\n.npy")),
        ("no-name", named(b"")),
        ("only-suffix", named(b".npy")),
        ("folder", named(b"a.npy/")),
        ("no-array", named(b"readme.txt")),
        ("long-name", named(&[b'n'; 65_000])),
        ("objects", archive(&[Entry::stored("a.npy", &npy("'|O'", "False", "(1,)", b"\x80\x03N."))])),
        ("fortran", archive(&[Entry::deflated("a.npy", &npy("'<f4'", "True", "(2, 3)", &[0; 24]))])),
        ("big-endian", archive(&[Entry::deflated("a.npy", &npy("'>f8'", "False", "(3,)", &[0; 24]))])),
        ("longer-than-shape", archive(&[Entry::deflated("a.npy", &npy("'<f4'", "False", "(5,)", &[0; 24]))])),
        (
            "shape-2-to-62",
            archive(&[Entry::deflated("a.npy", &npy("'|u1'", "False", "(4611686018427387904,)", &[0; 24]))]),
        ),
        ("archive-in-archive", archive(&[Entry::stored("a.npz", &sound), b])),
        ("before-it", [&b"#!/bin/sh\n"[..], &sound].concat()),
    ];
    files.into_iter().map(|(name, bytes)| Seed::new("npz", name, bytes)).collect()
}
