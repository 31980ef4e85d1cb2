//! With the library preloaded.

use std::alloc::{GlobalAlloc, Layout};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use tenure::{Error, InTenant, Limit, Options, Policy, Tenant};

#[global_allocator]
static GLOBAL: tenure::Malloc = tenure::Malloc;

const MIB: usize = 1 << 20;

fn here() -> String {
    Tenant::current().unwrap().path()
}

fn block(size: usize) -> Result<Vec<u8>, std::collections::TryReserveError> {
    let mut block = Vec::new();
    block.try_reserve_exact(size)?;
    Ok(block)
}

#[test]
fn memory_is_charged_to_who_allocates() {
    let tenant = Tenant::new("charged").unwrap();
    let (large, small) = tenant.run(|| (block(4 * MIB).unwrap(), (0..1000).map(Box::new).collect::<Vec<Box<u64>>>()));
    assert!(tenant.stats().usage >= 4 * MIB);
    std::thread::spawn(move || drop((large, small))).join().unwrap();
    assert_eq!(tenant.stats().usage, 0);
    tenant.offline().unwrap();
}

#[test]
fn a_full_tenant_refuses_and_others_go_on() {
    let full = Tenant::new("full").unwrap();
    let other = Tenant::new("other").unwrap();
    full.set_limit(Limit::Max, Some(8 * MIB)).unwrap();
    full.set_policy(Policy::FailAll).unwrap();
    full.run(|| {
        assert!(block(16 * MIB).is_err());
        assert!(other.run(|| block(16 * MIB)).is_ok());
        let mut kept: Vec<Vec<u8>> = Vec::new();
        kept.reserve(1 << 16);
        while let Ok(piece) = block(1000) {
            assert!(kept.len() < kept.capacity());
            kept.push(piece);
        }
        assert!(kept.len() > 6000);
    });
    assert!(full.stats().failures >= 2);
    assert_eq!((full.stats().usage, other.stats().usage), (0, 0));
    full.offline().unwrap();
    other.offline().unwrap();
}

#[test]
fn scopes_nest_and_survive_panics() {
    let first = Tenant::new("first").unwrap();
    let second = Tenant::with("second", Options { parent: Some(&first), ..Default::default() }).unwrap();
    let outer = first.enter();
    let panicked = std::panic::catch_unwind(|| {
        second.run(|| {
            assert_eq!(here(), "/first/second");
            std::panic::resume_unwind(Box::new(()));
        })
    });
    assert!(panicked.is_err());
    assert_eq!(here(), "/first");
    drop(outer);
    assert_eq!(here(), "/");
    assert_eq!(first.offline(), Err(Error::Busy));
    first.offline_recursively().unwrap();
    assert_eq!(first.offline(), Err(Error::Offline));
    assert_eq!(first.set_limit(Limit::Max, None), Err(Error::Offline));
}

#[test]
fn errors_and_limits() {
    let tenant = Tenant::new("limits").unwrap();
    assert_eq!(Tenant::new("limits").err(), Some(Error::Exists));
    assert_eq!(Tenant::new("a/b").err(), Some(Error::Invalid));
    assert_eq!(Tenant::new("a\0b").err(), Some(Error::Invalid));
    assert_eq!(Tenant::root().unwrap().offline(), Err(Error::Invalid));
    assert_eq!(tenant.limit(Limit::Max), None);
    tenant.set_limit(Limit::High, Some(5 * MIB)).unwrap();
    assert_eq!(tenant.limit(Limit::High), Some(5 * MIB));
    assert_eq!(Tenant::find("/limits"), Some(tenant.clone()));
    assert_eq!(tenant.parent(), Tenant::root());
    tenant.offline().unwrap();
    assert_eq!(Tenant::find("/limits"), None);
    tenure::checkpoint();
}

#[test]
fn the_allocator_keeps_its_contract() {
    for alignment in [1, 8, 16, 32, 4096, 1 << 16] {
        for size in [1, 24, 4000, 100_000] {
            let layout = Layout::from_size_align(size, alignment).unwrap();
            unsafe {
                let block = GLOBAL.alloc_zeroed(layout);
                assert!(!block.is_null() && block as usize % alignment == 0);
                assert!((0..size).all(|at| *block.add(at) == 0));
                block.write_bytes(7, size);
                let grown = GLOBAL.realloc(block, layout, 3 * size);
                assert!(!grown.is_null() && grown as usize % alignment == 0);
                assert!((0..size).all(|at| *grown.add(at) == 7));
                GLOBAL.dealloc(grown, Layout::from_size_align(3 * size, alignment).unwrap());
            }
        }
    }
}

/// Is ready at the third poll.
struct Waits(u32);

impl Future for Waits {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        self.0 += 1;
        if self.0 < 3 {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }
}

fn waker() -> Waker {
    const TABLE: RawWakerVTable = RawWakerVTable::new(|_| RawWaker::new(std::ptr::null(), &TABLE), |_| {}, |_| {}, |_| {});
    unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &TABLE)) }
}

#[test]
fn futures_keep_their_tenant_whoever_polls() {
    struct Dropped(Arc<Mutex<Vec<String>>>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(here());
        }
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let tenants: Vec<Tenant> = ["future0", "future1"].iter().map(|name| Tenant::new(name).unwrap()).collect();
    let mut tasks: Vec<Pin<Box<dyn Future<Output = String> + Send>>> = tenants
        .iter()
        .map(|tenant| {
            let dropped = Dropped(seen.clone());
            let work = async move {
                let _dropped = dropped;
                Waits(0).await;
                here()
            };
            Box::pin(work.in_tenant(tenant)) as Pin<Box<dyn Future<Output = String> + Send>>
        })
        .collect();
    let own = waker();
    let mut context = Context::from_waker(&own);
    for task in &mut tasks {
        assert!(task.as_mut().poll(&mut context).is_pending());
        assert_eq!(here(), "/");
    }
    // One goes on elsewhere, the other is dropped half way.
    let mut moved = tasks.remove(0);
    drop(tasks);
    let done = std::thread::spawn(move || {
        let waker = waker();
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(path) = moved.as_mut().poll(&mut context) {
                return path;
            }
        }
    });
    assert_eq!(done.join().unwrap(), "/future0");
    assert_eq!(*seen.lock().unwrap(), ["/future1", "/future0"]);
    let inherited = tenants[0].run(|| async { here() }.in_current_tenant());
    let mut inherited = Box::pin(inherited);
    assert_eq!(inherited.as_mut().poll(&mut context), Poll::Ready("/future0".to_string()));
    for tenant in &tenants {
        tenant.offline().unwrap();
    }
}

#[test]
fn durable_tenants_keep_their_threads() {
    let tenant = Tenant::with("durable", Options { durable: true, ..Default::default() }).unwrap();
    let path = tenant.run(|| std::thread::spawn(here).join().unwrap());
    assert_eq!(path, "/durable");
    tenant.offline().unwrap();
}
