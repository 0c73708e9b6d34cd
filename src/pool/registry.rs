//! Handles: tickets that can be checked, and the table they are checked against.
//!
//! ```text
//!   bits  0..4    4..16   16..40          40..64
//!         kind    cell    slot            generation      a future, a buffer
//!                         epoch (48 bits)                 a pool
//! ```
//!
//! Each pool has a cell in a table that lives as long as the process, so looking a handle up touches
//! no memory that could have been freed. A kind is an odd number, so that no ticket is the address
//! of anything in C.
//!
//! | a cell's life | `state` | `epoch`           | `pool`   | counts in `owed`                      |
//! |---------------|---------|-------------------|----------|---------------------------------------|
//! | nobody's      | FREE    | that of no handle | NULL     | 0                                     |
//! | a pool's      | USED    | the pool's handle | the pool | 0                                     |
//! | a freed pool's| USED    | that of no handle | the pool | slots given back since the books were |
//! |               |         |                   |          | closed, below 0; then those still held|
//!
//! The pool's memory goes with the last future ([`settle_up`]): whoever makes `owed` 0 has the only
//! access left, because every other holder has already counted itself out.

use super::Pool;
use crate::board::ledger::Ticket;
use crate::error::{Error, Result, Status};
use crate::sync::Ordering::*;
use crate::sync::plain::{AtomicI64, AtomicPtr, AtomicU32, AtomicU64};
use once_cell::sync::OnceCell;

const CELLS: usize = 1 << 12;

struct Cell {
    state: AtomicU32,
    /// How often this process had been forked when the pool was made.
    forks: AtomicU32,
    epoch: AtomicU64,
    pool: AtomicPtr<Pool>,
    owed: AtomicI64,
}

const FREE: u32 = 0;
const USED: u32 = 1;

static TABLE: [Cell; CELLS] = [const {
    Cell {
        state: AtomicU32::new(FREE),
        forks: AtomicU32::new(0),
        epoch: AtomicU64::new(0),
        pool: AtomicPtr::new(std::ptr::null_mut()),
        owed: AtomicI64::new(0),
    }
}; CELLS];

/// Pools that were not freed.
static LIVE: AtomicU64 = AtomicU64::new(0);
/// How often this process's memory has been forked from another's.
static FORKS: AtomicU32 = AtomicU32::new(0);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pool = 1,
    Future = 3,
    Buffer = 5,
}

/// A C handle of a pool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolTicket(u64);
/// A C handle of a future.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FutureTicket(u64);
/// A C handle of a buffer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BufferTicket(u64);

const EPOCH_MASK: u64 = (1 << 48) - 1;

fn raw(kind: Kind, cell: u16, rest: u64) -> u64 {
    kind as u64 | u64::from(cell) << 4 | rest << 16
}

/// The cell and the rest of a ticket of this kind.
fn parts(raw: u64, kind: Kind) -> Result<(u16, u64)> {
    if raw & 0xf != kind as u64 {
        return Err(Status::POOL_ERR_INVALID.into());
    }
    Ok(((raw >> 4) as u16 & (CELLS as u16 - 1), raw >> 16))
}

fn slot_and_generation(rest: u64) -> Ticket {
    Ticket { slot: (rest & 0xff_ffff) as u32, generation: (rest >> 24) as u32 }
}

fn from_slot(ticket: Ticket) -> u64 {
    u64::from(ticket.slot) | u64::from(ticket.generation) << 24
}

impl PoolTicket {
    pub(crate) fn from_raw(raw: u64) -> PoolTicket {
        PoolTicket(raw)
    }

    pub(crate) fn to_raw(self) -> u64 {
        self.0
    }

    /// The pool, if this is the handle of one that was not freed.
    #[inline]
    pub(crate) fn pool(self) -> Result<&'static Pool> {
        let (cell, epoch) = parts(self.0, Kind::Pool)?;
        let pool = pool_of(cell)?;
        match TABLE[usize::from(cell)].epoch.load(Acquire) {
            present if present == epoch => Ok(pool),
            _ => Err(Status::POOL_ERR_INVALID.into()),
        }
    }

    /// Makes the handle one of no pool, for exactly one caller, and hands the pool out to be freed.
    pub(crate) fn close(self) -> Result<&'static Pool> {
        let pool = self.pool()?;
        let (cell, epoch) = parts(self.0, Kind::Pool)?;
        let next = (epoch + 1) & EPOCH_MASK;
        let changed = TABLE[usize::from(cell)].epoch.compare_exchange(epoch, next, AcqRel, Relaxed);
        changed.map_err(|_| Status::POOL_ERR_INVALID)?;
        LIVE.fetch_sub(1, Relaxed);
        Ok(pool)
    }
}

impl FutureTicket {
    pub(crate) fn from_raw(raw: u64) -> FutureTicket {
        FutureTicket(raw)
    }

    pub(crate) fn to_raw(self) -> u64 {
        self.0
    }

    pub(crate) fn new(cell: u16, ticket: Ticket) -> FutureTicket {
        FutureTicket(raw(Kind::Future, cell, from_slot(ticket)))
    }

    /// The pool and the slot, if this is the handle of a future that was not freed.
    #[inline]
    pub(crate) fn find(self) -> Result<(&'static Pool, Ticket)> {
        let (cell, rest) = parts(self.0, Kind::Future)?;
        let (pool, ticket) = (pool_of(cell)?, slot_and_generation(rest));
        match pool.site.ledger.holds(ticket) {
            true => Ok((pool, ticket)),
            false => Err(Status::POOL_ERR_INVALID.into()),
        }
    }

    /// The handle of the future's pool, if that was not freed.
    pub(crate) fn pool_ticket(self) -> Result<PoolTicket> {
        self.find()?;
        let (cell, _) = parts(self.0, Kind::Future)?;
        // Odd: a pool's handle. The epoch of a freed pool is the even one after it.
        match TABLE[usize::from(cell)].epoch.load(Acquire) {
            epoch if epoch & 1 == 1 => Ok(PoolTicket(raw(Kind::Pool, cell, epoch))),
            _ => Err(Status::POOL_ERR_CLOSED.into()),
        }
    }
}

impl BufferTicket {
    pub(crate) fn from_raw(raw: u64) -> BufferTicket {
        BufferTicket(raw)
    }

    pub(crate) fn to_raw(self) -> u64 {
        self.0
    }

    pub(crate) fn new(cell: u16, ticket: Ticket) -> BufferTicket {
        BufferTicket(raw(Kind::Buffer, cell, from_slot(ticket)))
    }

    /// The pool, and the buffer's place in its list.
    pub(crate) fn find(self) -> Result<(&'static Pool, Ticket)> {
        let (cell, rest) = parts(self.0, Kind::Buffer)?;
        Ok((pool_of(cell)?, slot_and_generation(rest)))
    }
}

#[inline]
fn pool_of(cell: u16) -> Result<&'static Pool> {
    let cell = &TABLE[usize::from(cell)];
    let pool = cell.pool.load(Acquire);
    if pool.is_null() {
        return Err(Status::POOL_ERR_INVALID.into());
    }
    if cell.forks.load(Relaxed) != FORKS.load(Relaxed) {
        return Err(Status::POOL_ERR_WRONG_PROCESS.into());
    }
    // SAFETY: the pointer is in the table, so the pool was not freed: that happens in `settle_up`
    // alone, after the last handle is gone. No call with a handle may be under way when that very
    // handle is freed (the header says so), so whoever got here keeps the pool alive until it
    // returns.
    Ok(unsafe { &*pool })
}

/// A cell for a new pool. It is nobody else's until it is given back or filled.
pub(crate) struct Reserved {
    cell: u16,
    epoch: u64,
}

pub(crate) fn reserve() -> Result<Reserved> {
    note_forks();
    for (index, cell) in TABLE.iter().enumerate() {
        if cell.state.load(Relaxed) == FREE
            && cell.state.compare_exchange(FREE, USED, AcqRel, Relaxed).is_ok()
        {
            cell.forks.store(FORKS.load(Relaxed), Relaxed);
            // Even: no handle. The pool's will be the next, odd one.
            return Ok(Reserved { cell: index as u16, epoch: cell.epoch.load(Relaxed) + 1 });
        }
    }
    Err(Error::new(Status::POOL_ERR_FULL, "4096 pools are alive, freed ones with futures included"))
}

impl Reserved {
    pub(crate) fn cell(&self) -> u16 {
        self.cell
    }

    /// Where the generations of this pool's futures begin, so that they are not those of the last.
    pub(crate) fn first_generation(&self) -> u32 {
        // Multiples of an odd number wander over all generations. (Knuth, TAOCP 3, 6.4.)
        (self.epoch as u32).wrapping_mul(0x9e37_79b1) >> 8
    }

    /// Puts the pool in, and makes its handle.
    pub(crate) fn fill(self, pool: Box<Pool>) -> PoolTicket {
        let cell = &TABLE[usize::from(self.cell)];
        cell.owed.store(0, Relaxed);
        cell.pool.store(Box::into_raw(pool), Release);
        cell.epoch.store(self.epoch & EPOCH_MASK, Release);
        LIVE.fetch_add(1, Relaxed);
        let ticket = raw(Kind::Pool, self.cell, self.epoch & EPOCH_MASK);
        std::mem::forget(self);
        PoolTicket(ticket)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        TABLE[usize::from(self.cell)].state.store(FREE, Release);
    }
}

/// Counts slots of a freed pool: those still held when its books are closed (more than 0), or one
/// that was given back since (-1). The last one frees the pool. AcqRel; pairs with itself: whoever
/// frees the pool sees all that the others did to it.
pub(crate) fn settle_up(cell: u16, slots: i64) {
    let index = usize::from(cell);
    let owed = TABLE[index].owed.fetch_add(slots, AcqRel) + slots;
    // Before the books are closed it only falls, from 0.
    if owed != 0 {
        return;
    }
    let pool = TABLE[index].pool.swap(std::ptr::null_mut(), AcqRel);
    if !pool.is_null() {
        // SAFETY: it was made by `Box::into_raw`, the swap hands it to one caller only, and nobody
        // else has access any more (see the table above).
        drop(unsafe { Box::from_raw(pool) });
        TABLE[index].state.store(FREE, Release);
    }
}

pub(crate) fn count_live() -> usize {
    LIVE.load(Relaxed) as usize
}

/// Makes sure that a forked child knows that it is one.
fn note_forks() {
    static NOTED: OnceCell<()> = OnceCell::new();
    unsafe extern "C" fn in_child() {
        FORKS.fetch_add(1, Relaxed);
        LIVE.store(0, Relaxed);
    }
    NOTED.get_or_init(|| {
        // SAFETY: the handler changes two atomic numbers, and the library is never unloaded.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
}
