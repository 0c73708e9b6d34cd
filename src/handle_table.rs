//! A table of things that handles name, which are freed when the last handle to them is gone.
//!
//! The table lives as long as the process, so looking a handle up touches no memory that could have
//! been freed. A cell's thing goes through these states:
//!
//! | state     | `usage` | `epoch`                | `thing` | `owed`                                |
//! |-----------|--------|------------------------|---------|---------------------------------------|
//! | nobody's  | FREE   | even: that of no handle| NULL    | 0                                     |
//! | open      | USED   | odd: its own handle's  | it      | 0                                     |
//! | closed    | USED   | even                   | it      | minus the holders that have left,     |
//! |           |        |                        |         | then plus those there were: 0 is the  |
//! |           |        |                        |         | end                                   |
//!
//! A thing has one owner, who may [`HandleTable::close`] it, and any number of holders, whom the thing
//! counts itself. After closing, the owner adds how many there still are, and each of them takes
//! itself off when it leaves ([`HandleTable::settle_up`]). Whoever brings the sum to 0 has the only access
//! left, because every other has already taken itself off; it gets the thing.

use crate::error::{Error, Result, Status};
use crate::sync::AtomicI64;
use crate::sync::Ordering::*;
use crate::sync::plain::{AtomicPtr, AtomicU32, AtomicU64};
use std::sync::OnceLock;

/// How many things there can be at once.
pub(crate) const CELLS: usize = 1 << 12;
/// Epochs count in so many bits.
const EPOCH_MASK: u64 = (1 << 48) - 1;

pub(crate) struct HandleTable<T> {
    cells: [Cell<T>; CELLS],
}

struct Cell<T> {
    usage: AtomicU32,
    /// How often this process had been forked when the thing was made.
    forks: AtomicU32,
    epoch: AtomicU64,
    thing: AtomicPtr<T>,
    owed: Holders,
}

/// How many holders have not taken themselves off; below 0 while the owner has not said how many
/// there are.
pub(crate) struct Holders(AtomicI64);

impl Holders {
    /// Adds the holders that there are, or takes one off. True: that was the last, and the caller has
    /// the only access left. AcqRel; pairs with itself: it sees all that the others did.
    pub(crate) fn settle(&self, holders: i64) -> bool {
        self.0.fetch_add(holders, AcqRel) + holders == 0
    }

    #[cfg(not(loom))]
    const fn none() -> Holders {
        Holders(AtomicI64::new(0))
    }

    #[cfg(loom)]
    pub(crate) fn none() -> Holders {
        Holders(AtomicI64::new(0))
    }
}

const FREE: u32 = 0;
const USED: u32 = 1;

/// How often this process's memory has been forked from another's.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// A cell for a new thing. It is nobody else's until it is filled or dropped.
pub(crate) struct Reserved<T: 'static> {
    cells: &'static HandleTable<T>,
    pub(crate) cell: u16,
    pub(crate) epoch: u64,
}

impl<T> HandleTable<T> {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> HandleTable<T> {
        let cells = [const {
            Cell {
                usage: AtomicU32::new(FREE),
                forks: AtomicU32::new(0),
                epoch: AtomicU64::new(0),
                thing: AtomicPtr::new(std::ptr::null_mut()),
                owed: Holders::none(),
            }
        }; CELLS];
        HandleTable { cells }
    }

    pub(crate) fn reserve(&'static self) -> Result<Reserved<T>> {
        note_forks();
        for (index, cell) in self.cells.iter().enumerate() {
            if cell.usage.load(Relaxed) == FREE
                && cell.usage.compare_exchange(FREE, USED, AcqRel, Relaxed).is_ok()
            {
                cell.forks.store(FORKS.load(Relaxed), Relaxed);
                let epoch = (cell.epoch.load(Relaxed) + 1) & EPOCH_MASK;
                return Ok(Reserved { cells: self, cell: index as u16, epoch });
            }
        }
        let words = "4096 pools are alive, freed ones with futures included";
        Err(Error::new(Status::POOL_ERR_FULL, words))
    }

    /// The thing in a cell, open or closed. For its holders.
    #[inline]
    pub(crate) fn held(&self, cell: u16) -> Result<&T> {
        let cell = &self.cells[usize::from(cell)];
        let thing = cell.thing.load(Acquire);
        if thing.is_null() {
            return Err(Status::POOL_ERR_INVALID.into());
        }
        if cell.forks.load(Relaxed) != FORKS.load(Relaxed) {
            return Err(Status::POOL_ERR_WRONG_PROCESS.into());
        }
        // SAFETY: the pointer stands in the cell, so `settle_up` has not freed the thing, and it
        // does not while a holder, or the owner, has not taken itself off. The header forbids to
        // free a handle while another call with that very handle is under way, so whoever calls
        // with a good handle is one of them until it returns. It also forbids calls with handles
        // that were freed before while their pool is being freed.
        Ok(unsafe { &*thing })
    }

    /// The thing in a cell, if this is the epoch of its handle.
    #[inline]
    pub(crate) fn open(&self, cell: u16, epoch: u64) -> Result<&T> {
        let thing = self.held(cell)?;
        match self.epoch(cell) == epoch {
            true => Ok(thing),
            false => Err(Status::POOL_ERR_INVALID.into()),
        }
    }

    /// The epoch of the handle of a cell's thing; even: it has none.
    #[inline]
    pub(crate) fn epoch(&self, cell: u16) -> u64 {
        self.cells[usize::from(cell)].epoch.load(Acquire)
    }

    /// Makes the handle one of nothing, for exactly one caller, who has to settle up.
    pub(crate) fn close(&self, cell: u16, epoch: u64) -> Result<()> {
        let next = (epoch + 1) & EPOCH_MASK;
        let word = &self.cells[usize::from(cell)].epoch;
        word.compare_exchange(epoch, next, AcqRel, Relaxed)
            .map_err(|_| Status::POOL_ERR_INVALID)?;
        Ok(())
    }

    /// Adds the holders that there are when the thing is closed, or takes one off. The last one gets the
    /// thing, to free it.
    #[must_use]
    pub(crate) fn settle_up(&self, cell: u16, holders: i64) -> Option<Box<T>> {
        let cell = &self.cells[usize::from(cell)];
        if !cell.owed.settle(holders) {
            return None;
        }
        let thing = cell.thing.swap(std::ptr::null_mut(), AcqRel);
        if thing.is_null() {
            return None;
        }
        // SAFETY: `fill` made it a raw pointer, the swap hands it to one caller, and nobody else has
        // access any more: see above.
        let thing = unsafe { Box::from_raw(thing) };
        cell.usage.store(FREE, Release);
        Some(thing)
    }

    /// Closes a thing that has no holders, and frees it.
    pub(crate) fn remove(&self, cell: u16, epoch: u64) -> Result<()> {
        self.open(cell, epoch)?;
        self.close(cell, epoch)?;
        drop(self.settle_up(cell, 0));
        Ok(())
    }

    /// The cells of the open things that this process made, with their epochs.
    pub(crate) fn all_open(&self) -> Vec<(u16, u64)> {
        let numbered = self.cells.iter().enumerate();
        let own = numbered.filter(|(_, cell)| cell.forks.load(Relaxed) == FORKS.load(Relaxed));
        let epochs = own.map(|(index, cell)| (index as u16, cell.epoch.load(Acquire)));
        epochs.filter(|(_, epoch)| epoch & 1 == 1).collect()
    }
}

impl<T> Reserved<T> {
    /// Puts the thing in, and opens it.
    pub(crate) fn fill(self, thing: Box<T>) {
        let cell = &self.cells.cells[usize::from(self.cell)];
        cell.thing.store(Box::into_raw(thing), Release);
        cell.epoch.store(self.epoch, Release);
        std::mem::forget(self);
    }
}

impl<T> Drop for Reserved<T> {
    fn drop(&mut self) {
        self.cells.cells[usize::from(self.cell)].usage.store(FREE, Release);
    }
}

/// How often this process's memory has been forked from another's: it changes in a forked child.
pub(crate) fn forks() -> u32 {
    FORKS.load(Relaxed)
}

/// What is to be called when the process exits.
#[cfg(not(loom))]
static AT_EXIT: OnceLock<extern "C" fn()> = OnceLock::new();

/// Has a function called when the process exits. It is called in forked children, too.
#[cfg(not(loom))]
pub(crate) fn call_at_exit(function: extern "C" fn()) {
    let _ = AT_EXIT.set(function);
    // SAFETY: the function is part of the library, which is never unloaded.
    unsafe { libc::atexit(function) };
}

/// Calls it now, where the process is about to end without its handlers.
#[cfg(not(loom))]
pub(crate) fn run_exit_handler() {
    if let Some(function) = AT_EXIT.get() {
        function();
    }
}

/// Makes sure that a forked child knows that it is one.
pub(crate) fn note_forks() {
    static NOTED: OnceLock<()> = OnceLock::new();
    unsafe extern "C" fn in_child() {
        FORKS.fetch_add(1, Relaxed);
    }
    NOTED.get_or_init(|| {
        // SAFETY: the handler changes an atomic number, and the library is never unloaded.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
}
