//! Submitting a task: take a slot from the books, fill it, post it. Nobody else has a hand in it.

use crate::sync::{Mutex, MutexGuard};
use super::executor::InlineWorkers;
use super::future::wait_for;
use super::{BufferHandle, Callback, FutureHandle, OnAccept, OnTimeout, Pool, PoolHandle, TaskCallbacks, TaskOptions, TimeLimits, buffer_free, callbacks, cancel, future_free, handles, result};
use crate::board::copy_out;
use crate::board::parent::slots::{Given, Released, SlotKey};
use crate::board::heap::Block;
use crate::board::priority::Priority;
use crate::board::record::{ARGS_MAX, BytesLocation, FarBytes, TaskCall};
use crate::{clock, sync, worker};
use crate::error::{Error, Result, Status};
use crate::sync::Deadline;
use crate::sync::Ordering::*;
use crate::state::{PoolState, SubmitPermit, backpressure, pool_flags};
use std::sync::Arc;
use crate::board::queue::Reservation;
use crate::board::ring::RingEntry;
use crate::worker::{CapacityClaim, ClaimedTask};
use crate::board::slot::GENERATION_MASK;

/// Held by somebody who submits more for something that was begun when the pool was open.
pub(super) struct PoolPermit {
    _permit: SubmitPermit,
    executor_slots: Option<&'static InlineWorkers>,
}

impl Drop for PoolPermit {
    fn drop(&mut self) {
        if let Some(executor_slots) = self.executor_slots {
            executor_slots.take_exited();
        }
    }
}

/// Submits a task whose future the caller will hold.
pub(crate) fn submit(pool: PoolHandle, spec: TaskSpec<'_>) -> Result<FutureHandle> {
    let (pool, key) = submit_to_pool(pool, &spec, true, None)?;
    Ok(FutureHandle::new(pool.cell, key))
}

/// The same for a function and its bytes. The compiler makes a way of its own of it, in which all is left
/// out that other tasks may have.
#[inline(always)]
pub(crate) fn submit_plain(pool: PoolHandle, pointer: usize, args: &[u8]) -> Result<FutureHandle> {
    let pool = pool.get()?;
    let key = pool.submit(&TaskSpec::pointer(pointer, args), true, None)?;
    Ok(FutureHandle::new(pool.cell, key))
}

/// Submits a task, and calls back when something happens to it.
pub(crate) fn submit_with_callbacks(
    pool: PoolHandle,
    spec: TaskSpec<'_>,
    calls: SubmitCallbacks,
) -> Result<FutureHandle> {
    let SubmitCallbacks { on_accept, on_timeout, on_done } = calls;
    let (tells_start, is_heralded) =
        (on_accept.is_some(), on_accept.is_some() || on_timeout.is_some());
    if is_heralded || on_done.is_some() {
        let prepared = pool.pool().and_then(Pool::prepare_callbacks);
        prepared.inspect_err(|_| give_up(&spec))?;
    }
    let mut callbacks = is_heralded.then_some((on_accept, on_timeout));
    let mut prepare = |pool: &'static Pool, key| {
        let Some((on_accept, on_timeout)) = callbacks.take() else { return };
        let future = FutureHandle::new(pool.cell, key);
        let on_timeout = on_timeout.map(|call| -> OnTimeout {
            Arc::new(move |is_soft, limit_ms| call(future, is_soft, limit_ms))
        });
        pool.state.task_callbacks.add(key, TaskCallbacks { on_accept, on_timeout });
    };
    let (pool, key) = submit_to_pool(pool, &spec, true, Some(&mut prepare))?;
    let future = FutureHandle::new(pool.cell, key);
    let told = match (is_heralded, on_done) {
        (false, None) => Ok(0),
        (false, Some(on_done)) => callbacks::on_done(future, on_done),
        (true, on_done) => {
            let state = pool.state.clone();
            let finish = move |future| {
                state.task_callbacks.remove(&state, key);
                on_done.into_iter().for_each(|on_done| on_done(future));
            };
            callbacks::on_done(future, Box::new(finish))
        }
    };
    if let Err(error) = told {
        let _ = cancel(future, false);
        future_free(future)?;
        return Err(error);
    }
    if tells_start {
        pool.expect_start(key);
    }
    Ok(future)
}

/// Submits a task whose future nobody wants.
pub(crate) fn submit_detached(pool: PoolHandle, spec: TaskSpec<'_>) -> Result<()> {
    let (pool, key) = submit_to_pool(pool, &spec, false, None)?;
    pool.detach(key.slot);
    Ok(())
}

/// Is called before anybody can claim the task.
type Prepare<'a> = &'a mut dyn FnMut(&'static Pool, SlotKey);

#[inline(never)]
fn submit_to_pool(
    pool: PoolHandle,
    spec: &TaskSpec<'_>,
    is_held: bool,
    prepare: Option<Prepare<'_>>,
) -> Result<(&'static Pool, SlotKey)> {
    let outcome = pool.get().and_then(|pool| Ok((pool, pool.submit(spec, is_held, prepare)?)));
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
    let options = SubmitOptions { submit_deadline: deadline, ..SubmitOptions::default() };
    let future = submit(pool, TaskSpec { options: Some(&options), ..spec })?;
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
        let shut = if spec.after_close { pool_flags::REFUSE_ALWAYS } else { u32::MAX };
        self.state.check_flags(shut)?;
        let limits = match spec.options {
            None => None,
            Some(options) => options.limits(&self.state)?,
        };
        let function = self.functions.index(&self.state, spec.callee)?;
        let is_chunk = matches!(spec.args, Args::Chunk(_));
        let priority = spec.options.map_or_else(Priority::default, |options| options.priority);
        let call = TaskCall { function, is_chunk, priority };
        let slots = &self.state.slots;
        let key = slots.allocate(self.region(), is_held).ok_or(Status::POOL_ERR_FULL)?;
        if let Some(options) = spec.options.and_then(|options| options.options) {
            slots.side_table.set_options(key.slot, options);
        }
        if let Some(prepare) = prepare {
            prepare(self, key);
        }
        let posted = match &self.executor_slots {
            None => self.post(call, &spec.args, key, spec.options, shut),
            Some(executor_slots) => {
                self.run_inline(executor_slots, call, &spec.args, key).map(|()| None)
            }
        };
        let claimed = match posted {
            Ok(claimed) => claimed,
            Err(error) => {
                self.cancel_with_callbacks(key);
                return Err(error);
            }
        };
        // The post is visible, and the fence made: now the gate (see `PoolState::gate`).
        let is_shut = self.state.flags.load(Relaxed) & shut != 0;
        let outcome = if is_shut { self.withdraw_if_closed(key, shut) } else { Ok(()) };
        if outcome.is_ok() {
            self.state.request_workers();
            self.time(key, limits, spec.options.and_then(|options| options.start_within_ms));
        }
        if let Some(claimed) = claimed {
            claimed.run();
        }
        match outcome {
            Ok(()) => Ok(key),
            Err(error) => Err(error),
        }
    }

    #[cold]
    fn run_inline(
        &self,
        executor_slots: &InlineWorkers,
        call: TaskCall,
        args: &Args<'_>,
        key: SlotKey,
    ) -> Result<()> {
        self.fill(call, args, key)?;
        executor_slots.run(self, key)
    }

    /// The gate was shut: the task is taken back, unless somebody has claimed it.
    #[cold]
    fn withdraw_if_closed(&self, key: SlotKey, shut: u32) -> Result<()> {
        if !self.state.withdraw(key, None) {
            return Ok(());
        }
        // It was never submitted.
        self.state.counters.cancelled.uncount();
        self.state.counters.repeated.count();
        self.cancel_with_callbacks(key);
        self.state.check_flags(shut)?;
        Err(Status::POOL_ERR_CLOSED.into())
    }

    /// After the post: whoever looks at the time has to know of the task.
    #[inline(always)]
    fn time(&self, key: SlotKey, limits: Option<TimeLimits>, start_within_ms: Option<u64>) {
        match limits {
            None => self.state.arm_limits(),
            Some(limits) => self.state.arm_limits_of(limits),
        }
        if let Some(ms) = start_within_ms {
            self.state.set_start_deadline(key, ms);
        }
    }

    /// Has it told when the task begins, or finds that it has.
    fn expect_start(&self, key: SlotKey) {
        let record = self.region().board.slot(key.slot);
        self.state.task_callbacks.expect_start(key, record.ring_position());
        if !record.word.subscribe_start(key.generation) {
            self.region().board.notify_completion();
        }
    }

    #[cold]
    fn cancel_with_callbacks(&self, key: SlotKey) {
        self.state.task_callbacks.remove(&self.state, key);
        self.cancel_allocation(key);
    }

    /// Lets the caller go on submitting while the pool is being joined or drained, which waits for it.
    pub(super) fn admit(&'static self) -> Result<PoolPermit> {
        let permit = SubmitPermit::new(&self.state);
        self.state.check_open()?;
        self.executor_slots.as_ref().inspect(|executor_slots| executor_slots.admit());
        Ok(PoolPermit { _permit: permit, executor_slots: self.executor_slots.as_ref() })
    }

    /// Fills and publishes a slot that is never put on the ring: somebody knows of it without that.
    pub(super) fn fill(&self, call: TaskCall, args: &Args<'_>, key: SlotKey) -> Result<()> {
        let (place, inline) = self.place(args, key.slot)?;
        let id = self.state.slots.tails.reserve_from_margin() + 1;
        let record = self.region().board.slot(key.slot);
        record.fill(call, place, inline, clock::now(), id);
        record.word.publish(key.generation);
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
            _ => Ok((self.copy_to_arena(args, slot)?, &[])),
        }
    }

    #[inline(never)]
    fn copy_to_arena(&self, args: &Args<'_>, slot: u32) -> Result<BytesLocation> {
        match args {
            Args::Bytes(bytes) => copy_parts(&self.state, &[bytes], slot),
            Args::Chunk(parts) => copy_parts(&self.state, parts, slot),
            Args::Buffer(buffer) => {
                let (block, len) = self.buffers.take(*buffer)?;
                Ok(location_of(&self.state, block, len, slot))
            }
        }
    }

    /// Gives a slot back whose task will not run.
    pub(super) fn cancel_allocation(&self, key: SlotKey) {
        let (Released::NotHeld | Released::Free | Released::Subscribed) =
            self.state.slots.release(key);
        self.recycle(key.slot);
    }

    /// Leaves a task that nobody holds to be swept up when it is done.
    pub(super) fn detach(&self, slot: u32) {
        if !self.state.slots.detach(self.region(), slot) {
            self.recycle(slot);
        }
    }

    /// Gives the slot of a task back that is done, and is nobody's.
    #[inline]
    pub(super) fn recycle(&self, slot: u32) {
        let cell = self.cell;
        match self.state.slots.recycle(self.region(), slot) {
            Given::Kept => {}
            // From here on `self` may be gone.
            Given::Closed => handles::adjust_pool_holders(cell, -1),
        }
    }
}

/// Fills a slot for a function that every worker runs by itself.
pub(super) fn fill_hook(
    state: &PoolState,
    call: TaskCall,
    args: &[u8],
    key: SlotKey,
) -> Result<()> {
    let (place, inline) = match args.len() {
        len @ ..=ARGS_MAX => (BytesLocation::Inline { len }, args),
        _ => (copy_parts(state, &[args], key.slot)?, &[][..]),
    };
    state.region.board.slot(key.slot).fill(call, place, inline, 0, 0);
    Ok(())
}

fn copy_parts(state: &PoolState, parts: &[&[u8]], slot: u32) -> Result<BytesLocation> {
    let len = parts.iter().map(|part| part.len()).sum();
    let block = take_block(state, len)?;
    let mut offset = state.slots.args.offset(block);
    for part in parts {
        state.region.copy_in(offset, part);
        offset += part.len();
    }
    Ok(location_of(state, block, len, slot))
}

/// Notes that the block belongs to the slot's task.
fn location_of(state: &PoolState, block: Block, len: usize, slot: u32) -> BytesLocation {
    state.slots.set_args_block(slot, Some(block));
    BytesLocation::Heap(FarBytes { place: state.slots.args.offset(block) as u64, len: len as u64 })
}

pub(super) fn take_block(state: &PoolState, len: usize) -> Result<Block> {
    state.slots.args.take(len).ok_or_else(|| {
        Error::new(Status::POOL_ERR_TOO_LARGE, "no room for the arguments on the pool's board")
    })
}

// MERGED pool.queue
// The queue: a task is put into it, or waits outside until there is a place; and all that wait in it
// can be cancelled.
//
// A task that submits to its own pool does not wait for a place: that might never come, where all
// workers wait so. It claims a task that waits, which makes a place, puts its own there, and runs the
// one that it has claimed before its submit returns.

/// Cancels every task that waits, but for those that are submitted meanwhile; answers how many. The pool
/// stays as open as it was.
pub(crate) fn cancel_pending(pool: PoolHandle) -> Result<u64> {
    let state = &pool.pool()?.state;
    let (last, mut count) = (state.slots.tails.count(), 0);
    state.for_each_waiting(|key, record| {
        if record.id() <= last {
            count += u64::from(state.withdraw(key, None));
        }
    });
    Ok(count)
}

impl Pool {
    /// Puts a task into the queue, and rings. What is answered must be run, after all that is to be done
    /// for this task. `shut`: the bits of the gate that end a wait.
    #[inline(always)]
    pub(super) fn post(
        &self,
        call: TaskCall,
        args: &Args<'_>,
        key: SlotKey,
        options: Option<&SubmitOptions>,
        shut: u32,
    ) -> Result<Option<ClaimedTask<'_>>> {
        if self.state.submit_queue.is_bounded() {
            return self.enqueue_bounded(call, args, key, options, shut);
        }
        let (place, inline) = self.place(args, key.slot)?;
        let board = &self.region().board;
        let position = board.reserve(&self.state.slots.tails).ok_or(Status::POOL_ERR_FULL)?;
        self.enqueue_at(position, call, place, inline, key).map(|()| None)
    }

    #[cold]
    fn enqueue_bounded(
        &self,
        call: TaskCall,
        args: &Args<'_>,
        key: SlotKey,
        options: Option<&SubmitOptions>,
        shut: u32,
    ) -> Result<Option<ClaimedTask<'_>>> {
        let (place, inline) = self.place(args, key.slot)?;
        let submit_deadline = options.map_or(Deadline::Never, |options| options.submit_deadline);
        let (position, claimed) = self.reserve_bounded(submit_deadline, shut)?;
        match self.enqueue_at(position, call, place, inline, key) {
            Ok(()) => Ok(claimed),
            Err(error) => {
                claimed.into_iter().for_each(ClaimedTask::run);
                Err(error)
            }
        }
    }

    /// Fills the slot and posts it at a position that was reserved.
    #[inline(always)]
    fn enqueue_at(
        &self,
        position: u64,
        call: TaskCall,
        place: BytesLocation,
        inline: &[u8],
        key: SlotKey,
    ) -> Result<()> {
        let (board, tail) = (&self.region().board, &self.state.slots.tails);
        let reservation = match call.priority {
            Priority::DEFAULT => Reservation::main(position),
            priority => self.rank(position, priority, key.slot)?,
        };
        self.region().trim_rings(tail, reservation);
        board.slot(key.slot).fill(call, place, inline, clock::now(), position + 1);
        board.enqueue(reservation, RingEntry { slot: key.slot, generation: key.generation });
        board.sleepers.notify_one();
        Ok(())
    }

    #[cold]
    fn rank(&self, position: u64, priority: Priority, slot: u32) -> Result<Reservation> {
        let reservation =
            self.region().board.reserve_priority(position, priority, &self.state.slots.tails, slot);
        reservation.ok_or_else(|| {
            // Its position was taken, and counts.
            self.state.slots.count_withdrawn();
            self.state.notify_submitters();
            Status::POOL_ERR_FULL.into()
        })
    }

    #[cold]
    fn reserve_bounded(
        &self,
        submit_deadline: Deadline,
        shut: u32,
    ) -> Result<(u64, Option<ClaimedTask<'_>>)> {
        if !worker::is_worker_of(self.region()) {
            return Ok((self.state.wait_for_capacity(submit_deadline, shut)?, None));
        }
        loop {
            self.state.check_flags(shut)?;
            if let Some(position) = self.state.reserve_bounded() {
                return Ok((position, None));
            }
            if submit_deadline.has_passed() {
                return Err(backpressure::full());
            }
            match worker::claim_next(self.region()) {
                CapacityClaim::ClaimedTask(claimed) => match self.state.reserve_bounded() {
                    Some(position) => return Ok((position, Some(claimed))),
                    // Somebody else was faster.
                    None => claimed.run(),
                },
                // What waits is on its way to the ring, or about to run elsewhere.
                CapacityClaim::NoTask => sync::yield_now(),
                CapacityClaim::TooDeep => {
                    let words = "max_pending tasks wait, and the tasks that run others while they submit are nested too deep";
                    return Err(Error::new(Status::POOL_ERR_DEADLOCK, words));
                }
            }
        }
    }
}

// MERGED pool.spec
// What is submitted: a function, its bytes, and what few tasks have beside them.

/// The function of a task.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Callee<'a> {
    Pointer(usize),
    /// By module and symbol; an empty module is the main program.
    Names(&'a str, &'a str),
}

/// A task to be submitted.
pub(crate) struct TaskSpec<'a> {
    pub(crate) callee: Callee<'a>,
    pub(crate) args: Args<'a>,
    /// It is part of something that was begun when the pool was open: only a stop keeps it out.
    pub(crate) after_close: bool,
    /// None, as a rule.
    pub(crate) options: Option<&'a SubmitOptions>,
}

/// What few tasks have.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SubmitOptions {
    pub(crate) options: Option<TaskOptions>,
    /// It is cancelled unless it starts within so many milliseconds.
    pub(crate) start_within_ms: Option<u64>,
    /// How long its submit waits for a place in a bounded queue.
    pub(crate) submit_deadline: Deadline,
    pub(crate) priority: Priority,
}

impl SubmitOptions {
    /// The limits that a task has which wants other ones than usual, if it may.
    pub(super) fn limits(&self, state: &PoolState) -> Result<Option<TimeLimits>> {
        let resolve = |options: TaskOptions| state.limits.resolve(options.soft, options.hard);
        let limits = self.options.map(resolve);
        limits.map_or(Ok(()), |limits| limits.check(&state.kind))?;
        Ok(limits)
    }
}

/// [`super::OnTimeout`], with the future.
pub(crate) type OnTimeoutOf = Arc<dyn Fn(FutureHandle, bool, i64) + Send + Sync>;

/// What is to be called about one task.
#[derive(Default)]
pub(crate) struct SubmitCallbacks {
    pub(crate) on_accept: Option<OnAccept>,
    pub(crate) on_timeout: Option<OnTimeoutOf>,
    pub(crate) on_done: Option<Callback>,
}

#[derive(Clone, Copy)]
pub(crate) enum Args<'a> {
    Bytes(&'a [u8]),
    Buffer(BufferHandle),
    /// The parts of a chunk (see [`crate::worker::chunk`]), to be laid one behind the other.
    Chunk([&'a [u8]; 2]),
}

impl<'a> TaskSpec<'a> {
    pub(crate) fn pointer(pointer: usize, args: &'a [u8]) -> TaskSpec<'a> {
        TaskSpec {
            callee: Callee::Pointer(pointer),
            args: Args::Bytes(args),
            after_close: false,
            options: None,
        }
    }
}

// MERGED pool.buffer
// Argument bytes that are written in place: blocks of the heap that the caller holds for a while.

/// The buffers that are held, by their places.
#[derive(Default)]
pub(crate) struct Buffers(Mutex<Vec<BufferEntry>>);

#[derive(Default)]
struct BufferEntry {
    generation: u32,
    held: Option<(Block, usize)>,
}

/// Takes a block of this pool's heap; answers its handle and where to write.
pub(crate) fn buffer_new(pool: PoolHandle, len: usize) -> Result<(BufferHandle, *mut u8)> {
    let pool = pool.pool()?;
    pool.state.check_open()?;
    let block = take_block(&pool.state, len)?;
    let slots = &pool.state.slots;
    let start = pool.region().memory.bytes(slots.args.offset(block), len);
    let start = start.ok_or(Status::POOL_ERR_TOO_LARGE)?;
    Ok((BufferHandle::new(pool.cell, pool.buffers.add(block, len)), start))
}

/// Gives the block back, if this is the handle of a buffer that is held.
pub(crate) fn buffer_free(buffer: BufferHandle) -> Result<()> {
    let (pool, place) = buffer.find()?;
    let (block, _) = pool.buffers.remove(place)?;
    pool.give_block(block);
    Ok(())
}

impl Pool {
    fn give_block(&self, block: Block) {
        self.state.slots.args.give(block, &self.region().memory);
    }
}

impl Buffers {
    fn add(&self, block: Block, len: usize) -> SlotKey {
        let mut places = self.lock();
        let vacant = places.iter().position(|place| place.held.is_none());
        let slot = vacant.unwrap_or_else(|| {
            places.push(BufferEntry::default());
            places.len() - 1
        });
        let place = &mut places[slot];
        place.generation = (place.generation + 1) & GENERATION_MASK;
        place.held = Some((block, len));
        SlotKey { slot: slot as u32, generation: place.generation }
    }

    /// Takes the block of a buffer of this pool over.
    pub(crate) fn take(&self, buffer: BufferHandle) -> Result<(Block, usize)> {
        let (pool, place) = buffer.find()?;
        match std::ptr::eq(&raw const pool.buffers, self) {
            true => self.remove(place),
            false => Err(Status::POOL_ERR_INVALID.into()),
        }
    }

    fn remove(&self, key: SlotKey) -> Result<(Block, usize)> {
        let mut places = self.lock();
        let place = places.get_mut(key.slot as usize);
        let place = place.filter(|place| place.generation == key.generation);
        place.and_then(|place| place.held.take()).ok_or(Status::POOL_ERR_INVALID.into())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<BufferEntry>> {
        self.0.lock()
    }
}
