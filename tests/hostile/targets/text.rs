//! Text: names of energies, grids and the like as users type them, and the table of timings.

use super::{Scratch, legible, within};
use attractor::{
    Error, Precision,
    capacity::{Corruption, Criterion, Ensemble, Model, Schedule},
    codes::KnownCode,
    gpu::tune::winners,
    memory::{Beta, Energy, Learning, Order, Post},
    ops::{
        FeatureMap, Projection, Separation, SeparationLoss, Similarity, UniversalSeparation,
        UniversalSimilarity,
    },
    optimize::Optimizer,
    store::{Id, IdKind},
};
use std::{fmt::Display, str::FromStr};

const PER_BYTE: usize = 64;
const FIXED: usize = 1 << 14;

/// A line of a few bytes is an entry in a tree.
pub(super) fn tuning(bytes: &[u8], _: &Scratch) {
    let text = String::from_utf8_lossy(bytes);
    let table = within(PER_BYTE * text.len() + FIXED, || winners(&text));
    let written: String =
        table.iter().map(|(class, winner)| format!("{class}\t{}\tsecond=1\n", winner.name())).collect();
    // A class that begins as a comment does would not come back; none is written.
    if table.keys().all(|class| !class.starts_with('#')) {
        assert_eq!(winners(&written), table);
    }
}

pub(super) fn names(bytes: &[u8], _: &Scratch) {
    let text = &*String::from_utf8_lossy(bytes);
    comes_back::<Energy>(text);
    comes_back::<Separation>(text);
    comes_back::<UniversalSimilarity>(text);
    comes_back::<UniversalSeparation>(text);
    comes_back::<SeparationLoss>(text);
    comes_back::<Similarity>(text);
    comes_back::<Precision>(text);
    comes_back::<FeatureMap>(text);
    comes_back::<Projection>(text);
    comes_back::<attractor::ops::Ensemble>(text);
    comes_back::<Model>(text);
    comes_back::<Schedule>(text);
    comes_back::<Criterion>(text);
    comes_back::<Corruption>(text);
    comes_back::<Optimizer>(text);
    comes_back::<Order>(text);
    comes_back::<Learning>(text);
    comes_back::<Post>(text);
    comes_back::<IdKind>(text);
    // The points of a code are made with it.
    if !text.starts_with("code:") {
        comes_back::<Ensemble>(text);
    }
    for kind in [IdKind::Number, IdKind::Name] {
        if let Some(id) = parsed(text, |text| Id::parse(text, kind)) {
            assert_eq!(Id::parse(&id.to_string(), kind).expect("the same"), id);
        }
    }
    if let Some(Beta::Fixed(beta)) = parsed(text, str::parse::<Beta>) {
        assert!(beta > 0.0 && beta.is_finite());
    }
    if let Some(code) = parsed(text, KnownCode::find) {
        let (n, d) = (code.points(), code.dim());
        assert!(n >= 1 && d >= 1 && code.cosine() <= 1.0);
        if n * d <= 1 << 12 {
            let points = code.build();
            assert_eq!(points.data.len(), n * d);
        }
    }
}

/// What a text means is written as a text that means the same.
fn comes_back<T: FromStr<Err = Error> + Display>(text: &str) {
    if let Some(value) = parsed(text, str::parse::<T>) {
        let written = value.to_string();
        let again: T = written.parse().unwrap_or_else(|error| panic!("{text:?} became {written:?}: {error}"));
        assert_eq!(again.to_string(), written);
    }
}

fn parsed<T>(text: &str, parse: impl FnOnce(&str) -> attractor::Result<T>) -> Option<T> {
    let result = within(PER_BYTE * text.len() + FIXED, || parse(text));
    result.inspect_err(legible).ok()
}
