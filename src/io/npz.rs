//! The `.npz` format: a zip archive of `.npy` files.

use super::{
    fault::{Checked, Fault},
    format::Wanted,
    layout::{Layout, Target, shape_literal},
    npy,
    text::Texts,
    write::Array,
};
use npyz::{
    npz::{NpzArchive, NpzWriter, file_name_from_array_name},
    zip::{CompressionMethod, DateTime, ZipArchive, write::FileOptions},
};
use std::{
    collections::HashMap,
    io::{self, Cursor, Read, Seek, Write},
};

/// Reads one array of the archive.
pub(super) fn read<T: Target>(file: &[u8], wanted: Wanted<'_>) -> Checked<(Layout, Vec<T>)> {
    let mut archive = opened(file)?;
    let have = names_of(&archive);
    let name = wanted.choose(&have)?;
    let zip = archive.zip_archive();
    let place = places(zip).get(&file_name_from_array_name(name)).copied();
    read_array(file, zip, place).map_err(|fault| fault.in_array(name))
}

/// The layout of one array, by its header.
pub(super) fn layout(file: &[u8], wanted: Wanted<'_>) -> Checked<Layout> {
    let mut archive = opened(file)?;
    let have = names_of(&archive);
    let name = wanted.choose(&have)?;
    let zip = archive.zip_archive();
    let place = places(zip).get(&file_name_from_array_name(name)).copied();
    let mut found = Err(Fault::damaged("holds no array"));
    let looked = read_entry(file, zip, place, |header, _, _, size| {
        let layout = header.layout()?;
        check_length(header.length, layout.bytes(), size, &layout.shape)?;
        found = Ok(layout);
        Ok(None::<()>)
    });
    looked.and(found).map_err(|fault| fault.in_array(name))
}

/// Reads one array of strings; `None` where it is of another type.
pub(super) fn read_texts(file: &[u8], wanted: Wanted<'_>) -> Checked<Option<(Texts, Vec<String>)>> {
    let mut archive = opened(file)?;
    let have = names_of(&archive);
    let name = wanted.choose(&have)?;
    let zip = archive.zip_archive();
    let place = places(zip).get(&file_name_from_array_name(name)).copied();
    let read = read_entry(file, zip, place, |header, from, sure, size| {
        let Some(texts) = header.texts()? else { return Ok(None) };
        check_length(header.length, texts.bytes(), size, texts.shape())?;
        let strings = texts.read(from, sure)?;
        Ok(Some((texts, strings)))
    });
    read.map_err(|fault| fault.in_array(name))
}

/// All arrays with their names, sorted.
pub(super) fn read_all<T: Target>(file: &[u8]) -> Checked<Vec<(String, Layout, Vec<T>)>> {
    let mut archive = opened(file)?;
    let names = names_of(&archive);
    let zip = archive.zip_archive();
    let places = places(zip);
    let read = |name: String| -> Checked<_> {
        let place = places.get(&file_name_from_array_name(&name)).copied();
        let (layout, values) = read_array(file, zip, place).map_err(|fault| fault.in_array(&name))?;
        Ok((name, layout, values))
    };
    names.into_iter().map(read).collect()
}

/// Where the entry of each name is. As `NumPy` does, the last of several of one name is taken.
fn places(zip: &mut ZipArchive<Cursor<&[u8]>>) -> HashMap<String, usize> {
    let mut places = HashMap::with_capacity(zip.len());
    for i in 0..zip.len() {
        if let Ok(entry) = zip.by_index_raw(i) {
            places.insert(entry.name().to_owned(), i);
        }
    }
    places
}

/// The names of all arrays, sorted.
pub(super) fn names(file: &[u8]) -> Checked<Vec<String>> {
    opened(file).map(|archive| names_of(&archive))
}

fn opened(file: &[u8]) -> Checked<NpzArchive<Cursor<&[u8]>>> {
    check_entry_count(file)?;
    let mut archive = NpzArchive::new(Cursor::new(file)).map_err(|error| damaged(&error))?;
    check_overlap(archive.zip_archive())?;
    Ok(archive)
}

/// Refuses entries that share bytes: many that all lead to one long one are the bombs that need no nesting, and make
/// of a file a multiple of its size by far more than deflate does.
fn check_overlap(zip: &mut ZipArchive<Cursor<&[u8]>>) -> Checked<()> {
    let mut places = Vec::with_capacity(zip.len());
    for i in 0..zip.len() {
        // What cannot be opened is found to be so when it is read.
        if let Ok(entry) = zip.by_index_raw(i) {
            places.push((entry.header_start(), entry.data_start().saturating_add(entry.compressed_size())));
        }
    }
    places.sort_unstable();
    match places.windows(2).find(|pair| pair[0].1 > pair[1].0) {
        Some(pair) => {
            let problem = format!("is not a sound zip archive: two entries share byte {}", pair[1].0);
            Err(Fault::damaged(problem))
        }
        None => Ok(()),
    }
}

fn names_of(archive: &NpzArchive<Cursor<&[u8]>>) -> Vec<String> {
    let mut names: Vec<String> = archive.array_names().map(str::to_owned).collect();
    names.sort();
    names
}

fn damaged(error: &dyn std::error::Error) -> Fault {
    Fault::damaged(format!("is not a sound zip archive: {error}"))
}

/// Refuses a zip64 archive that declares more entries than fit: the zip crate reserves room for as
/// many as there are bytes in the file, which is hundreds of times its size.
fn check_entry_count(file: &[u8]) -> Checked<()> {
    const SMALLEST_ENTRY: usize = 46;
    match zip64_entry_count(file) {
        Some(count) if count > (file.len() / SMALLEST_ENTRY) as u64 => {
            Err(Fault::damaged(format!("is not a sound zip archive: {count} entries do not fit in it")))
        }
        _ => Ok(()),
    }
}

/// The number of entries in the zip64 end record, found as the zip crate finds it.
fn zip64_entry_count(file: &[u8]) -> Option<u64> {
    const END: usize = 22;
    const LOCATOR: usize = 20;
    let is = |signature| move |bytes: &[u8]| bytes == signature;
    let u64_at = |at| Some(u64::from_le_bytes(*file.get(at..)?.first_chunk()?));

    let last = file.len().checked_sub(END)?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    let end = first + file[first..last + 4].windows(4).rposition(is(b"PK\x05\x06"))?;
    let comment = u16::from_le_bytes(*file.get(end + 20..)?.first_chunk()?);
    let locator = last.checked_sub(LOCATOR + usize::from(comment))?;
    if !file[locator..].starts_with(b"PK\x06\x07") {
        return None;
    }
    let record = usize::try_from(u64_at(locator + 8)?).ok()?;
    let record = record + file.get(record..)?.windows(4).position(is(b"PK\x06\x06"))?;
    u64_at(record + 32)
}

fn read_array<T: Target>(
    file: &[u8],
    zip: &mut ZipArchive<Cursor<&[u8]>>,
    place: Option<usize>,
) -> Checked<(Layout, Vec<T>)> {
    read_entry(file, zip, place, |header, from, sure, size| {
        let layout = header.layout()?;
        check_length(header.length, layout.bytes(), size, &layout.shape)?;
        let values = layout.read(from, sure)?;
        Ok(Some((layout, values)))
    })?
    .ok_or_else(|| Fault::damaged("holds no array"))
}

/// Compares what a header says with the size of its entry.
fn check_length(header: usize, values: usize, have: u64, shape: &[usize]) -> Checked<()> {
    let want = (header + values) as u64;
    if want != have {
        let shape = shape_literal(shape);
        return Err(Fault::damaged(format!("has the shape {shape}, {want} bytes, but takes {have}")));
    }
    Ok(())
}

/// Opens an entry, and has `read` make something of what follows its header: how many bytes are surely there, and how large the
/// whole entry is, come with it. Where that makes nothing, the rest is not looked at.
fn read_entry<R>(
    file: &[u8],
    zip: &mut ZipArchive<Cursor<&[u8]>>,
    place: Option<usize>,
    read: impl FnOnce(&npy::Header, &mut dyn Read, usize, u64) -> Checked<Option<R>>,
) -> Checked<Option<R>> {
    let index = place.ok_or_else(|| Fault::damaged("has a damaged zip entry"))?;

    let raw = zip.by_index_raw(index).map_err(|error| damaged(&error))?;
    let central = usize::try_from(raw.central_header_start()).ok();
    let is_encrypted = central.and_then(|at| file.get(at + 8)).is_none_or(|flags| flags & 1 == 1);
    let is_readable = matches!(raw.compression(), CompressionMethod::Stored | CompressionMethod::Deflated);
    if is_encrypted || !is_readable {
        let problem =
            format!("is encrypted or compressed by a method that is not read ({})", raw.compression());
        return Err(Fault::new(problem, "write it with numpy.savez or numpy.savez_compressed"));
    }
    check_sizes(raw.compression(), raw.size(), raw.compressed_size(), file.len() as u64)?;
    let compressed = raw.compressed_size() as usize;
    drop(raw);

    // The password is unused. Without one, the zip crate panics at an entry that has the marks of
    // encryption in its extra field only; with one, it says that the password is wrong.
    let mut entry = zip
        .by_index_decrypt(index, b"")
        .map_err(|error| damaged(&error))?
        .map_err(|_| Fault::damaged("has a damaged zip entry"))?;
    let header = npy::read_header(&mut entry)?;
    let size = entry.size();
    let Some(values) = read(&header, &mut entry, compressed, size)? else { return Ok(None) };
    // The end is where the checksum is compared.
    match entry.read(&mut [0]) {
        Ok(0) => Ok(Some(values)),
        Ok(_) => Err(Fault::damaged("is longer than its zip entry says")),
        Err(error) => Err(Fault::damaged(format!("cannot be read: {error}"))),
    }
}

/// Refuses an entry whose declared size cannot be honest, before anything of that size is made.
fn check_sizes(method: CompressionMethod, size: u64, compressed: u64, file: u64) -> Checked<()> {
    /// A deflate stream makes at most 258 bytes of 2 bits; its first bits make none.
    const MOST_PER_BYTE: u64 = 1032;
    let most = match method {
        CompressionMethod::Stored => compressed,
        _ => compressed.saturating_mul(MOST_PER_BYTE),
    };
    if compressed > file || size > most {
        let problem = format!("claims {size} bytes from {compressed} in a file of {file}");
        return Err(Fault::damaged(problem));
    }
    Ok(())
}

/// Writes an archive of the arrays, uncompressed as `numpy.savez` does.
pub(super) fn write(to: &mut (impl Write + Seek), arrays: &[Array<'_>]) -> io::Result<()> {
    let mut archive = NpzWriter::new(to);
    let written = arrays.iter().try_for_each(|array| write_array(&mut archive, array));
    let finished = written.and_then(|()| archive.zip_writer().finish().map(drop).map_err(io::Error::from));
    if finished.is_err() {
        // Dropped, it would try to finish once more and complain on standard error. What leaks is its
        // list of entries.
        std::mem::forget(archive);
    }
    finished
}

fn write_array(archive: &mut NpzWriter<impl Write + Seek>, array: &Array<'_>) -> io::Result<()> {
    let header = npy::header(array.data.descr(), &array.shape)?;
    let bytes = array.data.bytes();
    let options = FileOptions::default()
        .compression_method(CompressionMethod::Stored)
        // A fixed time: the same arrays give the same file.
        .last_modified_time(DateTime::default())
        .large_file(header.len() + bytes.len() >= u32::MAX as usize);
    let zip = archive.zip_writer();
    zip.start_file(file_name_from_array_name(array.name), options)?;
    zip.write_all(&header)?;
    zip.write_all(&bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::{super::write::ArrayData, *};
    use std::path::Path;

    fn plain(arrays: &[Array<'_>]) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        write(&mut file, arrays).unwrap();
        file.into_inner()
    }

    fn zipped(content: &[u8], options: FileOptions) -> Vec<u8> {
        let mut archive = NpzWriter::new(Cursor::new(Vec::new()));
        archive.zip_writer().start_file("a.npy", options).unwrap();
        archive.zip_writer().write_all(content).unwrap();
        archive.zip_writer().finish().unwrap().into_inner()
    }

    fn array(shape: &[usize], values: &[f32]) -> Vec<u8> {
        [npy::header("<f4", shape).unwrap(), bytemuck::cast_slice(values).to_vec()].concat()
    }

    fn message(file: &[u8]) -> String {
        read::<f32>(file, Wanted::OneOf(&[])).unwrap_err().at(Path::new("f.npz")).to_string()
    }

    fn position(file: &[u8], signature: &[u8]) -> usize {
        file.windows(signature.len()).position(|bytes| bytes == signature).unwrap()
    }

    #[test]
    fn arrays_are_found_by_name() {
        let file = plain(&[
            Array { name: "b", shape: vec![2], data: ArrayData::F32(&[1.0, 2.0]) },
            Array { name: "a/c", shape: vec![1, 1], data: ArrayData::U8(&[3]) },
        ]);
        assert_eq!(read::<f32>(&file, Wanted::OneOf(&["b"])).unwrap().1, [1.0, 2.0]);
        assert_eq!(read::<f32>(&file, Wanted::OneOf(&["x", "a/c"])).unwrap().1, [3.0]);
        assert!(message(&file).contains("the arrays a/c, b"), "{}", message(&file));
    }

    #[test]
    fn compressed_arrays_are_read() {
        let values: Vec<f32> = (0..100_000).map(|i| i as f32).collect();
        let file = zipped(&array(&[1000, 100], &values), FileOptions::default());
        assert!(file.len() < 300_000);
        assert_eq!(read::<f32>(&file, Wanted::OneOf(&[])).unwrap().1, values);
        // As dense as deflate gets.
        let zeros = zipped(&array(&[1 << 22], &vec![0.0; 1 << 22]), FileOptions::default());
        assert_eq!(read::<bool>(&zeros, Wanted::OneOf(&[])).unwrap().1.len(), 1 << 22);
    }

    #[test]
    fn a_cut_off_or_changed_archive_is_refused() {
        let whole = zipped(&array(&[2, 3], &[1.0; 6]), FileOptions::default());
        for length in 0..whole.len() {
            assert!(read::<f32>(&whole[..length], Wanted::OneOf(&[])).is_err(), "{length}");
        }
        // A changed byte is found or harmless (as in the time of day), and never a panic.
        for (at, change) in (0..whole.len()).flat_map(|at| [1, 0x80, 0xff].map(|change| (at, change))) {
            let mut changed = whole.clone();
            changed[at] ^= change;
            if let Ok((_, values)) = read::<f32>(&changed, Wanted::OneOf(&[])) {
                assert_eq!(values, [1.0; 6], "byte {at}");
            }
        }
    }

    #[test]
    fn a_shape_that_does_not_fit_the_entry_is_refused() {
        for shape in [&[2, 2][..], &[2, 4], &[1 << 40, 4]] {
            let message = message(&zipped(&array(shape, &[1.0; 6]), FileOptions::default()));
            assert!(message.contains("array 'a' has the shape"), "{message}");
        }
    }

    #[test]
    fn sizes_that_cannot_be_honest_are_refused() {
        assert!(check_sizes(CompressionMethod::Deflated, 1032 << 20, 1 << 20, 1 << 21).is_ok());
        assert!(check_sizes(CompressionMethod::Deflated, (1032 << 20) + 1, 1 << 20, 1 << 21).is_err());
        assert!(check_sizes(CompressionMethod::Deflated, u64::MAX, 1 << 60, 1 << 21).is_err());
        assert!(check_sizes(CompressionMethod::Stored, 101, 100, 1000).is_err());
        // The declared size in the central directory, raised to 2 GiB along with the shape.
        let mut file = zipped(&array(&[1 << 29], &[1.0; 6]), FileOptions::default());
        let central = position(&file, b"PK\x01\x02");
        file[central + 24..central + 28].copy_from_slice(&((1_u32 << 31) + 128).to_le_bytes());
        assert!(message(&file).contains("claims 2147483776 bytes"), "{}", message(&file));
    }

    #[test]
    fn entries_that_share_bytes_are_refused() {
        let array = |name| Array { name, shape: vec![2], data: ArrayData::F32(&[1.0, 2.0]) };
        let mut file = plain(&[array("a"), array("b")]);
        // The second entry of the directory leads to the first array.
        let second = file.windows(4).rposition(|bytes| bytes == b"PK\x01\x02").unwrap();
        file[second + 42..second + 46].fill(0);
        assert!(message(&file).contains("two entries share byte 0"), "{}", message(&file));
        assert!(names(&file).is_err() && read_all::<f32>(&file).is_err());
    }

    #[test]
    fn room_for_what_is_only_claimed_is_made_as_it_comes() {
        // 4 MiB are claimed, as deflate might make of 5000 bytes, and 100 come.
        let content = [npy::header("|u1", &[1 << 22]).unwrap(), vec![0; 100]].concat();
        let mut file = zipped(&content, FileOptions::default());
        let central = position(&file, b"PK\x01\x02");
        file[central + 24..central + 28].copy_from_slice(&((1_u32 << 22) + 128).to_le_bytes());
        assert!(message(&file).contains("claims 4194432 bytes"), "{}", message(&file));
        let layout = Layout::new(super::super::layout::Dtype::U8, &[1 << 40]).unwrap();
        let error = layout.read::<i128>(&[0_u8; 100_000][..], 100).unwrap_err();
        assert!(error.at(Path::new("f")).to_string().contains("cannot be read"));
    }

    #[test]
    fn encryption_and_other_compressions_are_refused() {
        let options = FileOptions::default().compression_method(CompressionMethod::Zstd);
        assert!(message(&zipped(&array(&[1], &[1.0]), options)).contains("numpy.savez"));
        let whole = zipped(&array(&[1], &[1.0]), FileOptions::default());
        let central = position(&whole, b"PK\x01\x02");
        let mut encrypted = whole.clone();
        encrypted[central + 8] |= 1;
        assert!(message(&encrypted).contains("encrypted"), "{}", message(&encrypted));
        // An AES field in an entry that is not marked as encrypted: the central directory grows by it.
        let mut hidden = whole;
        let field = [0x01, 0x99, 7, 0, 1, 0, 0x41, 0x45, 1, 8, 0];
        hidden[central + 30] = field.len() as u8;
        let end = position(&hidden, b"PK\x05\x06");
        hidden[end + 12] += field.len() as u8;
        hidden.splice(central + 46 + 5..central + 46 + 5, field);
        assert!(read::<f32>(&hidden, Wanted::OneOf(&[])).is_err());
    }

    #[test]
    fn an_absurd_count_of_entries_is_refused() {
        let mut file = vec![0; 1000];
        let record = file.len();
        file.extend(b"PK\x06\x06");
        file.extend([0; 28]);
        file.extend(900_u64.to_le_bytes());
        file.extend([0; 16]);
        file.extend(b"PK\x06\x07\0\0\0\0");
        file.extend((record as u64).to_le_bytes());
        file.extend([1, 0, 0, 0]);
        file.extend(b"PK\x05\x06");
        file.extend([0; 18]);
        assert!(message(&file).contains("900 entries"), "{}", message(&file));
    }
}
