//! The faults, and the tests that provoke them.

use super::run::{COMMAND, HOSTILE, MEMORY, SUITE, Tests};

/// A fault.
pub(super) struct Row {
    pub(super) fault: &'static str,
    pub(super) provoked: &'static str,
    pub(super) expected: &'static str,
    /// Each of them must match at least one test.
    pub(super) tests: &'static [Tests],
}

pub(super) const ROWS: [Row; 21] = [
    Row {
        fault: "device lost",
        provoked: "destroyed with each submission of all kinds of work, and by another thread at random moments",
        expected: "DeviceLost or the right answer, from that call and all later ones; no hang, no wrong number",
        tests: &[SUITE.tests("faults::lost::"), SUITE.tests("devices::a_lost_device_says_so")],
    },
    Row {
        fault: "device lost, patterns on the host or in a file",
        provoked: "destroyed between and within recalls and changes of a store, under threads, and under the command",
        expected: "opened again once for all threads, the memory made anew, the same bits; the command warns",
        tests: &[SUITE.tests("faults::recovery::"), COMMAND.tests("lost::")],
    },
    Row {
        fault: "more than a device allows",
        provoked: "products of 1 TiB, traces beyond a binding, shapes whose size leaves 64 bits, rows wider than a binding",
        expected: "TooLarge with what is needed and the limit, before wgpu is asked; the device goes on",
        tests: &[
            SUITE.tests("faults::limits::"),
            SUITE.tests("devices::more_than_a_device_can_hold_is_an_error"),
        ],
    },
    Row {
        fault: "out of memory",
        provoked: "the n-th allocation refused, for every n of all kinds of work: once, with its retry, and for good",
        expected: "made good by freeing what is kept, or streamed from the host, or OutOfMemory; nothing leaked; the next call gives the same bits",
        tests: &[SUITE.tests("faults::allocations::")],
    },
    Row {
        fault: "out of memory within a change",
        provoked: "each allocation of append, associate, forget, absorb and a store's changes refused",
        expected: "memory, store and file are what they were; the second try is as the first would have been",
        tests: &[SUITE.tests("faults::changes::")],
    },
    Row {
        fault: "error that no call is told of, refused commands",
        provoked: "a wrong call outside of scopes; a wrong command in a recording that threads share",
        expected: "Gpu at the next send or readback, once; what was to be written is no result; threads keep their own errors",
        tests: &[SUITE.tests("faults::errors::")],
    },
    Row {
        fault: "a wait that does not end",
        provoked: "seconds of work with a patience of 1 ms",
        expected: "Timeout with what was waited for and how long; the device stays usable, later answers are right, nothing leaked",
        tests: &[SUITE.tests("faults::waits::")],
    },
    Row {
        fault: "panic or error midway",
        provoked: "a panic in each report of progress of recalls, descents and scans; errors between recorded commands",
        expected: "the memory stays usable, later answers have the same bits",
        tests: &[SUITE.tests("faults::panics::")],
    },
    Row {
        fault: "NaN, infinities, subnormals, 1e38, -0.0, empty and odd shapes",
        provoked: "property tests of every operation and memory",
        expected: "an error that names row and column, or a defined result; CPU, GPU and reference agree on which",
        tests: &[SUITE.tests("numbers::")],
    },
    Row {
        fault: "sizes across borders",
        provoked: "blocks, sweeps, shards, 65,535 workgroups; small shards and budgets set in tests",
        expected: "as without the border, within the bound",
        tests: &[
            SUITE.tests("numbers::borders::"),
            SUITE.tests("dense::large::shards_change_nothing"),
            SUITE.tests("spread::patterns_beyond_the_device_stream_through_it"),
        ],
    },
    Row {
        fault: "malformed files",
        provoked: "named lies, every length of a file, every bit of a file, the fuzzer's corpus",
        expected: "an error, no panic, no memory beyond a multiple of the file",
        tests: &[HOSTILE.tests("")],
    },
    Row {
        fault: "killed while it saves",
        provoked: "child processes killed at random moments of saves, changes, rewrites and experiments",
        expected: "the old file or the new one, the store before or after; experiments come to the same end",
        tests: &[
            SUITE.tests("faults_files::killed::"),
            COMMAND.tests("store::killed_at_any_moment_it_is_the_store_before_or_after"),
            COMMAND.tests("faults::killed::"),
        ],
    },
    Row {
        fault: "disk full",
        provoked: "a limit of the file's size at each byte, a small disk",
        expected: "an error that names the file, the old file intact, nothing left behind",
        tests: &[SUITE.tests("faults_files::full::"), COMMAND.tests("faults::full::")],
    },
    Row {
        fault: "no permission, read-only disk, a folder or link in the place of a file",
        provoked: "permissions, mounts, odd names",
        expected: "an error that names the file, the old file intact",
        tests: &[SUITE.tests("faults_files::refused::"), COMMAND.tests("faults::odd::")],
    },
    Row {
        fault: "saved over the file that is mapped",
        provoked: "results written in the place of what they were made of",
        expected: "what is mapped is read on, the new file is whole",
        tests: &[
            SUITE.tests("faults_files::refused::what_is_mapped_can_be_replaced_and_is_read_on"),
            COMMAND.tests("faults::odd::a_result_may_take_the_place_of_what_it_was_made_of"),
        ],
    },
    Row {
        fault: "two processes, one tuning cache",
        provoked: "processes that tune at once; a cache that cannot be written",
        expected: "all succeed, the file is valid and loses nothing; what cannot be kept is a failure with all figures",
        tests: &[COMMAND.tests("faults::tuning::")],
    },
    Row {
        fault: "stopped by its user",
        provoked: "Ctrl-C and SIGTERM during long commands, a report of progress that says stop",
        expected: "an end within moments, files intact, the terminal clean",
        tests: &[SUITE.tests("faults_files::stopped::"), COMMAND.tests("faults::signals::")],
    },
    Row {
        fault: "a GPU driver that crashes, hangs or ends the process",
        provoked: "a driver made for it, when it is loaded and when it is asked for its devices",
        expected: "the CPU with a line that names the driver, or an error where a GPU was named; tried once, and again where something has changed",
        tests: &[COMMAND.tests("drivers::broken::")],
    },
    Row {
        fault: "no threads, no memory",
        provoked: "stacks larger than memory, limits on processes and on memory",
        expected: "the same bits from the threads there are; a line and status 1 where memory is out",
        tests: &[
            COMMAND.tests("threads::without"),
            COMMAND.tests("threads::with_room"),
            COMMAND.tests("threads::a_limit"),
        ],
    },
    Row {
        fault: "files of other versions",
        provoked: "kept files of each version; versions to come",
        expected: "read as they were written, or refused by name",
        tests: &[SUITE.tests("faults_files::formats::")],
    },
    Row {
        fault: "leaks",
        provoked: "10,000 recalls",
        expected: "buffers, heap and resident memory stay level",
        tests: &[MEMORY.tests("ten_thousand_recalls_leave_nothing_behind")],
    },
];
