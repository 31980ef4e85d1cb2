//! Functions of tenure.h, found in the process when first used: the crate links no library, and works without one.

use core::ffi::c_void;
use std::os::raw::{c_char, c_int, c_uint};
use std::sync::atomic::{AtomicUsize, Ordering};

/// `struct tenure_tenant`.
#[repr(C)]
pub struct Handle {
    _opaque: [u8; 0],
}

/// `struct tenure_scope` and `struct tenure_captured`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Word {
    pub word: u64,
}

/// `struct tenure_tenant_stats`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct RawStats {
    pub struct_size: usize,
    pub usage: usize,
    pub peak: usize,
    pub allocated: usize,
    pub cached: usize,
    pub meta: usize,
    pub failures: usize,
    pub events: [usize; 5],
    pub children: usize,
    pub stalled_us: usize,
    pub pressure10: usize,
    pub pressure60: usize,
    pub subtree_events: [usize; 5],
}

extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

const UNKNOWN: usize = 0;
const ABSENT: usize = 1;

/// The address of a function, looked up once. Racing threads find the same.
fn find(cell: &AtomicUsize, name: &'static str) -> Option<usize> {
    // Relaxed: the address is all there is to see, and the code it names does not change.
    let mut address = cell.load(Ordering::Relaxed);
    if address == UNKNOWN {
        // RTLD_DEFAULT: the program and what is preloaded. The names end in a 0.
        address = unsafe { dlsym(core::ptr::null_mut(), name.as_ptr().cast()) } as usize;
        if address == 0 {
            address = ABSENT;
        }
        cell.store(address, Ordering::Relaxed);
    }
    if address == ABSENT {
        None
    } else {
        Some(address)
    }
}

macro_rules! functions {
    ($($name:ident: fn($($argument:ident: $kind:ty),*) $(-> $result:ty)? = $symbol:literal;)*) => {$(
        /// None where the library is not in the process.
        pub fn $name($($argument: $kind),*) -> Option<functions!(@result $($result)?)> {
            static CELL: AtomicUsize = AtomicUsize::new(UNKNOWN);
            let address = find(&CELL, concat!($symbol, "\0"))?;
            let function: unsafe extern "C" fn($($kind),*) $(-> $result)? = unsafe { core::mem::transmute(address) };
            Some(unsafe { function($($argument),*) })
        }
    )*};
    (@result $result:ty) => { $result };
    (@result) => { () };
}

functions! {
    active: fn() -> c_int = "tenure_active";
    version: fn() -> *const c_char = "tenure_version";
    mode: fn() -> *const c_char = "tenure_mode";
    root: fn() -> *mut Handle = "tenure_root";
    current: fn() -> *mut Handle = "tenure_current";
    create: fn(parent: *mut Handle, name: *const c_char, flags: c_uint, made: *mut *mut Handle) -> c_int = "tenure_tenant_create";
    offline: fn(tenant: *mut Handle, flags: c_uint) -> c_int = "tenure_tenant_offline";
    tenant_find: fn(path: *const c_char) -> *mut Handle = "tenure_tenant_find";
    tenant_ref: fn(tenant: *mut Handle) -> *mut Handle = "tenure_tenant_ref";
    close: fn(tenant: *mut Handle) = "tenure_tenant_close";
    online: fn(tenant: *mut Handle) -> c_int = "tenure_tenant_online";
    parent: fn(tenant: *mut Handle) -> *mut Handle = "tenure_tenant_parent";
    path: fn(tenant: *mut Handle, buffer: *mut c_char, size: usize) -> usize = "tenure_tenant_path";
    set_limit: fn(tenant: *mut Handle, which: c_int, bytes: usize) -> c_int = "tenure_tenant_set_limit";
    limit: fn(tenant: *mut Handle, which: c_int) -> usize = "tenure_tenant_limit";
    set_policy: fn(tenant: *mut Handle, policy: c_int) -> c_int = "tenure_tenant_set_policy";
    stats: fn(tenant: *mut Handle, stats: *mut RawStats) -> c_int = "tenure_tenant_stats";
    reclaim: fn(tenant: *mut Handle, bytes: usize) -> usize = "tenure_reclaim";
    checkpoint: fn() -> c_int = "tenure_checkpoint";
    reap: fn() -> usize = "tenure_reap";
    enter: fn(tenant: *mut Handle) -> Word = "tenure_enter";
    leave: fn(outer: Word) = "tenure_leave";
}
