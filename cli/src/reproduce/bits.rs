//! Classical networks and dense memories of bits: R1 to R5.

use super::{Bench, Figure, equal_rows, flipped, random_bits};
use crate::failure::Result;
use attractor::{
    Rows,
    memory::{
        BinaryMemory, BinarySettings, HopfieldMemory, HopfieldSettings, Learning, Memory, Order,
        RecallOptions,
    },
    ops::{Interaction, Rule},
};
use libm::erfc;

/// Independent memories per setting.
const MEMORIES: u64 = 10;

/// Share of coordinates in which rows differ.
fn bit_error(x: &Rows<'_>, y: &Rows<'_>) -> f64 {
    let wrong = x.as_slice().iter().zip(y.as_slice()).filter(|(x, y)| x != y).count();
    wrong as f64 / x.as_slice().len() as f64
}

/// R1, R2: Hebb's rule, started at the stored patterns.
pub(crate) fn classical(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let d = 500;
    let settings = [
        (0.10, 0.998, 0.0006),
        (0.13, 0.988, 0.0027),
        (0.138, 0.90, 0.0030),
        (0.15, 0.81, 0.0037),
        (0.17, 0.67, 0.0081),
        (0.20, 0.61, 0.0109),
    ];
    let (mut ends, mut steps) = (Vec::new(), Vec::new());
    for (at, (load, end, step)) in settings.into_iter().enumerate() {
        let k = (load * d as f64).round() as usize;
        let (mut overlaps, mut errors) = (Vec::new(), Vec::new());
        for memory in 0..MEMORIES {
            let patterns = random_bits(&mut bench.random(100 * at as u64 + memory), k, d)?;
            let network = |order| {
                let device = Some(bench.device.clone());
                let settings = HopfieldSettings {
                    device,
                    learning: Learning::Hebb,
                    order,
                    ..HopfieldSettings::default()
                };
                HopfieldMemory::with(&patterns, settings)
            };
            let one = RecallOptions { steps: 1, top_k: Some(0), ..RecallOptions::default() };
            errors.push(bit_error(
                &network(Order::Synchronous)?.recall_with(&patterns, &one)?.states,
                &patterns,
            ));
            let recall = network(Order::Asynchronous)?.recall(&patterns)?;
            overlaps.push(1.0 - 2.0 * bit_error(&recall.states, &patterns));
        }
        let setting = format!("classical, d 500, n/d {load}");
        ends.push(Figure::of_samples("R1", setting.clone(), "final overlap", end, &overlaps));
        let formula = 0.5 * erfc((d as f64 / (2.0 * k as f64)).sqrt());
        let figure = Figure::of_samples("R2", setting, "one-step bit error", step, &errors);
        steps.push(figure.with_formula(formula));
        (bench.tell)();
    }
    ends.append(&mut steps);
    Ok(ends)
}

fn dense(
    bench: &Bench<'_>,
    patterns: &Rows<'_>,
    interaction: Interaction,
) -> attractor::Result<BinaryMemory> {
    let settings = BinarySettings {
        device: Some(bench.device.clone()),
        rule: Rule::Exact,
        order: Order::Synchronous,
        ..BinarySettings::new(interaction)
    };
    BinaryMemory::with(patterns, settings)
}

/// R3, R4: bit errors of one synchronous step from stored patterns.
pub(crate) fn polynomial(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let settings = [
        ("R3", 3, 60, 100, 0.0002, 0.0),
        ("R3", 3, 60, 300, 0.0277, 0.0025),
        ("R3", 3, 60, 600, 0.0781, 0.0252),
        ("R4", 4, 30, 300, 0.0090, 0.0005),
        ("R4", 4, 30, 900, 0.0872, 0.0265),
    ];
    let mut figures = Vec::new();
    for (at, (id, n, d, k, plain, rectified)) in settings.into_iter().enumerate() {
        let (mut of_plain, mut of_rectified) = (Vec::new(), Vec::new());
        for memory in 0..2 * MEMORIES {
            let patterns = random_bits(&mut bench.random(1000 + 100 * at as u64 + memory), k, d)?;
            let error = |interaction| -> Result<f64> {
                Ok(bit_error(&dense(bench, &patterns, interaction)?.step(&patterns)?.0, &patterns))
            };
            of_plain.push(error(Interaction::Polynomial(n))?);
            of_rectified.push(error(Interaction::Rectified(n))?);
        }
        // (2n-3)!!
        let odd: f64 = (1..=2 * n - 3).step_by(2).map(f64::from).product();
        let formula = 0.5 * erfc(((d as f64).powi(n as i32 - 1) / (2.0 * odd * k as f64)).sqrt());
        let metric = "one-step bit error";
        let setting = format!("polynomial:{n}, d {d}, n {k}");
        figures.push(Figure::of_samples(id, setting, metric, plain, &of_plain).with_formula(formula));
        let setting = format!("rectified:{n}, d {d}, n {k}");
        figures.push(Figure::of_samples(id, setting, metric, rectified, &of_rectified));
        (bench.tell)();
    }
    Ok(figures)
}

/// R5: the exponential memory gives patterns back exactly in one synchronous step.
pub(crate) fn exponential(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let d = 40;
    let mut figures = Vec::new();
    for (at, (flips, k, published)) in
        [(4, 1000, 1.0), (4, 10_000, 1.0), (8, 1000, 0.65)].into_iter().enumerate()
    {
        let mut trials = (0, 0);
        for memory in 0..4 {
            let mut random = bench.random(2000 + 100 * at as u64 + memory);
            let patterns = random_bits(&mut random, k, d)?;
            let asked = patterns.slice(0..500);
            let queries = flipped(&mut random, &asked, flips)?;
            let (states, _) = dense(bench, &patterns, Interaction::Exponential)?.step(&queries)?;
            trials.0 += equal_rows(&states, &asked);
            trials.1 += asked.rows();
        }
        let setting = format!("exponential, d {d}, {} % flips, n {k}", 100 * flips / d);
        figures.push(Figure::of_trials("R5", setting, "exact after one step", published, trials));
        (bench.tell)();
    }
    Ok(figures)
}
