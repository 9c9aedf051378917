//! Options that what is asked for beside them leaves without effect: refused by name, as wrong usage, before anything is done.

use crate::arguments::{
    Bench, Command, Explain, Kind, Learn, Memory, Recall, Reproduce, code::Code, features,
    kernelized::Separate, names_labels, store,
};
use attractor::{
    Precision,
    memory::{Beta, Energy, Post},
    ops::{FeatureMap, SeparationLoss},
    optimize::Optimizer,
};
use clap::{ArgMatches, parser::ValueSource};
use std::path::Path;

/// The options that a command line names.
struct Given<'a>(&'a ArgMatches);

impl Given<'_> {
    /// Whether an option is named, be it with its default.
    fn has(&self, option: &str) -> bool {
        let id = option.trim_start_matches('-').replace('-', "_");
        self.0.value_source(&id) == Some(ValueSource::CommandLine)
    }

    /// The first of some options that is named.
    fn first(&self, options: &[&'static str]) -> Option<&'static str> {
        options.iter().copied().find(|option| self.has(option))
    }
}

/// An option, and why it would do nothing.
type Useless = (&'static str, String);

/// The first option without effect.
pub(crate) fn find(command: &Command, line: &ArgMatches) -> Option<Useless> {
    let mut deepest = line;
    while let Some((_, inner)) = deepest.subcommand() {
        deepest = inner;
    }
    let given = Given(deepest);
    let by_labels = given.has("--beta") && names_labels(deepest);
    match command {
        Command::Recall(arguments) if by_labels && arguments.labels.is_none() => {
            Some(("--beta", "labels are for --labels, which is not there".to_owned()))
        }
        Command::Recall(arguments)
            if by_labels
                && (arguments.kind != Kind::Patterns || arguments.memory.energy != Energy::Softmax) =>
        {
            Some(("--beta", "labels are for patterns with the energy softmax".to_owned()))
        }
        Command::Explain(_) | Command::Energy(_) if by_labels => {
            Some(("--beta", "labels are for recall".to_owned()))
        }
        Command::Recall(arguments) => recall(arguments, &given),
        Command::Explain(Explain { memory, .. }) if memory.post != Post::None => {
            let why = "explain compares patterns as they are in the file; transform them first";
            Some(("--post", why.to_owned()))
        }
        Command::Explain(Explain { memory, .. }) => energy(memory),
        Command::Energy(arguments) => energy(&arguments.memory),
        Command::Store(store::Store::Recall(arguments)) => {
            alone(&arguments.out, &given, &["--top-k", "--payloads"])
        }
        Command::Features(command) => features(command, &given),
        Command::Separate(arguments) => separate(arguments, &given),
        Command::Learn(kind) => match &**kind {
            Learn::RandomFeatures(arguments) => space(&arguments.space, &given),
            Learn::Kernelized(arguments) => separate(arguments, &given),
        },
        Command::Code(arguments) => code(arguments, &given),
        Command::Reproduce(arguments) => reproduce(arguments, &given),
        Command::Bench(arguments) => bench(arguments, &given),
        _ => None,
    }
}

/// Options of results that a .npy file, which holds the states alone, has no room for.
fn alone(out: &Path, given: &Given<'_>, options: &[&'static str]) -> Option<Useless> {
    let npy = out.extension().is_some_and(|e| e.eq_ignore_ascii_case("npy"));
    let option = given.first(options).filter(|_| npy)?;
    Some((
        option,
        "a .npy file holds the final states alone; name a .npz or .safetensors for more".to_owned(),
    ))
}

/// What makes a space of features.
const SPACE: [&str; 8] =
    ["--map", "--features", "--projection", "--frequencies", "--phases", "--scale", "--epsilon", "--centre"];
/// What makes a comparison through a matrix.
const KERNEL: [&str; 4] = ["--weights", "--bias", "--separation", "--unit"];

/// What makes a memory of patterns.
const PATTERNS: [&str; 7] =
    ["--patterns", "--energy", "--similarity", "--similarity-form", "--precision", "--post", "--order"];

fn recall(arguments: &Recall, given: &Given<'_>) -> Option<Useless> {
    let strangers = [(Kind::RandomFeatures, &SPACE[..]), (Kind::Kernelized, &KERNEL)];
    for (kind, options) in strangers {
        if let Some(option) = given.first(options).filter(|_| kind != arguments.kind) {
            return Some((option, format!("{option} is for --memory {kind}")));
        }
    }
    let of_file = arguments.settings.first().filter(|_| !matches!(arguments.kind, Kind::File(_)));
    if let Some((setting, _)) = of_file {
        return Some((setting.name, format!("--{} is for --memory FILE", setting.name)));
    }
    match &arguments.kind {
        Kind::File(path) => given.first(&PATTERNS).map(|option| {
            let why = format!("the memory in {} is as it was made: leave {option} out", path.display());
            (option, why)
        }),
        Kind::Patterns => energy(&arguments.memory).or_else(|| updates(arguments, given)),
        Kind::RandomFeatures => of_patterns(
            &arguments.memory,
            &[
                ("--energy", "--map says what its kernel is"),
                ("--similarity", "--map says what its kernel is"),
                ("--similarity-form", "it compares through features"),
                ("--precision", "it keeps no patterns"),
                ("--post", "states follow the energy's slope"),
                ("--order", "states have no bits"),
            ],
            "random-features",
        )
        .or_else(|| space(&arguments.space, given)),
        Kind::Kernelized => of_patterns(
            &arguments.memory,
            &[
                ("--energy", "--separation says how scores become weights"),
                ("--similarity", "it is the product of W x"),
                ("--similarity-form", "it is the product of W x"),
                ("--precision", "patterns are kept in f32"),
                ("--post", "it would not descend"),
                ("--order", "states have no bits"),
            ],
            "kernelized",
        ),
    }
    .or_else(|| alone(&arguments.out, given, &["--trace", "--values", "--labels", "--top-k"]))
}

/// Options of memories of patterns, with why another kind of memory has no use for them.
fn of_patterns(asked: &Memory, options: &[(&'static str, &str); 6], kind: &str) -> Option<Useless> {
    let useless = [
        asked.energy != Energy::Softmax,
        asked.similarity.is_some(),
        asked.similarity_form.is_some(),
        asked.precision != Precision::F32,
        asked.post != Post::None,
        asked.order.is_some(),
    ];
    let (_, (option, why)) = useless.into_iter().zip(options).find(|(useless, _)| *useless)?;
    Some((*option, format!("{option} is not for --memory {kind}: {why}")))
}

/// Settings that an energy does not look at.
fn energy(asked: &Memory) -> Option<Useless> {
    let energy = asked.energy;
    let of = |what: &str| format!("the energy {energy} does not look at it: it is for {what}");
    if asked.similarity.is_some() && !energy.takes_similarity() {
        return Some(("--similarity", of("softmax, entmax and their like")));
    }
    if asked.similarity_form.is_some() && !energy.takes_similarity() {
        return Some(("--similarity-form", of("softmax, entmax and their like")));
    }
    if matches!(asked.beta, Beta::Fixed(_)) && !energy.takes_beta() {
        return Some(("--beta", of("energies whose weights depend on it")));
    }
    if asked.order.is_some() && !energy.is_binary() {
        return Some(("--order", of("energies of bits")));
    }
    if asked.precision != Precision::F32 && energy != Energy::Softmax {
        return Some(("--precision", of("softmax")));
    }
    if asked.post != Post::None && !matches!(energy, Energy::Sparse(_)) {
        return Some(("--post", of("entmax, sparsemax, normmax and ksubsets")));
    }
    None
}

/// What moves states, where states move otherwise.
fn updates(arguments: &Recall, given: &Given<'_>) -> Option<Useless> {
    let energy = arguments.memory.energy;
    if energy.is_binary() && arguments.updates.tol.is_some_and(|tol| tol > 0.0) {
        return Some((
            "--tol",
            "bits change or stay; only 0 means something, which makes exactly --steps sweeps".to_owned(),
        ));
    }
    if matches!(energy, Energy::Universal(..)) && given.has("--steps") && arguments.updates.steps > 1 {
        return Some(("--steps", format!("the energy {energy} is a single shot: 1 step or none")));
    }
    None
}

fn features(command: &features::Features, given: &Given<'_>) -> Option<Useless> {
    use features::Features;
    let source = match command {
        Features::Encode(arguments) => return space(&arguments.space, given),
        Features::Merge(_) | Features::Forget(_) => {
            let why = "the memories have the frequencies that they were made with";
            return given.first(&["--seed"]).map(|option| (option, why.to_owned()));
        }
        Features::Energy(arguments) => &arguments.source,
        Features::Recall(arguments) => {
            if let Some(found) = alone(&arguments.out, given, &["--trace"]) {
                return Some(found);
            }
            &arguments.source
        }
        Features::Advise(arguments) => &arguments.source,
    };
    if source.patterns.is_some() {
        return space(&source.space, given);
    }
    let option = given.first(&SPACE).or_else(|| given.first(&["--beta", "--seed"]))?;
    Some((option, format!("a memory from a file is as it was made: leave {option} out")))
}

/// Options of a space of features that exclude each other.
fn space(space: &features::Space, given: &Given<'_>) -> Option<Useless> {
    space.frequencies.as_ref()?;
    if given.has("--seed") {
        return Some(("--seed", "--frequencies are given, and not drawn".to_owned()));
    }
    let phases = space.phases.is_some() && space.map != FeatureMap::Cos;
    phases.then(|| ("--phases", format!("the map {} has none: they are for the map cos", space.map)))
}

fn separate(arguments: &Separate, given: &Given<'_>) -> Option<Useless> {
    let lbfgs = matches!(arguments.optimizer, Some(Optimizer::Lbfgs(_)));
    if lbfgs && given.has("--batch") {
        return Some(("--batch", "lbfgs needs all patterns at each step: batches are for adam".to_owned()));
    }
    if lbfgs && given.has("--rate") {
        return Some(("--rate", "it is the step size of adam, not of lbfgs".to_owned()));
    }
    let noisy = arguments.noise.is_some_and(|noise| noise > 0.0);
    if given.has("--tau") && arguments.loss == SeparationLoss::Max && !noisy {
        return Some(("--tau", "the loss max is the largest cosine at any temperature".to_owned()));
    }
    None
}

fn code(arguments: &Code, given: &Given<'_>) -> Option<Useless> {
    if arguments.measure.is_some() && arguments.out.is_some() {
        return Some(("--out", "measured points are in a file already".to_owned()));
    }
    let seed = given.first(&["--seed"]).filter(|_| arguments.points.is_none())?;
    Some((seed, "only a search for --points draws random numbers".to_owned()))
}

fn reproduce(arguments: &Reproduce, given: &Given<'_>) -> Option<Useless> {
    let experiment = arguments.experiment.as_str();
    let why = format!("the experiment {experiment} has no use for it");
    if arguments.data.is_some() {
        match experiment {
            "capacity" => {}
            "uhop" if !arguments.quick => {}
            "uhop" => return Some(("--data", "--quick leaves out what recalls images".to_owned())),
            _ => return Some(("--data", why)),
        }
    }
    let quick = given.first(&["--quick"]).filter(|_| experiment == "dense")?;
    Some((quick, why))
}

fn bench(arguments: &Bench, given: &Given<'_>) -> Option<Useless> {
    let op = arguments.op.as_str();
    if given.has("--ensemble") && op != "bank" {
        return Some((
            "--ensemble",
            format!("--op {op} makes no patterns of that kind: it is for --op bank"),
        ));
    }
    if arguments.precision == Precision::F16 && op != "step" {
        return Some(("--precision", format!("--op {op} takes f32: f16 is for --op step")));
    }
    None
}
