//! The compact encoding of Thrift, as far as it takes to see that no number in it claims more than is there.
//!
//! The parquet crate goes through as many elements as a list says it has, and reserves room for as many bytes as a page
//! says it becomes; both are looked at here before it sees them. What it would read otherwise than it is read here is
//! refused: fields of another kind than the format's, and truths in lists, for which it takes no bytes.

use super::shape::{Fields, Kind};

/// Structures within structures; parquet's own are no deeper than 10.
const DEEPEST: usize = 32;

/// What is left to read.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// Reads a structure of these fields, and calls `visit` with the place and value of each whole number that is a
    /// field of it or of a structure in it: the number of the field, behind that of the field around it (0 where it is
    /// its own, -1 where it lies deeper).
    /// `None` where it does not end, is too deep, has a field of another kind, or a list in it has more elements than
    /// there are bytes.
    pub(super) fn structure(&mut self, known: Fields, visit: &mut dyn FnMut([i16; 2], i64)) -> Option<()> {
        self.fields(known, 0, DEEPEST, visit)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, left) = self.0.split_at_checked(count)?;
        self.0 = left;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn whole(&mut self) -> Option<i64> {
        self.varint().map(|v| (v >> 1) as i64 ^ -((v & 1) as i64))
    }

    /// A count of things that each take a byte at least.
    fn count(&mut self, short: u8) -> Option<usize> {
        let count = if short == 15 { self.varint()? } else { u64::from(short) };
        usize::try_from(count).ok().filter(|count| *count <= self.0.len())
    }

    fn fields(
        &mut self,
        known: Fields,
        around: i16,
        depth: usize,
        visit: &mut dyn FnMut([i16; 2], i64),
    ) -> Option<()> {
        let mut id = 0_i16;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            id = match head >> 4 {
                0 => i16::try_from(self.whole()?).ok()?,
                step => id.checked_add(i16::from(step))?,
            };
            let want = known.iter().find(|(number, _)| *number == id).map(|(_, kind)| kind);
            match head & 15 {
                code if want.is_some_and(|kind| !kind.has_code(code)) => return None,
                // The value of a truth stands in its head.
                1 | 2 => {}
                code => self.value(code, want, [around, id], depth, visit)?,
            }
        }
    }

    /// Reads a value by the code of its kind, of which more may be known.
    fn value(
        &mut self,
        code: u8,
        known: Option<&Kind>,
        place: [i16; 2],
        depth: usize,
        visit: &mut dyn FnMut([i16; 2], i64),
    ) -> Option<()> {
        let deeper = depth.checked_sub(1)?;
        match code {
            3 => self.byte().map(drop),
            4..=6 => {
                let value = self.whole()?;
                visit(place, value);
                Some(())
            }
            7 => self.take(8).map(drop),
            8 => {
                let length = self.count(15)?;
                self.take(length).map(drop)
            }
            9 | 10 => {
                let head = self.byte()?;
                let (count, code) = (self.count(head >> 4)?, head & 15);
                let of = if let Some(Kind::List(of)) = known { Some(*of) } else { None };
                if count > 0 && of.is_some_and(|kind| !kind.has_code(code)) {
                    return None;
                }
                // Numbers in lists are nobody's field.
                (0..count).try_for_each(|_| self.value(code, of, [-1, -1], deeper, &mut |_, _| {}))
            }
            11 => {
                let count = self.count(15)?;
                let kinds = if count == 0 { 0 } else { self.byte()? };
                let mut each = |code| self.value(code, None, [-1, -1], deeper, &mut |_, _| {});
                (0..count).try_for_each(|_| each(kinds >> 4).and_then(|()| each(kinds & 15)))
            }
            // A field of the number 0 must not pass for the outermost structure.
            12 => {
                let fields: Fields = if let Some(Kind::Structure(fields)) = known { fields } else { &[] };
                self.fields(fields, if place[0] == 0 && place[1] > 0 { place[1] } else { -1 }, deeper, visit)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places and values, and how many bytes are left.
    type Found = (Vec<([i16; 2], i64)>, usize);

    fn numbers(bytes: &[u8]) -> Option<Found> {
        numbers_of(&[], bytes)
    }

    fn numbers_of(known: Fields, bytes: &[u8]) -> Option<Found> {
        let (mut reader, mut found) = (Reader(bytes), Vec::new());
        reader.structure(known, &mut |place, value| found.push((place, value)))?;
        Some((found, reader.0.len()))
    }

    #[test]
    fn numbers_of_fields_are_found_and_the_end_is_known() {
        // Field 1 = 150, field 2 = -3, field 4 = { 1: 7 }, field 5 = [1, 2], field 6 = true, field 7 = "ab"; then two bytes.
        let bytes =
            [0x15, 0xac, 2, 0x15, 5, 0x2c, 0x15, 14, 0, 0x19, 0x25, 2, 4, 0x11, 0x18, 2, b'a', b'b', 0, 9, 9];
        let want = vec![([0, 1], 150), ([0, 2], -3), ([4, 1], 7)];
        assert_eq!(numbers(&bytes), Some((want, 2)));
        assert!((0..bytes.len() - 2).all(|length| numbers(&bytes[..length]).is_none()));
    }

    #[test]
    fn what_lies_deeper_does_not_pass_for_a_field_of_the_outside() {
        // Field 0 = { 2: 7 }; field 5 = { 5: { 1: 7 } }.
        let want = vec![([-1, 2], 7), ([-1, 1], 7)];
        assert_eq!(numbers(&[0x0c, 0, 0x25, 14, 0, 0x5c, 0x5c, 0x15, 14, 0, 0, 0]), Some((want, 0)));
    }

    #[test]
    fn fields_of_other_kinds_than_the_formats_are_refused() {
        const KNOWN: Fields =
            &[(1, Kind::Whole), (2, Kind::Truth), (3, Kind::List(&Kind::Structure(&[(1, Kind::Bytes)])))];
        // Field 1 = 3, field 2 = true, field 3 = [{ 1: "a" }], field 4 = 1.0.
        let bytes = [0x15, 6, 0x11, 0x19, 0x1c, 0x18, 1, b'a', 0, 0x17, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0];
        assert_eq!(numbers_of(KNOWN, &bytes), Some((vec![([0, 1], 3)], 0)));
        // A string or a truth in place of a number, numbers in place of a truth, of a list, and in a list of structures.
        for other in [
            &[0x18, 0, 0][..],
            &[0x11, 0],
            &[0x25, 6, 0],
            &[0x35, 6, 0],
            &[0x39, 0x15, 6, 0],
            &[0x3a, 0x0c, 0],
        ] {
            assert_eq!(numbers_of(KNOWN, other), None, "{other:?}");
            assert!(numbers(other).is_some(), "{other:?}");
        }
        // The parquet crate goes through truths in a list without a byte for each.
        assert_eq!(numbers(&[0x49, 0x21, 1, 1, 0]), None);
    }

    #[test]
    fn what_claims_more_than_is_there_is_refused() {
        // A list of 2^31 numbers, a string of as many bytes, structures without end.
        assert_eq!(numbers(&[0x19, 0xf5, 0x80, 0x80, 0x80, 0x80, 8, 0, 0]), None);
        assert_eq!(numbers(&[0x18, 0x80, 0x80, 0x80, 0x80, 8, 0, 0]), None);
        assert_eq!(numbers(&[0x1c; 100]), None);
        assert_eq!(
            numbers(&[0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]),
            None
        );
    }
}
