use std::alloc::{GlobalAlloc, Layout};

extern "C" {
    fn malloc(size: usize) -> *mut u8;
    fn calloc(count: usize, size: usize) -> *mut u8;
    fn realloc(block: *mut u8, size: usize) -> *mut u8;
    fn aligned_alloc(alignment: usize, size: usize) -> *mut u8;
    fn free(block: *mut u8);
}

/// Alignment of malloc.
const MALLOC_ALIGNMENT: usize = 16;

/// The process's malloc, as a global allocator. The default allocator of Rust programs is that, too; a program names this one so that
/// it stays so whatever other crates of its say.
///
/// ```
/// #[global_allocator]
/// static GLOBAL: tenure::Malloc = tenure::Malloc;
/// ```
pub struct Malloc;

unsafe impl GlobalAlloc for Malloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= MALLOC_ALIGNMENT {
            malloc(layout.size())
        } else {
            // aligned_alloc() of C11 wants a multiple; the sum cannot overflow, as sizes end below isize::MAX.
            let size = (layout.size() + layout.align() - 1) & !(layout.align() - 1);
            aligned_alloc(layout.align(), size)
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= MALLOC_ALIGNMENT {
            return calloc(1, layout.size());
        }
        let block = self.alloc(layout);
        if !block.is_null() {
            block.write_bytes(0, layout.size());
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        free(block);
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.align() <= MALLOC_ALIGNMENT {
            return realloc(block, size);
        }
        let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
        if !moved.is_null() {
            core::ptr::copy_nonoverlapping(block, moved, size.min(layout.size()));
            free(block);
        }
        moved
    }
}
