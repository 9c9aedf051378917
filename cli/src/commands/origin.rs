//! What a recall goes through: patterns, or a memory in a file.

use super::{features, kernelized, open_memory, open_patterns, read_pattern_mask};
use crate::{
    arguments::{Kind, Memory as Asked, Recall},
    failure::{Failure, Result},
    input::{self, Patterns},
    phases::{Phase, Phases},
    warnings::Warnings,
};
use attractor::{
    Device,
    memory::{
        Memory,
        registry::{self, KindSetting},
    },
    store::Id,
};
use std::path::Path;

/// Where a memory comes from.
pub(super) enum Origin<'a> {
    /// Patterns, and the memory that is made of them.
    Patterns { path: &'a Path, asked: Asked },
    /// A file that `learn` made.
    File { path: &'a Path, kind: &'static registry::Kind },
}

/// What a recall goes through.
pub(super) struct Through {
    pub(super) memory: Box<dyn Memory>,
    /// Which patterns may answer.
    pub(super) mask: Option<Vec<bool>>,
    /// What the patterns of a store are called.
    pub(super) ids: Option<Vec<Id>>,
    /// The memory in words.
    pub(super) what: String,
}

impl<'a> Origin<'a> {
    /// What the arguments name; of a file, what kind of memory it has. Settings of other kinds are refused here.
    pub(super) fn of(arguments: &'a Recall) -> Result<Self> {
        let mut asked = arguments.memory.clone();
        let Kind::File(path) = &arguments.kind else {
            let missing = || Failure::usage(format!("--memory {} needs --patterns", arguments.kind));
            return Ok(Self::Patterns { path: arguments.patterns.as_deref().ok_or_else(missing)?, asked });
        };
        let file = registry::describe(path)?;
        if let Some(kind) = file.kind {
            refuse_others(kind, &arguments.settings)?;
            return Ok(Self::File { path, kind });
        }
        let (Some(similarity), Some(beta)) = (file.metadata.get("similarity"), file.metadata.get("beta"))
        else {
            // It says what is wrong with the file.
            registry::load(path, &Device::cpu())?;
            return Err(Failure::data(format!("{}: is no memory", path.display())));
        };
        // A store is recalled with its own settings.
        asked.similarity = Some(similarity.parse()?);
        if asked.beta.is_auto() {
            asked.beta = beta.parse()?;
        }
        Ok(Self::Patterns { path, asked })
    }

    /// Reads the patterns, where there are any.
    pub(super) fn read(&self, arguments: &Recall, warnings: &mut Warnings) -> Result<Option<Patterns>> {
        let Self::Patterns { path, asked } = self else { return Ok(None) };
        Ok(Some(match arguments.kind {
            Kind::Patterns | Kind::File(_) => open_patterns(path, asked, warnings)?,
            // These read their patterns themselves, to the nearest f32.
            Kind::RandomFeatures | Kind::Kernelized => input::patterns(path, false, warnings)?,
        }))
    }

    /// The memory. An automatic `beta` is chosen here, before any clock starts: it is part of storing, not of recalling.
    pub(super) fn open(
        &self,
        patterns: Option<&Patterns>,
        arguments: &Recall,
        device: &Device,
        phases: &mut Phases,
        warnings: &mut Warnings,
    ) -> Result<Through> {
        let common = &arguments.common;
        let read_mask =
            |n: usize| arguments.memory.mask.as_deref().map(|path| read_pattern_mask(path, n)).transpose();
        let (path, asked) = match self {
            Self::Patterns { path, asked } => (*path, asked),
            Self::File { path, kind } => {
                let memory = registry::load(path, device)?;
                let (n, d) = (memory.len(), memory.dim());
                let what = format!("{} from {}: {n} patterns of {d} values", kind.key(), path.display());
                phases.end(Phase::Open, &what);
                return Ok(Through { mask: read_mask(n)?, memory, ids: None, what });
            }
        };
        match (&arguments.kind, patterns) {
            (Kind::Patterns | Kind::File(_), Some(patterns)) => {
                let (memory, mask) = open_memory(path, asked, common, patterns, device)?;
                let ids = patterns.ids()?;
                phases.end(Phase::Open, format_args!("{} patterns of {} values", memory.len(), memory.dim()));
                let what = super::described(asked, &*memory, mask.as_deref())?;
                super::warn_of_beta(super::automatic_beta(&*memory, mask.as_deref())?, warnings);
                phases.end(Phase::Beta, &what);
                let what = format!("{} patterns of {} values, {what}", memory.len(), memory.dim());
                Ok(Through { memory, mask, ids, what })
            }
            (Kind::RandomFeatures, _) => {
                let memory = features::in_place_of(path, asked, &arguments.space, common, device)?;
                let (mask, what) = (read_mask(memory.len())?, features::described(&memory));
                Ok(Through { memory: Box::new(memory), mask, ids: None, what })
            }
            (_, _) => {
                let (memory, ids) = kernelized::memory(path, asked, &arguments.kernel, device, warnings)?;
                let (mask, what) = (read_mask(memory.len())?, kernelized::described(&memory)?);
                Ok(Through { memory: Box::new(memory), mask, ids, what })
            }
        }
    }
}

/// Refuses settings that another kind of memory has.
fn refuse_others(kind: &registry::Kind, given: &[(&'static KindSetting, String)]) -> Result<()> {
    let own = kind.family.settings;
    match given.iter().find(|(setting, _)| !own.iter().any(|known| known.name == setting.name)) {
        None => Ok(()),
        Some((setting, _)) => Err(Failure::usage(format!(
            "--{} would have no effect here: a memory of the kind {} has no such setting",
            setting.name,
            kind.key()
        ))),
    }
}
