//! What the library and the command say of their work, on stderr: warnings always, more with `-v`, `-vv` or `ATTRACTOR_LOG`.

use crate::failure::plain;
use std::{fmt, io, time::Instant};
use tracing::{Event, Level, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer,
    filter::Targets,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    layer::SubscriberExt,
    registry::LookupSpan,
};

/// What `ATTRACTOR_LOG` may be.
pub(crate) const LEVELS: &str = "one of off, error, warn, info, debug, trace";

/// The level of this name.
pub(crate) fn level(name: &str) -> Option<LevelFilter> {
    // More is read there: numbers.
    name.parse().ok().filter(|_| name.bytes().all(|byte| byte.is_ascii_alphabetic()))
}

/// From now on, what the library and the command say is shown, up to this level.
pub(crate) fn start(level: LevelFilter) {
    let lines = tracing_subscriber::fmt::layer()
        .event_format(Lines { started: Instant::now() })
        .with_ansi(false)
        .with_writer(io::stderr)
        // Where stderr cannot be written there is no one left to tell.
        .log_internal_errors(false)
        .with_filter(Targets::new().with_target("attractor", level));
    // Fails where it was called before, which is as well.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines));
}

/// A line for each event. Warnings look like all that this command complains of; what is below has its level and the time since
/// the start.
struct Lines {
    started: Instant,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        about: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut text = String::new();
        about.format_fields(Writer::new(&mut text), event)?;
        let level = *event.metadata().level();
        out.write_str("attractor: ")?;
        if level > Level::WARN {
            let name = level.as_str().to_lowercase();
            write!(out, "{name:<5} {:>8.3} s: ", self.started.elapsed().as_secs_f64())?;
        }
        // Parts of it may come out of a file: it stays one line.
        text.chars().try_for_each(|c| out.write_char(plain(c)))?;
        out.write_char('\n')
    }
}
