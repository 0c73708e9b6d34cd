//! Where file descriptors come from: none that the library holds is 0, 1 or 2, and none is used that
//! is not the library's any more.
//!
//! A program may have closed its standard descriptors. The kernel then gives their numbers to the
//! next files that are opened, and what the program prints goes into these. So every descriptor
//! that is created or received is moved above them before it is used. `ffi-tests/tidy.rs` checks
//! that no other file creates one.
//!
//! A program may also close descriptors that it has not opened, as daemons do, and open files of its
//! own under their numbers. So a [`Descriptor`] knows its file. What is not the library's is neither
//! written to nor closed.

use crate::sync::plain::{AtomicBool, AtomicU32, AtomicU64};
use crate::sync::{self, Ordering::Relaxed};
use rustix::event::epoll;
use rustix::fs::{MemfdFlags, Mode, OFlags};
use rustix::io::{Errno, Result};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, PidfdFlags};
use std::ffi::CStr;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};

/// The first number above standard input, output and error.
pub(crate) const ABOVE_STDIO: RawFd = 3;

/// An open file and its number, which is closed when this is dropped.
pub(crate) struct Descriptor {
    /// None only while it is dropped.
    fd: Option<OwnedFd>,
    file: KnownFile,
}

/// What is known of the file of a descriptor.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KnownFile {
    Is(FileId),
    /// It is taken to be the library's always.
    Unchecked,
    /// Nobody knows whose it is.
    GivenUp,
}

/// Whether descriptors are not checked any more.
static UNCHECKED: AtomicBool = AtomicBool::new(false);

/// Takes all descriptors to be the library's. Called in a worker process whose filter may not allow to
/// look at them. Relaxed: the thread that calls it is the one that uses them.
pub(crate) fn trust_all() {
    UNCHECKED.store(true, Relaxed);
}

/// What tells a file from others: pipes, sockets and files in memory have inodes of their own, as
/// pidfds have since Linux 6.9. Of other files without a name only that is known.
#[derive(Clone, Copy, PartialEq, Eq)]
struct FileId {
    inode: u64,
    /// As small as they are in the kernel.
    device: u32,
    mode: u16,
}

impl FileId {
    fn of(fd: BorrowedFd<'_>) -> Result<FileId> {
        let stat = rustix::fs::fstat(fd)?;
        let mode = (stat.st_mode & libc::S_IFMT) as u16;
        Ok(FileId { inode: stat.st_ino, device: stat.st_dev as u32, mode })
    }
}

impl From<OwnedFd> for Descriptor {
    fn from(fd: OwnedFd) -> Descriptor {
        if UNCHECKED.load(Relaxed) {
            return Descriptor { fd: Some(fd), file: KnownFile::Unchecked };
        }
        let file = match FileId::of(fd.as_fd()) {
            Ok(file) => KnownFile::Is(file),
            Err(Errno::BADF) => KnownFile::GivenUp,
            // A filter of the program's does not allow to ask.
            Err(_) => KnownFile::Unchecked,
        };
        Descriptor { fd: Some(fd), file }
    }
}

impl Descriptor {
    /// Whether the number still stands for the file. A program that closes it at the same moment is
    /// not noticed. Async-signal-safe.
    pub(crate) fn is_ours(&self) -> bool {
        if UNCHECKED.load(Relaxed) {
            return true;
        }
        match self.file {
            KnownFile::Is(file) => FileId::of(self.as_fd()) == Ok(file),
            KnownFile::Unchecked => true,
            KnownFile::GivenUp => false,
        }
    }

    fn id(&self) -> Option<FileId> {
        match self.file {
            KnownFile::Is(file) => Some(file),
            KnownFile::Unchecked | KnownFile::GivenUp => None,
        }
    }

    /// Opens the pidfd of a process again if the program has closed it: then nothing else tells the
    /// process from one that has got its id since. Where pidfds have no inodes of their own it stays
    /// closed.
    pub(crate) fn renew_pidfd(&mut self, pid: Pid) {
        if self.is_ours() {
            return;
        }
        let (Ok(again), Ok(own)) = (pidfd(pid), pidfd(rustix::process::getpid())) else { return };
        if again.id().is_some() && again.id() == self.id() && again.id() != own.id() {
            *self = again;
        }
    }

    /// Gives the descriptor up: it is not known whose it is.
    pub(crate) fn disown(&mut self) {
        self.file = KnownFile::GivenUp;
    }

    /// Gives the descriptor away, if it is still ours.
    pub(crate) fn into_inner(mut self) -> Option<OwnedFd> {
        if self.is_ours() { self.fd.take() } else { None }
    }

    /// The descriptor, if it is still ours.
    pub(crate) fn own(&self) -> Result<BorrowedFd<'_>> {
        if self.is_ours() { Ok(self.as_fd()) } else { Err(Errno::BADF) }
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.fd {
            Some(fd) => fd.as_fd(),
            None => unreachable!("there until it is dropped"),
        }
    }
}

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        let is_ours = self.fd.is_some() && self.is_ours();
        if let Some(fd) = self.fd.take_if(|_| !is_ours) {
            let _ = fd.into_raw_fd();
        }
    }
}

/// Moves a descriptor above the standard three. If that fails, the descriptor is closed.
pub(crate) fn above_stdio(fd: OwnedFd) -> Result<Descriptor> {
    match fd.as_raw_fd() {
        ABOVE_STDIO.. => Ok(fd.into()),
        _ => duplicate(fd, ABOVE_STDIO),
    }
}

/// A duplicate whose number is not below this one, which is not below [`ABOVE_STDIO`].
pub(crate) fn duplicate(fd: impl AsFd, number_min: RawFd) -> Result<Descriptor> {
    debug_assert!(number_min >= ABOVE_STDIO, "above the standard three");
    let duplicate = rustix::io::fcntl_dupfd_cloexec(fd, number_min);
    duplicate.map(Descriptor::from).map_err(|errno| match errno {
        // fcntl(2): the smallest number is not below the limit of the process.
        Errno::INVAL => Errno::MFILE,
        errno => errno,
    })
}

/// Why no file can be opened at the moment; None: one can.
pub(crate) fn shortage() -> Option<Errno> {
    open(c"/", OFlags::empty()).err().filter(|errno| is_shortage(*errno))
}

/// Whether a system call has failed for want of something that may be free again in a moment.
pub(crate) fn is_shortage(errno: Errno) -> bool {
    use Errno as E;
    [E::AGAIN, E::MFILE, E::NFILE, E::NOMEM, E::NOBUFS, E::TOOMANYREFS].contains(&errno)
}

/// An event for poll: its reader is readable while it is set, and hung up when its writer was
/// closed. A pipe, because an eventfd cannot be told from another one.
pub(crate) struct EventPipe {
    reader: Descriptor,
    writer: Descriptor,
}

impl EventPipe {
    /// Not inlined, for threads with the smallest of stacks, as is `clear`.
    #[inline(never)]
    pub(crate) fn new() -> Result<EventPipe> {
        let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
        let (reader, writer) = rustix::pipe::pipe_with(flags)?;
        // The pages of all pipes of a user are limited; a larger one is as good.
        let _ = rustix::pipe::fcntl_setpipe_size(&writer, PIPE_SIZE);
        let event = EventPipe { reader: above_stdio(reader)?, writer: above_stdio(writer)? };
        // The kernel keeps the page of the first byte for later ones.
        rustix::io::retry_on_intr(|| rustix::io::write(&event.writer, &[1]))?;
        event.clear();
        Ok(event)
    }

    /// Async-signal-safe. If the pipe is full, the event is set anyway.
    pub(crate) fn set(&self) {
        let Ok(writer) = self.writer.own() else { return };
        // Again if a signal prevents it, or for want of a page: whoever waits for it would wait on.
        while let Err(Errno::INTR | Errno::NOMEM) = rustix::io::write(writer, &[1]) {
            sync::yield_now();
        }
    }

    #[inline(never)]
    pub(crate) fn clear(&self) {
        let Ok(reader) = self.reader.own() else { return };
        let mut bytes = [0; CLEARED_AT_ONCE];
        let mut read = || rustix::io::retry_on_intr(|| rustix::io::read(reader, &mut bytes));
        while read() == Ok(CLEARED_AT_ONCE) {}
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.reader.is_ours() && self.writer.is_ours()
    }

    /// What to poll.
    pub(crate) fn reader(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

const CLEARED_AT_ONCE: usize = 256;
/// The smallest pipe: a page.
const PIPE_SIZE: usize = 4096;

/// An event whose writer a forked copy of this process closes: its reader is hung up when this process
/// has closed the writer, whatever copies there are.
pub(crate) struct TrackedEvent(EventPipe);

static EVENTS: ForkTable = ForkTable::new();

impl TrackedEvent {
    pub(crate) fn new() -> Result<TrackedEvent> {
        let event = EventPipe::new()?;
        EVENTS.add(&event.writer);
        Ok(TrackedEvent(event))
    }
}

impl Deref for TrackedEvent {
    type Target = EventPipe;

    fn deref(&self) -> &EventPipe {
        &self.0
    }
}

impl Drop for TrackedEvent {
    fn drop(&mut self) {
        EVENTS.remove(&self.0.writer);
    }
}

/// Closes the writers of the parent's events. Called in a forked copy of the process, which has one
/// thread; async-signal-safe.
pub(crate) fn close_inherited_events() {
    EVENTS.close(None);
}

/// Descriptors that a forked copy of this process closes: a bit for each, and the lower half of the
/// inode. Relaxed everywhere: only such a copy reads them, in its single thread.
///
/// Other threads of the parent may have changed the table after the copy's descriptors were made and
/// before its memory was, and the program may have closed a descriptor and opened a file of its own.
/// The inode shows both.
pub(crate) struct ForkTable {
    bits: [AtomicU64; TRACKED_MAX / 64],
    inodes: [AtomicU32; TRACKED_MAX],
}

/// Descriptors from here on are not tracked. The kernel's usual limit is a sixteenth of this.
const TRACKED_MAX: usize = 1 << 16;

impl ForkTable {
    pub(crate) const fn new() -> ForkTable {
        ForkTable {
            bits: [const { AtomicU64::new(0) }; TRACKED_MAX / 64],
            inodes: [const { AtomicU32::new(0) }; TRACKED_MAX],
        }
    }

    /// The word of a descriptor, its bit, and its inode.
    fn entry(&self, fd: RawFd) -> Option<(&AtomicU64, u64, &AtomicU32)> {
        let number = fd as usize;
        Some((self.bits.get(number / 64)?, 1 << (number % 64), self.inodes.get(number)?))
    }

    /// Called when it was opened.
    pub(crate) fn add(&self, fd: &Descriptor) {
        if let (Some((word, bit, inode)), Some(file)) = (self.entry(fd.as_raw_fd()), fd.id()) {
            inode.store(file.inode as u32, Relaxed);
            word.fetch_or(bit, Relaxed);
        }
    }

    /// Called before it is closed. If the program has closed it, its number may be that of another one.
    pub(crate) fn remove(&self, fd: &Descriptor) {
        if let (Some((word, bit, inode)), Some(file)) = (self.entry(fd.as_raw_fd()), fd.id())
            && inode.load(Relaxed) == file.inode as u32
        {
            word.fetch_and(!bit, Relaxed);
        }
    }

    /// Closes all but one, in a forked copy of the process: nothing there uses the others.
    pub(crate) fn close(&self, kept: Option<RawFd>) {
        for (index, word) in self.bits.iter().enumerate() {
            let bits = word.swap(0, Relaxed);
            let numbers = (0..64).filter(|bit| bits >> bit & 1 != 0);
            for number in numbers.map(|bit| (index * 64 + bit) as RawFd) {
                let inode = self.inodes[number as usize].load(Relaxed);
                // SAFETY: it is borrowed for the call, which fails where it is not open.
                let file = FileId::of(unsafe { BorrowedFd::borrow_raw(number) });
                if file.is_ok_and(|it| it.inode as u32 == inode) && Some(number) != kept {
                    // SAFETY: its owner in this process is not used again, or finds by its inode that
                    // it is closed.
                    unsafe { libc::close(number) };
                }
            }
        }
    }
}

// ---- opening -----------------------------------------------------------------------------------------

pub(crate) fn epoll() -> Result<Descriptor> {
    above_stdio(epoll::create(epoll::CreateFlags::CLOEXEC)?)
}

/// The two ends of a connection that keeps the boundaries of messages.
pub(crate) fn socket_pair() -> Result<(Descriptor, Descriptor)> {
    let (family, kind) = (AddressFamily::UNIX, SocketType::SEQPACKET);
    let (one, other) = rustix::net::socketpair(family, kind, SocketFlags::CLOEXEC, None)?;
    Ok((above_stdio(one)?, above_stdio(other)?))
}

pub(crate) fn pidfd(pid: Pid) -> Result<Descriptor> {
    above_stdio(rustix::process::pidfd_open(pid, PidfdFlags::empty())?)
}

/// An empty file in memory, which can be sealed.
pub(crate) fn memfd(name: &str) -> Result<Descriptor> {
    let create = |flags| rustix::fs::memfd_create(name, flags);
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 do not support MFD_NOEXEC_SEAL.
    above_stdio(create(flags | MemfdFlags::NOEXEC_SEAL).or_else(|_| create(flags))?)
}

/// Opens a file to read it.
pub(crate) fn open(path: &CStr, flags: OFlags) -> Result<Descriptor> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | flags;
    above_stdio(rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))?)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_low_descriptors_are_moved() {
        let file = open(c"/dev/null", OFlags::empty()).unwrap();
        let number = file.as_raw_fd();
        assert!(number >= ABOVE_STDIO);
        assert_eq!(above_stdio(file.into_inner().unwrap()).unwrap().as_raw_fd(), number);
    }

    /// Puts another file in the place of a descriptor, as a program does that closes what it has not
    /// opened.
    fn replace(old: &Descriptor, new: &Descriptor) {
        // SAFETY: both are open, and the first one finds that it is not its own any more.
        assert_eq!(unsafe { libc::dup2(new.as_raw_fd(), old.as_raw_fd()) }, old.as_raw_fd());
    }

    fn is_open(number: RawFd) -> bool {
        // SAFETY: only reads the flags of a number.
        unsafe { libc::fcntl(number, libc::F_GETFD) >= 0 }
    }

    #[test]
    fn what_the_program_opens_under_a_number_is_left_alone() {
        let event = EventPipe::new().unwrap();
        let other = memfd("other").unwrap();
        let number = event.writer.as_raw_fd();
        assert!(event.is_ours());
        replace(&event.writer, &other);
        assert!(!event.is_ours() && event.writer.own().is_err());
        event.set();
        assert_eq!(rustix::fs::fstat(&other).unwrap().st_size, 0);
        drop(event);
        assert!(is_open(number));
        // SAFETY: the duplicate that `replace` has made, which nothing else owns.
        unsafe { libc::close(number) };
    }

    #[test]
    fn a_closed_pidfd_is_opened_again_for_the_same_process_only() {
        let mut command = std::process::Command::new("cat");
        let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_child(&child);
        let (mut handle, other) = (pidfd(pid).unwrap(), memfd("other").unwrap());
        replace(&handle, &other);
        handle.renew_pidfd(rustix::process::getpid());
        assert!(!handle.is_ours());
        handle.renew_pidfd(pid);
        // Before Linux 6.9 nothing tells pidfds apart.
        let own = pidfd(rustix::process::getpid()).unwrap();
        assert_eq!(handle.is_ours(), own.id() != pidfd(pid).unwrap().id());
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn a_table_closes_only_what_was_added() {
        let table = ForkTable::new();
        let (event, kept, replaced, removed) =
            (memfd("event"), memfd("kept"), memfd("replaced"), memfd("removed"));
        let [event, kept, replaced, removed] = [event, kept, replaced, removed].map(Result::unwrap);
        [&event, &kept, &replaced, &removed].into_iter().for_each(|it| table.add(it));
        table.remove(&removed);
        replace(&replaced, &removed);
        table.close(Some(kept.as_raw_fd()));
        assert!(!event.is_ours());
        assert!(kept.is_ours() && removed.is_ours() && is_open(replaced.as_raw_fd()));
        // SAFETY: the duplicate that `replace` has made, which nothing else owns.
        unsafe { libc::close(replaced.as_raw_fd()) };
    }
}
