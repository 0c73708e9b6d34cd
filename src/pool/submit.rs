//! Submitting a task: allocate a slot, write the task, enqueue it, wake a worker.

use super::buffers::buffer_free;
use super::callbacks::{self, Callback};
use super::executor::{Executor, InlineWorkers};
use super::future::{self, CancelMode, cancel, future_free};
use super::handles::{BufferHandle, FutureHandle, PoolHandle};
use super::{Callee, LimitKind, OnAccept, Pool, TaskOptions, TimeLimits, registry};
use crate::board::heap::Block;
use crate::board::parent::free_list::Given;
use crate::board::parent::slots::{Ownership, Released, SlotKey};
use crate::board::priority::Priority;
use crate::board::queue::Reservation;
use crate::board::record::{ARGS_MAX, BytesLocation, FarBytes, TaskCall};
use crate::board::ring::RingEntry;
use crate::board::slot::CancelReason;
use crate::error::{Error, Result, Status};
use crate::state::task_callbacks::{OnTimeout, TaskCallbacks};
use crate::state::{PoolState, SubmitPermit, backpressure, pool_flags};
use crate::sync::{Deadline, Ordering::*};
use crate::worker::{CapacityClaim, ClaimedTask};
use crate::{clock, sync, worker};
use std::sync::Arc;

/// A task to be submitted.
pub(crate) struct TaskSpec<'a> {
    pub(crate) callee: Callee<'a>,
    pub(crate) args: Args<'a>,
    pub(crate) gate: Gate,
    /// None, as a rule.
    pub(crate) options: Option<&'a SubmitOptions>,
}

/// Which pools take the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    Open,
    /// Also one that was closed since: the task is part of an operation with a [`PoolPermit`]. Only
    /// a stop refuses it.
    OpenOrClosed,
}

impl Gate {
    /// The flags that refuse the task.
    fn refusing(self) -> u32 {
        match self {
            Gate::Open => pool_flags::REFUSE,
            Gate::OpenOrClosed => pool_flags::REFUSE_ALWAYS,
        }
    }
}

/// What few tasks have beside a function and arguments.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SubmitOptions {
    pub(crate) options: Option<TaskOptions>,
    /// The task is cancelled unless it starts within this time, in milliseconds.
    pub(crate) start_within_ms: Option<u64>,
    /// How long the submit waits for capacity in a bounded queue.
    pub(crate) submit_deadline: Deadline,
    pub(crate) priority: Priority,
}

impl SubmitOptions {
    /// The limits of a task that has other ones than the pool's, checked.
    pub(super) fn limits(&self, state: &PoolState) -> Result<Option<TimeLimits>> {
        let resolve = |options: TaskOptions| state.limits.resolve(options.soft, options.hard);
        let limits = self.options.map(resolve);
        limits.map_or(Ok(()), |limits| limits.check(&state.config.kind))?;
        Ok(limits)
    }
}

/// Called with the future, the kind of the limit, and the limit in milliseconds.
pub(crate) type OnTimeoutOf = Arc<dyn Fn(FutureHandle, LimitKind, i64) + Send + Sync>;

/// The callbacks of one task.
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
            gate: Gate::Open,
            options: None,
        }
    }
}

/// Allows an operation that was begun while the pool was open to submit more.
pub(super) struct PoolPermit {
    _permit: SubmitPermit,
    inline: Option<&'static InlineWorkers>,
}

impl Drop for PoolPermit {
    fn drop(&mut self) {
        if let Some(inline) = self.inline {
            inline.remove_permit();
        }
    }
}

/// Submits a task whose future the caller holds.
pub(crate) fn submit(pool: PoolHandle, spec: TaskSpec<'_>) -> Result<FutureHandle> {
    let (pool, key) = submit_to_pool(pool, &spec, Ownership::Held, None)?;
    Ok(FutureHandle::new(pool.index, key))
}

/// Submits a task whose future never reaches a caller: this library waits for it and frees it.
pub(super) fn submit_internal(pool: PoolHandle, spec: TaskSpec<'_>) -> Result<FutureHandle> {
    let (pool, key) = submit_to_pool(pool, &spec, Ownership::Internal, None)?;
    Ok(FutureHandle::new(pool.index, key))
}

/// [`submit`] of a function and its bytes. Inlined, so that the compiler leaves out all that only
/// other tasks need.
#[inline(always)]
pub(crate) fn submit_plain(pool: PoolHandle, pointer: usize, args: &[u8]) -> Result<FutureHandle> {
    let pool = pool.get()?;
    let key = pool.submit(&TaskSpec::pointer(pointer, args), Ownership::Held, None)?;
    Ok(FutureHandle::new(pool.index, key))
}

/// The items of a [`submit_many`], one behind the other.
#[derive(Clone, Copy)]
pub(crate) struct TaskItems<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) item_size: usize,
    pub(crate) n: usize,
}

/// Submits a task for each item; counts them in `submitted`. Without `futures`, no caller holds
/// their futures.
pub(crate) fn submit_many(
    pool: PoolHandle,
    pointer: usize,
    items: TaskItems<'_>,
    mut futures: Option<&mut [FutureHandle]>,
    submitted: &mut usize,
) -> Result<()> {
    let pool = pool.get()?;
    for index in 0..items.n {
        let args = &items.bytes[index * items.item_size..][..items.item_size];
        let spec = TaskSpec::pointer(pointer, args);
        match &mut futures {
            Some(futures) => {
                let key = pool.submit(&spec, Ownership::Held, None)?;
                futures[index] = FutureHandle::new(pool.index, key);
            }
            None => {
                let key = pool.submit(&spec, Ownership::Detached, None)?;
                pool.detach(key.slot);
            }
        }
        *submitted += 1;
    }
    Ok(())
}

/// Submits a task with callbacks.
pub(crate) fn submit_with_callbacks(
    pool: PoolHandle,
    spec: TaskSpec<'_>,
    calls: SubmitCallbacks,
) -> Result<FutureHandle> {
    let SubmitCallbacks { on_accept, on_timeout, on_done } = calls;
    let has_accept = on_accept.is_some();
    let has_task_callbacks = has_accept || on_timeout.is_some();
    if has_task_callbacks || on_done.is_some() {
        let prepared = pool.pool().and_then(Pool::prepare_callbacks);
        prepared.inspect_err(|_| free_args(&spec))?;
    }
    let mut callbacks = has_task_callbacks.then_some((on_accept, on_timeout));
    let mut prepare = |pool: &'static Pool, key| {
        let Some((on_accept, on_timeout)) = callbacks.take() else { return };
        let future = FutureHandle::new(pool.index, key);
        let on_timeout = on_timeout.map(|call| -> OnTimeout {
            Arc::new(move |kind, limit_ms| call(future, kind, limit_ms))
        });
        pool.state.task_callbacks.add(key, TaskCallbacks { on_accept, on_timeout });
    };
    let (pool, key) = submit_to_pool(pool, &spec, Ownership::Held, Some(&mut prepare))?;
    let future = FutureHandle::new(pool.index, key);
    let subscribed = match (has_task_callbacks, on_done) {
        (false, None) => Ok(0),
        (false, Some(on_done)) => callbacks::on_done(future, on_done),
        (true, on_done) => {
            let state = pool.state.clone();
            let finish = move |future| {
                state.task_callbacks.remove(&state.region, &state.worker_table, key);
                on_done.into_iter().for_each(|on_done| on_done(future));
            };
            callbacks::on_done(future, Box::new(finish))
        }
    };
    if let Err(error) = subscribed {
        let _ = cancel(future, CancelMode::Queued);
        future_free(future)?;
        return Err(error);
    }
    if has_accept {
        pool.expect_start(key);
    }
    Ok(future)
}

/// Submits a task without a future.
pub(crate) fn submit_detached(pool: PoolHandle, spec: TaskSpec<'_>) -> Result<()> {
    let (pool, key) = submit_to_pool(pool, &spec, Ownership::Detached, None)?;
    pool.detach(key.slot);
    Ok(())
}

/// Called before a worker can claim the task.
type Prepare<'a> = &'a mut dyn FnMut(&'static Pool, SlotKey);

#[inline(never)]
fn submit_to_pool(
    pool: PoolHandle,
    spec: &TaskSpec<'_>,
    ownership: Ownership,
    prepare: Option<Prepare<'_>>,
) -> Result<(&'static Pool, SlotKey)> {
    let submitted = pool.get().and_then(|pool| Ok((pool, pool.submit(spec, ownership, prepare)?)));
    submitted.inspect_err(|_| free_args(spec))
}

/// A submit takes ownership of the buffer, also if it fails.
fn free_args(spec: &TaskSpec<'_>) {
    if let Args::Buffer(buffer) = spec.args {
        let _ = buffer_free(buffer);
    }
}

/// Submits a task, waits for it, and copies its result; sets `size` to the length of the result.
pub(crate) fn run(
    pool: PoolHandle,
    spec: TaskSpec<'_>,
    timeout_ms: i64,
    buffer: &mut [u8],
    size: &mut usize,
) -> Result<()> {
    let deadline = Deadline::from_ms(timeout_ms);
    let options = SubmitOptions { submit_deadline: deadline, ..SubmitOptions::default() };
    let future = submit_internal(pool, TaskSpec { options: Some(&options), ..spec })?;
    let outcome = future::wait_for(future, deadline).and_then(|()| {
        let result = future::result(future)?;
        *size = result.len();
        let buffer = buffer.get_mut(..result.len()).ok_or(Status::POOL_ERR_TOO_LARGE)?;
        result.copy_to(buffer);
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
        ownership: Ownership,
        prepare: Option<Prepare<'_>>,
    ) -> Result<SlotKey> {
        let refusing = spec.gate.refusing();
        self.state.check_flags(refusing)?;
        let limits = match spec.options {
            None => None,
            Some(options) => options.limits(&self.state)?,
        };
        let function = self.functions.intern(&self.state, spec.callee)?;
        let is_chunk = matches!(spec.args, Args::Chunk(_));
        let priority = spec.options.map_or_else(Priority::default, |options| options.priority);
        let call = TaskCall { function, is_chunk, priority };
        let slots = &self.state.slots;
        let key = slots.allocate(self.region(), ownership).ok_or(Status::POOL_ERR_FULL)?;
        if let Some(options) = spec.options.and_then(|options| options.options) {
            slots.side_table.set_options(key.slot, options);
        }
        if let Some(prepare) = prepare {
            prepare(self, key);
        }
        let enqueued = match &self.executor {
            Executor::Supervised(_) => self.enqueue(call, &spec.args, key, spec.options, refusing),
            Executor::Inline(workers) => {
                self.run_inline(workers, call, &spec.args, key).map(|()| None)
            }
            Executor::Promises => Err(Status::POOL_ERR_UNSUPPORTED.into()),
        };
        let claimed = match enqueued {
            Ok(claimed) => claimed,
            Err(error) => {
                self.cancel_with_callbacks(key);
                return Err(error);
            }
        };
        // After the fence of `notify_one`: see `PoolState::flags`.
        let is_refused = self.state.flags.load(Relaxed) & refusing != 0;
        let outcome = if is_refused { self.withdraw_refused(key, refusing) } else { Ok(()) };
        if outcome.is_ok() {
            self.state.request_workers();
            self.arm_timers(key, limits, spec.options.and_then(|options| options.start_within_ms));
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
        workers: &InlineWorkers,
        call: TaskCall,
        args: &Args<'_>,
        key: SlotKey,
    ) -> Result<()> {
        let (location, inline) = self.write_args(args, key.slot)?;
        self.publish(call, location, inline, key);
        workers.run(self, key)
    }

    /// The pool was closed meanwhile: withdraws the task, unless a worker has claimed it.
    #[cold]
    fn withdraw_refused(&self, key: SlotKey, refusing: u32) -> Result<()> {
        if !self.state.withdraw(key, CancelReason::Requested) {
            return Ok(());
        }
        // It was never submitted.
        self.state.counters.cancelled.undo();
        self.state.counters.repeated.add();
        self.cancel_with_callbacks(key);
        // A join or a drain may have waited for this entry, or for those behind it.
        self.state.wake();
        self.state.check_flags(refusing)?;
        Err(Status::POOL_ERR_CLOSED.into())
    }

    /// After the task was enqueued: the supervisor must find it when a timer fires.
    #[inline(always)]
    fn arm_timers(&self, key: SlotKey, limits: Option<TimeLimits>, start_within_ms: Option<u64>) {
        match limits {
            None => self.state.arm_limits(),
            Some(limits) => self.state.arm_limits_of(limits),
        }
        if let Some(ms) = start_within_ms {
            self.state.set_start_deadline(key, ms);
        }
    }

    /// Subscribes to the start of the task, or finds that it has started.
    fn expect_start(&self, key: SlotKey) {
        let record = self.region().board.slot(key.slot);
        self.state.task_callbacks.expect_start(key, record.ring_position());
        if !record.word.subscribe_start(key.generation) {
            self.region().board.notify_completion();
        }
    }

    #[cold]
    fn cancel_with_callbacks(&self, key: SlotKey) {
        let state = &self.state;
        state.task_callbacks.remove(&state.region, &state.worker_table, key);
        self.cancel_allocation(key);
    }

    /// Permits the caller to submit more while the pool is joined or drained, which waits for it.
    pub(super) fn permit(&'static self) -> Result<PoolPermit> {
        let permit = SubmitPermit::new(&self.state);
        self.state.check_open()?;
        let inline = self.executor.inline();
        inline.inspect(|workers| workers.add_permit());
        Ok(PoolPermit { _permit: permit, inline })
    }

    /// Writes and publishes a task that is never enqueued: the caller runs or completes it.
    pub(super) fn publish(
        &self,
        call: TaskCall,
        location: BytesLocation,
        inline: &[u8],
        key: SlotKey,
    ) {
        let id = self.state.slots.tails.main().reserve_from_margin() + 1;
        let record = self.region().board.slot(key.slot);
        record.fill(call, location, inline, clock::now(), id);
        record.word.publish(key.generation);
    }

    /// Copies the arguments to the arena, unless they fit into the slot. Returns where they are,
    /// and the bytes for the slot.
    #[inline(always)]
    fn write_args<'a>(&self, args: &Args<'a>, slot: u32) -> Result<(BytesLocation, &'a [u8])> {
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
                let (block, len) = buffer.take_for(self)?;
                Ok(set_args_block(&self.state, block, len, slot))
            }
        }
    }

    /// Recycles a slot whose task will not run.
    pub(super) fn cancel_allocation(&self, key: SlotKey) {
        let (Released::NotHeld | Released::Free | Released::Subscribed) =
            self.state.slots.entries.release(key);
        self.recycle(key.slot);
    }

    /// Leaves a task without a future to be reclaimed when it is done.
    pub(super) fn detach(&self, slot: u32) {
        if !self.state.slots.detach(self.region(), slot) {
            self.recycle(slot);
        }
    }

    /// Recycles the slot of a task that is done and has no future any more.
    #[inline]
    pub(super) fn recycle(&self, slot: u32) {
        let index = self.index;
        match self.state.slots.recycle(self.region(), slot) {
            Given::Kept => {}
            // From here on `self` may have been freed.
            Given::Closed => registry::adjust_pool_holders(index, -1),
        }
    }
}

/// Writes a function that every worker runs by itself.
pub(super) fn fill_hook(
    state: &PoolState,
    call: TaskCall,
    args: &[u8],
    key: SlotKey,
) -> Result<()> {
    let (location, inline) = match args.len() {
        len @ ..=ARGS_MAX => (BytesLocation::Inline { len }, args),
        _ => (copy_parts(state, &[args], key.slot)?, &[][..]),
    };
    state.region.board.slot(key.slot).fill(call, location, inline, 0, 0);
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
    Ok(set_args_block(state, block, len, slot))
}

/// The block belongs to the slot's task from now on.
fn set_args_block(state: &PoolState, block: Block, len: usize, slot: u32) -> BytesLocation {
    state.slots.set_args_block(slot, Some(block));
    BytesLocation::Heap(FarBytes {
        location: state.slots.args.offset(block) as u64,
        len: len as u64,
    })
}

pub(super) fn take_block(state: &PoolState, len: usize) -> Result<Block> {
    state.slots.args.take(len).ok_or_else(|| {
        Error::new(Status::POOL_ERR_TOO_LARGE, "no room for the arguments in the pool's memory")
    })
}

// ---- the queue --------------------------------------------------------------------------------------
//
// A task that submits to its own pool does not wait for capacity: there might never be any, if all
// workers waited so. Instead it claims a queued task, which makes room, enqueues its own, and runs
// the claimed task before its submit returns.

/// Cancels every queued task, except those that are submitted meanwhile; returns how many.
pub(crate) fn cancel_pending(pool: PoolHandle) -> Result<u64> {
    let state = &pool.pool()?.state;
    let (last, mut count) = (state.slots.tails.main().count(), 0);
    state.for_each_waiting(|key, record| {
        if record.id() <= last {
            count += u64::from(state.withdraw(key, CancelReason::Requested));
        }
    });
    Ok(count)
}

impl Pool {
    /// Enqueues a task, and wakes a worker. A returned task must be run when nothing else is left
    /// to do for this one. `refusing`: the flags that end a wait for capacity.
    #[inline(always)]
    fn enqueue(
        &self,
        call: TaskCall,
        args: &Args<'_>,
        key: SlotKey,
        options: Option<&SubmitOptions>,
        refusing: u32,
    ) -> Result<Option<ClaimedTask<'_>>> {
        if self.state.submit_queue.is_bounded() {
            return self.enqueue_bounded(call, args, key, options, refusing);
        }
        let (location, inline) = self.write_args(args, key.slot)?;
        let board = &self.region().board;
        let position = board.reserve(self.state.slots.tails.main()).ok_or(Status::POOL_ERR_FULL)?;
        self.enqueue_at(position, call, location, inline, key).map(|()| None)
    }

    #[cold]
    fn enqueue_bounded(
        &self,
        call: TaskCall,
        args: &Args<'_>,
        key: SlotKey,
        options: Option<&SubmitOptions>,
        refusing: u32,
    ) -> Result<Option<ClaimedTask<'_>>> {
        let (location, inline) = self.write_args(args, key.slot)?;
        let submit_deadline = options.map_or(Deadline::Never, |options| options.submit_deadline);
        let (position, claimed) = self.reserve_bounded(submit_deadline, refusing)?;
        match self.enqueue_at(position, call, location, inline, key) {
            Ok(()) => Ok(claimed),
            Err(error) => {
                claimed.into_iter().for_each(ClaimedTask::run);
                Err(error)
            }
        }
    }

    /// Writes the task, and enqueues it at a reserved position.
    #[inline(always)]
    fn enqueue_at(
        &self,
        position: u64,
        call: TaskCall,
        location: BytesLocation,
        inline: &[u8],
        key: SlotKey,
    ) -> Result<()> {
        let (board, tails) = (&self.region().board, &self.state.slots.tails);
        let reservation = match call.priority {
            Priority::DEFAULT => Reservation::main(position),
            priority => self.reserve_priority(position, priority, key.slot)?,
        };
        self.region().trim_rings(tails, reservation);
        board.slot(key.slot).fill(call, location, inline, clock::now(), position + 1);
        board.enqueue(reservation, RingEntry { slot: key.slot, generation: key.generation });
        board.sleepers.notify_one();
        Ok(())
    }

    #[cold]
    fn reserve_priority(
        &self,
        position: u64,
        priority: Priority,
        slot: u32,
    ) -> Result<Reservation> {
        let (board, tails) = (&self.region().board, &self.state.slots.tails);
        board.reserve_priority(position, priority, tails, slot).ok_or_else(|| {
            // Its position was reserved, and counts.
            self.state.slots.count_withdrawn();
            self.state.notify_submitters();
            Status::POOL_ERR_FULL.into()
        })
    }

    #[cold]
    fn reserve_bounded(
        &self,
        submit_deadline: Deadline,
        refusing: u32,
    ) -> Result<(u64, Option<ClaimedTask<'_>>)> {
        if !worker::is_worker_of(self.region()) {
            return Ok((self.state.wait_for_capacity(submit_deadline, refusing)?, None));
        }
        loop {
            self.state.check_flags(refusing)?;
            if let Some(position) = self.state.reserve_bounded() {
                return Ok((position, None));
            }
            if submit_deadline.has_passed() {
                return Err(backpressure::full());
            }
            match worker::claim_next(self.region()) {
                CapacityClaim::ClaimedTask(claimed) => match self.state.reserve_bounded() {
                    Some(position) => return Ok((position, Some(claimed))),
                    // Another submitter was faster.
                    None => claimed.run(),
                },
                // The queued tasks are about to be written to the ring, or to run elsewhere.
                CapacityClaim::NoTask => sync::yield_now(),
                CapacityClaim::TooDeep => {
                    let words = "max_pending tasks wait, and the tasks that run others while they submit are nested too deep";
                    return Err(Error::new(Status::POOL_ERR_DEADLOCK, words));
                }
            }
        }
    }
}
