//! Exact search, held against f64.

use crate::common::*;
use attractor::{
    memory::{NO_PATTERN, SearchOptions},
    prelude::*,
    reference::similarity,
};

fn ask(top_k: usize) -> SearchOptions<'static> {
    SearchOptions { top_k, ..SearchOptions::default() }
}

#[test]
fn all_patterns_are_ranked_by_their_similarity() {
    let mut random = Random::new(950);
    for (n, d, b) in [(1, 1, 2), (40, 5, 7), (300, 33, 20)] {
        let (x, q) = (random.rows(n, d, 1.0), random.rows(b, d, 1.0));
        for (name, device) in devices().into_iter().take(2) {
            for kind in Similarity::ALL {
                let memory = DenseMemory::builder().device(&device).similarity(kind).build(&x).unwrap();
                let found = memory.search(&q, &ask(6)).unwrap();
                let want = similarity(&matrix(&q), &matrix(&x), kind);
                for (i, scores) in want.iter().enumerate() {
                    let mut order: Vec<usize> = (0..n).collect();
                    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
                    for at in 0..6 {
                        let (k, s) = (found.indices[i * 6 + at], found.similarity[i * 6 + at]);
                        if at >= n {
                            assert!(k == NO_PATTERN && s.is_nan(), "{name} {kind}");
                            continue;
                        }
                        let what =
                            format!("{name} {kind} {n}x{d}, query {i}, place {at}: {k}, want {}", order[at]);
                        assert!(
                            (f64::from(s) - scores[order[at]]).abs() < 1e-5 * (1.0 + scores[order[at]].abs()),
                            "{what}"
                        );
                        assert!((scores[k as usize] - scores[order[at]]).abs() < 1e-5, "{what}");
                    }
                }
            }
        }
    }
}

#[test]
fn masks_known_coordinates_copies_and_forgotten_patterns() {
    let x = [[0.0, 0.0, 9.0], [1.0, 0.0, 1.0], [1.0, 0.0, 1.0], [2.0, 2.0, 0.0], [0.0, 0.0, 0.0]];
    let nan = f32::NAN;
    for (name, device) in devices().into_iter().take(2) {
        let mut memory = DenseMemory::builder().device(&device).build(&x).unwrap();
        let q = [[1.0, 0.1, 1.0]];
        assert_eq!(memory.search(&q, &ask(3)).unwrap().indices[..2], [1, 2], "{name}");
        let mask = [true, false, true, true, true];
        let found = memory.search(&q, &SearchOptions { mask: Some(&mask), ..ask(5) }).unwrap();
        assert_eq!((found.indices[0], found.indices[4]), (2, NO_PATTERN), "{name}");
        let known = [true, true, false, false, false, true];
        let found = memory
            .search(&[[0.0, 0.0, nan], [nan, nan, 8.0]], &SearchOptions { known: Some(&known), ..ask(2) });
        assert_eq!(found.unwrap().indices, [0, 4, 0, 1], "{name}");
        memory.forget(&[1]).unwrap();
        assert_eq!(memory.search(&q, &ask(1)).unwrap().indices, [2], "{name}");
        let error = |q: &[[f32; 3]], known: &[bool]| {
            memory
                .search(&q.to_vec(), &SearchOptions { known: Some(known), ..ask(1) })
                .unwrap_err()
                .to_string()
        };
        assert!(error(&[[nan, 1.0, 1.0]], &[true; 3]).contains("row 0"));
        assert!(error(&q, &[false; 3]).contains("at least one"));
        assert!(error(&q, &[true; 2]).contains("known"));
        // Of a row of zeros there is no cosine.
        let cosine = DenseMemory::builder().device(&device).similarity(Similarity::Cosine);
        let memory = cosine.build(&x[..4]).unwrap();
        let found =
            memory.search(&q, &SearchOptions { known: Some(&[true, true, false]), ..ask(4) }).unwrap();
        assert_eq!(found.indices, [1, 2, 3, NO_PATTERN], "{name}");
    }
}

#[test]
fn wide_data_is_ranked_right() {
    let values =
        (0..200).flat_map(|k| [1.7e9 + 128.0 * (k / 7) as f32, (k % 7) as f32, 0.5 * (k % 3) as f32]);
    let x = Rows::new(values.collect::<Vec<f32>>(), 3).unwrap();
    for (name, device) in devices().into_iter().take(2) {
        let memory = DenseMemory::builder().device(&device).build(&x).unwrap();
        let found = memory.search(&x, &ask(1)).unwrap();
        assert_eq!(found.indices, (0..200).collect::<Vec<u32>>(), "{name}");
        assert!(found.similarity.iter().all(|s| *s == 0.0), "{name}");
    }
}
