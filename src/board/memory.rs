//! The mapping that holds a board, and typed spans of it: the only file where bytes become types.
//!
//! A region is sparse: it reserves addresses, and a page uses memory only once it has been touched.
//! Thread pools use private memory, process pools a memfd that is sealed before another process
//! gets it: a worker can neither shrink it (the parent would fault) nor grow it.

use crate::error::{Error, Result};
use crate::fd::{self, Descriptor};
use crate::sync::plain::{self, AtomicPtr};
use crate::sync::{AtomicU32, AtomicU64, Ordering::*};
use rustix::fs::{FallocateFlags, SealFlags};
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, MremapFlags, ProtFlags};
use rustix::process::Resource;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::NonNull;

/// Seals that every shared region carries.
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

/// A mapping, unmapped when dropped.
pub(crate) struct Memory {
    start: NonNull<u8>,
    len: usize,
    /// Bytes of the mapping before `start`: see [`Extent::Sparse`].
    guard: usize,
    /// The file behind the mapping, kept while it may have to be sent to another process.
    file: Option<Descriptor>,
    is_shared: bool,
}

// SAFETY: the mapping belongs to the process, not to a thread, and its bytes are only accessed
// through `Span`s of atomics and through raw pointers whose owner the slot words define.
unsafe impl Send for Memory {}
// SAFETY: as for `Send`; `&Memory` only returns addresses.
unsafe impl Sync for Memory {}

/// How much of a mapping is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// All of it: the file of one result. A filtered worker maps it, with one system call.
    Whole,
    /// A little of it: a region. A program may lock all its memory (mlockall), and must not be given
    /// every page of this one. What is mapped later is locked from the beginning (MCL_FUTURE): so
    /// a sparse mapping begins as one page, is unlocked, and grows. What is mapped already is
    /// populated page by page, up to the first page that cannot be (MCL_CURRENT): that is the guard,
    /// with which it begins.
    Sparse,
}

impl Extent {
    /// Bytes before the memory itself: a page of any size.
    fn guard(self) -> usize {
        match self {
            Extent::Whole => 0,
            Extent::Sparse => 1 << 16,
        }
    }
}

impl Memory {
    /// Zeroed memory, private to this process.
    pub(crate) fn private(len: usize) -> Result<Memory> {
        Memory::map(None, len, Extent::Sparse)
    }

    /// Zeroed memory that can be shared with other processes through its sealed file.
    pub(crate) fn shared(name: &str, len: usize, limit: FileLimit) -> Result<Memory> {
        let file = sealed_file(name, len + Extent::Sparse.guard(), limit)?;
        Memory::map(Some(file), len, Extent::Sparse)
    }

    /// Like [`Memory::shared`], for one result.
    pub(crate) fn for_result(len: usize, limit: FileLimit) -> Result<Memory> {
        let file = sealed_file("carpool result", len, limit)?;
        Memory::map(Some(file), len, Extent::Whole)
    }

    /// A copy of the first bytes of this memory, private to this process. None: it has fewer.
    pub(crate) fn private_copy(&self, len: usize) -> Option<Result<Memory>> {
        let start = self.bytes(0, len)?;
        // SAFETY: the bytes are within this mapping, and nothing in this process writes to them.
        Some(Memory::copy_of(unsafe { ResultBytes::new(start, len) }))
    }

    /// A copy of these bytes, private to this process.
    pub(crate) fn copy_of(bytes: ResultBytes<'_>) -> Result<Memory> {
        let copy = Memory::private(bytes.len().max(1))?;
        // SAFETY: the new mapping has as many bytes, and nothing else uses it yet; the source is mapped,
        // as `ResultBytes::new` requires. Another process that writes to it can only corrupt the copy.
        unsafe { copy.start().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Ok(copy)
    }

    /// Maps a file from another process, after checking that it cannot shrink below `len`.
    pub(crate) fn attach(file: Descriptor, len: usize) -> Result<Memory> {
        Memory::attach_as(file, len, Extent::Sparse)
    }

    fn attach_as(file: Descriptor, len: usize, extent: Extent) -> Result<Memory> {
        check_sealed(file.as_fd(), len + extent.guard())?;
        let mut memory = Memory::map(Some(file), len, extent)?;
        memory.file = None;
        Ok(memory)
    }

    /// Like [`Memory::attach`], for a result in a file that any process may have made: a page of the
    /// wrong kind could not be read.
    pub(crate) fn attach_unknown(file: Descriptor, len: usize) -> Result<Memory> {
        check_sealed(file.as_fd(), len)?;
        let kind = rustix::fs::fstatfs(&file).map_err(|errno| Error::os("fstatfs", errno))?.f_type;
        if kind != libc::TMPFS_MAGIC {
            // Of huge pages, of which none may be left when one is read.
            return Err(crate::error::Status::POOL_ERR_INVALID.into());
        }
        Memory::attach_as(file, len, Extent::Whole)
    }

    fn map(file: Option<Descriptor>, len: usize, extent: Extent) -> Result<Memory> {
        let guard = extent.guard();
        let mapped = match extent {
            Extent::Whole => match map_bytes(file.as_ref(), len) {
                // The program may not lock so much.
                Err(Errno::AGAIN) => map_unlocked(file.as_ref(), len),
                mapped => mapped,
            },
            Extent::Sparse => map_unlocked(file.as_ref(), guard + len),
        };
        let first = mapped.map_err(|errno| match errno {
            Errno::AGAIN => {
                Error::os("RLIMIT_MEMLOCK is too low to map memory after mlockall", errno)
            }
            _ => Error::os("mapping memory", errno),
        })?;
        if guard > 0 {
            install_guard(first, guard);
        }
        // Keeps the sparse region out of core dumps. It does no harm if the kernel refuses.
        // SAFETY: the range is the mapping just made, and the advice changes no byte of it.
        let _ = unsafe { rustix::mm::madvise(first.cast(), guard + len, Advice::LinuxDontDump) };
        let start = NonNull::new(first.wrapping_add(guard));
        let start = start.ok_or(crate::error::Status::POOL_ERR_NOMEM)?;
        Ok(Memory { start, len, guard, is_shared: file.is_some(), file })
    }

    /// Keeps the mapping from processes that this one forks, with its guard: from a part of a mapping all
    /// of its file can be mapped (mremap).
    pub(crate) fn keep_from_forks(&self) -> Result<()> {
        let first = self.start().wrapping_sub(self.guard);
        // SAFETY: the range is this value's mapping, and the advice changes nothing in this process.
        unsafe { rustix::mm::madvise(first.cast(), self.guard + self.len, Advice::LinuxDontFork) }
            .map_err(|errno| Error::os("keeping memory from forked processes", errno))
    }

    /// Takes out the file, for the one process that it is sent to.
    pub(crate) fn take_file(&mut self) -> Option<Descriptor> {
        self.file.take()
    }

    pub(crate) fn file(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().and_then(|file| file.own().ok())
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// The address of `len` bytes at this offset. None: they are not within the region.
    pub(crate) fn bytes(&self, offset: usize, len: usize) -> Option<*mut u8> {
        let end = offset.checked_add(len)?;
        (end <= self.len).then(|| self.start.as_ptr().wrapping_add(offset))
    }

    /// A span of `count` values at this offset. The region must outlive its spans: the owner keeps
    /// both in one struct, and only that struct hands out references.
    pub(crate) fn span<T: Shared>(&self, offset: usize, count: usize) -> Span<T> {
        let len = count.checked_mul(size_of::<T>()).expect("a layout within the address space");
        let start = self.bytes(offset, len).expect("a layout within its region").cast::<T>();
        assert!(start.is_aligned(), "a layout aligned for its types");
        Span { start, count }
    }

    /// Populates these pages with one call, at a third of the cost of separate page faults.
    pub(crate) fn populate(&self, offset: usize, len: usize) {
        let Some(start) = self.bytes(offset, len) else { return };
        let into_page = start.addr() % PAGE;
        let start = start.wrapping_sub(into_page).cast();
        // SAFETY: the pages are within the mapping, and the advice changes no byte of it. A kernel
        // that does not support it refuses, and the pages are faulted in one by one.
        let _ = unsafe { rustix::mm::madvise(start, len + into_page, Advice::LinuxPopulateWrite) };
    }

    /// Returns whole pages to the kernel; they read as zero afterwards, unless the kernel refuses.
    pub(crate) fn discard(&self, offset: usize, len: usize) {
        let Some(start) = self.bytes(offset, len) else { return };
        if !self.is_shared {
            // SAFETY: the caller owns these bytes of the mapping and needs none of them.
            return unsafe { discard_private(start, len) };
        }
        // SAFETY: as above.
        let removed = unsafe { rustix::mm::madvise(start.cast(), len, Advice::LinuxRemove) };
        if let (Err(_), Some(file)) = (removed, &self.file) {
            // The program has locked the mapping, but not the file.
            let how = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let offset = (self.guard + offset) as u64;
            let _ = rustix::fs::fallocate(file, how, offset, len as u64);
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let first = self.start.as_ptr().wrapping_sub(self.guard);
        // SAFETY: this value owns the mapping, which begins `guard` bytes before `start`; spans and
        // addresses of it are not used after it is dropped.
        let _ = unsafe { rustix::mm::munmap(first.cast(), self.guard + self.len) };
    }
}

/// Maps so many bytes of the file, or without one of private memory.
fn map_bytes(file: Option<&Descriptor>, len: usize) -> rustix::io::Result<*mut u8> {
    let (access, hint) = (ProtFlags::READ | ProtFlags::WRITE, std::ptr::null_mut());
    let mapped = match file {
        // SAFETY: the kernel chooses the address, so nothing that exists is replaced.
        Some(file) => unsafe {
            rustix::mm::mmap(hint, len, access, MapFlags::SHARED | MapFlags::NORESERVE, file, 0)
        },
        // SAFETY: as above.
        None => unsafe {
            let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
            rustix::mm::mmap_anonymous(hint, len, access, flags)
        },
    };
    mapped.map(|start| start.cast())
}

/// Like `map_bytes`; neither locks the memory nor counts it as locked.
fn map_unlocked(file: Option<&Descriptor>, len: usize) -> rustix::io::Result<*mut u8> {
    let first = map_bytes(file, PAGE)?;
    // SAFETY: the range is the mapping just made, which holds no bytes yet. It is refused only where
    // a filter of system calls does so.
    let _ = unsafe { rustix::mm::munlock(first.cast(), PAGE) };
    // SAFETY: the mapping just made, to which nothing refers: it may move.
    match unsafe { rustix::mm::mremap(first.cast(), PAGE, len, MremapFlags::MAYMOVE) } {
        Ok(start) => Ok(start.cast()),
        Err(errno) => {
            // SAFETY: the mapping just made, to which nothing refers.
            let _ = unsafe { rustix::mm::munmap(first.cast(), PAGE) };
            Err(errno)
        }
    }
}

/// Returns pages of private memory to the kernel, also those that the program has locked.
///
/// # Safety
/// The pages are mapped, and nobody needs what they hold.
unsafe fn discard_private(start: *mut u8, len: usize) {
    // SAFETY: as the caller vouches.
    if unsafe { rustix::mm::madvise(start.cast(), len, Advice::LinuxDontNeed) }.is_err() {
        // SAFETY: as the caller vouches.
        let _ = unsafe { rustix::mm::madvise(start.cast(), len, Advice::LinuxDontneedLocked) };
    }
}

/// Makes these pages such that they can be neither accessed nor populated. Linux before 6.13, and
/// before 6.15 for files, refuses.
fn install_guard(start: *mut u8, len: usize) {
    /// From `asm-generic/mman-common.h`.
    const MADV_GUARD_INSTALL: i32 = 102;
    // SAFETY: the range is the beginning of the mapping just made, which nothing accesses.
    let _ = unsafe { libc::madvise(start.cast(), len, MADV_GUARD_INSTALL) };
}

/// The smallest page of both architectures.
const PAGE: usize = 4096;

/// The limit of file sizes (RLIMIT_FSIZE) that a new file must keep. A longer file would not only
/// fail: setrlimit(2) has ftruncate send SIGXFSZ, which kills the process.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FileLimit {
    /// As it is when the file is created.
    Current,
    /// As it was. A filter may not allow the system call that reads it.
    Known(Option<u64>),
}

impl FileLimit {
    pub(crate) fn read() -> FileLimit {
        FileLimit::Known(FileLimit::Current.bytes())
    }

    fn bytes(self) -> Option<u64> {
        match self {
            FileLimit::Current => rustix::process::getrlimit(Resource::Fsize).current,
            FileLimit::Known(bytes) => bytes,
        }
    }
}

/// Creates a memfd with a fixed length.
fn sealed_file(name: &str, len: usize, limit: FileLimit) -> Result<Descriptor> {
    let limit = limit.bytes();
    if limit.is_some_and(|limit| len as u64 > limit) {
        return Err(Error::os("RLIMIT_FSIZE is too low for shared memory", Errno::FBIG));
    }
    let file = fd::memfd(name).map_err(|errno| Error::os("memfd_create", errno))?;
    rustix::fs::ftruncate(&file, len as u64).map_err(|errno| Error::os("ftruncate", errno))?;
    rustix::fs::fcntl_add_seals(&file, SEALS).map_err(|errno| Error::os("F_ADD_SEALS", errno))?;
    Ok(file)
}

fn check_sealed(file: BorrowedFd<'_>, len: usize) -> Result<()> {
    let seals =
        rustix::fs::fcntl_get_seals(file).map_err(|errno| Error::os("F_GET_SEALS", errno))?;
    let size = rustix::fs::fstat(file).map_err(|errno| Error::os("fstat", errno))?.st_size;
    let is_long_enough = u64::try_from(size).is_ok_and(|size| size >= len as u64);
    if seals.contains(SealFlags::SHRINK) && is_long_enough {
        return Ok(());
    }
    Err(crate::error::Status::POOL_ERR_INVALID.into())
}

/// Types for which every bit pattern is valid, and that several processes may change at once.
///
/// # Safety
/// The type consists of atomics and of bytes that are only accessed through raw pointers.
pub(crate) unsafe trait Shared {}

// SAFETY: an atomic number.
unsafe impl Shared for AtomicU32 {}
// SAFETY: an atomic number.
unsafe impl Shared for AtomicU64 {}

/// A span of values in a region.
pub(crate) struct Span<T: Shared> {
    start: *const T,
    count: usize,
}

impl<T: Shared> Clone for Span<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Shared> Copy for Span<T> {}

// SAFETY: a span only hands out shared references, and `Shared` types may be used by several
// threads at once.
unsafe impl<T: Shared> Send for Span<T> {}
// SAFETY: as for `Send`.
unsafe impl<T: Shared> Sync for Span<T> {}

impl<T: Shared> Span<T> {
    /// A span of values of this process that outlive it, for models and tests.
    #[cfg(test)]
    pub(crate) fn over(values: &[T]) -> Span<T> {
        Span { start: values.as_ptr(), count: values.len() }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// A part of this span.
    pub(crate) fn part(&self, first: usize, count: usize) -> Span<T> {
        assert!(
            first.checked_add(count).is_some_and(|end| end <= self.count),
            "a part within its span"
        );
        Span { start: self.start.wrapping_add(first), count }
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        if index >= self.count {
            return None;
        }
        let value = self.start.wrapping_add(index);
        // SAFETY: `Memory::span` checked bounds and alignment; every bit pattern of a `Shared` type
        // is valid; the region outlives its spans (see `Memory::span`).
        Some(unsafe { &*value })
    }

    /// The value at an index that this process computed itself; panics out of bounds.
    #[inline]
    pub(crate) fn at(&self, index: usize) -> &T {
        match self.get(index) {
            Some(value) => value,
            None => out_of_bounds(),
        }
    }
}

/// A span in memory that lives as long as the process, for checks at any time: it is never unmapped,
/// and never holds anything else.
pub(crate) struct LastingSpan<T: Shared> {
    start: AtomicPtr<T>,
    count: plain::AtomicU64,
}

impl<T: Shared> LastingSpan<T> {
    /// No values yet.
    pub(crate) const fn new() -> LastingSpan<T> {
        let start = AtomicPtr::new(std::ptr::null_mut());
        LastingSpan { start, count: plain::AtomicU64::new(0) }
    }

    /// Makes the span at least this long. Values of a shorter span are not copied. One caller at a
    /// time.
    pub(crate) fn grow(&self, count: usize) -> Result<()> {
        if self.count.load(Relaxed) >= count as u64 {
            return Ok(());
        }
        // The shorter memory stays: a check may be about to read it.
        let memory = ManuallyDrop::new(Memory::private(count * size_of::<T>())?);
        // Release; pairs with `get`: the values are zero, and the memory is as long as the count
        // says, or longer.
        self.start.store(memory.span::<T>(0, count).start.cast_mut(), Release);
        self.count.store(count as u64, Release);
        Ok(())
    }

    /// Acquire; pairs with `grow`. In this order, so that the count is never that of a longer span
    /// than the start's.
    #[inline]
    pub(crate) fn get(&self) -> Span<T> {
        let count = self.count.load(Acquire) as usize;
        Span { start: self.start.load(Acquire), count }
    }

    /// Returns the pages to the kernel; all values are zero afterwards, unless the kernel refuses.
    pub(crate) fn discard(&self) {
        let Span { start, count } = self.get();
        let len = count * size_of::<T>();
        // SAFETY: `grow` has mapped these bytes, nothing unmaps them, and no pool has the entries.
        unsafe { discard_private(start.cast_mut().cast(), len) };
    }
}

/// Bytes that a task's worker or submitter wrote. They stay mapped for `'a`, but a faulty worker
/// may change them at any time. So they are never a slice: they are copied out, and the copy is
/// checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResultBytes<'a> {
    start: *const u8,
    len: usize,
    owner: PhantomData<&'a Memory>,
}

impl<'a> ResultBytes<'a> {
    pub(crate) const EMPTY: ResultBytes<'static> =
        ResultBytes { start: std::ptr::dangling(), len: 0, owner: PhantomData };

    /// # Safety
    /// For `'a`, `len` bytes from `start` are mapped, and no thread of this process writes to them.
    pub(crate) unsafe fn new(start: *const u8, len: usize) -> ResultBytes<'a> {
        ResultBytes { start, len, owner: PhantomData }
    }

    pub(crate) fn len(self) -> usize {
        self.len
    }

    /// The address, to pass to C.
    pub(crate) fn as_ptr(self) -> *const u8 {
        self.start
    }

    /// A part of the bytes. None: it is not within them.
    pub(crate) fn part(self, first: usize, len: usize) -> Option<ResultBytes<'a>> {
        let end = first.checked_add(len)?;
        (end <= self.len).then(|| ResultBytes {
            start: self.start.wrapping_add(first),
            len,
            ..self
        })
    }

    /// Copies the bytes into a buffer of the same length.
    pub(crate) fn copy_to(self, into: &mut [u8]) {
        assert_eq!(into.len(), self.len, "a buffer of the same length");
        // SAFETY: the bytes are mapped, as `new` requires; `into` is a unique reference, so they do
        // not overlap. A concurrent write by another process can only corrupt the copy.
        unsafe { self.start.copy_to_nonoverlapping(into.as_mut_ptr(), self.len) };
    }

    /// A copy of the first bytes, up to this many.
    pub(crate) fn prefix(self, len_max: usize) -> Vec<u8> {
        let mut copy = vec![0; self.len.min(len_max)];
        ResultBytes { len: copy.len(), ..self }.copy_to(&mut copy);
        copy
    }
}

#[cold]
#[inline(never)]
fn out_of_bounds() -> ! {
    panic!("an index out of the bounds of its span")
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// What is discarded reads as zero, also in memory that the program has locked meanwhile.
    fn discards(memory: &Memory) {
        let len = 1 << 16;
        for is_locked in [false, true] {
            let start = memory.start();
            if is_locked {
                // SAFETY: the memory just made, which nothing else uses.
                unsafe { rustix::mm::mlock(start.cast(), len) }.unwrap();
            }
            // SAFETY: as above.
            unsafe { start.write_bytes(7, len) };
            memory.discard(0, len);
            // SAFETY: as above.
            assert!((0..len).all(|at| unsafe { start.wrapping_add(at).read() } == 0));
        }
    }

    #[test]
    fn private_memory_is_discarded_also_if_locked() {
        discards(&Memory::private(1 << 20).unwrap());
    }

    #[test]
    fn shared_memory_is_discarded_also_if_locked() {
        discards(&Memory::shared("test", 1 << 20, FileLimit::Current).unwrap());
    }
}
