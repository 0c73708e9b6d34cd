//! Submitting a task: take a slot from the books, fill it, post it. Nobody else has a hand in it.

use super::inline::InlineWorkers;
use super::spec::{Args, SubmitCallbacks, SubmitOptions, TaskSpec};
use super::wait::wait_for;
use super::{FutureHandle, Pool, PoolHandle, buffer_free};
use super::{OnTimeout, TaskCallbacks, TimeLimits, cancel, future_free, notice, registry, result};
use crate::board::copy_out;
use crate::board::free::Given;
use crate::board::heap::Block;
use crate::board::ledger::{Released, SlotKey};
use crate::board::priority::Priority;
use crate::board::record::{ARGS_MAX, BytesLocation, FarBytes, TaskCall};
use crate::clock;
use crate::error::{Error, Result, Status};
use crate::sync::{Deadline, Ordering::*};
use crate::watch::site::{PoolState, SubmitPermit, gate};
use std::sync::Arc;

/// Held by somebody who submits more for something that was begun when the pool was open.
pub(super) struct PoolPermit {
    _insider: SubmitPermit,
    desks: Option<&'static InlineWorkers>,
}

impl Drop for PoolPermit {
    fn drop(&mut self) {
        if let Some(desks) = self.desks {
            desks.dismiss();
        }
    }
}

/// Submits a task whose future the caller will hold.
pub(crate) fn submit(pool: PoolHandle, spec: TaskSpec<'_>) -> Result<FutureHandle> {
    let (pool, ticket) = submit_to(pool, &spec, true, None)?;
    Ok(FutureHandle::new(pool.cell, ticket))
}

/// The same for a function and its bytes. The compiler makes a way of its own of it, in which all is left
/// out that other tasks may have.
#[inline(always)]
pub(crate) fn submit_plain(pool: PoolHandle, pointer: usize, args: &[u8]) -> Result<FutureHandle> {
    let pool = pool.pool_at_once()?;
    let ticket = pool.submit(&TaskSpec::pointer(pointer, args), true, None)?;
    Ok(FutureHandle::new(pool.cell, ticket))
}

/// Submits a task, and calls back when something happens to it.
pub(crate) fn submit_and_tell(
    pool: PoolHandle,
    spec: TaskSpec<'_>,
    calls: SubmitCallbacks,
) -> Result<FutureHandle> {
    let SubmitCallbacks { on_accept, on_timeout, on_done } = calls;
    let (tells_start, is_heralded) =
        (on_accept.is_some(), on_accept.is_some() || on_timeout.is_some());
    if is_heralded || on_done.is_some() {
        let prepared = pool.pool().and_then(Pool::prepare_to_tell);
        prepared.inspect_err(|_| give_up(&spec))?;
    }
    let mut herald = is_heralded.then_some((on_accept, on_timeout));
    let mut prepare = |pool: &'static Pool, ticket| {
        let Some((on_accept, on_timeout)) = herald.take() else { return };
        let future = FutureHandle::new(pool.cell, ticket);
        let on_timeout = on_timeout.map(|call| -> OnTimeout {
            Arc::new(move |is_soft, limit_ms| call(future, is_soft, limit_ms))
        });
        pool.site.heralds.add(ticket, TaskCallbacks { on_accept, on_timeout });
    };
    let (pool, ticket) = submit_to(pool, &spec, true, Some(&mut prepare))?;
    let future = FutureHandle::new(pool.cell, ticket);
    let told = match (is_heralded, on_done) {
        (false, None) => Ok(0),
        (false, Some(on_done)) => notice::on_done(future, on_done),
        (true, on_done) => {
            let site = pool.site.clone();
            let finish = move |future| {
                site.heralds.remove(&site, ticket);
                on_done.into_iter().for_each(|on_done| on_done(future));
            };
            notice::on_done(future, Box::new(finish))
        }
    };
    if let Err(error) = told {
        let _ = cancel(future, false);
        future_free(future)?;
        return Err(error);
    }
    if tells_start {
        pool.await_start(ticket);
    }
    Ok(future)
}

/// Submits a task whose future nobody wants.
pub(crate) fn submit_detached(pool: PoolHandle, spec: TaskSpec<'_>) -> Result<()> {
    let (pool, ticket) = submit_to(pool, &spec, false, None)?;
    pool.detach(ticket.slot);
    Ok(())
}

/// Is called before anybody can claim the task.
type Prepare<'a> = &'a mut dyn FnMut(&'static Pool, SlotKey);

#[inline(never)]
fn submit_to(
    pool: PoolHandle,
    spec: &TaskSpec<'_>,
    is_held: bool,
    prepare: Option<Prepare<'_>>,
) -> Result<(&'static Pool, SlotKey)> {
    let outcome =
        pool.pool_at_once().and_then(|pool| Ok((pool, pool.submit(spec, is_held, prepare)?)));
    outcome.inspect_err(|_| give_up(spec))
}

/// A submit takes the buffer over, also when it fails.
fn give_up(spec: &TaskSpec<'_>) {
    if let Args::Buffer(buffer) = spec.args {
        let _ = buffer_free(buffer);
    }
}

/// Submits a task, waits for it, and copies its result; `size` becomes the result's length.
pub(crate) fn run(
    pool: PoolHandle,
    spec: TaskSpec<'_>,
    timeout_ms: i64,
    room: &mut [u8],
    size: &mut usize,
) -> Result<()> {
    let deadline = Deadline::from_ms(timeout_ms);
    let extras = SubmitOptions { patience: deadline, ..SubmitOptions::default() };
    let future = submit(pool, TaskSpec { extras: Some(&extras), ..spec })?;
    let outcome = wait_for(future, deadline).and_then(|()| {
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
    #[inline(always)]
    fn submit(
        &'static self,
        spec: &TaskSpec<'_>,
        is_held: bool,
        prepare: Option<Prepare<'_>>,
    ) -> Result<SlotKey> {
        let shut = if spec.is_inside { gate::FOR_INSIDERS } else { u32::MAX };
        self.site.check_gate_for(shut)?;
        let limits = match spec.extras {
            None => None,
            Some(extras) => extras.limits(&self.site)?,
        };
        let function = self.roll.index(&self.site, spec.callee)?;
        let is_chunk = matches!(spec.args, Args::Chunk(_));
        let priority = spec.extras.map_or_else(Priority::default, |extras| extras.priority);
        let call = TaskCall { function, is_chunk, priority };
        let slots = &self.site.slots;
        let ticket = slots.allocate(self.region(), is_held).ok_or(Status::POOL_ERR_FULL)?;
        if let Some(options) = spec.extras.and_then(|extras| extras.options) {
            slots.side_table.set_options(ticket.slot, options);
        }
        if let Some(prepare) = prepare {
            prepare(self, ticket);
        }
        let posted = match &self.desks {
            None => self.post(call, &spec.args, ticket, spec.extras, shut),
            Some(desks) => self.run_inline(desks, call, &spec.args, ticket).map(|()| None),
        };
        let claimed = match posted {
            Ok(claimed) => claimed,
            Err(error) => {
                self.undo_heralded(ticket);
                return Err(error);
            }
        };
        // The post is visible, and the fence made: now the gate (see `PoolState::gate`).
        let is_shut = self.site.gate.load(Relaxed) & shut != 0;
        let outcome = if is_shut { self.look_back(ticket, shut) } else { Ok(()) };
        if outcome.is_ok() {
            self.site.call_for_workers();
            self.time(ticket, limits, spec.extras.and_then(|extras| extras.start_within_ms));
        }
        if let Some(claimed) = claimed {
            claimed.run();
        }
        match outcome {
            Ok(()) => Ok(ticket),
            Err(error) => Err(error),
        }
    }

    #[cold]
    fn run_inline(
        &self,
        desks: &InlineWorkers,
        call: TaskCall,
        args: &Args<'_>,
        ticket: SlotKey,
    ) -> Result<()> {
        self.fill(call, args, ticket)?;
        desks.run(self, ticket)
    }

    /// The gate was shut: the task is taken back, unless somebody has claimed it.
    #[cold]
    fn look_back(&self, ticket: SlotKey, shut: u32) -> Result<()> {
        if !self.site.take_back(ticket, None) {
            return Ok(());
        }
        // It was never submitted.
        self.site.totals.cancelled.uncount();
        self.site.totals.repeated.count();
        self.undo_heralded(ticket);
        self.site.check_gate_for(shut)?;
        Err(Status::POOL_ERR_CLOSED.into())
    }

    /// After the post: whoever looks at the time has to know of the task.
    #[inline(always)]
    fn time(&self, ticket: SlotKey, limits: Option<TimeLimits>, start_within_ms: Option<u64>) {
        match limits {
            None => self.site.time_task(),
            Some(limits) => self.site.time_task_by(limits),
        }
        if let Some(ms) = start_within_ms {
            self.site.start_within(ticket, ms);
        }
    }

    /// Has it told when the task begins, or finds that it has.
    fn await_start(&self, ticket: SlotKey) {
        let record = self.region().board.slot(ticket.slot);
        self.site.heralds.await_start(ticket, record.ring_position());
        if !record.word.subscribe_start(ticket.generation) {
            self.region().board.notify_completion();
        }
    }

    #[cold]
    fn undo_heralded(&self, ticket: SlotKey) {
        self.site.heralds.remove(&self.site, ticket);
        self.undo(ticket);
    }

    /// Lets the caller go on submitting while the pool is being joined or drained, which waits for it.
    pub(super) fn admit(&'static self) -> Result<PoolPermit> {
        let insider = SubmitPermit::new(&self.site);
        self.site.check_gate()?;
        self.desks.as_ref().inspect(|desks| desks.admit());
        Ok(PoolPermit { _insider: insider, desks: self.desks.as_ref() })
    }

    /// Fills and publishes a slot that is never put on the ring: somebody knows of it without that.
    pub(super) fn fill(&self, call: TaskCall, args: &Args<'_>, ticket: SlotKey) -> Result<()> {
        let (place, inline) = self.place(args, ticket.slot)?;
        let id = self.site.slots.tails.reserve_from_margin() + 1;
        let record = self.region().board.slot(ticket.slot);
        record.fill(call, place, inline, clock::now(), id);
        record.word.publish(ticket.generation);
        Ok(())
    }

    /// Where the arguments are, after they were copied there; and those that go into the slot.
    #[inline(always)]
    pub(super) fn place<'a>(
        &self,
        args: &Args<'a>,
        slot: u32,
    ) -> Result<(BytesLocation, &'a [u8])> {
        match args {
            Args::Bytes(bytes) if bytes.len() <= ARGS_MAX => {
                Ok((BytesLocation::Inline { len: bytes.len() }, bytes))
            }
            _ => Ok((self.place_on_heap(args, slot)?, &[])),
        }
    }

    #[inline(never)]
    fn place_on_heap(&self, args: &Args<'_>, slot: u32) -> Result<BytesLocation> {
        match args {
            Args::Bytes(bytes) => copy_to_heap(&self.site, &[bytes], slot),
            Args::Chunk(parts) => copy_to_heap(&self.site, parts, slot),
            Args::Buffer(buffer) => {
                let (block, len) = self.buffers.take(*buffer)?;
                Ok(place_of(&self.site, block, len, slot))
            }
        }
    }

    /// Gives a slot back whose task will not run.
    pub(super) fn undo(&self, ticket: SlotKey) {
        let (Released::NotHeld | Released::Free | Released::Subscribed) =
            self.site.slots.release(ticket);
        self.recycle(ticket.slot);
    }

    /// Leaves a task that nobody holds to be swept up when it is done.
    pub(super) fn detach(&self, slot: u32) {
        if !self.site.slots.detach(self.region(), slot) {
            self.recycle(slot);
        }
    }

    /// Gives the slot of a task back that is done, and is nobody's.
    #[inline]
    pub(super) fn recycle(&self, slot: u32) {
        let cell = self.cell;
        match self.site.slots.recycle(self.region(), slot) {
            Given::Kept => {}
            // From here on `self` may be gone.
            Given::Closed => registry::settle_up(cell, -1),
        }
    }
}

/// Fills a slot for a function that every worker runs by itself.
pub(super) fn fill_hook(
    site: &PoolState,
    call: TaskCall,
    args: &[u8],
    ticket: SlotKey,
) -> Result<()> {
    let (place, inline) = match args.len() {
        len @ ..=ARGS_MAX => (BytesLocation::Inline { len }, args),
        _ => (copy_to_heap(site, &[args], ticket.slot)?, &[][..]),
    };
    site.region.board.slot(ticket.slot).fill(call, place, inline, 0, 0);
    Ok(())
}

fn copy_to_heap(site: &PoolState, parts: &[&[u8]], slot: u32) -> Result<BytesLocation> {
    let len = parts.iter().map(|part| part.len()).sum();
    let block = take_block(site, len)?;
    let mut offset = site.slots.args.offset(block);
    for part in parts {
        site.region.copy_in(offset, part);
        offset += part.len();
    }
    Ok(place_of(site, block, len, slot))
}

/// Notes that the block belongs to the slot's task.
fn place_of(site: &PoolState, block: Block, len: usize, slot: u32) -> BytesLocation {
    site.slots.set_args_block(slot, Some(block));
    BytesLocation::Heap(FarBytes { place: site.slots.args.offset(block) as u64, len: len as u64 })
}

pub(super) fn take_block(site: &PoolState, len: usize) -> Result<Block> {
    site.slots.args.take(len).ok_or_else(|| {
        Error::new(Status::POOL_ERR_TOO_LARGE, "no room for the arguments on the pool's board")
    })
}
