//! What is stored, and where: the rows of the file, and after them those that came since.

use super::{
    Settings,
    change::Change,
    ids::{Id, IdKind, check_distinct, check_kind, listed},
    image::Image,
};
use crate::{
    Error, Precision, Result, Rows,
    memory::{check_columns, check_patterns},
    narrow::Offset,
};
use half::f16;
use std::collections::{HashMap, HashSet};

/// The state of a store. A pattern has a slot: its row in the file, or one after those. The slot of a forgotten
/// pattern stays empty until the file is written anew. All but [`Book::live_slots`] costs in proportion to what is
/// asked or changed.
pub(super) struct Book {
    pub(super) settings: Settings,
    pub(super) dim: usize,
    /// What has gone off the columns of all patterns.
    pub(super) offset: Option<Offset>,
    /// `None` for a store that has no file yet.
    image: Option<Image>,
    /// Patterns that came since the file was written.
    added: Added,
    /// Ids that came, changed their slot or went since then; `None` for those that went.
    changed: HashMap<Id, Option<u32>>,
    empty: HashSet<u32>,
    /// The number that the next pattern without an id gets.
    pub(super) next: u64,
}

/// Patterns that are not in the file yet.
#[derive(Default)]
struct Added {
    ids: Vec<Id>,
    /// One after another, as the file will have them.
    rows: Vec<u8>,
    payloads: Vec<Vec<u8>>,
}

impl Book {
    /// Of nothing.
    pub(super) fn new(settings: Settings, dim: usize) -> Self {
        Self {
            settings,
            dim,
            offset: None,
            image: None,
            added: Added::default(),
            changed: HashMap::new(),
            empty: HashSet::new(),
            next: 0,
        }
    }

    /// Of what a file has.
    pub(super) fn of(image: Image) -> Self {
        let new = Self::new(image.settings, image.dim);
        Self { next: image.next, offset: image.offset.clone(), image: Some(image), ..new }
    }

    /// The file's rows, the first slots.
    pub(super) fn image(&self) -> Option<&Image> {
        self.image.as_ref()
    }

    fn base(&self) -> usize {
        self.image.as_ref().map_or(0, |image| image.rows)
    }

    pub(super) fn slots(&self) -> usize {
        self.base() + self.added.ids.len()
    }

    pub(super) fn live(&self) -> usize {
        self.slots() - self.empty.len()
    }

    pub(super) fn live_slots(&self) -> impl Iterator<Item = usize> {
        (0..self.slots()).filter(|slot| !self.empty.contains(&(*slot as u32)))
    }

    /// Whether it has something other than its file.
    pub(super) fn differs(&self) -> bool {
        !self.empty.is_empty() || !self.added.ids.is_empty()
    }

    /// How many live slots are before each of these.
    pub(super) fn places(&self, slots: &[u32]) -> Vec<u32> {
        let mut empty: Vec<u32> = self.empty.iter().copied().collect();
        empty.sort_unstable();
        slots.iter().map(|slot| slot - empty.partition_point(|other| other < slot) as u32).collect()
    }

    /// Slots whose patterns have been forgotten.
    pub(super) fn empty_slots(&self) -> impl Iterator<Item = u32> {
        self.empty.iter().copied()
    }

    pub(super) fn find(&self, id: &Id) -> Result<Option<u32>> {
        match (self.changed.get(id), &self.image) {
            (Some(slot), _) => Ok(*slot),
            (None, Some(image)) => image.find(id),
            (None, None) => Ok(None),
        }
    }

    /// Slots of ids, all of which must be stored.
    pub(super) fn find_all(&self, ids: &[Id]) -> Result<Vec<u32>> {
        check_kind(ids, self.settings.ids)?;
        let found = ids.iter().map(|id| self.find(id)).collect::<Result<Vec<_>>>()?;
        let unknown: Vec<&Id> =
            ids.iter().zip(&found).filter(|(_, f)| f.is_none()).map(|(id, _)| id).collect();
        if !unknown.is_empty() {
            return Err(Error::parameter("id", listed(&unknown), "that of a stored pattern"));
        }
        Ok(found.into_iter().flatten().collect())
    }

    pub(super) fn id(&self, slot: usize) -> Result<Id> {
        match &self.image {
            Some(image) if slot < image.rows => image.id(slot),
            _ => Ok(self.added.ids[slot - self.base()].clone()),
        }
    }

    pub(super) fn payload(&self, slot: usize) -> Result<&[u8]> {
        match &self.image {
            Some(image) if slot < image.rows => image.payload(slot),
            _ => Ok(&self.added.payloads[slot - self.base()]),
        }
    }

    /// A row as it is stored.
    pub(super) fn pattern(&self, slot: usize) -> Result<&[u8]> {
        match &self.image {
            Some(image) if slot < image.rows => image.pattern(slot),
            _ => {
                let bytes = self.settings.row_bytes(self.dim);
                Ok(&self.added.rows[(slot - self.base()) * bytes..][..bytes])
            }
        }
    }

    /// A row as numbers.
    pub(super) fn values(&self, slot: usize) -> Result<impl Iterator<Item = f32>> {
        Ok(self.numbers(self.pattern(slot)?))
    }

    /// Bytes of rows as numbers.
    fn numbers<'b>(&self, bytes: &'b [u8]) -> impl Iterator<Item = f32> + use<'b> {
        let half = self.settings.precision == Precision::F16;
        bytes.chunks_exact(if half { 2 } else { 4 }).map(move |v| match half {
            true => f16::from_le_bytes([v[0], v[1]]).to_f32(),
            false => f32::from_le_bytes([v[0], v[1], v[2], v[3]]),
        })
    }

    /// The patterns that came since the file was written, those forgotten since included.
    pub(super) fn added(&self) -> Result<Rows<'static>> {
        let values: Vec<f32> = self.numbers(&self.added.rows).collect();
        if values.is_empty() { Ok(Rows::empty(self.dim)) } else { Rows::new(values, self.dim) }
    }

    /// The change that stores these patterns, checked. Without ids they get the next numbers; without `replace` no id
    /// may be there yet.
    pub(super) fn put(
        &self,
        ids: Option<&[Id]>,
        rows: &Rows<'_>,
        payloads: &[Vec<u8>],
        replace: bool,
    ) -> Result<Change> {
        check_columns(rows, self.dim)?;
        check_patterns(rows, self.settings.similarity, self.settings.precision)?;
        if !payloads.is_empty() && payloads.len() != rows.rows() {
            return Err(Error::dimension("payloads (one per pattern)", payloads.len(), rows.rows()));
        }
        if u32::try_from(self.slots() + rows.rows()).is_err() {
            let want = format!("at most {} in one store; compact it", u32::MAX);
            return Err(Error::parameter("number of patterns", self.slots() + rows.rows(), want));
        }
        let ids = match ids {
            Some(ids) => ids.to_vec(),
            None => self.next_numbers(rows.rows())?,
        };
        if ids.len() != rows.rows() {
            return Err(Error::dimension("ids (one per pattern)", ids.len(), rows.rows()));
        }
        check_kind(&ids, self.settings.ids)?;
        check_distinct(&ids)?;
        if !replace {
            let found = ids.iter().map(|id| self.find(id)).collect::<Result<Vec<_>>>()?;
            let there: Vec<&Id> =
                ids.iter().zip(&found).filter(|(_, f)| f.is_some()).map(|(id, _)| id).collect();
            if !there.is_empty() {
                return Err(Error::parameter("id", listed(&there), "new; replace patterns that are stored"));
            }
        }
        let values = rows.as_slice();
        let rows = match self.settings.precision {
            Precision::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Precision::F16 => values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
        };
        Ok(Change::Put { ids, rows, payloads: payloads.to_vec() })
    }

    fn next_numbers(&self, count: usize) -> Result<Vec<Id>> {
        if self.settings.ids == IdKind::Name && count > 0 {
            return Err(Error::parameter("ids", "not given", "given: those of this store are strings"));
        }
        match self.next.checked_add(count as u64) {
            Some(end) => Ok((self.next..end).map(Id::Number).collect()),
            None => Err(Error::parameter("next id", self.next, "smaller; give the ids")),
        }
    }

    /// The change that forgets these patterns, checked.
    pub(super) fn forget(&self, ids: &[Id]) -> Result<Change> {
        check_distinct(ids)?;
        self.find_all(ids)?;
        Ok(Change::Forget { ids: ids.to_vec() })
    }

    /// Makes a change, and gives the slots that are empty now.
    pub(super) fn apply(&mut self, change: Change) -> Result<Vec<u32>> {
        let mut emptied = Vec::new();
        match change {
            Change::Put { ids, rows, mut payloads } => {
                for id in ids {
                    emptied.extend(self.find(&id)?);
                    if let Id::Number(number) = id {
                        self.next = self.next.max(number.saturating_add(1));
                    }
                    self.changed.insert(id.clone(), Some(self.slots() as u32));
                    self.added.ids.push(id);
                }
                match self.added.rows.is_empty() {
                    true => self.added.rows = rows,
                    false => self.added.rows.extend(rows),
                }
                self.added.payloads.append(&mut payloads);
                self.added.payloads.resize(self.added.ids.len(), Vec::new());
            }
            Change::Forget { ids } => {
                for id in ids {
                    emptied.extend(self.find(&id)?);
                    self.changed.insert(id, None);
                }
            }
        }
        self.empty.extend(&emptied);
        Ok(emptied)
    }

    /// Whether a change read from a journal is one of this store.
    pub(super) fn fits(&self, change: &Change) -> Result<bool> {
        Ok(match change {
            Change::Put { ids, rows, payloads } => {
                ids.iter().all(|id| id.kind() == self.settings.ids)
                    && ids.len().checked_mul(self.settings.row_bytes(self.dim)) == Some(rows.len())
                    && (payloads.is_empty() || payloads.len() == ids.len())
            }
            Change::Forget { ids } => {
                let mut all = true;
                for id in ids {
                    all &= self.find(id)?.is_some();
                }
                all
            }
        })
    }
}
