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

use rustix::event::epoll;
use rustix::fs::{MemfdFlags, Mode, OFlags};
use rustix::io::{Errno, Result};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, PidfdFlags};
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};

/// The first number above standard input, output and error.
pub(crate) const ABOVE_STDIO: RawFd = 3;

/// An open file and its number, which is closed when this is dropped.
pub(crate) struct Descriptor {
    /// None only while it is dropped.
    fd: Option<OwnedFd>,
    file: Option<FileId>,
}

/// What tells a file from others: pipes, sockets and files in memory have inodes of their own, as
/// pidfds have since Linux 6.9. Of other files without a name only that is known.
#[derive(Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
    mode: u32,
}

impl FileId {
    fn of(fd: BorrowedFd<'_>) -> Option<FileId> {
        let stat = rustix::fs::fstat(fd).ok()?;
        Some(FileId { device: stat.st_dev, inode: stat.st_ino, mode: stat.st_mode & libc::S_IFMT })
    }
}

impl From<OwnedFd> for Descriptor {
    fn from(fd: OwnedFd) -> Descriptor {
        let file = FileId::of(fd.as_fd());
        Descriptor { fd: Some(fd), file }
    }
}

impl Descriptor {
    /// Whether the number still stands for the file. A program that closes it at the same moment is
    /// not noticed. Async-signal-safe.
    pub(crate) fn is_ours(&self) -> bool {
        self.file.is_some() && FileId::of(self.as_fd()) == self.file
    }

    /// Gives the descriptor up: it is not known whose it is.
    pub(crate) fn disown(&mut self) {
        self.file = None;
    }

    /// Gives the descriptor away, if it is still ours.
    pub(crate) fn into_inner(mut self) -> Option<OwnedFd> {
        self.fd.take_if(|fd| FileId::of(fd.as_fd()) == self.file)
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
        let Some(fd) = self.fd.take() else { return };
        if self.file.is_some() && FileId::of(fd.as_fd()) == self.file {
            drop(fd);
        } else {
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
    pub(crate) fn new() -> Result<EventPipe> {
        let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
        let (reader, writer) = rustix::pipe::pipe_with(flags)?;
        Ok(EventPipe { reader: above_stdio(reader)?, writer: above_stdio(writer)? })
    }

    /// Async-signal-safe. If the pipe is full, the event is set anyway.
    pub(crate) fn set(&self) {
        if let Ok(writer) = self.writer.own() {
            let _ = rustix::io::write(writer, &[1]);
        }
    }

    pub(crate) fn clear(&self) {
        let Ok(reader) = self.reader.own() else { return };
        let mut bytes = [0; 4096];
        while rustix::io::read(reader, &mut bytes) == Ok(bytes.len()) {}
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.reader.is_ours() && self.writer.is_ours()
    }

    /// What to poll.
    pub(crate) fn reader(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    /// What must not stay open in a copy of this process.
    pub(crate) fn writer(&self) -> BorrowedFd<'_> {
        self.writer.as_fd()
    }
}

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
    above_stdio(rustix::fs::open(path, flags, Mode::empty())?)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_low_descriptors_are_moved() {
        let file = open(c"/dev/null", OFlags::empty()).unwrap();
        let number = file.as_raw_fd();
        assert!(number >= ABOVE_STDIO);
        assert_eq!(above_stdio(file).unwrap().as_raw_fd(), number);
    }
}
