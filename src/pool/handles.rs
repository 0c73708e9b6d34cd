//! Handles: tickets that can be checked, because all that they name is in a table.
//!
//! ```text
//!   bits  0..4    4..16   16..40          40..64
//!         kind    cell    slot            generation      a future, a buffer
//!                         epoch (48 bits)                 a pool, a set, a map
//! ```
//!
//! Kinds are odd numbers, so that no ticket is the address of anything in C.

use crate::sync::{Mutex, MutexGuard};
use super::{Pool, callbacks};
use super::completion_set::CompletionSet;
use super::map::lazy::LazyMap;
use crate::board::parent::slots::SlotKey;
use crate::error::{Result, Status};
use crate::handle_table::{HANDLES_MAX, HandleTable, Reserved};
use std::sync::Arc;

static POOLS: HandleTable<Pool> = HandleTable::new();
static SETS: HandleTable<Arc<CompletionSet>> = HandleTable::new();
static MAPS: HandleTable<LazyMap> = HandleTable::new();

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HandleKind {
    Pool = 1,
    Future = 3,
    Buffer = 5,
    Set = 7,
    Map = 9,
}

/// A C handle of a pool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolHandle(u64);
/// A C handle of a future.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FutureHandle(u64);
/// A C handle of a set of futures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SetHandle(u64);
/// A C handle of a lazy map.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MapHandle(u64);
/// A C handle of a buffer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BufferHandle(u64);

fn pack(kind: HandleKind, cell: u16, rest: u64) -> u64 {
    kind as u64 | u64::from(cell) << 4 | rest << 16
}

/// The cell and the rest of a ticket of this kind.
#[inline]
fn unpack(raw: u64, kind: HandleKind) -> Result<(u16, u64)> {
    if raw & 0xf != kind as u64 {
        return Err(Status::POOL_ERR_INVALID.into());
    }
    Ok(((raw >> 4) as u16 & (HANDLES_MAX as u16 - 1), raw >> 16))
}

#[inline]
fn slot_of(rest: u64) -> SlotKey {
    SlotKey { slot: (rest & 0xff_ffff) as u32, generation: (rest >> 24) as u32 }
}

fn pack_slot(key: SlotKey) -> u64 {
    u64::from(key.slot) | u64::from(key.generation) << 24
}

impl PoolHandle {
    pub(crate) fn from_raw(raw: u64) -> PoolHandle {
        PoolHandle(raw)
    }

    pub(crate) fn to_raw(self) -> u64 {
        self.0
    }

    /// The pool, if this is the handle of one that was not freed.
    #[inline(never)] // Called from forty places.
    pub(crate) fn pool(self) -> Result<&'static Pool> {
        self.get()
    }

    /// The same, for where a call would be felt.
    #[inline]
    pub(super) fn get(self) -> Result<&'static Pool> {
        let (cell, epoch) = unpack(self.0, HandleKind::Pool)?;
        POOLS.get(cell, epoch)
    }

    /// Makes the handle one of no pool, for exactly one caller, and hands the pool out to be freed.
    pub(crate) fn close(self) -> Result<&'static Pool> {
        let pool = self.pool()?;
        let (cell, epoch) = unpack(self.0, HandleKind::Pool)?;
        POOLS.close(cell, epoch)?;
        Ok(pool)
    }
}

impl FutureHandle {
    #[inline]
    pub(crate) fn from_raw(raw: u64) -> FutureHandle {
        FutureHandle(raw)
    }

    pub(crate) fn to_raw(self) -> u64 {
        self.0
    }

    pub(crate) fn new(cell: u16, key: SlotKey) -> FutureHandle {
        FutureHandle(pack(HandleKind::Future, cell, pack_slot(key)))
    }

    /// The pool and the slot of a future that may have been freed.
    #[inline]
    pub(crate) fn locate(self) -> Result<(&'static Pool, SlotKey)> {
        let (cell, rest) = unpack(self.0, HandleKind::Future)?;
        Ok((POOLS.held(cell)?, slot_of(rest)))
    }

    /// The pool and the slot, if this is the handle of a future that was not freed.
    #[inline(never)] // Called from thirty places.
    pub(crate) fn find(self) -> Result<(&'static Pool, SlotKey)> {
        self.get()
    }

    /// The same, for where a call would be felt.
    #[inline]
    pub(super) fn get(self) -> Result<(&'static Pool, SlotKey)> {
        let (pool, key) = self.locate()?;
        // A freed one is still good for its own callback.
        if pool.state.slots.holds(key) || current_callback::is_present(self) {
            return Ok((pool, key));
        }
        Err(Status::POOL_ERR_INVALID.into())
    }

    /// The slot, whatever it is worth.
    #[inline]
    pub(crate) fn slot(self) -> u32 {
        slot_of(self.0 >> 16).slot
    }

    /// The handle of the future's pool, if that was not freed.
    pub(crate) fn pool_handle(self) -> Result<PoolHandle> {
        self.find()?;
        let (cell, _) = unpack(self.0, HandleKind::Future)?;
        match POOLS.epoch(cell) {
            epoch if epoch & 1 == 1 => Ok(PoolHandle(pack(HandleKind::Pool, cell, epoch))),
            _ => Err(Status::POOL_ERR_CLOSED.into()),
        }
    }
}

impl BufferHandle {
    pub(crate) fn from_raw(raw: u64) -> BufferHandle {
        BufferHandle(raw)
    }

    pub(crate) fn to_raw(self) -> u64 {
        self.0
    }

    pub(crate) fn new(cell: u16, key: SlotKey) -> BufferHandle {
        BufferHandle(pack(HandleKind::Buffer, cell, pack_slot(key)))
    }

    /// The pool, and the buffer's place in its list.
    pub(crate) fn find(self) -> Result<(&'static Pool, SlotKey)> {
        let (cell, rest) = unpack(self.0, HandleKind::Buffer)?;
        Ok((POOLS.held(cell)?, slot_of(rest)))
    }
}

impl SetHandle {
    pub(crate) fn from_raw(raw: u64) -> SetHandle {
        SetHandle(raw)
    }

    pub(crate) fn to_raw(self) -> u64 {
        self.0
    }

    pub(crate) fn inbox(self) -> Result<Arc<CompletionSet>> {
        let (cell, epoch) = unpack(self.0, HandleKind::Set)?;
        Ok(SETS.get(cell, epoch)?.clone())
    }

    /// Makes the handle one of nothing.
    pub(crate) fn remove(self) -> Result<()> {
        let (cell, epoch) = unpack(self.0, HandleKind::Set)?;
        SETS.remove(cell, epoch)
    }
}

pub(crate) fn add_set(inbox: Arc<CompletionSet>) -> Result<SetHandle> {
    let reserved = SETS.reserve()?;
    let key = SetHandle(pack(HandleKind::Set, reserved.index, reserved.epoch));
    reserved.fill(Box::new(inbox));
    Ok(key)
}

impl MapHandle {
    pub(crate) fn from_raw(raw: u64) -> MapHandle {
        MapHandle(raw)
    }

    pub(crate) fn to_raw(self) -> u64 {
        self.0
    }

    pub(crate) fn map(self) -> Result<&'static LazyMap> {
        let (cell, epoch) = unpack(self.0, HandleKind::Map)?;
        MAPS.get(cell, epoch)
    }

    /// Makes the handle one of nothing.
    pub(crate) fn remove(self) -> Result<()> {
        let (cell, epoch) = unpack(self.0, HandleKind::Map)?;
        MAPS.remove(cell, epoch)
    }
}

pub(crate) fn add_map(map: LazyMap) -> Result<MapHandle> {
    let reserved = MAPS.reserve()?;
    let key = MapHandle(pack(HandleKind::Map, reserved.index, reserved.epoch));
    reserved.fill(Box::new(map));
    Ok(key)
}

/// Whether the thing in this cell was not made by a process that this one was forked from.
pub(crate) fn is_of_this_process(cell: u16) -> bool {
    POOLS.held(cell).is_ok()
}

/// A place for a new pool.
pub(crate) fn reserve() -> Result<Reserved<Pool>> {
    POOLS.reserve()
}

/// Where the generations of a pool's futures begin, so that they are not those of the pool that had
/// its place before. Multiples of an odd number wander over all of them (Knuth, TAOCP 3, 6.4).
pub(crate) fn first_generation(reserved: &Reserved<Pool>) -> u32 {
    (reserved.epoch as u32).wrapping_mul(0x9e37_79b1) >> 8
}

/// Opens a new pool.
pub(crate) fn fill(reserved: Reserved<Pool>, pool: Pool) -> PoolHandle {
    let key = PoolHandle(pack(HandleKind::Pool, reserved.index, reserved.epoch));
    reserved.fill(Box::new(pool));
    key
}

/// Counts slots of a freed pool: those still held when its books are closed, or (-1) one that was
/// given back since. The last one frees the pool.
pub(crate) fn adjust_pool_holders(cell: u16, slots: i64) {
    let Some(pool) = POOLS.adjust_holders(cell, slots) else { return };
    let mut scans = scans();
    if scans.in_flight > 0 {
        return scans.freed.push(pool);
    }
    drop(scans);
    drop(pool);
}

/// Those who go over all pools, with handles that are not theirs, and the pools that were freed meanwhile:
/// these stay until the last of them is through. It finds a pool here, or finds its handle bad.
static SCANS: Mutex<PoolScans> = Mutex::new(PoolScans { in_flight: 0, freed: Vec::new() });

struct PoolScans {
    in_flight: usize,
    #[expect(clippy::vec_box, reason = "they must stay where they are")]
    freed: Vec<Box<Pool>>,
}

fn scans() -> MutexGuard<'static, PoolScans> {
    SCANS.lock()
}

/// While it lives, no pool that it finds goes away.
pub(crate) struct PoolScan;

impl PoolScan {
    pub(crate) fn begin() -> PoolScan {
        scans().in_flight += 1;
        PoolScan
    }

    /// The pools of this process that were not freed, oldest first as far as places tell.
    pub(crate) fn open_pools(&self) -> Vec<PoolHandle> {
        let open = POOLS.open_handles().into_iter();
        open.map(|(cell, epoch)| PoolHandle(pack(HandleKind::Pool, cell, epoch))).collect()
    }
}

impl Drop for PoolScan {
    fn drop(&mut self) {
        let mut scans = scans();
        scans.in_flight -= 1;
        if scans.in_flight == 0 {
            let freed = std::mem::take(&mut scans.freed);
            drop(scans);
            drop(freed);
        }
    }
}

/// Pools that were not freed.
pub(crate) fn count_live() -> usize {
    POOLS.open_handles().len()
}
