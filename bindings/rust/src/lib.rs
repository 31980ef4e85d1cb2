//! Tenants: owners of memory inside a process, with limits.
//!
//! ```no_run
//! let acme = tenure::Tenant::new("acme")?;
//! acme.set_limit(tenure::Limit::Max, Some(64 << 20))?;
//! {
//!     let _scope = acme.enter(); // what this thread allocates is acme's now
//!     let mut table: Vec<u8> = Vec::new();
//!     if table.try_reserve(100 << 20).is_err() { /* acme is full, and nobody else */ }
//! }
//! acme.offline()?; // what is left is the parent's to pay
//! # Ok::<(), tenure::Error>(())
//! ```
//!
//! The process's malloc must be Tenure's: `LD_PRELOAD=libtenure.so`, `tenure run`, or a program linked with it. Where that is not
//! so, [`Tenant::new`] fails with an error that says how to start the program.

mod alloc;
mod error;
mod ffi;
mod future;
mod tenant;

pub use alloc::Malloc;
pub use error::Error;
pub use future::{InTenant, TenantFuture};
pub use tenant::{Limit, Options, Policy, Scope, Stats, Tenant};

/// Whether the process's malloc is Tenure's. If not, no tenant can be made.
pub fn active() -> bool {
    ffi::active().unwrap_or(0) != 0
}

/// The library's version and mode ("rseq" or "fallback"), where it is in the process.
pub fn library() -> Option<(&'static str, &'static str)> {
    let text = |pointer| unsafe { std::ffi::CStr::from_ptr(pointer) }.to_str().unwrap_or("");
    Some((text(ffi::version()?), text(ffi::mode()?)))
}

/// For places where a service may wait, such as between requests: reclaims where the tenant is above its high limit.
pub fn checkpoint() {
    ffi::checkpoint();
}

/// Cleans up after tenants that have gone. Returns how many of them still have memory.
pub fn reap() -> usize {
    ffi::reap().unwrap_or(0)
}
