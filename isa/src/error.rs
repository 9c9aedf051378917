//! Why there are no figures.

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The driver or the Vulkan loader is not installed, or does not start.
    #[error("{0}")]
    Absent(String),
    /// The driver writes something else than the versions that are known.
    #[error("the driver's output is not understood: {0}")]
    Unreadable(String),
    /// A kernel does not compile.
    #[error("{0}")]
    Failed(String),
}
