//! What happens to a store, and how the journal has it.

use super::ids::{Id, IdKind};

/// One operation, whole or not at all.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    /// Stores patterns; one of an id that is there takes its place.
    Put {
        ids: Vec<Id>,
        /// Rows as the store's file has them.
        rows: Vec<u8>,
        /// One per pattern, or none at all.
        payloads: Vec<Vec<u8>>,
    },
    /// Forgets patterns.
    Forget { ids: Vec<Id> },
}

const PUT: u8 = 1;
const FORGET: u8 = 2;

impl Change {
    /// The ids that it is about.
    pub(super) fn ids(&self) -> &[Id] {
        match self {
            Self::Put { ids, .. } | Self::Forget { ids } => ids,
        }
    }

    /// Body of its record: what it is (u8), kind of ids (u8), number of ids (u64), ids (u64 each, or u64 length
    /// and bytes each); to store patterns also the rows (u64 length and bytes), number of payloads (u64) and
    /// these (u64 length and bytes each).
    pub(super) fn encode(&self) -> Vec<u8> {
        let (what, ids) = (if matches!(self, Self::Put { .. }) { PUT } else { FORGET }, self.ids());
        let named = ids.first().is_some_and(|id| id.kind() == IdKind::Name);
        let mut out = vec![what, u8::from(named)];
        put_number(&mut out, ids.len());
        for id in ids {
            match id {
                Id::Number(number) => out.extend(number.to_le_bytes()),
                Id::Name(name) => put_bytes(&mut out, name.as_bytes()),
            }
        }
        if let Self::Put { rows, payloads, .. } = self {
            put_bytes(&mut out, rows);
            put_number(&mut out, payloads.len());
            payloads.iter().for_each(|payload| put_bytes(&mut out, payload));
        }
        out
    }

    /// `None` for what [`Change::encode`] never makes.
    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        let mut from = Reader(body);
        let (what, named) = (from.take(1)?[0], from.take(1)?[0] == 1);
        let count = from.number()?;
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(match named {
                true => Id::Name(String::from_utf8(from.bytes()?.to_vec()).ok()?),
                false => Id::Number(from.number()?),
            });
        }
        let change = match what {
            PUT => {
                let rows = from.bytes()?.to_vec();
                let count = from.number()?;
                let payloads = (0..count).map(|_| Some(from.bytes()?.to_vec())).collect::<Option<_>>()?;
                Self::Put { ids, rows, payloads }
            }
            FORGET => Self::Forget { ids },
            _ => return None,
        };
        from.0.is_empty().then_some(change)
    }
}

fn put_number(out: &mut Vec<u8>, number: usize) {
    out.extend((number as u64).to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len());
    out.extend(bytes);
}

/// What is left of a body.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, left) = self.0.split_at_checked(count)?;
        self.0 = left;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    #[test]
    fn changes_survive_and_no_cut_one_does() {
        let names = || vec![Id::from("a"), Id::from("é\n"), Id::from("")];
        let changes = [
            Change::Put { ids: vec![Id::from(u64::MAX)], rows: vec![1, 2, 3, 4], payloads: Vec::new() },
            Change::Put { ids: names(), rows: vec![0; 12], payloads: vec![vec![9; 5], vec![], vec![1]] },
            Change::Forget { ids: names() },
            Change::Forget { ids: Vec::new() },
        ];
        for change in changes {
            let body = change.encode();
            assert_eq!(Change::decode(&body).unwrap(), change);
            assert!((0..body.len()).all(|length| Change::decode(&body[..length]).is_none()));
            assert_eq!(Change::decode(&[&body[..], &[0]].concat()), None);
        }
        // A count beyond the body makes no list of that size.
        assert_eq!(Change::decode(&[FORGET, 0, 255, 255, 255, 255, 255, 255, 255, 127]), None);
    }
}
