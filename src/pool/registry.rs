//! The table of all pools of the process, and lookups of what pools own by handle.

use super::handles::{FutureHandle, PoolHandle};
use super::submit::Buffers;
use super::{Pool, current_callback};
use crate::board::parent::entries::EntryColumn;
use crate::board::parent::slots::{Released, SlotKey};
use crate::error::{Error, Result, Status};
use crate::handle_table::{HANDLES_MAX, HandleTable, Reserved};
use crate::sync::Mutex;

static POOLS: HandleTable<Pool> = HandleTable::new();

/// What the handles of futures and buffers are checked against, by the index of their pool. It
/// belongs to no pool: a stale handle may name one that is being freed.
static ENTRIES: [EntryColumn; HANDLES_MAX] = [const { EntryColumn::new() }; HANDLES_MAX];
static BUFFERS: [Buffers; HANDLES_MAX] = [const { Buffers::new() }; HANDLES_MAX];

pub(super) fn entries(index: u16) -> &'static EntryColumn {
    &ENTRIES[usize::from(index)]
}

pub(super) fn buffers(index: u16) -> &'static Buffers {
    &BUFFERS[usize::from(index)]
}

/// Whether there is a pool with this index, of this process.
pub(super) fn check(index: u16) -> Result<()> {
    POOLS.check(index)
}

/// The pool with this index, for those that hold it.
pub(super) fn held(index: u16) -> Result<&'static Pool> {
    POOLS.held(index)
}

impl PoolHandle {
    /// The pool. An error: the handle is not valid.
    #[inline(never)] // Called from forty places.
    pub(crate) fn pool(self) -> Result<&'static Pool> {
        self.get()
    }

    /// [`PoolHandle::pool`] for the hot paths.
    #[inline]
    pub(super) fn get(self) -> Result<&'static Pool> {
        let (index, epoch) = self.unpack()?;
        POOLS.get(index, epoch)
    }

    /// Invalidates the handle, for exactly one caller, and returns the pool to be freed.
    pub(super) fn close(self) -> Result<&'static Pool> {
        let pool = self.pool()?;
        let (index, epoch) = self.unpack()?;
        POOLS.close(index, epoch)?;
        Ok(pool)
    }
}

impl FutureHandle {
    /// Releases the future, for exactly one caller, which gets the pool and the slot. The pool is
    /// not freed before the slot is recycled. None: it was not held.
    #[inline]
    pub(super) fn release(self) -> Result<Option<(&'static Pool, SlotKey, Released)>> {
        let (index, key) = self.key()?;
        POOLS.check(index)?;
        match entries(index).entries().release(key) {
            Released::NotHeld => Ok(None),
            released => Ok(Some((POOLS.held(index)?, key, released))),
        }
    }

    /// The pool and the slot. An error: the handle is not valid.
    #[inline(never)] // Called from thirty places.
    pub(super) fn find(self) -> Result<(&'static Pool, SlotKey)> {
        self.get()
    }

    /// [`FutureHandle::find`] for the hot paths.
    #[inline]
    pub(super) fn get(self) -> Result<(&'static Pool, SlotKey)> {
        let (index, key) = self.key()?;
        // A freed future remains valid in its own callback.
        if entries(index).entries().holds(key) || current_callback::is_current(self) {
            return Ok((POOLS.held(index)?, key));
        }
        Err(refused(index))
    }

    /// The handle of the future's pool. An error: the pool was freed.
    pub(super) fn pool_handle(self) -> Result<PoolHandle> {
        self.find()?;
        let (index, _) = self.key()?;
        match POOLS.epoch(index) {
            epoch if epoch & 1 == 1 => Ok(PoolHandle::pack(index, epoch)),
            _ => Err(Status::POOL_ERR_CLOSED.into()),
        }
    }
}

/// Why a handle of a future is refused that is not held.
#[cold]
fn refused(index: u16) -> Error {
    POOLS.check(index).err().unwrap_or_else(|| Status::POOL_ERR_INVALID.into())
}

impl Pool {
    /// Whether this process has made the pool: false in a forked child.
    pub(super) fn is_of_this_process(&self) -> bool {
        POOLS.check(self.index).is_ok()
    }
}

/// Reserves the entry of a new pool.
pub(super) fn reserve() -> Result<Reserved<Pool>> {
    POOLS.reserve()
}

/// The first generation of a pool's slots, so that handles of futures differ from those of the pool
/// that had the entry before. Multiples of an odd number are spread over all generations (Knuth,
/// TAOCP 3, 6.4).
pub(super) fn first_generation(reserved: &Reserved<Pool>) -> u32 {
    (reserved.epoch as u32).wrapping_mul(0x9e37_79b1) >> 8
}

/// Opens a new pool.
pub(super) fn add(reserved: Reserved<Pool>, pool: Pool) -> PoolHandle {
    let handle = PoolHandle::pack(reserved.index, reserved.epoch);
    reserved.fill(Box::new(pool));
    handle
}

/// Counts the slots of a freed pool: adds those that are held when its slot table is closed, or
/// subtracts one that is recycled later (-1). The last one frees the pool.
pub(super) fn adjust_pool_holders(index: u16, slots: i64) {
    let Some(pool) = POOLS.adjust_holders(index, slots, || entries(index).discard()) else {
        return;
    };
    let mut scans = SCANS.lock();
    if scans.in_progress > 0 {
        return scans.freed.push(pool);
    }
    drop(scans);
    drop(pool);
}

/// The scans in progress, which use handles that others may free meanwhile; and the pools that were
/// freed during a scan, which stay until the last scan has ended. A scan finds a pool here, or its
/// handle invalid.
static SCANS: Mutex<PoolScans> = Mutex::new(PoolScans { in_progress: 0, freed: Vec::new() });

struct PoolScans {
    in_progress: usize,
    #[expect(clippy::vec_box, reason = "references to the pools are in use")]
    freed: Vec<Box<Pool>>,
}

/// Keeps all pools that it finds alive.
pub(super) struct PoolScan;

impl PoolScan {
    pub(super) fn begin() -> PoolScan {
        SCANS.lock().in_progress += 1;
        PoolScan
    }

    /// The pools of this process that were not freed, by index.
    pub(super) fn open_pools(&self) -> Vec<PoolHandle> {
        let open = POOLS.open_handles().into_iter();
        open.map(|(index, epoch)| PoolHandle::pack(index, epoch)).collect()
    }
}

impl Drop for PoolScan {
    fn drop(&mut self) {
        let mut scans = SCANS.lock();
        scans.in_progress -= 1;
        if scans.in_progress == 0 {
            let freed = std::mem::take(&mut scans.freed);
            drop(scans);
            drop(freed);
        }
    }
}

/// The number of pools that were not freed.
pub(crate) fn count_live() -> usize {
    POOLS.open_handles().len()
}
