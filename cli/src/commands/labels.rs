//! Labels of patterns: what queries are called, and how sure that is.

use crate::{
    failure::{Failure, Result},
    input,
};
use attractor::{
    Rows,
    io::{Array, ArrayData, Ragged},
    memory::{LabelBeta, Labels, Memory, RecallOptions},
};
use std::path::Path;

/// The names of classes, in the order of their first occurrence.
enum Names {
    Numbers(Vec<i32>),
    Texts(Ragged),
}

/// The labels of a file: whole numbers `[n]` of an array, or a text a line.
pub(super) struct Named {
    pub(super) labels: Labels,
    names: Names,
}

/// What queries are called.
pub(super) struct Voted {
    /// `[b, classes]`
    probabilities: Rows<'static>,
    numbers: Vec<i32>,
    texts: Ragged,
    is_text: bool,
    classes: Names,
}

impl Named {
    /// Reads a label for each of `n` patterns.
    pub(super) fn read(path: &Path, n: usize) -> Result<Self> {
        let wrong = |problem: String| Failure::data(format!("{}: {problem}", path.display()));
        let is_array = path.extension().is_some_and(|e| {
            ["npy", "npz", "safetensors", "parquet"].iter().any(|suffix| e.eq_ignore_ascii_case(suffix))
        });
        let (of, names) = if is_array {
            let (values, _) = input::open(path)?.matrix_f64(&["labels", "label"])?;
            let number = |(k, v): (usize, &f64)| match *v as i32 {
                whole if f64::from(whole) == *v => Ok(whole),
                _ => Err(wrong(format!("label {k} is {v}; labels are whole numbers of 32 bits, or text"))),
            };
            let numbers = values.iter().enumerate().map(number).collect::<Result<Vec<i32>>>()?;
            let (of, classes) = by_occurrence(&numbers);
            (of, Names::Numbers(classes))
        } else {
            let text = std::fs::read_to_string(path).map_err(|e| wrong(format!("cannot be read: {e}")))?;
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
            let lines: Vec<&str> = text.lines().map(|line| line.trim_end_matches('\r')).collect();
            if let Some(blank) = lines.iter().position(|line| line.trim().is_empty()) {
                return Err(wrong(format!(
                    "line {} is blank; a label is wanted for each pattern",
                    blank + 1
                )));
            }
            let (of, classes) = by_occurrence(&lines);
            (of, Names::Texts(classes.into_iter().collect()))
        };
        if of.len() != n {
            return Err(wrong(format!("has {} labels; want {n}, one per pattern", of.len())));
        }
        Ok(Self { labels: Labels::new(of)?, names })
    }

    /// What queries are called, by the weights of the patterns at the queries themselves.
    pub(super) fn vote(
        self,
        memory: &mut dyn Memory,
        queries: &Rows<'_>,
        options: &RecallOptions<'_>,
    ) -> Result<Voted> {
        memory.associate(&self.labels.values())?;
        let look = RecallOptions { steps: 0, trace: false, ..options.clone() };
        let found = memory.recall_with(queries, &look)?;
        let values = found.values.unwrap_or_else(|| Rows::empty(self.labels.classes()));
        let probabilities = self.labels.probabilities(&values)?;
        let votes = self.labels.vote(&probabilities);
        let (mut numbers, mut texts) = (Vec::new(), Ragged::default());
        for class in votes {
            match &self.names {
                Names::Numbers(names) => numbers.push(names[class as usize]),
                Names::Texts(names) => texts.push(names.get(class as usize).unwrap_or_default()),
            }
        }
        let is_text = matches!(self.names, Names::Texts(_));
        Ok(Voted { probabilities, numbers, texts, is_text, classes: self.names })
    }
}

impl Voted {
    /// The arrays of a file of results.
    pub(super) fn arrays(&self) -> Vec<Array<'_>> {
        let (b, c) = (self.probabilities.rows(), self.probabilities.columns());
        let data = ArrayData::F32(self.probabilities.as_slice());
        let mut arrays = vec![Array { name: "label_probability", shape: vec![b, c], data }];
        if self.is_text {
            arrays.extend(self.texts.arrays(["label_bytes", "label_ends"], &[b]));
        } else {
            arrays.push(Array { name: "label", shape: vec![b], data: ArrayData::I32(&self.numbers) });
        }
        match &self.classes {
            Names::Numbers(names) => {
                arrays.push(Array { name: "classes", shape: vec![names.len()], data: ArrayData::I32(names) });
            }
            Names::Texts(names) => {
                arrays.extend(names.arrays(["classes_bytes", "classes_ends"], &[names.len()]));
            }
        }
        arrays
    }
}

/// A number for each label, those of equal ones equal, from 0 on in the order of their first occurrence; and what the numbers stand for.
fn by_occurrence<T: Copy + Eq + std::hash::Hash>(labels: &[T]) -> (Vec<u32>, Vec<T>) {
    let (mut known, mut classes) = (std::collections::HashMap::new(), Vec::new());
    let mut number = |label: &T| {
        *known.entry(*label).or_insert_with(|| {
            classes.push(*label);
            classes.len() as u32 - 1
        })
    };
    let of = labels.iter().map(&mut number).collect();
    (of, classes)
}

/// A choice of `beta` by labels, for JSON.
pub(super) fn beta_json(choice: &LabelBeta) -> serde_json::Value {
    serde_json::json!({
        "value": choice.beta,
        "auto": false,
        "by": "labels",
        "likelihood": choice.likelihood,
        "accuracy": choice.accuracy,
        "sampled": choice.sampled,
        "curve": choice.curve.iter().map(|(beta, likelihood)| serde_json::json!([beta, likelihood])).collect::<Vec<_>>(),
    })
}
