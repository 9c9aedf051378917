//! What the test programs of Rust print.

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    Ignored,
}

/// The test of a line `test NAME ... RESULT`, and how it ended.
pub(crate) fn outcome(line: &str) -> Option<(String, Outcome)> {
    let (name, result) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let outcome = match result.split(',').next()?.trim() {
        "ok" => Outcome::Passed,
        "ignored" => Outcome::Ignored,
        _ => Outcome::Failed,
    };
    // `NAME - should panic`
    Some((name.split(' ').next()?.to_owned(), outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_libtest_are_read() {
        let read = |line: &str| outcome(line).map(|(name, outcome)| format!("{name} {outcome:?}"));
        assert_eq!(read("test a::b ... ok").as_deref(), Some("a::b Passed"));
        assert_eq!(read("test a::b ... FAILED").as_deref(), Some("a::b Failed"));
        assert_eq!(read("test a::b ... ignored, takes hours").as_deref(), Some("a::b Ignored"));
        assert_eq!(read("test a - should panic ... ok").as_deref(), Some("a Passed"));
        assert_eq!(read("test a::b has been running for over 60 seconds"), None);
        assert_eq!(read("test result: ok. 3 passed; 0 failed; 0 ignored"), None);
        assert_eq!(read("running 3 tests"), None);
    }
}
