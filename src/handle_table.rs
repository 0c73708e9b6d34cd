//! A table of handles and their values. A value is freed when its last holder has released it.
//!
//! The table lives as long as the process, so a lookup never reads freed memory. An entry has these
//! states:
//!
//! | state  | `usage` | `epoch`                 | `value` | `holders`                             |
//! |--------|---------|-------------------------|---------|---------------------------------------|
//! | vacant | FREE    | even: no handle has it  | NULL    | 0                                     |
//! | open   | USED    | odd: that of its handle | set     | 0                                     |
//! | closed | USED    | even                    | set     | minus the holders that have released  |
//! |        |         |                         |         | it, then plus those there were; at 0  |
//! |        |         |                         |         | the value is freed                    |
//!
//! A value has one owner, which may [`HandleTable::close`] its handle, and any number of holders,
//! which the value counts itself. After closing, the owner adds the number of holders that are left
//! ([`HandleTable::adjust_holders`]), and each holder subtracts itself when it releases the value.
//! The call that brings the sum to 0 has the only access left, because all others have subtracted
//! themselves; it gets the value.

use crate::error::{Error, Result, Status};
use crate::process;
use crate::sync::plain::{AtomicPtr, AtomicU32, AtomicU64};
use crate::sync::{AtomicI64, Ordering::*};

/// The most values of a table.
pub(crate) const HANDLES_MAX: usize = 1 << 12;
/// Epochs have 48 bits.
const EPOCH_MASK: u64 = (1 << 48) - 1;

/// See the module documentation.
pub(crate) struct HandleTable<T> {
    entries: [HandleEntry<T>; HANDLES_MAX],
}

struct HandleEntry<T> {
    usage: AtomicU32,
    /// The [`process::fork_generation`] in which the value was created.
    fork_generation: AtomicU32,
    epoch: AtomicU64,
    value: AtomicPtr<T>,
    holders: Holders,
}

/// The number of holders that have not released the value; negative until the owner has added their
/// number.
pub(crate) struct Holders(AtomicI64);

impl Holders {
    /// Adds the remaining holders, or subtracts one. True: that was the last, and the caller has
    /// the only access left. AcqRel; pairs with itself: the last one sees all effects of the
    /// others.
    pub(crate) fn adjust(&self, by: i64) -> bool {
        self.0.fetch_add(by, AcqRel) + by == 0
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

/// An entry for a new value. No other thread uses it until it is filled or dropped.
pub(crate) struct Reserved<T: 'static> {
    table: &'static HandleTable<T>,
    pub(crate) index: u16,
    pub(crate) epoch: u64,
}

impl<T> HandleTable<T> {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> HandleTable<T> {
        let entries = [const {
            HandleEntry {
                usage: AtomicU32::new(FREE),
                fork_generation: AtomicU32::new(0),
                epoch: AtomicU64::new(0),
                value: AtomicPtr::new(std::ptr::null_mut()),
                holders: Holders::none(),
            }
        }; HANDLES_MAX];
        HandleTable { entries }
    }

    /// Reserves a vacant entry.
    pub(crate) fn reserve(&'static self) -> Result<Reserved<T>> {
        process::count_forks();
        process::silence_panics();
        for (index, entry) in self.entries.iter().enumerate() {
            if entry.usage.load(Relaxed) == FREE
                && entry.usage.compare_exchange(FREE, USED, AcqRel, Relaxed).is_ok()
            {
                entry.fork_generation.store(process::fork_generation(), Relaxed);
                let epoch = (entry.epoch.load(Relaxed) + 1) & EPOCH_MASK;
                return Ok(Reserved { table: self, index: index as u16, epoch });
            }
        }
        let message = "4096 objects of this kind exist, freed pools with futures included";
        Err(Error::new(Status::POOL_ERR_FULL, message))
    }

    /// Whether the entry has a value, open or closed, of this process. Touches no value.
    #[inline]
    pub(crate) fn check(&self, index: u16) -> Result<()> {
        self.pointer(index).map(drop)
    }

    /// The value of an entry, open or closed. Only for its holders, and its owner: a value that
    /// nobody holds may be freed at any time.
    #[inline]
    pub(crate) fn held(&self, index: u16) -> Result<&T> {
        let value = self.pointer(index)?;
        // SAFETY: the entry has the pointer, so `adjust_holders` has not freed the value, and it
        // does not while a holder, or the owner, has not subtracted itself. The header forbids
        // freeing a handle while another call with the same handle is in progress, so a caller with
        // a valid handle counts as a holder until it returns.
        Ok(unsafe { &*value })
    }

    /// The value of an entry, if its handle has this epoch.
    #[inline]
    pub(crate) fn get(&self, index: u16, epoch: u64) -> Result<&T> {
        let value = self.pointer(index)?;
        if self.epoch(index) != epoch {
            return Err(Status::POOL_ERR_INVALID.into());
        }
        // SAFETY: the handle is valid, and its epoch was never that of another value: so the
        // pointer is that of its value, which the owner of the handle does not free before this
        // call returns, as for `held`.
        Ok(unsafe { &*value })
    }

    #[inline]
    fn pointer(&self, index: u16) -> Result<*const T> {
        let entry = self.entry(index);
        let value = entry.value.load(Acquire);
        if value.is_null() {
            return Err(Status::POOL_ERR_INVALID.into());
        }
        if entry.fork_generation.load(Relaxed) != process::fork_generation() {
            return Err(Status::POOL_ERR_WRONG_PROCESS.into());
        }
        Ok(value)
    }

    /// The epoch of the handle of this entry; even: there is none.
    #[inline]
    pub(crate) fn epoch(&self, index: u16) -> u64 {
        self.entry(index).epoch.load(Acquire)
    }

    /// Invalidates the handle, for exactly one caller, which must then adjust the holders.
    pub(crate) fn close(&self, index: u16, epoch: u64) -> Result<()> {
        let next = (epoch + 1) & EPOCH_MASK;
        self.entry(index)
            .epoch
            .compare_exchange(epoch, next, AcqRel, Relaxed)
            .map_err(|_| Status::POOL_ERR_INVALID)?;
        Ok(())
    }

    /// Adds the remaining holders after the handle was closed, or subtracts one. The last one gets
    /// the value, calls `at_end` before the entry can have another value, and frees it.
    #[must_use]
    pub(crate) fn adjust_holders(
        &self,
        index: u16,
        by: i64,
        at_end: impl FnOnce(),
    ) -> Option<Box<T>> {
        let entry = self.entry(index);
        if !entry.holders.adjust(by) {
            return None;
        }
        let value = entry.value.swap(std::ptr::null_mut(), AcqRel);
        if value.is_null() {
            return None;
        }
        // SAFETY: the pointer comes from `Box::into_raw` in `fill`, the swap hands it to one
        // caller, and no other has access any more: see the table in the module documentation.
        let value = unsafe { Box::from_raw(value) };
        at_end();
        entry.usage.store(FREE, Release);
        Some(value)
    }

    /// Closes the handle of a value that has no holders, and frees the value.
    pub(crate) fn remove(&self, index: u16, epoch: u64) -> Result<()> {
        self.get(index, epoch)?;
        self.close(index, epoch)?;
        drop(self.adjust_holders(index, 0, || {}));
        Ok(())
    }

    /// The entries with an open handle from this process, and their epochs.
    pub(crate) fn open_handles(&self) -> Vec<(u16, u64)> {
        let generation = process::fork_generation();
        let numbered = self.entries.iter().enumerate();
        let own = numbered.filter(|(_, entry)| entry.fork_generation.load(Relaxed) == generation);
        let epochs = own.map(|(index, entry)| (index as u16, entry.epoch.load(Acquire)));
        epochs.filter(|(_, epoch)| epoch & 1 == 1).collect()
    }

    #[inline]
    fn entry(&self, index: u16) -> &HandleEntry<T> {
        &self.entries[usize::from(index)]
    }
}

impl<T> Reserved<T> {
    /// Stores the value, and opens its handle.
    pub(crate) fn fill(self, value: Box<T>) {
        let entry = self.table.entry(self.index);
        entry.value.store(Box::into_raw(value), Release);
        entry.epoch.store(self.epoch, Release);
        std::mem::forget(self);
    }
}

impl<T> Drop for Reserved<T> {
    fn drop(&mut self) {
        self.table.entry(self.index).usage.store(FREE, Release);
    }
}
