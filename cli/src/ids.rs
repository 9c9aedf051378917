//! Ids of patterns in files of results.

use attractor::{
    io::{Array, ArrayData, Ragged},
    memory::NO_PATTERN,
    store::{Id, IdKind},
};

/// The ids of best patterns `[b, k]`: numbers as `ids` (U64), 2^64 - 1 where there is no pattern; strings as `ids_bytes` and `ids_ends`, empty
/// where there is none.
pub(crate) enum Ids {
    Numbers(Vec<u64>),
    Names(Ragged),
}

impl Ids {
    pub(crate) fn new<'a>(kind: IdKind, ids: impl Iterator<Item = Option<&'a Id>>) -> Self {
        match kind {
            IdKind::Number => {
                let number =
                    |id: Option<&Id>| if let Some(Id::Number(number)) = id { *number } else { u64::MAX };
                Self::Numbers(ids.map(number).collect())
            }
            IdKind::Name => {
                let name =
                    |id: Option<&'a Id>| if let Some(Id::Name(name)) = id { name.as_str() } else { "" };
                Self::Names(ids.map(name).collect())
            }
        }
    }

    /// Those of the rows of a store.
    pub(crate) fn of_rows(ids: &[Id], rows: &[u32]) -> Self {
        let kind = ids.first().map_or(IdKind::Number, Id::kind);
        Self::new(kind, rows.iter().map(|row| if *row == NO_PATTERN { None } else { ids.get(*row as usize) }))
    }

    /// As a file has them.
    pub(crate) fn arrays(&self, shape: &[usize]) -> Vec<Array<'_>> {
        match self {
            Self::Numbers(numbers) => {
                vec![Array { name: "ids", shape: shape.to_vec(), data: ArrayData::U64(numbers) }]
            }
            Self::Names(names) => names.arrays(["ids_bytes", "ids_ends"], shape).into(),
        }
    }
}
