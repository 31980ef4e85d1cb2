use crate::error::Error;
use crate::ffi;
use std::ffi::CString;
use std::fmt;
use std::marker::PhantomData;

/// A handle on a tenant. Clones are handles on the same one. The tenant lives until [`Tenant::offline`], whatever becomes of the
/// handles; after that they stay good, and what is charged through them is the nearest online ancestor's.
pub struct Tenant {
    handle: *mut ffi::Handle, // Never null; ours until drop
}

// The library's functions on handles are thread-safe.
unsafe impl Send for Tenant {}
unsafe impl Sync for Tenant {}

/// Limits, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Min = 0,
    Low = 1,
    High = 2,
    Max = 3,
    Reserve = 4,
}

/// What happens to a request that does not fit below [`Limit::Max`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    FailLarge = 0,
    FailAll = 1,
    Observe = 2,
    Event = 3,
    Abort = 4,
}

/// How a tenant is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    pub parent: Option<&'a Tenant>,
    /// Threads that are made inside it start inside it.
    pub durable: bool,
    /// It shares no page with others.
    pub isolated: bool,
}

/// What a tenant has; bytes, but for the counts. `usage`, `peak` and `failures` include all tenants below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub usage: usize,
    pub peak: usize,
    pub allocated: usize,
    pub cached: usize,
    pub meta: usize,
    pub failures: usize,
    pub children: usize,
}

impl Tenant {
    /// A child of the root.
    pub fn new(name: &str) -> Result<Tenant, Error> {
        Tenant::with(name, Options::default())
    }

    pub fn with(name: &str, options: Options<'_>) -> Result<Tenant, Error> {
        if !crate::active() {
            return Err(Error::NotActive);
        }
        let name = CString::new(name).map_err(|_| Error::Invalid)?;
        let parent = match options.parent {
            Some(parent) => parent.handle,
            None => ffi::root().ok_or(Error::NotActive)?,
        };
        let flags = u32::from(options.durable) | u32::from(options.isolated) << 1;
        let mut handle = core::ptr::null_mut();
        Error::of(ffi::create(parent, name.as_ptr(), flags, &mut handle))?;
        Ok(Tenant { handle })
    }

    fn adopt(handle: Option<*mut ffi::Handle>) -> Option<Tenant> {
        handle.filter(|handle| !handle.is_null()).map(|handle| Tenant { handle })
    }

    /// The root; None without the library.
    pub fn root() -> Option<Tenant> {
        Tenant::adopt(ffi::root())
    }

    /// The tenant this thread is inside of; None without the library.
    pub fn current() -> Option<Tenant> {
        Tenant::adopt(ffi::tenant_ref(ffi::current()?))
    }

    /// The online tenant at an absolute path.
    pub fn find(path: &str) -> Option<Tenant> {
        Tenant::adopt(ffi::tenant_find(CString::new(path).ok()?.as_ptr()))
    }

    pub fn parent(&self) -> Option<Tenant> {
        Tenant::adopt(ffi::parent(self.handle))
    }

    /// Goes inside, until the scope is dropped.
    #[must_use = "the scope ends where it is dropped"]
    pub fn enter(&self) -> Scope<'_> {
        let outer = ffi::enter(self.handle).unwrap_or(ffi::Word { word: 0 });
        Scope { outer, _inside: PhantomData }
    }

    /// Calls the function inside.
    pub fn run<R>(&self, function: impl FnOnce() -> R) -> R {
        let _scope = self.enter();
        function()
    }

    /// Ends the tenant. What is left of its memory is its parent's to pay.
    pub fn offline(&self) -> Result<(), Error> {
        Error::of(ffi::offline(self.handle, 0))
    }

    /// The tenants below it go first.
    pub fn offline_recursively(&self) -> Result<(), Error> {
        Error::of(ffi::offline(self.handle, 1))
    }

    pub fn online(&self) -> bool {
        ffi::online(self.handle) == Some(1)
    }

    pub fn path(&self) -> String {
        let mut buffer = vec![0u8; 32 * 64 + 1]; // 31 levels of 63 bytes and a slash
        let length = ffi::path(self.handle, buffer.as_mut_ptr().cast(), buffer.len()).unwrap_or(0);
        buffer.truncate(length);
        String::from_utf8_lossy(&buffer).into_owned()
    }

    /// None: unlimited.
    pub fn set_limit(&self, which: Limit, bytes: Option<usize>) -> Result<(), Error> {
        Error::of(ffi::set_limit(self.handle, which as i32, bytes.unwrap_or(usize::MAX)))
    }

    /// None: unlimited.
    pub fn limit(&self, which: Limit) -> Option<usize> {
        ffi::limit(self.handle, which as i32).filter(|&bytes| bytes != usize::MAX)
    }

    pub fn set_policy(&self, policy: Policy) -> Result<(), Error> {
        Error::of(ffi::set_policy(self.handle, policy as i32))
    }

    pub fn stats(&self) -> Stats {
        let mut raw = ffi::RawStats { struct_size: std::mem::size_of::<ffi::RawStats>(), ..Default::default() };
        ffi::stats(self.handle, &mut raw);
        Stats {
            usage: raw.usage,
            peak: raw.peak,
            allocated: raw.allocated,
            cached: raw.cached,
            meta: raw.meta,
            failures: raw.failures,
            children: raw.children,
        }
    }

    /// Gives back about that many bytes of what the tenant keeps for later use. Returns how many went.
    pub fn reclaim(&self, bytes: usize) -> usize {
        ffi::reclaim(self.handle, bytes).unwrap_or(0)
    }
}

impl Clone for Tenant {
    fn clone(&self) -> Tenant {
        ffi::tenant_ref(self.handle);
        Tenant { handle: self.handle }
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        ffi::close(self.handle);
    }
}

impl PartialEq for Tenant {
    fn eq(&self, other: &Tenant) -> bool {
        self.handle == other.handle
    }
}
impl Eq for Tenant {}

impl fmt::Debug for Tenant {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "Tenant({})", self.path())
    }
}

/// This thread is inside a tenant while the scope lives. Scopes end in reverse order of their beginning, on their thread: drop does
/// that for those that are local variables. A scope must not live across an `await`; [`crate::InTenant`] is for futures. Being
/// not Send, it makes such a future one that a runtime with several threads refuses.
pub struct Scope<'a> {
    outer: ffi::Word,
    _inside: PhantomData<(&'a Tenant, *mut ())>,
}

impl Drop for Scope<'_> {
    fn drop(&mut self) {
        ffi::leave(self.outer);
    }
}
