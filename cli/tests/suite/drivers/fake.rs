//! A Vulkan driver without a device, as a library, for tests: it fails where `FAKE_DRIVER` says, and adds a byte to the file
//! `FAKE_LOG` each time it is loaded. Compiled by the test that needs it.

use std::ffi::{CStr, c_char, c_void};

fn fail(at: &str) {
    let fault = std::env::var("FAKE_DRIVER").unwrap_or_default();
    match fault.strip_prefix(at) {
        Some("-abort") => {
            eprintln!("fake driver: assertion failed");
            std::process::abort()
        }
        Some("-crash") => unsafe { std::ptr::without_provenance_mut::<u8>(8).write_volatile(1) },
        Some("-hang") => loop {
            std::thread::sleep(std::time::Duration::from_secs(60));
        },
        Some("-exit") => std::process::exit(0),
        _ => {}
    }
}

extern "C" fn load() {
    if let Some(path) = std::env::var_os("FAKE_LOG") {
        use std::io::Write;
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        let _ = file.and_then(|mut file| file.write_all(b"."));
    }
    fail("load");
}

#[used]
#[link_section = ".init_array"]
static LOAD: extern "C" fn() = load;

type Function = extern "C" fn(usize, usize, usize, usize) -> i32;

/// What no test calls.
extern "C" fn nothing(_: usize, _: usize, _: usize, _: usize) -> i32 {
    0
}

/// `vkCreateInstance`: a handle begins with a number that the loader looks for.
extern "C" fn create(_: usize, _: usize, out: usize, _: usize) -> i32 {
    let handle: &'static mut [usize; 16] = Box::leak(Box::new([0x01CD_C0DE; 16]));
    unsafe { (out as *mut *mut usize).write(handle.as_mut_ptr()) };
    0
}

/// `vkEnumerateInstanceExtensionProperties`: none.
extern "C" fn no_extensions(_: usize, count: usize, _: usize, _: usize) -> i32 {
    unsafe { (count as *mut u32).write(0) };
    0
}

/// `vkEnumeratePhysicalDevices`: none.
extern "C" fn no_devices(_: usize, count: usize, _: usize, _: usize) -> i32 {
    fail("enumerate");
    unsafe { (count as *mut u32).write(0) };
    0
}

#[no_mangle]
pub extern "C" fn vk_icdNegotiateLoaderICDInterfaceVersion(version: *mut u32) -> i32 {
    unsafe { version.write(4) };
    0
}

#[no_mangle]
pub extern "C" fn vk_icdGetInstanceProcAddr(_: *mut c_void, name: *const c_char) -> *const c_void {
    let name = unsafe { CStr::from_ptr(name) }.to_str().unwrap_or_default();
    let function: Function = match name {
        "vkCreateInstance" => create,
        "vkEnumerateInstanceExtensionProperties" => no_extensions,
        "vkEnumeratePhysicalDevices" => no_devices,
        _ => nothing,
    };
    function as *const c_void
}
