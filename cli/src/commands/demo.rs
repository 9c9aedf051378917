//! `attractor demo`: real images, damaged and recalled.

use crate::{
    arguments,
    failure::{Failure, Result},
    output::line,
    sheet::Sheet,
};
use attractor::{
    Device, Rows, Tensor,
    io::write_bytes,
    memory::{DenseMemory, Memory, Recall, RecallOptions, Status},
    ops::{Similarity, argmax, similarity},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, Normal};
use std::time::Instant;

/// See `cli/data/README.md`.
static DIGITS: &[u8] = include_bytes!("../../data/digits.u8");
/// Pixels of a side.
const SIDE: usize = 8;
const PIXELS: usize = SIDE * SIDE;
/// Images of each damage on the sheet.
const SHOWN: usize = 16;
/// Standard deviation of the noise, where black to white is 1.
const NOISE: f64 = 0.25;

/// Part of the automatic beta that is used where hidden pixels are compared, though nothing is known of them.
const SOFTER: f32 = 0.2;

/// A way to damage images.
struct Damage {
    name: &'static str,
    /// Damaged images `[n, 64]`; hidden pixels hold the mean image's.
    cues: Rows<'static>,
    /// Pixels that are not known; `None` where all are, if noisily.
    hidden: Option<Vec<bool>>,
}

/// How one damage went.
struct Outcome {
    damage: Damage,
    recall: Recall,
    seconds: f64,
    recalled: f64,
    /// The same where known pixels stay, but all are compared.
    clamped: Option<f64>,
    /// Right by the nearest neighbour of the cue as it is.
    nearest: f64,
    /// Right by the nearest neighbour on the pixels that are known.
    nearest_known: f64,
}

pub(crate) fn digits() -> Result<Rows<'static>> {
    Ok(Rows::new(DIGITS.iter().map(|v| f32::from(*v) / 16.0).collect::<Vec<f32>>(), PIXELS)?)
}

fn mean_image(images: &Rows<'_>) -> Vec<f32> {
    let mut mean = vec![0.0; images.columns()];
    for image in images.iter() {
        mean.iter_mut().zip(image).for_each(|(m, v)| *m += v / images.rows() as f32);
    }
    mean
}

fn damages(images: &Rows<'_>, seed: u64) -> Result<Vec<Damage>> {
    let mut random = StdRng::seed_from_u64(seed);
    let noise = Normal::new(0.0, NOISE).map_err(|e| Failure::data(e.to_string()))?;
    let noisy = images.as_slice().iter().map(|v| v + noise.sample(&mut random) as f32);
    let noisy = Rows::new(noisy.collect::<Vec<f32>>(), PIXELS)?;
    // What is not known starts as the average digit has it.
    let mean = mean_image(images);
    let hide = |name, images: &Rows<'_>, hidden: Vec<bool>| -> Result<Damage> {
        let values = images.as_slice().iter().zip(&hidden).enumerate();
        let cues =
            values.map(|(i, (v, hide))| if *hide { mean[i % PIXELS] } else { *v }).collect::<Vec<f32>>();
        Ok(Damage { name, cues: Rows::new(cues, PIXELS)?, hidden: Some(hidden) })
    };
    let count = images.as_slice().len();
    let lower: Vec<bool> = (0..count).map(|i| i % PIXELS >= PIXELS / 2).collect();
    let half: Vec<bool> = (0..count).map(|_| random.random_bool(0.5)).collect();
    Ok(vec![
        hide("lower half hidden", images, lower)?,
        hide("half the pixels hidden", images, half.clone())?,
        hide("the same, noise on the rest", &noisy, half)?,
        Damage { name: "noise", cues: noisy, hidden: None },
    ])
}

/// Share of the images whose number comes out.
fn share_right(found: impl Iterator<Item = u32>) -> f64 {
    let (right, all) =
        found.enumerate().fold((0, 0), |(r, n), (i, k)| (r + usize::from(i as u32 == k), n + 1));
    right as f64 / f64::from(all.max(1))
}

fn run_damage(memory: &DenseMemory, images: &Rows<'_>, damage: Damage) -> Result<Outcome> {
    let known: Option<Vec<bool>> = damage.hidden.as_ref().map(|h| h.iter().map(|v| !v).collect());
    let options = RecallOptions { known: known.as_deref(), ..RecallOptions::default() };
    let started = Instant::now();
    let recall = memory.recall_with(&damage.cues, &options)?;
    let seconds = started.elapsed().as_secs_f64();
    let best = |recall: &Recall| {
        share_right((0..recall.len()).map(|i| recall.top(i).next().map_or(u32::MAX, |(k, _)| k)))
    };
    let clamped = match &known {
        None => None,
        Some(known) => {
            // Hidden pixels start from the average digit, which says nothing: they must mix before they decide.
            let beta = Some(memory.beta()? * SOFTER);
            let options = RecallOptions { beta, clamp: Some(known), ..RecallOptions::default() };
            Some(best(&memory.recall_with(&damage.cues, &options)?))
        }
    };
    let cpu = Device::cpu();
    let scores = similarity(&Tensor::new(&cpu, &damage.cues)?, &Tensor::new(&cpu, images)?, Similarity::L2)?;
    let nearest = share_right(argmax(&scores)?.into_iter());
    let nearest_known = match &known {
        Some(known) => share_right(nearest_on(images, &damage.cues, known)),
        None => nearest,
    };
    let recalled = best(&recall);
    Ok(Outcome { damage, recall, seconds, recalled, clamped, nearest, nearest_known })
}

/// For each cue the image nearest to it on its known pixels.
fn nearest_on<'a>(
    images: &'a Rows<'_>,
    cues: &'a Rows<'_>,
    known: &'a [bool],
) -> impl Iterator<Item = u32> + 'a {
    let distance = |cue: &[f32], image: &[f32], known: &[bool]| -> f32 {
        let pixels = cue.iter().zip(image).zip(known);
        pixels.map(|((a, b), known)| if *known { (a - b) * (a - b) } else { 0.0 }).sum()
    };
    cues.iter().zip(known.chunks_exact(PIXELS)).map(move |(cue, known)| {
        let mut best = (f32::INFINITY, 0);
        for (k, image) in images.iter().enumerate() {
            let d = distance(cue, image, known);
            if d < best.0 {
                best = (d, k as u32);
            }
        }
        best.1
    })
}

pub(crate) fn run(arguments: &arguments::Demo) -> Result<()> {
    let device = arguments.common.open()?;
    let dir = &arguments.out_dir;
    std::fs::create_dir_all(dir)
        .map_err(|e| Failure::data(format!("{}: cannot create the folder: {e}", dir.display())))?;
    let images = digits()?;
    let started = Instant::now();
    let memory = DenseMemory::builder().device(&device).build(&images)?;
    let beta = memory.beta_choice()?;
    let stored = started.elapsed().as_secs_f64();
    // The first recall on a GPU compiles its kernels.
    let warm = RecallOptions { steps: 1, ..RecallOptions::default() };
    memory.recall_with(&images.slice(0..16), &warm)?;
    let outcomes = damages(&images, arguments.common.seed)?
        .into_iter()
        .map(|damage| run_damage(&memory, &images, damage))
        .collect::<Result<Vec<Outcome>>>()?;

    let (picture, numbers) = (dir.join("digits.png"), dir.join("demo.json"));
    write_bytes(&picture, &sheet(&images, &outcomes).png()?)?;
    let summary = summary(&memory, &device, &outcomes, stored, arguments.common.seed)?;
    write_bytes(&numbers, format!("{summary:#}\n").as_bytes())?;
    if arguments.common.json {
        line(&format!("{summary:#}"))?;
    } else if !arguments.common.quiet {
        line(&format!(
            "Stored {} handwritten digits of {SIDE} x {SIDE} pixels on {device}; beta {beta}.\n",
            memory.len()
        ))?;
        let head = ["damage", "recalled", "clamped", "nearest", "nearest, known", "time", "recalls"];
        let [damage, recalled, clamped, nearest, known, time, rate] = head;
        line(&format!(
            "{damage:<28} {recalled:>9} {clamped:>9} {nearest:>9} {known:>15} {time:>9} {rate:>10}"
        ))?;
        for o in &outcomes {
            line(&format!(
                "{:<28} {:>7.1} % {:>9} {:>7.1} % {:>13.1} % {:>7.3} s {:>8.0}/s",
                o.damage.name,
                100.0 * o.recalled,
                o.clamped.map_or_else(String::new, |share| format!("{:.1} %", 100.0 * share)),
                100.0 * o.nearest,
                100.0 * o.nearest_known,
                o.seconds,
                o.recall.len() as f64 / o.seconds
            ))?;
        }
        line(
            "\nrecalled: the damaged image weighs most at the end, known pixels compared alone (--known); clamped: all pixels\n\
             compared, hidden ones from the average digit on (--clamp); nearest: the nearest neighbour of that; nearest,\n\
             known: on the known pixels alone.",
        )?;
        line(&format!(
            "\nLook at {} (from top: cue, recalled, truth); the numbers are in {}.",
            picture.display(),
            numbers.display()
        ))?;
    }
    Ok(())
}

/// Cue, recalled and truth for each damage.
fn sheet(images: &Rows<'_>, outcomes: &[Outcome]) -> Sheet {
    let mut sheet = Sheet::new(SIDE, outcomes.len(), 3, SHOWN);
    for (block, o) in outcomes.iter().enumerate() {
        for column in 0..SHOWN {
            // Evenly over the set, so that all digits occur.
            let i = column * images.rows() / SHOWN;
            let hidden = o.damage.hidden.as_ref().map(|h| &h[i * PIXELS..(i + 1) * PIXELS]);
            sheet.put(block, 0, column, o.damage.cues.row(i), hidden);
            sheet.put(block, 1, column, o.recall.states.row(i), None);
            sheet.put(block, 2, column, images.row(i), None);
        }
    }
    sheet
}

fn summary(
    memory: &DenseMemory,
    device: &Device,
    outcomes: &[Outcome],
    stored: f64,
    seed: u64,
) -> Result<serde_json::Value> {
    let choice = memory.beta_choice()?;
    let damages: Vec<serde_json::Value> = outcomes
        .iter()
        .map(|o| {
            let converged = o.recall.status.iter().filter(|s| **s == Status::Converged).count();
            serde_json::json!({
                "damage": o.damage.name,
                "beta": o.recall.beta,
                "recalled": o.recalled,
                "clamped": o.clamped,
                "nearest_neighbour": o.nearest,
                "nearest_neighbour_on_known_pixels": o.nearest_known,
                "converged": converged,
                "mean_steps": o.recall.steps.iter().sum::<u32>() as f64 / o.recall.len() as f64,
                "seconds": o.seconds,
                "recalls_per_second": o.recall.len() as f64 / o.seconds,
            })
        })
        .collect();
    Ok(serde_json::json!({
        "patterns": memory.len(),
        "dim": memory.dim(),
        "device": device.to_string(),
        "similarity": memory.similarity().name(),
        "beta": choice.beta,
        "beta_separated": choice.separated,
        "noise": NOISE,
        "seed": seed,
        "store_seconds": stored,
        "damages": damages,
    }))
}
