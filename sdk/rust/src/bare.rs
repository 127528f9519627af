//! What a `no_std` plugin needs to be a component: an allocator, `cabi_realloc` and a panic handler.
//! Nothing here imports WASI, which is most of what instantiating a guest costs.
#![allow(unsafe_code)]

use alloc::alloc::{alloc, handle_alloc_error, realloc};
use core::alloc::{GlobalAlloc, Layout};
use core::fmt::{self, Write};
use core::panic::PanicInfo;

use crate::bindings::shared::hardpoint::plugin::log;

/// The C library that comes with the target is linked anyway, for `memcmp`; its allocator is the one
/// that plugins with `std` use.
mod libc {
    #[link(name = "c")]
    unsafe extern "C" {
        pub(super) fn malloc(size: usize) -> *mut u8;
        pub(super) fn calloc(count: usize, size: usize) -> *mut u8;
        pub(super) fn realloc(block: *mut u8, size: usize) -> *mut u8;
        pub(super) fn aligned_alloc(align: usize, size: usize) -> *mut u8;
        pub(super) fn free(block: *mut u8);
    }
}

/// What `malloc` aligns to at least.
const MALLOC_ALIGN: usize = 8;

struct Allocator;

// SAFETY: every block comes from the C allocator, with the alignment that its layout asks for.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe {
            if layout.align() <= MALLOC_ALIGN {
                libc::malloc(layout.size())
            } else {
                libc::aligned_alloc(layout.align(), layout.size().next_multiple_of(layout.align()))
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        unsafe {
            if layout.align() <= MALLOC_ALIGN {
                return libc::calloc(1, layout.size());
            }
            let block = self.alloc(layout);
            if !block.is_null() {
                block.write_bytes(0, layout.size());
            }
            block
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        unsafe { libc::free(block) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        unsafe {
            if layout.align() <= MALLOC_ALIGN {
                return libc::realloc(block, size);
            }
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(block, layout.size().min(size));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// How the host gets memory for what it passes in.
///
/// # Safety
/// The canonical ABI's: `old` is null or a block of `old_size` bytes with this alignment.
#[unsafe(no_mangle)]
unsafe extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
    unsafe {
        let layout = Layout::from_size_align_unchecked(old_size, align);
        let block = match (old_size, size) {
            (0, 0) => return align as *mut u8,
            (0, _) => alloc(Layout::from_size_align_unchecked(size, align)),
            _ => realloc(old, layout, size),
        };
        if block.is_null() {
            handle_alloc_error(layout);
        }
        block
    }
}

/// Text in a fixed buffer, cut where it is full: a panic may be for want of memory.
struct Message {
    bytes: [u8; 1024],
    len: usize,
}

impl Write for Message {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.len() - self.len;
        let fits = text.floor_char_boundary(room.min(text.len()));
        self.bytes[self.len..self.len + fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.len += fits;
        Ok(())
    }
}

/// The message goes to the plugin's log, then the call traps.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let mut message = Message { bytes: [0; 1024], len: 0 };
    let _ = write!(message, "{info}");
    log::write(log::Level::Error, core::str::from_utf8(&message.bytes[..message.len]).unwrap_or("panicked"));
    core::arch::wasm32::unreachable()
}
