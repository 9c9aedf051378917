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
    Device, Error, Result,
    io::{Array, ArrayData, FileFormat},
    memory::Memory,
};
use std::path::Path;

const FORMAT: FileFormat = FileFormat {
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
        let metadata = [("separation", separation.as_str()), ("beta", &beta), ("space", space)];
        FORMAT.write(path, &arrays, &metadata)
    }

    /// Reads a memory from a file that [`KernelizedMemory::save`] wrote.
    ///
    /// # Errors
    /// [`Error::File`]; [`Error::Format`] where it is no such file, of another version, or damaged; faults of the device.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self> {
        let file = FORMAT.open(path.as_ref())?;
        if let Some(name) = ["patterns", "weights", "unit"].into_iter().find(|name| !file.has(name)) {
            return Err(file.wrong(format!("there is no tensor '{name}'")));
        }
        let unfit = |error| file.unfit(error);
        let (weights, dim) = file.source().matrix_f64(&["weights"])?;
        let bias = if file.has("bias") { Some(file.source().matrix_f64(&["bias"])?.0) } else { None };
        let map = LinearMap::of_parameters(dim, weights, bias).map_err(unfit)?;
        let space = match file.entry("space")? {
            "auto" => StateSpace::Auto,
            "patterns" => StateSpace::Patterns,
            "features" => StateSpace::Features,
            _ => return Err(file.bad("space")),
        };
        let settings = KernelizedSettings {
            device: Some(device.clone()),
            separation: file.number("separation")?,
            beta: file.number("beta")?,
            unit: file.source().values(&["unit"])?.0.first().is_some_and(|unit| *unit != 0.0),
            space,
        };
        let mut memory = Self::new(&file.source().matrix(&["patterns"])?, map, settings).map_err(unfit)?;
        if file.has("values") {
            memory.associate(&file.source().matrix(&["values"])?).map_err(unfit)?;
        }
        Ok(memory)
    }
}
