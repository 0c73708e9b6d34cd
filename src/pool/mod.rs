//! Pools: made, given tasks, stopped, freed.
//!
//! The last room in which anything is decided: below it, the other side may be another process, or
//! dead. A submit takes a slot from the books, fills it, and posts it; nobody else has a hand in it.

mod buffer;
mod future;
mod registry;
mod roll;
mod stop;
mod wait;

pub(crate) use buffer::{buffer_free, buffer_new};
pub(crate) use future::{
    cancel, duration, failure, future_free, future_id, future_pool, future_state, progress, result,
};
pub(crate) use registry::{BufferTicket, FutureTicket, PoolTicket, count_live};
pub(crate) use stop::{check, close, free, join, shutdown};
pub(crate) use wait::{WaitMode, wait, wait_many};

pub(crate) use crate::watch::site::{Kind, StopMode};
pub(crate) use crate::worker::start::{Recipe, own_environment};

use crate::board::heap::Block;
use crate::board::ledger::{Ledger, Ticket};
use crate::board::record::{ARGS_MAX, Far, Place};
use crate::board::ring::Entry;
use crate::board::{Region, copy_out};
use crate::clock;
use crate::error::{Error, Result, Status};
use crate::sync::{Ordering::*, Scope};
use crate::watch::Watch;
use crate::watch::site::Site;
use crate::worker;
use buffer::Buffers;
use roll::Roll;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What a pool is made from, checked.
pub(crate) struct Config {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) workers_max: u32,
}

/// The largest number of workers of one pool.
pub(crate) const WORKERS_MAX: u32 = crate::board::layout::SEATS_MAX as u32;

pub(crate) struct Pool {
    site: Arc<Site>,
    roll: Roll,
    buffers: Buffers,
    watch: Mutex<Option<JoinHandle<()>>>,
    cell: u16,
}

/// Makes a pool.
pub(crate) fn open(config: Config) -> Result<PoolTicket> {
    if worker::boot::has_missed_main() {
        let words = "this process was started as a worker and ran into main: begin main with pool_worker_main";
        return Err(Error::new(Status::POOL_ERR_STATE, words));
    }
    clock::start();
    let reserved = registry::reserve()?;
    let scope = match config.kind {
        Kind::Threads => Scope::Private,
        Kind::Processes(_) => Scope::Shared,
    };
    let region = Region::create("carpool", config.workers_max as usize, scope)?;
    let ledger = Ledger::new(&region, registry::first_generation(&reserved))?;
    let (site, inbox) = Site::new(config.name, config.kind, config.workers_max, region, ledger)?;
    let site = Arc::new(site);
    let watch = Watch::start(site.clone(), inbox)?;
    let pool = Pool {
        site,
        roll: Roll::default(),
        buffers: Buffers::default(),
        watch: Mutex::new(Some(watch)),
        cell: reserved.cell,
    };
    Ok(registry::fill(reserved, pool))
}

/// The function of a task.
#[derive(Clone, Copy)]
pub(crate) enum Callee<'a> {
    Pointer(usize),
    /// By module and symbol; an empty module is the main program.
    Names(&'a str, &'a str),
}

/// A task to be submitted.
pub(crate) struct Spec<'a> {
    pub(crate) callee: Callee<'a>,
    pub(crate) args: Args<'a>,
}

pub(crate) enum Args<'a> {
    Bytes(&'a [u8]),
    Buffer(BufferTicket),
}

impl<'a> Spec<'a> {
    pub(crate) fn pointer(pointer: usize, args: &'a [u8]) -> Spec<'a> {
        Spec { callee: Callee::Pointer(pointer), args: Args::Bytes(args) }
    }
}

/// Submits a task whose future the caller will hold.
pub(crate) fn submit(pool: PoolTicket, spec: Spec<'_>) -> Result<FutureTicket> {
    let (pool, ticket) = submit_to(pool, spec, true)?;
    Ok(FutureTicket::new(pool.cell, ticket))
}

/// Submits a task whose future nobody wants.
pub(crate) fn submit_detached(pool: PoolTicket, spec: Spec<'_>) -> Result<()> {
    let (pool, ticket) = submit_to(pool, spec, false)?;
    pool.leave_loose(ticket.slot);
    Ok(())
}

fn submit_to(pool: PoolTicket, spec: Spec<'_>, is_held: bool) -> Result<(&'static Pool, Ticket)> {
    let outcome = pool.pool().and_then(|pool| Ok((pool, pool.submit(&spec, is_held)?)));
    if let (Err(_), Args::Buffer(buffer)) = (&outcome, spec.args) {
        // A submit takes the buffer over, also when it fails.
        let _ = buffer_free(buffer);
    }
    outcome
}

/// Submits a task, waits for it, and copies its result; `size` becomes the result's length.
pub(crate) fn run(
    pool: PoolTicket,
    spec: Spec<'_>,
    timeout_ms: i64,
    room: &mut [u8],
    size: &mut usize,
) -> Result<()> {
    let future = submit(pool, spec)?;
    let outcome = wait(future, timeout_ms).and_then(|()| {
        let (start, len) = result(future)?;
        *size = len;
        let room = room.get_mut(..len).ok_or(Status::POOL_ERR_TOO_LARGE)?;
        copy_out(start, room);
        Ok(())
    });
    future_free(future)?;
    outcome
}

impl Pool {
    fn region(&self) -> &Region {
        &self.site.region
    }

    fn submit(&self, spec: &Spec<'_>, is_held: bool) -> Result<Ticket> {
        self.site.check_gate()?;
        let function = self.roll.index(&self.site, spec.callee)?;
        let ledger = &self.site.ledger;
        let ticket = ledger.take(self.region(), is_held).ok_or(Status::POOL_ERR_FULL)?;
        match self.post(function, &spec.args, ticket) {
            Ok(()) => {}
            Err(error) => {
                self.undo(ticket);
                return Err(error);
            }
        }
        // The post is visible, and the fence made: now the gate (see `Site::gate`).
        if self.site.gate.load(Relaxed) != 0 && self.site.take_back(ticket, None) {
            self.undo(ticket);
            self.site.check_gate()?;
            return Err(Status::POOL_ERR_CLOSED.into());
        }
        self.site.call_for_workers();
        Ok(ticket)
    }

    fn post(&self, function: u32, args: &Args<'_>, ticket: Ticket) -> Result<()> {
        let (place, inline) = self.place(args, ticket.slot)?;
        let board = &self.region().board;
        let position = board.reserve(&self.site.ledger.tail).ok_or(Status::POOL_ERR_FULL)?;
        self.region().trim_ring(&self.site.ledger.tail, position);
        let id = position + 1;
        board.slot(ticket.slot).fill(function, place, inline, clock::now(), id);
        board.post(position, Entry { slot: ticket.slot, generation: ticket.generation });
        board.bell.ring();
        Ok(())
    }

    /// Where the arguments are, after they were copied there; and those that go into the slot.
    fn place<'a>(&self, args: &'a Args<'_>, slot: u32) -> Result<(Place, &'a [u8])> {
        let (block, len) = match args {
            Args::Bytes(bytes) if bytes.len() <= ARGS_MAX => {
                return Ok((Place::Slot { len: bytes.len() }, bytes));
            }
            Args::Bytes(bytes) => (self.copy_to_heap(bytes)?, bytes.len()),
            Args::Buffer(buffer) => self.buffers.take(*buffer)?,
        };
        self.site.ledger.note_block(slot, Some(block));
        let place = self.site.ledger.args.offset(block) as u64;
        Ok((Place::Heap(Far { place, len: len as u64 }), &[]))
    }

    fn copy_to_heap(&self, bytes: &[u8]) -> Result<Block> {
        let block = self.take_block(bytes.len())?;
        self.region().copy_in(self.site.ledger.args.offset(block), bytes);
        Ok(block)
    }

    fn take_block(&self, len: usize) -> Result<Block> {
        self.site.ledger.args.take(len).ok_or_else(|| {
            Error::new(Status::POOL_ERR_TOO_LARGE, "no room for the arguments on the pool's board")
        })
    }

    /// Gives a slot back whose task will not run.
    fn undo(&self, ticket: Ticket) {
        self.site.ledger.let_go(ticket);
        self.recycle(ticket.slot);
    }

    /// Leaves a task that nobody holds to be swept up when it is done.
    fn leave_loose(&self, slot: u32) {
        if !self.site.ledger.leave_loose(self.region(), slot) {
            self.recycle(slot);
        }
    }

    /// Gives the slot of a task back that is done, and is nobody's.
    fn recycle(&self, slot: u32) {
        let cell = self.cell;
        match self.site.ledger.recycle(self.region(), slot) {
            crate::board::free::Given::Kept => {}
            // From here on `self` may be gone.
            crate::board::free::Given::Closed => registry::settle_up(cell, -1),
        }
    }
}

/// What can be counted.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) workers: u32,
    pub(crate) busy: u32,
    pub(crate) pending: u64,
}

/// All zero for a handle that is not valid.
pub(crate) fn counts(pool: PoolTicket) -> Counts {
    let Ok(pool) = pool.pool() else { return Counts::default() };
    let load = pool.site.ledger.load(pool.region());
    Counts { workers: pool.site.workers.load(Relaxed), busy: load.busy, pending: load.pending }
}

/// 0 for a handle that is not valid.
pub(crate) fn state_bits(pool: PoolTicket) -> u32 {
    pool.pool().map_or(0, |pool| pool.site.gate.load(Acquire))
}

/// The CPUs that this process may use: by its affinity and its cgroup's quota.
pub(crate) fn available_cpus() -> u32 {
    std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u32)
}
