//! The descriptors that worker processes inherit from the caller, and their standard input.
//!
//! The pool duplicates the descriptors when it is made, so the caller may close its own. In a child
//! each gets the caller's number, in steps that need no list of the other open descriptors:
//!
//! ```text
//!   duplicates and the channel, anywhere ──▶ a row from 3 on
//!     ──▶ from the last to the first, each to its number, which is never below its number in the row
//!     ──▶ close what is left of the row
//! ```
//!
//! All other descriptors are close-on-exec.

use super::protocol::CHANNEL_FD;
use crate::error::{Error, Result, Status};
use crate::fd::{self, Descriptor};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

#[derive(Default)]
pub(crate) struct InheritedFds {
    /// The duplicates, each with its number in a worker; sorted by that number, without
    /// repetitions.
    duplicates: Vec<(Descriptor, RawFd)>,
    /// The file to open as standard input; None: /dev/null.
    stdin: Option<CString>,
    /// Standard input is inherited.
    inherits_stdin: bool,
}

/// A step that arranges the descriptors of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FdAction {
    /// Duplicates the first descriptor to the second number, without close-on-exec.
    Copy(RawFd, RawFd),
    Close(RawFd),
}

impl InheritedFds {
    /// Duplicates these descriptors of the caller.
    pub(crate) fn new(numbers: Vec<RawFd>, stdin: Option<CString>) -> Result<InheritedFds> {
        let mut sorted: Vec<RawFd> = Vec::new();
        for number in numbers {
            if let Err(index) = sorted.binary_search(&number) {
                sorted.insert(index, number);
            }
        }
        let above = first_free(sorted.len());
        let duplicates = sorted.into_iter().map(|number| {
            if number < 0 {
                return Err(not_open(number));
            }
            // SAFETY: borrowed for the next call, which fails if the descriptor is not open.
            let original = unsafe { BorrowedFd::borrow_raw(number) };
            match fd::duplicate(original, above) {
                Ok(duplicate) => Ok((duplicate, number)),
                Err(Errno::BADF) => Err(not_open(number)),
                Err(errno) => Err(Error::os("duplicating a descriptor", errno)),
            }
        });
        let duplicates: Vec<_> = duplicates.collect::<Result<_>>()?;
        let inherits_stdin = duplicates.first().is_some_and(|(_, number)| *number == 0);
        let inherited = InheritedFds { duplicates, stdin, inherits_stdin };
        // Reports a wrong path now.
        inherited.open_stdin()?;
        Ok(inherited)
    }

    /// For a fork server, which has the descriptors under their numbers.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let numbers: Vec<RawFd> = self.duplicates.iter().map(|(_, number)| *number).collect();
        let stdin = self.stdin.as_ref().map(|path| path.as_bytes());
        // It fails for values without a length or of unknown size, of which there are none here.
        postcard::to_stdvec(&(numbers, stdin)).unwrap_or_default()
    }

    /// Duplicates the descriptors again in the fork server. None: these are not bytes of `encode`.
    pub(super) fn decode(bytes: &[u8]) -> Option<Result<InheritedFds>> {
        let (numbers, stdin): (Vec<RawFd>, Option<Vec<u8>>) = postcard::from_bytes(bytes).ok()?;
        let stdin = stdin.map(CString::new).transpose().ok()?;
        Some(InheritedFds::new(numbers, stdin))
    }

    /// Closes the duplicates: a forked process has the caller's descriptors anyway.
    pub(crate) fn without_copies(mut self) -> InheritedFds {
        self.duplicates.clear();
        self
    }

    /// Fails if the program has closed a duplicate, whose number may be another file's now.
    pub(crate) fn check(&self) -> Result<()> {
        let closed = self.duplicates.iter().find(|(duplicate, _)| !duplicate.is_ours());
        closed.map_or(Ok(()), |(_, number)| Err(not_open(*number)))
    }

    /// Opens the standard input of a worker. None: it is inherited.
    pub(crate) fn open_stdin(&self) -> Result<Option<Descriptor>> {
        if self.inherits_stdin {
            return Ok(None);
        }
        let path: &CStr = self.stdin.as_deref().unwrap_or(c"/dev/null");
        // Non-blocking, because opening a named pipe would wait for a writer. The worker's reads
        // may wait.
        let flags = OFlags::NOCTTY | OFlags::NONBLOCK;
        let failed = |errno| {
            let status =
                if errno == Errno::NOMEM { Status::POOL_ERR_NOMEM } else { Status::POOL_ERR_OS };
            let message = format!("worker_stdin: {}", path.to_string_lossy());
            let error = Error::os(&message, errno);
            Error::with_detail(status, error.detail().cloned().unwrap_or_default())
        };
        let file = fd::open(path, flags).map_err(failed)?;
        let flags = rustix::fs::fcntl_getfl(&file).map_err(failed)?;
        rustix::fs::fcntl_setfl(&file, flags - OFlags::NONBLOCK).map_err(failed)?;
        Ok(Some(file))
    }

    /// The number of the channel in a worker: the first one from [`CHANNEL_FD`] on that is not
    /// inherited.
    pub(crate) fn channel_number(&self) -> RawFd {
        let mut number = CHANNEL_FD;
        for (_, inherited) in &self.duplicates {
            number += i32::from(*inherited == number);
        }
        number
    }

    /// A duplicate whose number is none of those that the descriptors of a worker get.
    pub(super) fn duplicate_beside(&self, file: BorrowedFd<'_>) -> Result<Descriptor> {
        let failed = |errno| Error::os("duplicating a descriptor", errno);
        let mut file = fd::duplicate(file, self.first_free()).map_err(failed)?;
        while self.duplicates.iter().any(|(_, number)| *number == file.as_raw_fd()) {
            file = fd::duplicate(&file, file.as_raw_fd() + 1).map_err(failed)?;
        }
        Ok(file)
    }

    /// The steps use only numbers below this one.
    pub(crate) fn first_free(&self) -> RawFd {
        first_free(self.duplicates.len())
    }

    /// The steps for a child that has the channel and its standard input under these numbers, which
    /// are not below `first_free`.
    pub(crate) fn steps(&self, channel: RawFd, stdin: Option<RawFd>) -> Vec<FdAction> {
        let mut steps: Vec<FdAction> =
            stdin.map(|stdin| FdAction::Copy(stdin, 0)).into_iter().collect();
        let duplicates = self.duplicates.iter().map(|(fd, number)| (fd.as_raw_fd(), *number));
        let (standard, mut row): (Vec<_>, Vec<_>) =
            duplicates.partition(|(_, number)| *number < CHANNEL_FD);
        steps.extend(standard.into_iter().map(|(fd, number)| FdAction::Copy(fd, number)));
        let channel_number = self.channel_number();
        let index = row.partition_point(|(_, number)| *number < channel_number);
        row.insert(index, (channel, channel_number));
        let range = CHANNEL_FD..CHANNEL_FD + row.len() as RawFd;
        for (fd, (source, _)) in range.clone().zip(&row) {
            steps.push(FdAction::Copy(*source, fd));
        }
        for (fd, (_, number)) in range.clone().zip(&row).rev() {
            if fd != *number {
                steps.push(FdAction::Copy(fd, *number));
            }
        }
        let is_left_over = |fd: &RawFd| row.iter().all(|(_, number)| number != fd);
        steps.extend(range.filter(is_left_over).map(FdAction::Close));
        steps
    }
}

fn first_free(inherited: usize) -> RawFd {
    // One for the channel, and one to spare.
    CHANNEL_FD + inherited as RawFd + 2
}

fn not_open(number: RawFd) -> Error {
    Error::new(Status::POOL_ERR_INVALID, format!("inherit_fds: {number} is not open"))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};
    use std::os::fd::AsFd;

    /// Runs the steps on a table of descriptors, in which letters stand for files, and closes those that
    /// close when a program is executed.
    fn run(steps: &[FdAction], open: &mut BTreeMap<RawFd, char>) {
        let mut kept = BTreeSet::from([0, 1, 2]);
        for step in steps {
            match *step {
                FdAction::Copy(from, to) => {
                    let letter = open[&from];
                    open.insert(to, letter);
                    kept.insert(to);
                }
                FdAction::Close(number) => drop(open.remove(&number)),
            }
        }
        open.retain(|number, _| kept.contains(number));
    }

    #[test]
    fn a_program_is_opened_beside_what_is_inherited() {
        let null = fd::open(c"/dev/null", OFlags::empty()).unwrap();
        // From the first number on that is tried.
        let duplicates =
            (0..4).map(|index| (fd::duplicate(&null, 512).unwrap(), first_free(4) + index));
        let inherited =
            InheritedFds { duplicates: duplicates.collect(), stdin: None, inherits_stdin: false };
        let beside = inherited.duplicate_beside(null.as_fd()).unwrap();
        assert!(beside.as_raw_fd() >= inherited.first_free());
        assert!(inherited.duplicates.iter().all(|(_, taken)| *taken != beside.as_raw_fd()));
    }

    #[test]
    fn every_descriptor_gets_its_number_and_no_other_stays_open() {
        let null = fd::open(c"/dev/null", OFlags::empty()).unwrap();
        let null = || fd::duplicate(&null, 512).unwrap();
        let cases: [&[RawFd]; 8] =
            [&[], &[3], &[4], &[3, 4, 5], &[0, 2, 9], &[3, 5, 6], &[5, 6, 7, 200], &[1, 3, 500]];
        for numbers in cases {
            let duplicates: Vec<_> = numbers.iter().map(|number| (null(), *number)).collect();
            let inherited = InheritedFds { duplicates, stdin: None, inherits_stdin: false };
            let (channel, stdin) = (5000, 5001);
            let mut open: BTreeMap<RawFd, char> = (0..3).map(|number| (number, 's')).collect();
            open.extend([(channel, 'l'), (stdin, 'i'), (77, 'x')]);
            for (index, (fd, _)) in inherited.duplicates.iter().enumerate() {
                open.insert(fd.as_raw_fd(), (b'A' + index as u8) as char);
            }
            let inherits_stdin = numbers.contains(&0);
            run(&inherited.steps(channel, (!inherits_stdin).then_some(stdin)), &mut open);
            let mut expected: BTreeMap<RawFd, char> = [(0, 'i'), (1, 's'), (2, 's')].into();
            expected.insert(inherited.channel_number(), 'l');
            for (index, number) in numbers.iter().enumerate() {
                expected.insert(*number, (b'A' + index as u8) as char);
            }
            assert_eq!(open, expected, "{numbers:?}");
        }
    }
}
