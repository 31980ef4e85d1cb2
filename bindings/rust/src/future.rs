use crate::tenant::Tenant;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A future that is inside a tenant whenever it is polled, and when it is dropped. It needs no runtime, and fits all.
pub struct TenantFuture<F> {
    tenant: Tenant,
    future: Option<F>, // None only in drop
}

/// `future.in_tenant(&tenant)`.
pub trait InTenant: Future + Sized {
    /// The future is inside the tenant at each poll; what it allocates is the tenant's.
    fn in_tenant(self, tenant: &Tenant) -> TenantFuture<Self> {
        TenantFuture { tenant: tenant.clone(), future: Some(self) }
    }

    /// The same for the tenant that the caller is inside of, for a task that is made here and runs elsewhere.
    fn in_current_tenant(self) -> TenantFuture<Self> {
        let tenant = Tenant::current().expect("the library is not in the process");
        TenantFuture { tenant, future: Some(self) }
    }
}

impl<F: Future> InTenant for F {}

impl<F: Future> Future for TenantFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // The future is pinned with us: it is never moved out, and `future` becomes None only in drop, in place.
        let this = unsafe { self.get_unchecked_mut() };
        let _scope = this.tenant.enter();
        let future = this.future.as_mut().expect("not dropped");
        unsafe { Pin::new_unchecked(future) }.poll(context)
    }
}

impl<F> Drop for TenantFuture<F> {
    fn drop(&mut self) {
        // What destructors allocate is the tenant's, too.
        let _scope = self.tenant.enter();
        self.future = None;
    }
}
