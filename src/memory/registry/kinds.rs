//! The kinds of this crate, and how each is built.

use super::{
    super::{
        Beta, BinaryMemory, BinarySettings, DenseMemory, Energy, EnergySettings, FeatureMemory,
        FeatureSettings, HopfieldMemory, HopfieldSettings, KernelizedMemory, KernelizedSettings,
        LagrangianMemory, LagrangianModel, Layers, Learning, LinearMap, SeparationSettings, SparseMemory,
        SparseSettings, UniversalMemory, separate_memories,
    },
    Data, Dynamics, Family, File, Kind, Law, Other, Parameter, Promise, Properties, Setting, Weights,
    unknown,
};
use crate::{
    Device, Error, Result, Rows, SharedRows,
    ops::{
        FeatureMap, FeatureSpec, Interaction, Separation, Similarity, UniversalSeparation,
        UniversalSimilarity,
    },
    optimize::{Adam, Optimizer},
};
use std::sync::Arc;

const fn parameter(name: &'static str, range: &'static str, default: &'static str) -> Parameter {
    Parameter { name, range, default }
}

const POWER: Parameter = parameter("N", "a whole number from 2 to 1000", "3");
const MODEL: Parameter = parameter("MODEL", "a:N, b or c:N with a power N from 2 to 1000", "b");

/// The kinds of this crate.
pub(in crate::memory) static KINDS: [Kind; 15] = [
    Kind {
        name: "softmax",
        about: "-(1/beta) log sum_k exp(beta s_k); any similarity, blends and sharp recall by beta",
        source: "Ramsauer et al. 2021; L2: Hoover et al. 2023",
        parameters: &[],
        parse: |_, text| plain("softmax", text, Energy::Softmax),
        family: DENSE,
    },
    Kind {
        name: "entmax:ALPHA",
        about: "-(1/beta) Omega*(beta s), Tsallis entropy; exact recall, few patterns in a blend; 1 is softmax",
        source: "Hu et al. 2023; Santos et al. 2024",
        parameters: &[parameter("ALPHA", "a number from 1 on", "1.5")],
        parse: separation,
        family: SPARSE,
    },
    Kind {
        name: "sparsemax",
        about: "entmax:2: weights are the projection of the scores on the simplex",
        source: "Hu et al. 2023",
        parameters: &[],
        parse: separation,
        family: SPARSE,
    },
    Kind {
        name: "normmax:GAMMA",
        about: "as entmax with the norm entropy: more even weights among those that have some",
        source: "Santos et al. 2024",
        parameters: &[parameter("GAMMA", "a number above 1", "2")],
        parse: separation,
        family: SPARSE,
    },
    Kind {
        name: "ksubsets:K",
        about: "weights between 0 and 1 that sum to K: recalls a blend of about K patterns",
        source: "Santos et al. 2024",
        parameters: &[parameter("K", "a whole number from 1 to that of the patterns", "2")],
        parse: separation,
        family: SPARSE,
    },
    Kind {
        name: "epanechnikov",
        about: "-(1/beta) log sum_k max(0, 1 - beta/2 |x - xi_k|^2): exact recall beside new minima between patterns",
        source: "Hoover et al. 2025",
        parameters: &[],
        parse: separation,
        family: SPARSE,
    },
    Kind {
        name: "polynomial:N",
        about: "bits: -sum_k (xi_k.x)^N, stores about d^(N-1) / (2 (2N-3)!! ln d) patterns (N 3, d 50: 107); 2 is the classical network",
        source: "Krotov & Hopfield 2016",
        parameters: &[POWER],
        parse: |_, text| power("polynomial", text).map(|n| Energy::Binary(Interaction::Polynomial(n))),
        family: BINARY,
    },
    Kind {
        name: "rectified:N",
        about: "bits: -sum_k max(xi_k.x, 0)^N: no mirror images of patterns, and twice as many of them",
        source: "Krotov & Hopfield 2016",
        parameters: &[POWER],
        parse: |_, text| power("rectified", text).map(|n| Energy::Binary(Interaction::Rectified(n))),
        family: BINARY,
    },
    Kind {
        name: "exponential",
        about: "bits: -sum_k exp(xi_k.x), stores 2^(d/2) patterns for sure where d is large",
        source: "Demircigil et al. 2017",
        parameters: &[],
        parse: |_, text| plain("exponential", text, Energy::Binary(Interaction::Exponential)),
        family: BINARY,
    },
    Kind {
        name: "hopfield",
        about: "bits: -1/2 x.W x, W by Hebb's rule; stores about d / (2 ln d) patterns, 0.138 d with 1.6 % of their bits wrong",
        source: "Hopfield 1982",
        parameters: &[],
        parse: hopfield,
        family: HOPFIELD,
    },
    Kind {
        name: "hopfield:RULE",
        about: "the same with W by the rule hebb, storkey or pseudoinverse",
        source: "Storkey 1997; Personnaz et al. 1986",
        parameters: &[parameter("RULE", "hebb, storkey or pseudoinverse", "storkey")],
        parse: hopfield,
        family: HOPFIELD,
    },
    Kind {
        name: "lagrangian:MODEL",
        about: "two layers of neurons in continuous time: a:N (bits), b (softmax) or c:N (directions)",
        source: "Krotov & Hopfield 2021",
        parameters: &[MODEL],
        parse: lagrangian,
        family: LAGRANGIAN,
    },
    Kind {
        name: "universal:SIM:SEP",
        about: "one shot V^T sep(sim(Xi, x)), no energy: sim dot, normalised-dot, cosine, l2, l1, kl, reverse-kl, js; sep identity, sqrt, log, powerN, softmax, max",
        source: "Millidge et al. 2022",
        parameters: &[
            parameter("SIM", "dot, normalised-dot, cosine, l2, l1, kl, reverse-kl or js", "dot"),
            parameter("SEP", "identity, sqrt, log, powerN, softmax or max", "softmax"),
        ],
        parse: universal,
        family: UNIVERSAL,
    },
    Kind {
        name: "random-features:M",
        about: "softmax of l2 from the sum of M random frequencies' features, which is all that is kept",
        source: "Hoover et al. 2024",
        parameters: &[parameter("M", "a whole number from 1 on", "4096")],
        parse: Other::parse,
        family: RANDOM_FEATURES,
    },
    Kind {
        name: "kernelized",
        about: "softmax of the products of unit features W x, with W learned so that they lie far apart",
        source: "Wu et al. 2024; Hu et al. 2024",
        parameters: &[],
        parse: Other::parse,
        family: KERNELIZED,
    },
];

/// What every memory of patterns promises, and those with an energy.
const STORES: &[Promise] = &[Promise::Appends, Promise::Masks];
const DESCENDS: &[Promise] = &[Promise::Descends, Promise::Appends, Promise::Masks];

fn patterns(n: f64, d: usize) -> f64 {
    n * d as f64
}

/// Real patterns that are kept, mixed by shares, and descended among.
const REAL: Properties = Properties {
    takes: &[Setting::Beta],
    patterns: Data::Real,
    states: Data::Real,
    weights: Weights::Shares,
    dynamics: Dynamics::Updates,
    promises: DESCENDS,
    law: None,
    size: patterns,
};

pub(in crate::memory) const DENSE: Family = Family {
    properties: |_| Properties {
        takes: &[Setting::Similarity, Setting::SimilarityForm, Setting::Beta, Setting::Precision],
        weights: Weights::Separation(Separation::Softmax),
        ..REAL
    },
    build: |_, patterns, columns, settings| {
        let mut builder = DenseMemory::builder()
            .similarity(settings.similarity.unwrap_or_default())
            .beta(settings.beta)
            .precision(settings.precision);
        if let Some(device) = &settings.device {
            builder = builder.device(device);
        }
        if let Some(form) = settings.similarity_form {
            builder = builder.similarity_form(form);
        }
        Ok(Box::new(builder.build_shared(Arc::clone(patterns), columns)?))
    },
    file: None,
    settings: &[],
};

pub(in crate::memory) const SPARSE: Family = Family {
    properties: |energy| Properties {
        takes: &[Setting::Similarity, Setting::SimilarityForm, Setting::Beta, Setting::Post],
        weights: Weights::Separation(separation_of(energy)),
        promises: match separation_of(energy) {
            Separation::Entmax(alpha) if alpha <= 1.0 => DESCENDS,
            Separation::Entmax(_) | Separation::Normmax(_) => {
                &[Promise::Descends, Promise::Appends, Promise::Masks, Promise::RecallsExactly]
            }
            _ => DESCENDS,
        },
        ..REAL
    },
    build: |energy, patterns, columns, settings| {
        let separation = separation_of(energy);
        let EnergySettings { device, similarity, similarity_form, beta, post, .. } = settings.clone();
        let similarity = similarity.unwrap_or_default();
        let settings = SparseSettings { device, similarity, similarity_form, separation, beta, post };
        Ok(Box::new(SparseMemory::with(&rows(patterns, columns)?, settings)?))
    },
    file: None,
    settings: &[],
};

/// Bits, whose updates are exact.
const BITS: Properties = Properties {
    takes: &[Setting::Order],
    patterns: Data::Bipolar,
    states: Data::Bipolar,
    promises: &[
        Promise::Descends,
        Promise::Appends,
        Promise::Masks,
        Promise::RecallsExactly,
        Promise::EqualOnAllDevices,
    ],
    ..REAL
};

pub(in crate::memory) const BINARY: Family = Family {
    properties: |energy| Properties {
        law: match interaction_of(energy) {
            Interaction::Polynomial(power) => Some(Law::Polynomial { power, factor: 1.0 }),
            // Of rectified powers the half of the overlaps that are negative makes no noise: twice as many patterns.
            Interaction::Rectified(power) => Some(Law::Polynomial { power, factor: 2.0 }),
            Interaction::Exponential => Some(Law::Exponential),
        },
        ..BITS
    },
    build: |energy, patterns, columns, settings| {
        let EnergySettings { device, order, seed, .. } = settings.clone();
        let order = order.unwrap_or_default();
        let settings = BinarySettings { device, order, seed, ..BinarySettings::new(interaction_of(energy)) };
        Ok(Box::new(BinaryMemory::with(&rows(patterns, columns)?, settings)?))
    },
    file: None,
    settings: &[],
};

pub(in crate::memory) const HOPFIELD: Family = Family {
    properties: |energy| Properties {
        weights: Weights::Overlaps,
        promises: &[Promise::Descends, Promise::Appends, Promise::RecallsExactly],
        law: (learning_of(energy) == Learning::Hebb).then_some(Law::Polynomial { power: 2, factor: 1.0 }),
        size: |_, d| 0.5 * d as f64 * (d as f64 - 1.0),
        ..BITS
    },
    build: |energy, patterns, columns, settings| {
        let EnergySettings { device, order, seed, .. } = settings.clone();
        let (learning, order) = (learning_of(energy), order.unwrap_or_default());
        let settings = HopfieldSettings { device, learning, order, seed, bias: Vec::new() };
        Ok(Box::new(HopfieldMemory::with(&rows(patterns, columns)?, settings)?))
    },
    file: None,
    settings: &[],
};

pub(in crate::memory) const LAGRANGIAN: Family = Family {
    properties: |energy| match layers_of(energy) {
        Layers::A(_) => Properties { patterns: Data::Bipolar, dynamics: Dynamics::Neurons, ..REAL },
        Layers::B => REAL,
        Layers::C(_) => Properties { takes: &[], dynamics: Dynamics::Neurons, ..REAL },
    },
    // Without a `beta`, model A is steep enough to be bistable, and model B takes what the dense memory would choose.
    build: |energy, patterns, columns, settings| {
        let (rows, device) = (rows(patterns, columns)?, device(settings)?);
        let model = match (layers_of(energy), settings.beta) {
            (Layers::A(power), Beta::Fixed(beta)) => LagrangianModel::A { power, beta },
            (Layers::A(power), _) => LagrangianModel::A { power, beta: 4.0 },
            (Layers::B, beta) => {
                LagrangianModel::B { beta: beta_for(&rows, Similarity::Dot, beta, &device)? }
            }
            (Layers::C(power), _) => LagrangianModel::C { power },
        };
        Ok(Box::new(LagrangianMemory::builder(model).device(&device).build(&rows)?))
    },
    file: None,
    settings: &[],
};

pub(in crate::memory) const UNIVERSAL: Family = Family {
    properties: |energy| Properties {
        takes: match universal_of(energy).1 {
            UniversalSeparation::Softmax => &[Setting::Beta],
            _ => &[],
        },
        dynamics: Dynamics::OneShot,
        promises: STORES,
        ..REAL
    },
    build: |energy, patterns, columns, settings| {
        let (similarity, separation) = universal_of(energy);
        let mut builder = UniversalMemory::builder().similarity(similarity).separation(separation);
        if let Beta::Fixed(beta) = settings.beta {
            builder = builder.beta(beta);
        }
        if let Some(device) = &settings.device {
            builder = builder.device(device);
        }
        Ok(Box::new(builder.build(&rows(patterns, columns)?)?))
    },
    file: None,
    settings: &[],
};

const RANDOM_FEATURES: Family = Family {
    properties: |_| Properties { weights: Weights::None, promises: &[Promise::Appends], ..REAL },
    build: |energy, patterns, columns, settings| {
        let (rows, device) = (rows(patterns, columns)?, device(settings)?);
        let count =
            if let Energy::Other(Other { parameter: Some(count), .. }) = energy { count } else { 4096 };
        let beta = beta_for(&rows, Similarity::L2, settings.beta, &device)?;
        let spec = FeatureSpec::new(FeatureMap::SinCos, count as usize, columns, beta, settings.seed);
        let features = FeatureSettings { device: Some(device), ..FeatureSettings::default() };
        let mut memory = FeatureMemory::with(spec, features)?;
        memory.absorb(&rows)?;
        Ok(Box::new(memory))
    },
    file: Some(File {
        format: "attractor features",
        load: |path, device| Ok(Box::new(FeatureMemory::load(path, device)?)),
    }),
    settings: &[],
};

const KERNELIZED: Family = Family {
    // What is appended goes through the matrix that was learned before.
    properties: |_| Properties { promises: &[Promise::Descends, Promise::Masks], ..REAL },
    build: |_, patterns, columns, settings| {
        let (rows, device) = (rows(patterns, columns)?, device(settings)?);
        if rows.rows() == 0 {
            return Err(Error::EmptyMemory);
        }
        let mut map = LinearMap::random(columns, columns, false, settings.seed)?;
        // One pattern has none to be moved away from.
        if rows.rows() > 1 {
            let training = SeparationSettings {
                temperatures: vec![0.1],
                optimizer: Optimizer::Adam(Adam::default()),
                iterations: 400,
                starts: 1,
                seed: settings.seed,
                device: device.clone(),
                ..SeparationSettings::default()
            };
            separate_memories(&rows, &mut map, &training, None)?;
        }
        let kernel = KernelizedSettings { device: Some(device), unit: true, ..KernelizedSettings::default() };
        let beta = if let Beta::Fixed(beta) = settings.beta { beta } else { kernel.beta };
        let mut memory = KernelizedMemory::new(&rows, map, KernelizedSettings { beta, ..kernel })?;
        if settings.beta.is_auto() {
            memory.choose_beta()?;
        }
        Ok(Box::new(memory))
    },
    file: Some(File {
        format: "attractor kernelized",
        load: |path, device| Ok(Box::new(KernelizedMemory::load(path, device)?)),
    }),
    settings: &[],
};

fn rows(patterns: &SharedRows, columns: usize) -> Result<Rows<'_>> {
    Rows::new((**patterns).as_ref(), columns)
}

fn device(settings: &EnergySettings) -> Result<Device> {
    settings.device.clone().map_or_else(Device::best, Ok)
}

/// `beta`, or what the dense memory would choose.
fn beta_for(rows: &Rows<'_>, similarity: Similarity, beta: Beta, device: &Device) -> Result<f32> {
    match beta {
        Beta::Fixed(beta) => Ok(beta),
        auto => DenseMemory::builder().device(device).similarity(similarity).beta(auto).build(rows)?.beta(),
    }
}

// An energy of another family never gets to these.

fn separation_of(energy: Energy) -> Separation {
    if let Energy::Sparse(separation) = energy { separation } else { Separation::Softmax }
}

fn interaction_of(energy: Energy) -> Interaction {
    if let Energy::Binary(interaction) = energy { interaction } else { Interaction::Exponential }
}

fn learning_of(energy: Energy) -> Learning {
    if let Energy::Hopfield(learning) = energy { learning } else { Learning::Hebb }
}

fn layers_of(energy: Energy) -> Layers {
    if let Energy::Lagrangian(layers) = energy { layers } else { Layers::B }
}

fn universal_of(energy: Energy) -> (UniversalSimilarity, UniversalSeparation) {
    match energy {
        Energy::Universal(similarity, separation) => (similarity, separation),
        _ => Default::default(),
    }
}

/// An energy without parameters.
fn plain(key: &str, text: Option<&str>, energy: Energy) -> Result<Energy> {
    text.map_or(Ok(energy), |text| Err(unknown(&format!("{key}:{text}"))))
}

fn power(key: &str, text: Option<&str>) -> Result<u32> {
    match text.unwrap_or(POWER.default).parse::<u32>() {
        Ok(n) if (2..=1000).contains(&n) => Ok(n),
        _ => {
            let name = format!("{key}:{}", text.unwrap_or_default());
            let want = "a whole number from 2 to 1000, as in polynomial:3";
            Err(Error::parameter("power of the energy", name, want))
        }
    }
}

fn separation(kind: &'static Kind, text: Option<&str>) -> Result<Energy> {
    let name = text.map_or(kind.key().to_owned(), |text| format!("{}:{text}", kind.key()));
    name.parse().map(Energy::Sparse)
}

fn hopfield(_: &'static Kind, text: Option<&str>) -> Result<Energy> {
    text.map_or(Ok(Learning::Hebb), str::parse).map(Energy::Hopfield)
}

fn lagrangian(_: &'static Kind, text: Option<&str>) -> Result<Energy> {
    let Some(model) = text else { return Err(unknown("lagrangian")) };
    let (kind, power) = model.split_once(':').unwrap_or((model, POWER.default));
    match (kind, power.parse::<u32>()) {
        _ if model == "b" => Ok(Energy::Lagrangian(Layers::B)),
        ("a", Ok(n)) if (2..=1000).contains(&n) => Ok(Energy::Lagrangian(Layers::A(n))),
        ("c", Ok(n)) if (2..=1000).contains(&n) => Ok(Energy::Lagrangian(Layers::C(n))),
        _ => Err(Error::parameter("two-layer model", model, MODEL.range)),
    }
}

fn universal(_: &'static Kind, text: Option<&str>) -> Result<Energy> {
    let (similarity, separation) = match text {
        None => Default::default(),
        Some(text) => match text.split_once(':') {
            Some((similarity, separation)) => (similarity.parse()?, separation.parse()?),
            None => (text.parse()?, UniversalSeparation::default()),
        },
    };
    Ok(Energy::Universal(similarity, separation))
}
