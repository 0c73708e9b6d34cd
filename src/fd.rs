//! Where file descriptors come from: none that the library holds is 0, 1 or 2.
//!
//! A program may have closed its standard descriptors. The kernel then gives their numbers to the
//! next files that are opened, and what the program prints goes into these. So every descriptor
//! that is created or received is moved above them before it is used. `ffi-tests/tidy.rs` checks
//! that no other file creates one.

use rustix::event::{EventfdFlags, epoll};
use rustix::fs::{MemfdFlags, Mode, OFlags};
use rustix::io::{Errno, Result};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::{Pid, PidfdFlags};
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

/// The first number above standard input, output and error.
pub(crate) const ABOVE_STDIO: RawFd = 3;

/// Moves a descriptor above the standard three. If that fails, the descriptor is closed.
pub(crate) fn above_stdio(fd: OwnedFd) -> Result<OwnedFd> {
    match fd.as_raw_fd() {
        ABOVE_STDIO.. => Ok(fd),
        _ => duplicate(fd, ABOVE_STDIO),
    }
}

/// A duplicate whose number is not below this one, which is not below [`ABOVE_STDIO`].
pub(crate) fn duplicate(fd: impl AsFd, number_min: RawFd) -> Result<OwnedFd> {
    debug_assert!(number_min >= ABOVE_STDIO, "above the standard three");
    rustix::io::fcntl_dupfd_cloexec(fd, number_min).map_err(|errno| match errno {
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

/// A counter whose reads and writes never block.
pub(crate) fn eventfd() -> Result<OwnedFd> {
    let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
    above_stdio(rustix::event::eventfd(0, flags)?)
}

/// Makes an eventfd readable. Again if a signal prevents it: whoever waits for it would wait on.
/// Async-signal-safe.
pub(crate) fn notify(eventfd: &OwnedFd) {
    let _ = rustix::io::retry_on_intr(|| rustix::io::write(eventfd, &1_u64.to_ne_bytes()));
}

pub(crate) fn epoll() -> Result<OwnedFd> {
    above_stdio(epoll::create(epoll::CreateFlags::CLOEXEC)?)
}

/// The two ends of a connection that keeps the boundaries of messages.
pub(crate) fn socket_pair() -> Result<(OwnedFd, OwnedFd)> {
    let (family, kind) = (AddressFamily::UNIX, SocketType::SEQPACKET);
    let (one, other) = rustix::net::socketpair(family, kind, SocketFlags::CLOEXEC, None)?;
    Ok((above_stdio(one)?, above_stdio(other)?))
}

pub(crate) fn pidfd(pid: Pid) -> Result<OwnedFd> {
    above_stdio(rustix::process::pidfd_open(pid, PidfdFlags::empty())?)
}

/// An empty file in memory, which can be sealed.
pub(crate) fn memfd(name: &str) -> Result<OwnedFd> {
    let create = |flags| rustix::fs::memfd_create(name, flags);
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 do not support MFD_NOEXEC_SEAL.
    above_stdio(create(flags | MemfdFlags::NOEXEC_SEAL).or_else(|_| create(flags))?)
}

/// Opens a file to read it.
pub(crate) fn open(path: &CStr, flags: OFlags) -> Result<OwnedFd> {
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
        assert_eq!(above_stdio(file).unwrap().as_raw_fd(), number);
    }
}
