//! What the format's structures are made of, as far as the parquet crate reads them.
//!
//! That crate takes a field for what the format says it is, whatever the file says; what a file calls by another kind it
//! would read out of step. So both must say the same.

use Kind::{Byte, Bytes, Double, List, Structure, Truth, Whole};

/// What a field is.
pub(super) enum Kind {
    Truth,
    Byte,
    /// Of any length.
    Whole,
    Double,
    Bytes,
    List(&'static Kind),
    Structure(Fields),
}

/// The fields of a structure by their numbers. Others are skipped.
pub(super) type Fields = &'static [(i16, Kind)];

impl Kind {
    /// Whether a file calls this kind by this code.
    pub(super) fn has_code(&self, code: u8) -> bool {
        match self {
            Truth => matches!(code, 1 | 2),
            Byte => code == 3,
            Whole => matches!(code, 4..=6),
            Double => code == 7,
            Bytes => code == 8,
            List(_) => code == 9,
            Structure(_) => code == 12,
        }
    }
}

/// The head of a page.
pub(super) const PAGE: Fields = &[
    (1, Whole),
    (2, Whole),
    (3, Whole),
    (4, Whole),
    (5, Structure(&[(1, Whole), (2, Whole), (3, Whole), (4, Whole), (5, Structure(STATISTICS))])),
    (6, EMPTY),
    (7, Structure(&[(1, Whole), (2, Whole), (3, Truth)])),
    (8, Structure(SECOND_VERSION)),
];

const SECOND_VERSION: Fields = &[
    (1, Whole),
    (2, Whole),
    (3, Whole),
    (4, Whole),
    (5, Whole),
    (6, Whole),
    (7, Truth),
    (8, Structure(STATISTICS)),
];

/// The metadata at the end of a file.
pub(super) const FOOTER: Fields = &[
    (1, Whole),
    (2, List(&Structure(SCHEMA_ELEMENT))),
    (3, Whole),
    (4, List(&Structure(ROW_GROUP))),
    (5, List(&Structure(&[(1, Bytes), (2, Bytes)]))),
    (6, Bytes),
    (7, List(&Structure(&[(1, EMPTY), (2, EMPTY), (3, EMPTY)]))),
];

const EMPTY: Kind = Structure(&[]);

const SCHEMA_ELEMENT: Fields = &[
    (1, Whole),
    (2, Whole),
    (3, Whole),
    (4, Bytes),
    (5, Whole),
    (6, Whole),
    (7, Whole),
    (8, Whole),
    (9, Whole),
    (10, Structure(LOGICAL_TYPE)),
];

const LOGICAL_TYPE: Fields = &[
    (1, EMPTY),
    (2, EMPTY),
    (3, EMPTY),
    (4, EMPTY),
    (5, Structure(&[(1, Whole), (2, Whole)])),
    (6, EMPTY),
    (7, Structure(TIME)),
    (8, Structure(TIME)),
    (10, Structure(&[(1, Byte), (2, Truth)])),
    (11, EMPTY),
    (12, EMPTY),
    (13, EMPTY),
    (14, EMPTY),
    (15, EMPTY),
    (16, Structure(&[(1, Byte)])),
    (17, Structure(&[(1, Bytes)])),
    (18, Structure(&[(1, Bytes), (2, Whole)])),
    (19, EMPTY),
];

const TIME: Fields = &[(1, Truth), (2, Structure(&[(1, EMPTY), (2, EMPTY), (3, EMPTY)]))];

const ROW_GROUP: Fields = &[
    (1, List(&Structure(COLUMN_CHUNK))),
    (2, Whole),
    (3, Whole),
    (4, List(&Structure(&[(1, Whole), (2, Truth), (3, Truth)]))),
    (5, Whole),
    (6, Whole),
    (7, Whole),
];

const COLUMN_CHUNK: Fields = &[
    (1, Bytes),
    (2, Whole),
    (3, Structure(COLUMN_METADATA)),
    (4, Whole),
    (5, Whole),
    (6, Whole),
    (7, Whole),
];

const COLUMN_METADATA: Fields = &[
    (1, Whole),
    (2, List(&Whole)),
    (3, List(&Bytes)),
    (4, Whole),
    (5, Whole),
    (6, Whole),
    (7, Whole),
    (9, Whole),
    (10, Whole),
    (11, Whole),
    (12, Structure(STATISTICS)),
    (13, List(&Structure(&[(1, Whole), (2, Whole), (3, Whole)]))),
    (14, Whole),
    (15, Whole),
    (16, Structure(&[(1, Whole), (2, List(&Whole)), (3, List(&Whole))])),
    (17, Structure(&[(1, Structure(BOX)), (2, List(&Whole))])),
];

const STATISTICS: Fields = &[
    (1, Bytes),
    (2, Bytes),
    (3, Whole),
    (4, Whole),
    (5, Bytes),
    (6, Bytes),
    (7, Truth),
    (8, Truth),
    (9, Whole),
];

const BOX: Fields =
    &[(1, Double), (2, Double), (3, Double), (4, Double), (5, Double), (6, Double), (7, Double), (8, Double)];
