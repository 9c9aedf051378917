//! The file of a kernelized memory: safetensors.
//!
//! | tensor | type, shape | |
//! | --- | --- | --- |
//! | `patterns` | F32, `[n, d]` | |
//! | `weights` | F32 (F64 where it would lose bits), `[D, d]` | `W` |
//! | `bias` | as `weights`, `[D]` | where there is one |
//! | `values` | F32, `[n, v]` | where patterns have any |
//! | `unit` | U8, `[1]` | whether features count as if they had length 1 |
//! | `checksums` | U8 | see `io/seal.rs` |
//!
//! Metadata: `format` (`attractor kernelized`), `version` (`1`), `separation`, `beta`, `space` and `checksums`.

use super::{FeatureTransform, KernelizedMemory, KernelizedSettings, LinearMap, StateSpace};
use crate::{
    Device, Error, Result, ToRows,
    io::{
        Array, ArrayData, Source,
        own_format::OwnFormat,
        safetensors::{Contents, contents},
        seal::Seal,
        write_sealed,
    },
    memory::Memory,
};
use std::path::Path;

const FORMAT: OwnFormat = OwnFormat {
    name: "attractor kernelized",
    version: "1",
    what: "kernelized memory",
    want: "a file that a kernelized memory was saved to is needed",
};

impl KernelizedMemory {
    /// Writes the memory to a `.safetensors` file, whole or not at all.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] where the map is not linear, [`Error::Format`] for another suffix, [`Error::File`]; faults of the device.
    ///
    /// ```
    /// use attractor::{memory::{KernelizedMemory, KernelizedSettings, LinearMap}, prelude::*};
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("memory.safetensors");
    /// let map = LinearMap::given(&Rows::new(vec![2.0, 0.0, 0.0, 1.0], 2)?, None)?;
    /// let memory = KernelizedMemory::new(&[[1.0, 0.0], [0.0, 1.0]], map, KernelizedSettings::default())?;
    /// memory.save(&path)?;
    /// let again = KernelizedMemory::load(&path, memory.device())?;
    /// assert_eq!(again.recall(&[[0.9, 0.2]])?.states, memory.recall(&[[0.9, 0.2]])?.states);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        FORMAT.check_suffix(path)?;
        let Some(map) = self.map.as_linear() else {
            return Err(Error::parameter("map of a memory to save", "not linear", "a matrix"));
        };
        let exact = [map.weights(), map.bias()].concat().iter().all(|v| f64::from(*v as f32) == *v);
        let narrow = |values: &[f64]| values.iter().map(|v| *v as f32).collect::<Vec<_>>();
        let (weights, bias) = (narrow(map.weights()), narrow(map.bias()));
        let of = |wide, narrow| if exact { ArrayData::F32(narrow) } else { ArrayData::F64(wide) };
        let patterns = self.patterns.to_vec()?;
        let values =
            self.values.as_ref().map(|values| Ok::<_, Error>((values.to_vec()?, values.shape().to_vec())));
        let values = values.transpose()?;
        let unit = [u8::from(self.settings.unit)];
        let shape = vec![map.features(), map.dim()];
        let mut arrays = vec![
            Array { name: "patterns", shape: vec![self.len(), self.dim()], data: ArrayData::F32(&patterns) },
            Array { name: "weights", shape, data: of(map.weights(), &weights) },
            Array { name: "unit", shape: vec![1], data: ArrayData::U8(&unit) },
        ];
        if !bias.is_empty() {
            arrays.push(Array { name: "bias", shape: vec![bias.len()], data: of(map.bias(), &bias) });
        }
        if let Some((values, shape)) = &values {
            arrays.push(Array { name: "values", shape: shape.clone(), data: ArrayData::F32(values) });
        }
        let KernelizedSettings { separation, beta, space, .. } = &self.settings;
        let space = match space {
            StateSpace::Auto => "auto",
            StateSpace::Patterns => "patterns",
            StateSpace::Features => "features",
        };
        let (separation, beta) = (separation.to_string(), beta.to_string());
        let metadata = [
            ("format", FORMAT.name),
            ("version", FORMAT.version),
            ("separation", &separation),
            ("beta", &beta),
            ("space", space),
        ];
        write_sealed(path, &arrays, &metadata)
    }

    /// Reads a memory from a file that [`KernelizedMemory::save`] wrote.
    ///
    /// # Errors
    /// [`Error::File`]; [`Error::Format`] where it is no such file, of another version, or damaged; faults of the device.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self> {
        let path = path.as_ref();
        let wrong = |problem: String| FORMAT.wrong(path, problem);
        let unfit = |error: Error| error.in_file(path, FORMAT.want);
        FORMAT.check_suffix(path)?;
        let source = Source::open_file(path)?;
        let contents = contents(source.bytes()).map_err(wrong)?;
        let Contents { metadata, tensors } = &contents;
        let get = |key: &str| FORMAT.entry(path, &contents, key);
        FORMAT.check(path, &contents)?;
        if let Some(seal) = Seal::of(source.bytes(), &contents).map_err(wrong)? {
            seal.check_all(source.bytes()).map_err(wrong)?;
        }
        let bad = |key: &str, text: &str| wrong(format!("'{key}' in the metadata is '{text}'"));
        let has = |name: &str| tensors.contains_key(name);
        if let Some(name) = ["patterns", "weights", "unit"].into_iter().find(|name| !has(name)) {
            return Err(wrong(format!("there is no tensor '{name}'")));
        }
        let (weights, dim) = source.matrix_f64(&["weights"])?;
        let bias = if has("bias") { Some(source.matrix_f64(&["bias"])?.0) } else { None };
        let map = LinearMap::of_parameters(dim, weights, bias).map_err(unfit)?;
        let space = match get("space")? {
            "auto" => StateSpace::Auto,
            "patterns" => StateSpace::Patterns,
            "features" => StateSpace::Features,
            other => return Err(bad("space", other)),
        };
        let settings = KernelizedSettings {
            device: Some(device.clone()),
            separation: get("separation")?.parse().map_err(|_| bad("separation", &metadata["separation"]))?,
            beta: get("beta")?.parse().map_err(|_| bad("beta", &metadata["beta"]))?,
            unit: source.values(&["unit"])?.0.first().is_some_and(|unit| *unit != 0.0),
            space,
        };
        let check = |error: Error| match error {
            // What the file says is out of range; all else is the device's.
            Error::InvalidParameter { .. }
            | Error::DimensionMismatch { .. }
            | Error::NonFinite { .. }
            | Error::EmptyMemory => unfit(error),
            other => other,
        };
        let mut memory = Self::new(&source.matrix(&["patterns"])?, map, settings).map_err(check)?;
        if has("values") {
            memory.associate(&source.matrix(&["values"])?.to_rows()?).map_err(check)?;
        }
        Ok(memory)
    }
}
