//! The descriptors of the caller that worker processes keep, under the caller's numbers; and what they
//! read as standard input.
//!
//! The pool keeps copies from its making on, so the caller may close its own. In a child they are laid
//! down in steps that need no list of what else is open:
//!
//! ```text
//!   copies and the line, anywhere ──▶ a row from 3 on ──▶ close all above it ──▶ from the last to the
//!   first, each to its number, which is never below its place in the row ──▶ close what is left over
//! ```

use super::protocol::CHANNEL_FD;
use crate::error::{Error, Result, Status};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

#[derive(Default)]
pub(crate) struct InheritedFds {
    /// Our copies, with the numbers that they are to have; in the order of these, each once.
    kept: Vec<(OwnedFd, RawFd)>,
    /// What to open as standard input, in place of what is always empty.
    stdin: Option<CString>,
    /// Standard input is the caller's.
    keeps_stdin: bool,
}

/// What is done to the descriptors of a child, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FdAction {
    /// Makes the second number a copy of the first, to be kept over an exec.
    Copy(RawFd, RawFd),
    /// Closes this one and all above.
    CloseFrom(RawFd),
    Close(RawFd),
}

impl InheritedFds {
    /// Copies these descriptors of the caller.
    pub(crate) fn new(numbers: Vec<RawFd>, stdin: Option<CString>) -> Result<InheritedFds> {
        let mut sorted: Vec<RawFd> = Vec::new();
        for number in numbers {
            if let Err(place) = sorted.binary_search(&number) {
                sorted.insert(place, number);
            }
        }
        let above = first_free(sorted.len());
        let copies = sorted.into_iter().map(|number| {
            if number < 0 {
                return Err(not_open(number));
            }
            // SAFETY: borrowed for this call, which answers whether it is one that is open.
            let given = unsafe { BorrowedFd::borrow_raw(number) };
            match rustix::io::fcntl_dupfd_cloexec(given, above) {
                Ok(copy) => Ok((copy, number)),
                Err(Errno::BADF) => Err(not_open(number)),
                Err(errno) => Err(Error::os("duplicating a descriptor", errno)),
            }
        });
        let kept: Vec<_> = copies.collect::<Result<_>>()?;
        let keeps_stdin = kept.first().is_some_and(|(_, number)| *number == 0);
        let inherited = InheritedFds { kept, stdin, keeps_stdin };
        // So that a wrong path is known at once.
        inherited.open_stdin()?;
        Ok(inherited)
    }

    /// For a process that is forked, and has the caller's own.
    pub(crate) fn without_copies(mut self) -> InheritedFds {
        self.kept.clear();
        self
    }

    /// Standard input for a worker. None: it is one of the caller's.
    pub(crate) fn open_stdin(&self) -> Result<Option<OwnedFd>> {
        if self.keeps_stdin {
            return Ok(None);
        }
        let path: &CStr = self.stdin.as_deref().unwrap_or(c"/dev/null");
        // A pipe in the file system would be waited for; the worker itself may wait.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        let failed = |errno| {
            let status =
                if errno == Errno::NOMEM { Status::POOL_ERR_NOMEM } else { Status::POOL_ERR_OS };
            let words = format!("worker_stdin: {}", path.to_string_lossy());
            let error = Error::os(&words, errno);
            Error::with_detail(status, error.detail().cloned().unwrap_or_default())
        };
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(failed)?;
        let flags = rustix::fs::fcntl_getfl(&file).map_err(failed)?;
        rustix::fs::fcntl_setfl(&file, flags - OFlags::NONBLOCK).map_err(failed)?;
        Ok(Some(file))
    }

    /// The number that the line gets in a worker: the first that is not wanted.
    pub(crate) fn channel_number(&self) -> RawFd {
        let mut number = CHANNEL_FD;
        for (_, wanted) in &self.kept {
            number += i32::from(*wanted == number);
        }
        number
    }

    /// Numbers from here on are out of the way of all steps.
    pub(crate) fn first_free(&self) -> RawFd {
        first_free(self.kept.len())
    }

    /// The steps for a child that has these two, both out of the way.
    pub(crate) fn steps(&self, channel: RawFd, stdin: Option<RawFd>) -> Vec<FdAction> {
        let mut steps: Vec<FdAction> =
            stdin.map(|stdin| FdAction::Copy(stdin, 0)).into_iter().collect();
        let kept = self.kept.iter().map(|(copy, number)| (copy.as_raw_fd(), *number));
        let (standard, mut row): (Vec<_>, Vec<_>) =
            kept.partition(|(_, number)| *number < CHANNEL_FD);
        steps.extend(standard.into_iter().map(|(copy, number)| FdAction::Copy(copy, number)));
        let channel_number = self.channel_number();
        let place = row.partition_point(|(_, number)| *number < channel_number);
        row.insert(place, (channel, channel_number));
        let places = CHANNEL_FD..CHANNEL_FD + row.len() as RawFd;
        for (place, (source, _)) in places.clone().zip(&row) {
            steps.push(FdAction::Copy(*source, place));
        }
        steps.push(FdAction::CloseFrom(places.end));
        for (place, (_, number)) in places.clone().zip(&row).rev() {
            if place != *number {
                steps.push(FdAction::Copy(place, *number));
            }
        }
        let is_left_over = |place: &RawFd| row.iter().all(|(_, number)| number != place);
        steps.extend(places.filter(is_left_over).map(FdAction::Close));
        steps
    }
}

fn first_free(kept: usize) -> RawFd {
    // The line, and one more for good measure.
    CHANNEL_FD + kept as RawFd + 2
}

fn not_open(number: RawFd) -> Error {
    Error::new(Status::POOL_ERR_INVALID, format!("inherit_fds: {number} is not open"))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Runs the steps on a table of descriptors, where each stands for a letter.
    fn run(steps: &[FdAction], open: &mut BTreeMap<RawFd, char>) {
        for step in steps {
            match *step {
                FdAction::Copy(from, to) => {
                    let letter = open[&from];
                    open.insert(to, letter);
                }
                FdAction::CloseFrom(first) => open.retain(|number, _| *number < first),
                FdAction::Close(number) => drop(open.remove(&number)),
            }
        }
    }

    #[test]
    fn every_descriptor_arrives_at_its_number_and_no_other_stays() {
        let null = rustix::fs::open(c"/dev/null", OFlags::RDONLY, Mode::empty()).unwrap();
        let null = || rustix::io::fcntl_dupfd_cloexec(&null, 512).unwrap();
        let cases: [&[RawFd]; 8] =
            [&[], &[3], &[4], &[3, 4, 5], &[0, 2, 9], &[3, 5, 6], &[5, 6, 7, 200], &[1, 3, 500]];
        for numbers in cases {
            let kept: Vec<_> = numbers.iter().map(|number| (null(), *number)).collect();
            let inherited = InheritedFds { kept, stdin: None, keeps_stdin: false };
            let (channel, stdin) = (5000, 5001);
            let mut open: BTreeMap<RawFd, char> = (0..3).map(|number| (number, 's')).collect();
            open.extend([(channel, 'l'), (stdin, 'i'), (77, 'x')]);
            for (index, (copy, _)) in inherited.kept.iter().enumerate() {
                open.insert(copy.as_raw_fd(), (b'A' + index as u8) as char);
            }
            let is_own_stdin = numbers.contains(&0);
            run(&inherited.steps(channel, (!is_own_stdin).then_some(stdin)), &mut open);
            let mut wanted: BTreeMap<RawFd, char> = [(0, 'i'), (1, 's'), (2, 's')].into();
            wanted.insert(inherited.channel_number(), 'l');
            for (index, number) in numbers.iter().enumerate() {
                wanted.insert(*number, (b'A' + index as u8) as char);
            }
            assert_eq!(open, wanted, "{numbers:?}");
        }
    }
}
