//! A memory of one's own. Entered in the table of kinds it has a name, as those of the library have: it is built, measured, explained,
//! saved and loaded by that name, and the conformance suite tests it.
//!
//! `cargo run --release --example own_memory`

use attractor::{
    Tensor,
    io::{Array, ArrayData, FileFormat},
    memory::{
        Energy, EnergySettings, Recall, Status,
        registry::{self, Data, Dynamics, Family, File, Kind, Other, Promise, Properties, Weights},
    },
    ops::nearest,
    prelude::*,
};
use std::{path::Path, sync::Arc};

/// Winner takes all: a state becomes the nearest pattern. `E(x) = min_k |x - xi_k|^2 / 2`, which is 0 there.
struct WinnerMemory {
    device: Device,
    rows: Rows<'static>,
    /// The rows on the device, `[n, d]`.
    patterns: Tensor,
}

/// What the table says of it.
pub(crate) static WINNER: Kind = Kind {
    name: "winner",
    about: "min_k |x - xi_k|^2 / 2: the nearest pattern takes all",
    source: "the limit of softmax for a large beta",
    parameters: &[],
    parse: Other::parse,
    family: Family {
        properties: |_| Properties {
            takes: &[],
            patterns: Data::Real,
            states: Data::Real,
            weights: Weights::Shares,
            dynamics: Dynamics::Updates,
            promises: &[Promise::Descends, Promise::Appends, Promise::RecallsExactly],
            law: None,
            size: |n, d| n * d as f64,
        },
        build: |_, patterns, columns, settings| {
            let device = settings.device.clone().map_or_else(Device::best, Ok)?;
            let rows = Rows::new((**patterns).as_ref(), columns)?;
            Ok(Box::new(WinnerMemory::new(&rows, &device)?))
        },
        file: Some(File {
            format: FORMAT.name,
            load: |path, device| {
                let file = FORMAT.open(path)?;
                let memory = WinnerMemory::new(&file.source().matrix(&["patterns"])?, device);
                Ok(Box::new(memory.map_err(|error| file.unfit(error))?))
            },
        }),
        settings: &[],
    },
};

const FORMAT: FileFormat = FileFormat {
    name: "example winner",
    version: "1",
    what: "winner memory",
    want: "a file that a winner memory was saved to is needed",
};

impl WinnerMemory {
    fn new(rows: &Rows<'_>, device: &Device) -> attractor::Result<Self> {
        rows.check_finite("patterns")?;
        let patterns = Tensor::new(device, rows)?;
        Ok(Self { device: device.clone(), rows: rows.clone().into_owned(), patterns })
    }
}

impl Memory for WinnerMemory {
    fn len(&self) -> usize {
        self.rows.rows()
    }

    fn dim(&self) -> usize {
        self.rows.columns()
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn append(&mut self, patterns: &dyn ToRows) -> attractor::Result<()> {
        let more = patterns.to_rows()?;
        if more.columns() != self.dim() {
            return Err(attractor::Error::dimension("columns of patterns", more.columns(), self.dim()));
        }
        more.check_finite("patterns")?;
        let all = Rows::new([self.rows.as_slice(), more.as_slice()].concat(), self.dim())?;
        *self = Self::new(&all, &self.device)?;
        Ok(())
    }

    fn save(&self, path: &Path) -> attractor::Result<()> {
        let shape = vec![self.len(), self.dim()];
        FORMAT.write(
            path,
            &[Array { name: "patterns", shape, data: ArrayData::F32(self.rows.as_slice()) }],
            &[],
        )
    }

    fn recall_with(&self, queries: &dyn ToRows, options: &RecallOptions<'_>) -> attractor::Result<Recall> {
        let queries = queries.to_rows()?;
        queries.check_finite("queries")?;
        if options.mask.is_some() || options.clamp.is_some() {
            return Err(attractor::Error::parameter(
                "mask or clamp",
                "given",
                "none: the nearest pattern answers",
            ));
        }
        let (similarity, winners) =
            nearest(&Tensor::new(&self.device, &queries)?, &self.patterns, 1, Similarity::L2)?;
        if options.progress.is_some_and(|tell| tell(1, 1).is_break()) {
            return Err(attractor::Error::Interrupted);
        }
        let before: Vec<f32> = similarity.iter().map(|s| -s).collect();
        let (b, moves, winner) = (queries.rows(), options.steps > 0, |k: &u32| self.rows.row(*k as usize));
        let (states, status) = match moves {
            true => (winners.iter().flat_map(winner).copied().collect(), Status::Converged),
            false => (queries.as_slice().to_vec(), Status::MaxSteps),
        };
        let states = Rows::new(states, self.dim())?;
        let mut recall = Recall::new(states, vec![u32::from(moves); b], vec![status; b]);
        let trace = |e: &f32| if moves { vec![*e, 0.0] } else { vec![*e] };
        recall.trace = options.trace.then(|| before.iter().map(trace).collect());
        recall.energy = if moves { vec![0.0; b] } else { before };
        (recall.indices, recall.weights, recall.top_k) = (winners, vec![1.0; b], 1);
        recall.effective = vec![1.0; b];
        Ok(recall)
    }
}

#[allow(dead_code, reason = "a test takes in this file for its kind")]
fn main() -> attractor::Result<()> {
    registry::register(&WINNER)?;
    let energy: Energy = "winner".parse()?;
    let memory = energy.memory(Arc::new(vec![0.0, 1.0, 1.0, 0.0]), 2, &EnergySettings::default())?;
    let recall = memory.recall(&[[0.9, 0.3]])?;
    println!("{:?}, pattern {}: {}", recall.states.row(0), recall.indices[0], recall.status[0]);
    Ok(())
}
