//! `burn-runner chain|attention`: burn's wgpu back end on the software adapter in the side-by-side benchmark, as
//! the chain product, softmax, product, or as its `attention`, which may keep no scores.

use burn::tensor::{
    Device, DeviceKind, Int, Tensor, TensorData, activation::softmax, module::attention,
    ops::AttentionModuleOptions,
};
use protocol::{Op, Output, Peer, Result, Rows, Task, serve};
use std::process::ExitCode;

struct Burn {
    device: Device,
    attention: bool,
}

impl Burn {
    fn tensor(&self, rows: &Rows<'_>) -> Tensor<2> {
        let data = TensorData::new(rows.as_slice().to_vec(), [rows.rows(), rows.columns()]);
        Tensor::from_data(data, &self.device)
    }

    /// `softmax(beta state patterns^T) patterns`
    fn step(&self, state: Tensor<2>, patterns: &Tensor<2>, beta: f32) -> Tensor<2> {
        if self.attention {
            let keys: Tensor<4> = patterns.clone().unsqueeze();
            let options =
                AttentionModuleOptions { scale: Some(beta.into()), softcap: None, is_causal: false };
            let shape = state.dims();
            attention(state.unsqueeze(), keys.clone(), keys, None, None, options).reshape(shape)
        } else {
            let scores = state.matmul(patterns.clone().transpose()).mul_scalar(beta);
            softmax(scores, 1).matmul(patterns.clone())
        }
    }
}

impl Peer for Burn {
    type Data = (Tensor<2>, Tensor<2>);

    fn load(&self, patterns: &Rows<'_>, queries: &Rows<'_>) -> Result<Self::Data> {
        let data = (self.tensor(patterns), self.tensor(queries));
        self.device.sync()?;
        Ok(data)
    }

    fn run(&self, (patterns, queries): &Self::Data, task: &Task) -> Result<Output> {
        match task.op {
            Op::Step => {
                let mut state = queries.clone();
                for _ in 0..task.steps {
                    state = self.step(state, patterns, task.beta);
                }
                let columns = state.dims()[1];
                Ok(Output::States { values: state.try_into_vec_as()?, columns })
            }
            Op::TopK => {
                let scores = queries.clone().matmul(patterns.clone().transpose());
                let (_, indices): (_, Tensor<2, Int>) = scores.topk_with_indices(task.k, 1);
                let values: Vec<i64> = indices.try_into_vec_as()?;
                let values = values.into_iter().map(u32::try_from).collect::<std::result::Result<_, _>>()?;
                Ok(Output::Indices { values, columns: task.k })
            }
        }
    }

    fn note(&self) -> String {
        format!("{:?}", self.device)
    }
}

fn main() -> ExitCode {
    let attention = std::env::args().nth(1).is_some_and(|form| form == "attention");
    let device = Device::wgpu(DeviceKind::Cpu);
    match serve(&Burn { device, attention }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("burn-runner: {error}");
            ExitCode::FAILURE
        }
    }
}
