//! What a file says of its own sizes, compared with what it is.

use super::{
    File,
    columns::Column,
    shape::{FOOTER, PAGE},
    thrift::Reader,
};
use crate::io::fault::{Checked, Fault};
use ::parquet::{
    basic::Compression,
    file::{metadata::ColumnChunkMetaData, reader::FileReader},
};

/// What values, and pages before they are read, may take for each byte of the file: about as much as deflate can make
/// of one. A column of one number repeated takes less in the file than this allows, up to [`ALWAYS`] bytes.
const MOST_PER_BYTE: u64 = 1024;
/// What they may take in any file.
const ALWAYS: u64 = 1 << 20;

fn lies(problem: impl std::fmt::Display) -> Fault {
    Fault::damaged(format!("is not a sound parquet file: {problem}"))
}

/// Looks at the end of a file: its metadata must be what the format says, with no list that is longer than all of it.
pub(super) fn check_footer(file: &[u8]) -> Checked<()> {
    const END: usize = 8;
    let odd =
        || Fault::new("does not begin and end as parquet files do", "write it again, without encryption");
    let Some((rest, end)) = file.split_last_chunk::<END>() else { return Err(odd()) };
    if !file.starts_with(b"PAR1") || !end.ends_with(b"PAR1") {
        return Err(odd());
    }
    let length = u32::from_le_bytes([end[0], end[1], end[2], end[3]]) as usize;
    let Some(start) = rest.len().checked_sub(length) else {
        return Err(lies(format!("{length} bytes of metadata in a file of {}", file.len())));
    };
    match Reader(&rest[start..]).structure(FOOTER, &mut |_, _| {}) {
        Some(()) => Ok(()),
        None => Err(lies("its metadata is not that of the format, or claims more than is there")),
    }
}

/// Looks at all pages of a column, before one is unpacked.
pub(super) fn check(file: &[u8], reader: &File, column: &Column) -> Checked<()> {
    let most = (file.len() as u64).saturating_mul(MOST_PER_BYTE).saturating_add(ALWAYS);
    let mut values = 0_u64;
    for group in reader.metadata().row_groups() {
        let chunk = group.columns().get(column.leaf).ok_or_else(|| lies("a column is missing"))?;
        check_codec(chunk.compression(), &column.name)?;
        let claimed = u64::try_from(chunk.num_values()).unwrap_or(u64::MAX);
        values = values.saturating_add(claimed);
        if values.saturating_mul(column.number.size()) > most {
            let problem =
                format!("{values} values or more in column '{}', {} bytes in all", column.name, file.len());
            return Err(lies(problem));
        }
        let found = check_pages(file, chunk, most)?;
        if found != claimed {
            return Err(lies(format!(
                "column '{}' has {found} values in pages that say {claimed}",
                column.name
            )));
        }
    }
    Ok(())
}

/// Refuses what no code is here for.
fn check_codec(codec: Compression, column: &str) -> Checked<()> {
    let name = match codec {
        Compression::BROTLI(_) => "brotli",
        Compression::LZ4 | Compression::LZ4_RAW => "lz4",
        Compression::LZO => "lzo",
        Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::GZIP(_) | Compression::ZSTD(_) => {
            return Ok(());
        }
    };
    Err(Fault::new(
        format!("column '{column}' is compressed with {name}, which is not read here"),
        "write it with zstd, snappy, gzip or without compression, for example df.to_parquet(path, compression='zstd')",
    ))
}

/// How many values the pages of a chunk have by their heads, each of which must fit. Those are looked at that the crate
/// may read: from where it begins to the end of the chunk, which it may come to before it has seen that values end.
fn check_pages(file: &[u8], chunk: &ColumnChunkMetaData, most: u64) -> Checked<u64> {
    let outside = || lies("a column lies outside of the file");
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let start = usize::try_from(start).map_err(|_| outside())?;
    let length = usize::try_from(chunk.compressed_size()).map_err(|_| outside())?;
    let end = start.checked_add(length).ok_or_else(outside)?;
    let mut left = file.get(start..end).ok_or_else(outside)?;
    let mut values = 0_u64;
    while !left.is_empty() {
        let mut head = Reader(left);
        let (mut kind, mut unpacked, mut packed, mut counts) = (-1, -1, -1, [0; 3]);
        let read = head.structure(PAGE, &mut |place, value| match place {
            [0, 1] => kind = value,
            [0, 2] => unpacked = value,
            [0, 3] => packed = value,
            // Of a data page, of a dictionary, and of a data page of the second version.
            [5, 1] => counts[0] = value,
            [7, 1] => counts[1] = value,
            [8, 1] => counts[2] = value,
            _ => {}
        });
        let body = usize::try_from(packed).ok().filter(|_| read.is_some());
        let counts = counts.map(u64::try_from);
        let (Some(body), Ok(unpacked), [Ok(first), Ok(dictionary), Ok(second)]) =
            (body, u64::try_from(unpacked), counts)
        else {
            return Err(lies("the head of a page is none"));
        };
        let (makes, count) = (most_of(chunk.compression()), first.max(dictionary).max(second));
        if unpacked > makes.saturating_mul(body as u64).saturating_add(64).min(most) || count > most {
            return Err(lies(format!("a page of {body} bytes claims to become {unpacked}, {count} values")));
        }
        left = head.0.get(body..).ok_or_else(|| lies("a page ends behind its column"))?;
        values = values.saturating_add(match kind {
            0 => first,
            3 => second,
            // A dictionary has no values of the column.
            _ => 0,
        });
    }
    Ok(values)
}

/// How many bytes a codec makes of one, at most: deflate 258 of 2 bits, snappy 64 of 3 bytes, zstd blocks of 128 KiB of 4 bytes.
fn most_of(codec: Compression) -> u64 {
    match codec {
        Compression::UNCOMPRESSED => 1,
        Compression::SNAPPY => 22,
        Compression::GZIP(_) => 1032,
        _ => 32_768,
    }
}
