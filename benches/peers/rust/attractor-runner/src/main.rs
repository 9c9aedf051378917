//! `attractor-runner DEVICE`: this library in the side-by-side benchmark.

use attractor::{
    Device, Rows, Tensor,
    ops::{Similarity, nearest, step},
};
use protocol::{Op, Output, Peer, Result, Task, serve};
use std::process::ExitCode;

struct Attractor {
    device: Device,
}

impl Peer for Attractor {
    type Data = (Tensor, Tensor);

    fn load(&self, patterns: &Rows<'_>, queries: &Rows<'_>) -> Result<Self::Data> {
        Ok((Tensor::new(&self.device, patterns)?, Tensor::new(&self.device, queries)?))
    }

    fn run(&self, (patterns, queries): &Self::Data, task: &Task) -> Result<Output> {
        match task.op {
            Op::Step => {
                let mut state = queries.clone();
                for _ in 0..task.steps {
                    (state, _) = step(&state, patterns, task.beta, Similarity::Dot)?;
                }
                let columns = state.shape().last().copied().unwrap_or(0);
                // On a GPU this waits for the steps and copies the states to the host.
                Ok(Output::States { values: state.to_vec()?, columns })
            }
            Op::TopK => {
                let (_, values) = nearest(queries, patterns, task.k, Similarity::Dot)?;
                Ok(Output::Indices { values, columns: task.k })
            }
        }
    }

    fn note(&self) -> String {
        self.device.to_string()
    }
}

fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_else(|| "cpu".to_owned());
    let served = Device::open(&name).map_err(Into::into).and_then(|device| serve(&Attractor { device }));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("attractor-runner: {error}");
            ExitCode::FAILURE
        }
    }
}
