//! The file of a memory of features: safetensors.
//!
//! | tensor | type, shape | |
//! | --- | --- | --- |
//! | `memory` | F64, `[m]` or `[2 m]` | `T` |
//! | `sum` | F64, `[d]` | sum of the patterns, scaled and shifted |
//! | `shift` | F32, `[d]` | where there is one |
//! | `frequencies`, `phases` | F32, `[m, d]` and `[m]` | where they were given, and not a seed |
//! | `checksums` | U8, `[4 (b + 1)]` | CRC-32 of each 65,536 bytes before it, and of these numbers (see `io/seal.rs`) |
//!
//! Metadata: `format` (`attractor features`), `version` (`1`), `generator`, `map`, `features` (`m`), `dim`, `beta`, `seed` and
//! `projection`, `scale`, `epsilon`, `count`, `weight`, `largest` (the largest squared length of a pattern, scaled and shifted) and `checksums`
//! (how they are made). Files of earlier versions have neither `largest` nor tensor or key `checksums`, and are read unchecked.

use super::{FeatureMemory, FeatureSettings, MOST_PATTERNS};
use crate::{
    Device, Error, Result, Rows,
    io::{Array, ArrayData, FileFormat},
    ops::{FeatureSpec, FrequencySource},
};
use std::path::Path;

const FORMAT: FileFormat = FileFormat {
    name: "attractor features",
    version: "1",
    what: "memory of features",
    want: "a file that a memory of features was saved to is needed",
};
/// The generator of frequencies and phases: another one makes other numbers of the same seed.
const GENERATOR: &str = "philox4x32-10 box-muller 1";

impl FeatureMemory {
    /// Writes the memory to a `.safetensors` file.
    ///
    /// # Errors
    /// [`Error::Format`] for another suffix, [`Error::File`].
    ///
    /// ```
    /// use attractor::{Device, memory::{FeatureMemory, Memory}, ops::{FeatureMap, FeatureSpec}};
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("memory.safetensors");
    /// let mut memory = FeatureMemory::new(FeatureSpec::new(FeatureMap::SinCos, 100, 2, 4.0, 7))?;
    /// memory.absorb(&[[0.5, 0.1]])?;
    /// memory.save(&path)?;
    /// let again = FeatureMemory::load(&path, &Device::cpu())?;
    /// assert_eq!(again.vector(), memory.vector());
    /// assert_eq!(again.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let (spec, settings) = (self.spec(), &self.settings);
        let mut metadata: Vec<(&str, String)> = vec![
            ("generator", GENERATOR.into()),
            ("map", spec.map.to_string()),
            ("features", spec.count.to_string()),
            ("dim", spec.dim.to_string()),
            ("beta", spec.beta.to_string()),
            ("scale", settings.scale.to_string()),
            ("epsilon", settings.epsilon.unwrap_or(0.0).to_string()),
            ("count", self.count.to_string()),
            ("weight", self.weight.to_string()),
        ];
        if let Some(largest) = self.largest {
            metadata.push(("largest", largest.to_string()));
        }
        let vector = |name, data| Array { name, shape: vec![length(&data)], data };
        let mut arrays =
            vec![vector("memory", ArrayData::F64(&self.t)), vector("sum", ArrayData::F64(&self.sum))];
        if !settings.shift.is_empty() {
            arrays.push(vector("shift", ArrayData::F32(&settings.shift)));
        }
        match &spec.source {
            FrequencySource::Seed { seed, projection } => {
                metadata.push(("seed", seed.to_string()));
                metadata.push(("projection", projection.to_string()));
            }
            FrequencySource::Given { frequencies, phases } => {
                let data = ArrayData::F32(frequencies.as_slice());
                arrays.push(Array { name: "frequencies", shape: vec![spec.count, spec.dim], data });
                arrays.push(vector("phases", ArrayData::F32(phases)));
            }
        }
        let metadata: Vec<(&str, &str)> = metadata.iter().map(|(k, v)| (*k, v.as_str())).collect();
        FORMAT.write(path.as_ref(), &arrays, &metadata)
    }

    /// Reads a memory from a file that [`FeatureMemory::save`] wrote.
    ///
    /// # Errors
    /// [`Error::File`]; [`Error::Format`] where it is no such file or damaged; [`Error::IncompatibleMemory`] where another generator made
    /// its frequencies; faults of the device.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self> {
        let file = FORMAT.open(path.as_ref())?;
        if file.entry("generator")? != GENERATOR {
            let (left, right) = (file.entry("generator")?.to_owned(), GENERATOR.to_owned());
            return Err(Error::IncompatibleMemory { field: "generator", left, right });
        }
        let (wrong, unfit) = (|problem| file.wrong(problem), |error| file.unfit(error));
        let tensor = |name: &str, dtype: &str, shape: &[usize]| {
            let known = file.contents().tensors.get(name);
            let (found, has, range) = known.ok_or_else(|| wrong(format!("there is no tensor '{name}'")))?;
            if found.to_string() != dtype || has != shape {
                return Err(wrong(format!("'{name}' is {found} {has:?}, not {dtype} {shape:?}")));
            }
            file.source().bytes().get(range.clone()).ok_or_else(|| wrong(format!("'{name}' is cut off")))
        };
        let f64s = |name: &str, n: usize| -> Result<Vec<f64>> {
            let bytes = tensor(name, "F64", &[n])?.as_chunks::<8>().0;
            finite(bytes.iter().map(|b| f64::from_le_bytes(*b)).collect())
                .ok_or_else(|| wrong(format!("'{name}' has values that are not finite")))
        };
        let f32s = |name: &str, shape: &[usize]| -> Result<Vec<f32>> {
            let bytes = tensor(name, "F32", shape)?.as_chunks::<4>().0;
            Ok(bytes.iter().map(|b| f32::from_le_bytes(*b)).collect())
        };
        let map = file.number("map")?;
        let (m, d): (usize, usize) = (file.number("features")?, file.number("dim")?);
        let beta = file.number("beta")?;
        let spec = if file.has("frequencies") {
            let phases = f32s("phases", &[m])?;
            let frequencies = Rows::new(f32s("frequencies", &[m, d])?, d).map_err(unfit)?;
            FeatureSpec::given(map, frequencies, Some(&phases), beta).map_err(unfit)?
        } else {
            let seed = file.number("seed")?;
            let projection = file.number("projection")?;
            FeatureSpec {
                source: FrequencySource::Seed { seed, projection },
                ..FeatureSpec::new(map, m, d, beta, seed)
            }
        };
        spec.check().map_err(unfit)?;
        let count: u64 = file.number("count")?;
        if count > MOST_PATTERNS {
            return Err(file.bad("count"));
        }
        let weight: f64 = file.number("weight")?;
        // Each pattern weighs 1 at most.
        if !(weight >= 0.0 && weight <= count as f64 * (1.0 + 1e-9)) {
            return Err(file.bad("weight"));
        }
        let largest = match file.contents().metadata.contains_key("largest") {
            true => Some(file.number::<f64>("largest")?),
            false => None,
        };
        if largest.is_some_and(|largest| !(largest >= 0.0 && largest.is_finite())) {
            return Err(file.bad("largest"));
        }
        // Before anything is made for them, whether the tensors are as large as the metadata says.
        let (t, sum) = (f64s("memory", spec.length())?, f64s("sum", d)?);
        let shift = if file.has("shift") { f32s("shift", &[d])? } else { Vec::new() };
        let settings = FeatureSettings {
            device: Some(device.clone()),
            scale: file.number("scale")?,
            shift,
            epsilon: Some(file.number("epsilon")?),
            ..FeatureSettings::default()
        };
        let mut memory = Self::with(spec, settings).map_err(unfit)?;
        (memory.t, memory.sum, memory.count, memory.weight) = (t, sum, count, weight);
        memory.largest = largest;
        Ok(memory)
    }
}

fn length(data: &ArrayData<'_>) -> usize {
    match data {
        ArrayData::F64(values) => values.len(),
        ArrayData::F32(values) => values.len(),
        _ => 0,
    }
}

fn finite(values: Vec<f64>) -> Option<Vec<f64>> {
    values.iter().all(|v| v.is_finite()).then_some(values)
}
