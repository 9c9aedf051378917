//! The capacity benchmark: closed forms against simulation, shared patterns and queries, experiments that go on where they stopped.

use super::common::{Random, gpus};
use attractor::{
    Device, Error, Result, SharedRows,
    capacity::{
        Banks, Capacity, Cell, Corruption, Criterion, Ensemble, Generated, Growth, Heat, Journal, Model,
        Outcome, Plan, Point, Schedule, Subject, Trials, fit_growth, n50, nearest_law, plan_radii, run,
        summarize,
        theory::{NearestLaw, Prior, WeightLaw, one_step, polynomial_capacity},
    },
    codes::{KnownCode, certified_beta},
    memory::{Beta, DenseMemory, Memory},
    ops::{Bank, Ensemble as BankEnsemble, Similarity},
};
use std::{collections::HashMap, sync::Arc};

/// A plan of one memory: one step, identity, no looks at mixing.
fn plan(memory: &str, d: usize, n: &[u64]) -> Plan {
    Plan {
        criteria: vec![Criterion::Identity],
        schedules: vec![Schedule::Steps(1)],
        n: n.to_vec(),
        d: vec![d],
        mixing: 0,
        stops: false,
        ..Plan::new(memory.parse().unwrap(), Device::cpu())
    }
}

fn outcomes(plan: &Plan) -> Vec<Outcome> {
    run(plan, &mut HashMap::new(), None).unwrap()
}

/// Everything of an outcome that does not depend on the clock.
fn counts(outcomes: &[Outcome]) -> Vec<(String, u64, Vec<u64>, u64)> {
    let points = outcomes.iter().flat_map(|o| o.points.iter().flatten().map(move |p| (o, p)));
    points
        .map(|(o, p)| {
            let name = format!("{} {:?} {}", o.series.model, o.series.heat, p.criterion);
            (name, p.n, p.seeds.iter().map(|t| t.successes).collect(), (1e9 * p.cell.cosine) as u64)
        })
        .collect()
}

#[track_caller]
fn near(what: &str, got: f64, want: f64, trials: f64, errors: f64) {
    let error = (want * (1.0 - want) / trials).sqrt();
    assert!((got - want).abs() <= errors * error + 1e-9, "{what}: {got}, want {want} +- {error}");
}

#[test]
fn the_nearest_pattern_obeys_its_law() {
    // The acceptance cases, with their intervals of three standard errors.
    for (ensemble, corruption, d, n, want) in [
        (Ensemble::Sphere, "overlap:0.8", 16, 1063, 0.941),
        (Ensemble::Sphere, "mask:0.5", 32, 1000, 0.940),
        (Ensemble::Sphere, "noise:1", 16, 100, 0.823),
        (Ensemble::Bipolar, "flip:0.296875", 64, 128, 0.9332),
    ] {
        let corruption: Corruption = corruption.parse().unwrap();
        let plan = Plan {
            ensemble: ensemble.clone(),
            corruptions: vec![corruption],
            queries: 500,
            seeds: vec![0, 1, 2, 3],
            ..plan("nearest", d, &[n])
        };
        let point = &outcomes(&plan)[0].points[0][0];
        let law = nearest_law(&ensemble, corruption, d).unwrap().unwrap().success(n as f64);
        assert!((law - want).abs() < 1e-3, "{law}, published {want}");
        near(&format!("{ensemble}, {corruption}"), point.shared.unwrap(), law, 2000.0, 3.5);
    }
}

#[test]
fn bits_have_exact_ties_and_generated_patterns_are_the_stored_ones() {
    // Few bits, many ties.
    for (ensemble, corruption) in [
        (Ensemble::Bipolar, "flip:0.25"),
        (Ensemble::Sphere, "overlap:0.6"),
        (Ensemble::Gaussian, "overlap:0.5"),
    ] {
        let stored = Plan {
            ensemble,
            corruptions: vec![corruption.parse().unwrap()],
            queries: 200,
            similarity: Some(Similarity::Dot),
            generated: Generated::Never,
            ..plan("nearest", 16, &[10, 300, 2000])
        };
        let made = Plan { generated: Generated::Always, ..stored.clone() };
        let (a, b) = (outcomes(&stored), outcomes(&made));
        assert_eq!(counts(&a), counts(&b), "{corruption}");
        for (p, q) in a[0].points[0].iter().zip(&b[0].points[0]) {
            assert_eq!((p.shared, p.cell.ties), (q.shared, q.cell.ties));
        }
        if corruption.starts_with("flip") {
            assert!(a[0].points[0][0].cell.ties > 50);
            let law = NearestLaw::flips(16, 4, attractor::capacity::theory::Ties::Shared).unwrap();
            near("ties", a[0].points[0][1].trials.share(), law.success(300.0), 600.0, 3.5);
        }
    }
}

#[test]
fn one_step_of_softmax_obeys_its_law() {
    for (ensemble, prior, corruption, c, d, lambda) in [
        (Ensemble::Sphere, Prior::Sphere, "overlap:1", 1.0, 12, 0.75),
        (Ensemble::Bipolar, Prior::Bits, "flip:0.1875", 0.625, 64, 0.25),
    ] {
        let law = one_step(prior, d, lambda, c).unwrap();
        let grid: Vec<u64> = (-4..=4).map(|i| (law * 2_f64.powf(0.5 * f64::from(i))) as u64).collect();
        let stored = Plan {
            ensemble,
            corruptions: vec![corruption.parse().unwrap()],
            criteria: vec![Criterion::Weight],
            heats: vec![Heat::Lambda(lambda)],
            queries: 100,
            ..plan("softmax", d, &grid)
        };
        let found = n50(&outcomes(&stored)[0].curve(0)).unwrap().value().unwrap();
        assert!((law / 1.5..1.5 * law).contains(&found), "{found}, law {law}");
        // And without stored patterns.
        let made = Plan { generated: Generated::Always, n: grid[3..5].to_vec(), ..stored.clone() };
        let stored = Plan { n: grid[3..5].to_vec(), ..stored };
        for (p, q) in outcomes(&made)[0].points[0].iter().zip(&outcomes(&stored)[0].points[0]) {
            assert!(p.trials.successes.abs_diff(q.trials.successes) <= 2, "{p:?}, {q:?}");
            assert!(p.cell.participation.is_some_and(|v| v > 1.0));
            assert!((p.cell.length - q.cell.length).abs() < 1e-4);
        }
    }
}

#[test]
fn iterating_destroys_what_one_step_retrieves() {
    let plan = Plan {
        corruptions: vec![Corruption::Overlap(1.0)],
        criteria: vec![Criterion::L2(0.1), Criterion::Identity],
        heats: vec![Heat::Lambda(1.0)],
        schedules: vec![Schedule::Steps(8), Schedule::Converged, Schedule::Renormalized, Schedule::Annealed],
        queries: 100,
        seeds: vec![0, 1],
        mixing: 16,
        ..plan("softmax", 16, &[2000, 6500])
    };
    let outcomes = outcomes(&plan);
    let share = |row: usize, criterion: usize, n: usize| outcomes[row].points[criterion][n].trials.share();
    assert!(share(1, 0, 0) > 0.9 && share(1, 0, 1) < 0.05);
    // The state shrinks, and for a while the right pattern keeps most weight.
    assert!(share(0, 1, 1) > 0.95 && outcomes[0].points[0][1].cell.length < 0.8);
    assert!(outcomes[1].points[0][1].cell.length < 0.6);
    // What helps: the length given back, or less heat from step to step.
    assert!(share(2, 1, 1) > 0.95 && (outcomes[2].points[0][1].cell.length - 1.0).abs() < 1e-3);
    assert!(share(3, 0, 1) > 0.95);
    let mixing = outcomes[1].points[0][1].cell.mixing.clone().unwrap();
    assert!(mixing.exact && mixing.participation > 100.0 && mixing.k90 > 100.0, "{mixing:?}");
    assert!(outcomes[3].points[0][1].cell.mixing.clone().unwrap().participation < 1.1);
}

#[test]
fn capacity_grows_as_the_law_says() {
    let mut capacities = Vec::new();
    for d in [10, 14, 18, 22, 26] {
        let law = NearestLaw::overlap(d, 0.6).unwrap().capacity(0.5);
        let grid: Vec<u64> =
            (-4..=3).map(|i| (law * 2_f64.powf(0.5 * f64::from(i))).round() as u64).collect();
        let plan =
            Plan { corruptions: vec![Corruption::Overlap(0.6)], queries: 300, ..plan("nearest", d, &grid) };
        let Some(Capacity::At { n, low, high }) = n50(&outcomes(&plan)[0].curve(0)) else {
            panic!("censored")
        };
        assert!((0.8 * law..1.25 * law).contains(&n) && low < n && n < high, "{d}: {n}, law {law}");
        capacities.push((d, n));
    }
    let fit = fit_growth(Growth::Exponential, &capacities).unwrap();
    let exact: Vec<(usize, f64)> =
        capacities.iter().map(|(d, _)| (*d, NearestLaw::overlap(*d, 0.6).unwrap().capacity(0.5))).collect();
    let law = fit_growth(Growth::Exponential, &exact).unwrap();
    assert!((fit.slope - law.slope).abs() < 0.02, "{} {}", fit.slope, law.slope);
    assert!(fit.r_squared > 0.99 && fit.slope_low < law.slope && law.slope < fit.slope_high + 0.02);
}

#[test]
fn memories_of_bits_hold_what_was_published() {
    for (memory, d, list) in [
        ("hopfield", 100, &[(8, 1.0), (11, 0.97), (20, 0.43), (30, 0.06)][..]),
        ("polynomial:3", 50, &[(50, 1.0), (107, 0.87), (214, 0.30)]),
        ("polynomial:4", 30, &[(120, 0.99), (265, 0.86), (600, 0.26)]),
        ("exponential", 20, &[(300, 1.0), (1024, 0.99), (4000, 0.95)]),
    ] {
        let grid: Vec<u64> = list.iter().map(|(n, _)| *n).collect();
        let plan = Plan {
            ensemble: Ensemble::Bipolar,
            corruptions: vec![Corruption::Flip(0.0)],
            criteria: vec![Criterion::Sign],
            queries: 300,
            seeds: (0..if memory == "hopfield" { 40 } else { 4 }).collect(),
            ..plan(memory, d, &grid)
        };
        for ((n, want), point) in list.iter().zip(&outcomes(&plan)[0].points[0]) {
            assert_eq!(
                point.trials.trials,
                (300.min(*n) * plan.seeds.len() as u64),
                "each pattern is asked for once"
            );
            let got = point.trials.share();
            assert!((got - want).abs() <= 0.09, "{memory}, d {d}, N {n}: {got}, published {want}");
        }
    }
}

#[test]
fn every_memory_and_temperature_gets_the_same_queries() {
    let one = Plan {
        corruptions: vec![Corruption::Noise(1.0)],
        heats: vec![Heat::Lambda(2.0), Heat::Beta(1e4)],
        queries: 60,
        ..plan("softmax", 12, &[50, 200])
    };
    let with = Plan { models: vec!["nearest".parse().unwrap(), "softmax".parse().unwrap()], ..one.clone() };
    let (alone, together) = (outcomes(&one), outcomes(&with));
    assert_eq!(counts(&alone), counts(&together[1..]));
    // Sharp softmax is the nearest pattern, query by query.
    let of = |o: &Outcome| o.points[0].iter().map(|p| p.trials.successes).collect::<Vec<_>>();
    assert_eq!(of(&together[0]), of(&together[2]));
    // A smaller grid asks the same of the same patterns.
    let less = Plan { n: vec![200], ..one };
    assert_eq!(outcomes(&less)[0].points[0][0].trials, alone[0].points[0][1].trials);
}

/// A journal that fails after so many cells.
struct Cut(HashMap<String, Cell>, usize);

impl Journal for Cut {
    fn find(&self, key: &str) -> Option<Cell> {
        self.0.find(key)
    }

    fn keep(&mut self, key: &str, cell: &Cell) -> Result<()> {
        if self.0.len() == self.1 {
            return Err(Error::EmptyMemory);
        }
        self.0.keep(key, cell)
    }
}

#[test]
fn an_experiment_goes_on_where_it_was_stopped() {
    let plan = Plan {
        criteria: vec![Criterion::Identity, Criterion::L2(0.1), Criterion::Weight],
        heats: vec![Heat::Lambda(0.5)],
        schedules: vec![Schedule::Steps(1), Schedule::Converged],
        queries: 40,
        stops: true,
        mixing: 8,
        ..plan("softmax", 8, &[2, 16, 64, 256, 1024, 4096, 8192, 16_384])
    };
    let whole = outcomes(&plan);
    assert!(whole.iter().any(|o| o.stopped) && whole[1].points[0].len() < plan.n.len());
    let mut journal = Cut(HashMap::new(), 11);
    assert!(run(&plan, &mut journal, None).is_err());
    let mut journal = Cut(journal.0, usize::MAX);
    let (before, again) = (journal.0.len(), run(&plan, &mut journal, None).unwrap());
    assert_eq!(before, 11);
    assert_eq!(counts(&whole), counts(&again));
    // Nothing is measured twice: a journal that takes nothing more is enough.
    let full = journal.0.len();
    assert_eq!(counts(&run(&plan, &mut Cut(journal.0, full), None).unwrap()), counts(&whole));
}

/// A memory that is none of the library's energies, and one that leaves the finite numbers.
struct Own(f32);

impl Subject for Own {
    fn name(&self) -> String {
        "own".to_owned()
    }

    fn memory(&self, patterns: SharedRows, columns: usize, beta: Beta) -> Result<Box<dyn Memory>> {
        let scaled: Vec<f32> = (*patterns).as_ref().iter().map(|v| v * self.0).collect();
        let rows = attractor::Rows::new(scaled, columns)?;
        Ok(Box::new(DenseMemory::builder().device(&Device::cpu()).beta(beta).build(&rows)?))
    }
}

#[test]
fn any_memory_can_be_measured() {
    let mut plan = Plan { queries: 30, heats: vec![Heat::Lambda(4.0)], ..plan("softmax", 8, &[4, 64]) };
    plan.models.push(Model::Other(Arc::new(Own(1.0))));
    let all = outcomes(&plan);
    let of = |o: &Outcome| o.points[0].iter().map(|p| p.trials).collect::<Vec<_>>();
    assert_eq!(of(&all[0]), of(&all[1]));
    let summaries = summarize(&plan, &all).unwrap();
    assert!(summaries[0].exponential.as_ref().is_err_and(|why| why.contains("4 are needed")));
    assert_eq!(summaries[1].dims[0].laws.len(), 1);
}

#[test]
fn storage_and_radii_depend_on_the_temperature() {
    let plan = Plan {
        criteria: vec![Criterion::Ball(0.2)],
        heats: vec![Heat::Beta(2.0), Heat::Beta(200.0)],
        schedules: vec![Schedule::Converged],
        queries: 20,
        seeds: vec![5],
        ..plan("softmax", 16, &[40])
    };
    let all = outcomes(&plan);
    let share = |o: &Outcome| o.points[0][0].trials.share();
    assert_eq!((share(&all[0]), share(&all[1])), (0.0, 1.0));
    let radii = plan_radii(&plan, 40).unwrap();
    let (soft, sharp) = (&radii[0].1, &radii[1].1);
    assert_eq!(soft.quantile(1.0), 0.0);
    assert!(sharp.angular && sharp.quantile(0.05) >= sharp.half_nearest[0].min(0.3));
    assert!(sharp.certified.iter().flatten().all(|r| *r <= sharp.quantile(0.0)));
}

#[test]
fn spherical_codes_are_stored_from_the_certified_temperature_on() {
    for name in ["icosahedron", "24-cell", "schlaefli"] {
        let ensemble: Ensemble = format!("code:{name}").parse().unwrap();
        let code = KnownCode::find(name).unwrap();
        let beta = certified_beta(1.0 - code.cosine(), code.points() as f64, 1.0).unwrap();
        let plan = Plan {
            ensemble,
            corruptions: vec![Corruption::Overlap(1.0)],
            criteria: vec![Criterion::Ball(0.5 / beta), Criterion::Identity],
            heats: vec![Heat::Beta(1.0001 * beta)],
            schedules: vec![Schedule::Converged],
            queries: 300,
            seeds: vec![0],
            ..plan("softmax", code.dim(), &[code.points() as u64])
        };
        let outcome = &outcomes(&plan)[0];
        assert_eq!(
            outcome.points[0][0].trials,
            Trials { trials: code.points() as u64, successes: code.points() as u64 }
        );
        // All points stand alike: so do their radii.
        let radii = plan_radii(&plan, code.points()).unwrap().swap_remove(0).1;
        assert!(radii.quantile(1.0) - radii.quantile(0.0) <= radii.steps[0] * 1.01, "{name}: {radii:?}");
        assert!(radii.certified.iter().all(Option::is_some), "{name}");
    }
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let refused = |plan: Plan, want: &str| {
        let error = run(&plan, &mut HashMap::new(), None).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    };
    let good = plan("softmax", 8, &[4, 8]);
    refused(Plan { n: vec![8, 8], ..good.clone() }, "grid of numbers of patterns has 8 at place 1");
    refused(Plan { n: vec![1, 8], ..good.clone() }, "at least 2");
    refused(Plan { d: vec![0], ..good.clone() }, "dimension is 0");
    refused(
        Plan { generated: Generated::Always, schedules: vec![Schedule::Converged], ..good.clone() },
        "steps converged",
    );
    let file = Ensemble::of_rows("f", Arc::new(vec![0.5; 24]), 8).unwrap();
    refused(Plan { ensemble: file, ..good.clone() }, "3 patterns are there, and 8 are needed");
    refused(Plan { corruptions: vec![Corruption::Flip(0.1)], ..good.clone() }, "bipolar");
    refused(Plan { models: vec!["exponential".parse().unwrap()], ..good }, "ensemble bipolar");
    assert!(fit_growth(Growth::Power, &[(4, 2.0); 3]).unwrap_err().to_string().contains("cannot be told"));
}

#[test]
fn copies_of_a_pattern_are_as_good_as_itself() {
    let rows: Vec<f32> = (0..8).flat_map(|i| if i % 2 == 0 { [1.0, 0.0] } else { [0.0, 1.0] }).collect();
    let plan = Plan {
        ensemble: Ensemble::of_rows("pairs", Arc::new(rows), 2).unwrap(),
        corruptions: vec![Corruption::Overlap(0.99)],
        heats: vec![Heat::Beta(50.0)],
        queries: 20,
        ..plan("softmax", 2, &[8])
    };
    let point = &outcomes(&plan)[0].points[0][0];
    assert_eq!((point.trials.share(), point.cell.copies), (1.0, 6));
    let nearest = Plan { models: vec![Model::Nearest], ..plan };
    let point = &outcomes(&nearest)[0].points[0][0];
    assert_eq!((point.trials.share(), point.cell.ties), (1.0, point.trials.trials));
}

#[test]
fn the_nearest_pattern_is_judged_like_a_memory_that_finds_it() {
    let values = Bank::new(BankEnsemble::Gaussian, 5, 40, 6).unwrap().rows(0..40).unwrap().into_vec();
    let plan = Plan {
        ensemble: Ensemble::of_rows("normals", Arc::new(values), 6).unwrap(),
        models: vec![Model::Nearest, "universal:l2:max".parse().unwrap()],
        corruptions: vec![Corruption::Noise(0.8)],
        criteria: ["identity", "ssd:9", "hamming:2", "sign"].map(|c| c.parse().unwrap()).to_vec(),
        queries: 200,
        ..plan("nearest", 6, &[40])
    };
    let [nearest, memory] = &outcomes(&plan)[..] else { panic!("two rows") };
    for (a, b) in nearest.points[0].iter().zip(&memory.points[0]) {
        assert_eq!(a.trials, b.trials, "{}", a.criterion);
        assert!((a.cell.end_cosine - b.cell.end_cosine).abs() < 1e-5 && a.cell.end_cosine > 0.1);
        assert!((a.cell.wrong_signs - b.cell.wrong_signs).abs() < 1e-9);
    }
}

#[test]
fn an_empty_query_finds_one_of_all() {
    let plan = Plan {
        corruptions: vec![Corruption::Mask(1.0)],
        similarity: Some(Similarity::Dot),
        queries: 50,
        ..plan("nearest", 4, &[2, 4, 16])
    };
    let law = NearestLaw::mask(4, 4).unwrap();
    for points in &outcomes(&plan)[0].points {
        let shared = points[0].shared.unwrap();
        assert!((shared - 1.0 / points[0].n as f64).abs() < 1e-9, "{shared}");
        assert!((law.success(points[0].n as f64) - shared).abs() < 1e-9);
    }
}

#[test]
fn one_step_of_softmax_is_the_same_whether_patterns_are_stored_or_made() {
    let stored = Plan {
        ensemble: Ensemble::Bipolar,
        corruptions: vec![Corruption::Flip(0.3)],
        heats: vec![Heat::Lambda(1.0)],
        queries: 100,
        ..plan("softmax", 16, &[16, 64])
    };
    let made = Plan { generated: Generated::Always, ..stored.clone() };
    for (a, b) in outcomes(&stored)[0].points.iter().zip(&outcomes(&made)[0].points) {
        // Rounding decides between equal scores of stored patterns; of generated bits they are exactly equal.
        let (a, b) = (a[0].trials.share(), b[0].trials.share());
        assert!((a - b).abs() < 0.08, "stored {a}, made {b}");
    }
}

#[test]
fn devices_agree() {
    for (name, device) in gpus().iter().take(1) {
        let cpu = Plan {
            criteria: vec![Criterion::Identity, Criterion::L2(0.1)],
            heats: vec![Heat::Lambda(2.0)],
            queries: 40,
            seeds: vec![1],
            ..plan("softmax", 16, &[64, 700])
        };
        let models: Vec<Model> = vec!["softmax".parse().unwrap(), Model::Nearest];
        let gpu = Plan { device: device.clone(), models: models.clone(), ..cpu.clone() };
        let cpu = Plan { models, ..cpu };
        for ((_, _, a, _), (what, n, b, _)) in
            counts(&outcomes(&cpu)).into_iter().zip(counts(&outcomes(&gpu)))
        {
            // Boundary cases alone.
            assert!(a[0].abs_diff(b[0]) <= 1, "{name}: {what}, N {n}: {a:?}, {b:?}");
        }
    }
    let all = Trials { trials: 10, successes: 10 };
    assert_eq!(all.and(all).trials, 20);
}

/// The share of intervals of 95 % that hold the mean, over 40 blocks of three seeds: memories of few patterns, all of whose queries share
/// their fate.
#[test]
fn intervals_hold_what_other_banks_show() {
    let (blocks, seeds) = (40, 3);
    let plan = Plan {
        ensemble: Ensemble::Bipolar,
        corruptions: vec![Corruption::Flip(0.1)],
        criteria: vec![Criterion::Sign],
        queries: 100,
        seeds: (0..blocks * seeds).collect(),
        ..plan("hopfield", 50, &[3, 5, 7, 9, 12])
    };
    let points = &outcomes(&plan)[0].points[0];
    let block = |b: u64| -> Vec<Banks> {
        let range = (b * seeds) as usize..((b + 1) * seeds) as usize;
        points.iter().map(|p| Banks { n: p.n, trials: p.seeds[range.clone()].to_vec() }).collect()
    };
    let whole: Vec<Banks> = points.iter().map(Point::banks).collect();
    let mut held_by_wilson = 0;
    for (at, all) in whole.iter().enumerate() {
        let holds = |(low, high): (f64, f64)| (low..=high).contains(&all.share());
        let held = (0..blocks).filter(|b| holds(block(*b)[at].interval())).count();
        held_by_wilson += (0..blocks).filter(|b| holds(block(*b)[at].all().wilson())).count();
        // 38 are to be expected; 35 or more with a chance of .98 at exactly 95 %.
        assert!(held >= 35, "N {}: {held} of {blocks} hold {}", all.n, all.share());
    }
    // As if queries were independent: what this is about.
    assert!(held_by_wilson < 150, "{held_by_wilson} of 200");
    let Some(Capacity::At { n: want, .. }) = n50(&whole) else { panic!("censored") };
    let held = (0..blocks).filter(|b| match n50(&block(*b)) {
        Some(Capacity::At { low, high, .. }) => (low..=high).contains(&want),
        Some(Capacity::AtLeast(n)) => want >= n as f64,
        Some(Capacity::Below(n)) => want <= n as f64,
        None => false,
    });
    let held = held.count();
    assert!(held >= 35, "{held} of {blocks} hold N50 = {want}");
}

/// A grid with a gap of two and a half decades reads the capacity that its own exact line has.
#[test]
fn a_coarse_grid_agrees_with_the_exact_line() {
    let law = NearestLaw::overlap(12, 0.7).unwrap().capacity(0.5);
    for grid in [[law / 40.0, law * 4.0], [law / 8.0, law * 8.0]] {
        let grid = grid.map(|n| n.round() as u64);
        let plan = Plan {
            corruptions: vec![Corruption::Overlap(0.7)],
            queries: 1000,
            seeds: (0..6).collect(),
            ..plan("nearest", 12, &grid)
        };
        let Some(Capacity::At { n, low, high }) = n50(&outcomes(&plan)[0].curve(0)) else {
            panic!("censored")
        };
        assert!((0.75 * law..1.33 * law).contains(&n), "{grid:?}: {n}, law {law}");
        assert!(low <= law && law <= high, "{grid:?}: {low} to {high}, law {law}");
    }
}

/// One step of softmax at lambda 1 on bits with a quarter turned: ties and near rivals count, so that half succeed among fewer patterns
/// than the nearest pattern allows.
#[test]
fn one_step_on_bits_is_as_the_law_of_weights_says() {
    let (d, c, lambda) = (32, 0.5, 1.0);
    let law = WeightLaw::new(Prior::Bits, d, lambda, c).unwrap();
    let half = law.capacity(0.5);
    assert!(
        half < 0.75
            * NearestLaw::flips(d, 8, attractor::capacity::theory::Ties::Shared).unwrap().capacity(0.5)
    );
    let grid: Vec<u64> = [0.3, 0.6, 1.0, 2.0].map(|f| (f * half).round() as u64).to_vec();
    let plan = Plan {
        ensemble: Ensemble::Bipolar,
        corruptions: vec![Corruption::Flip(0.25)],
        criteria: vec![Criterion::Weight],
        heats: vec![Heat::Lambda(lambda)],
        queries: 100,
        seeds: (0..20).collect(),
        ..plan("softmax", d, &grid)
    };
    let outcome = &outcomes(&plan)[0];
    for point in &outcome.points[0] {
        let banks: Vec<f64> = point.seeds.iter().map(|t| t.share()).collect();
        let mean = banks.iter().sum::<f64>() / 20.0;
        let error = (banks.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / 19.0 / 20.0).sqrt();
        let want = law.success(point.n as f64);
        assert!((mean - want).abs() < 4.0 * error + 0.01, "N {}: {mean} +- {error}, law {want}", point.n);
    }
    let found = n50(&outcome.curve(0)).and_then(|c| c.value()).unwrap();
    assert!((found / half - 1.0).abs() < 0.15, "{found}, law {half}");
}

/// What the list of energies says that they store, is what they store: nearly all patterns at the capacity, few at what it was once
/// said to be.
#[test]
fn stated_capacities_are_held() {
    let list = attractor::memory::Energy::LIST;
    let about = |name: &str| list.iter().find(|e| e.name == name).unwrap().about;
    assert!(
        about("polynomial:N").contains("d^(N-1) / (2 (2N-3)!! ln d)")
            && about("polynomial:N").contains("107")
    );
    assert!((polynomial_capacity(50, 3).unwrap().0 - 106.5).abs() < 0.1);
    assert!(about("rectified:N").contains("twice as many"));
    assert!(about("hopfield").contains("d / (2 ln d)"));
    for (memory, n, low, high) in [
        ("polynomial:3", 107, 0.7, 1.0),
        ("polynomial:3", 2500, 0.0, 0.01),
        ("rectified:3", 213, 0.7, 1.0),
        ("hopfield", 6, 0.9, 1.0),
    ] {
        let plan = Plan {
            ensemble: Ensemble::Bipolar,
            corruptions: vec![Corruption::Flip(0.0)],
            criteria: vec![Criterion::Sign],
            queries: 100,
            seeds: (0..8).collect(),
            ..plan(memory, 50, &[n])
        };
        let share = outcomes(&plan)[0].points[0][0].trials.share();
        assert!((low..=high).contains(&share), "{memory}, {n} patterns of 50 bits: {share}");
    }
}

/// Each seed stores the rows of a file in another order; what is wrong with one is said of the row of the file.
#[test]
fn rows_of_a_file_keep_their_numbers_in_errors() {
    let mut rows = Random::new(3).rows(40, 8, 1.0).into_vec();
    rows[23 * 8..24 * 8].fill(0.0);
    let file = Ensemble::of_rows("rows", Arc::new(rows), 8).unwrap();
    for model in ["softmax", "universal:cosine:max"] {
        for seed in 0..3 {
            let of = Plan {
                ensemble: file.clone(),
                similarity: Some(Similarity::Cosine),
                seeds: vec![seed],
                corruptions: vec!["noise:0.1".parse().unwrap()],
                queries: 5,
                ..plan(model, 8, &[40])
            };
            let error = run(&of, &mut HashMap::new(), None).err().unwrap().to_string();
            assert!(error.contains("patterns: row 23 "), "{model} {seed}: {error}");
        }
    }
}

/// A network far beyond its capacity adds nothing to what its cues say, and one that recalls all gives back what was turned.
#[test]
fn information_is_what_recall_adds_to_the_cue() {
    let plan = Plan {
        ensemble: Ensemble::Bipolar,
        corruptions: vec!["flip:0.125".parse().unwrap()],
        schedules: vec!["converged".parse().unwrap()],
        queries: 200,
        ..plan("hopfield", 64, &[3, 400])
    };
    let outcomes = outcomes(&plan);
    let points: Vec<&Point> = outcomes[0].points.iter().flatten().collect();
    let (few, many) = (points[0], points[1]);
    let entropy = attractor::capacity::theory::bit_entropy;
    let want = 3.0 * (entropy(0.125) - entropy(few.cell.wrong_signs));
    assert!(
        (few.bits_per_neuron - want).abs() < 1e-9 && few.bits_per_neuron > 1.2,
        "{}",
        few.bits_per_neuron
    );
    assert!(many.cell.wrong_signs > 0.125 && many.bits_per_neuron == 0.0, "{many:?}");
}
