//! An allocator that knows how much is in use, how much there ever was, and the largest single request.

#![allow(unsafe_code, reason = "an allocator passes raw pointers on")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    ptr::null_mut,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// The system's allocator, which counts, and refuses single requests beyond [`MOST_AT_ONCE`].
pub(crate) struct Counting;

/// What no test here has a use for: whoever asks for it has believed a number that was made up.
pub(crate) const MOST_AT_ONCE: usize = 4 << 30;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);
static LARGEST: AtomicUsize = AtomicUsize::new(0);

fn more(bytes: usize) -> bool {
    LARGEST.fetch_max(bytes, Relaxed);
    if bytes > MOST_AT_ONCE {
        return false;
    }
    MOST.fetch_max(NOW.fetch_add(bytes, Relaxed) + bytes, Relaxed);
    true
}

fn less(bytes: usize) {
    NOW.fetch_sub(bytes, Relaxed);
}

// SAFETY: all calls go to the system's allocator as they came, or answer that there is no memory; counting
// allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !more(layout.size()) {
            return null_mut();
        }
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !more(layout.size()) {
            return null_mut();
        }
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        less(layout.size());
        // SAFETY: the caller's promise is the same, and `place` came from the system's allocator.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both may exist while the content is copied.
        if !more(size) {
            return null_mut();
        }
        less(layout.size());
        // SAFETY: the caller's promise is the same, and `place` came from the system's allocator.
        unsafe { System.realloc(place, layout, size) }
    }
}

/// What was asked of the allocator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Use {
    /// The most bytes that were in use at a time, beyond those that were before.
    pub(crate) most: usize,
    /// The largest single request, granted or not.
    pub(crate) largest: usize,
}

/// Bytes in use now.
pub(crate) fn in_use() -> usize {
    NOW.load(Relaxed)
}

/// Runs something, and tells what all threads asked for meanwhile.
pub(crate) fn counted<T>(run: impl FnOnce() -> T) -> (T, Use) {
    let before = NOW.load(Relaxed);
    MOST.store(before, Relaxed);
    LARGEST.store(0, Relaxed);
    let result = run();
    let most = MOST.load(Relaxed).saturating_sub(before);
    (result, Use { most, largest: LARGEST.load(Relaxed) })
}
