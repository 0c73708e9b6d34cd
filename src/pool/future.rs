//! Futures: the state and the result of a task, cancelling it, and waiting for it.

use super::handles::{FutureHandle, PoolHandle};
use super::{Pool, PoolKind, promise};
use crate::board::failure_bytes;
use crate::board::memory::ResultBytes;
use crate::board::parent::slots::{Released, SlotKey};
use crate::board::record::{BytesLocation, Slot};
use crate::board::slot::{CancelReason, Observed, Phase, SeatIndex, Waited};
use crate::error::{Detail, Error, Result, Status};
use crate::state::commands::Command;
use crate::state::stray_writes::{self, Looks};
use crate::sync::{Deadline, Ordering::*, Sleeper};
use crate::worker::InlineRun;
use crate::{clock, sync, worker};

/// The state of a task. `future_state_t` has the same values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FutureState {
    Pending = 1,
    Running = 2,
    Completed = 3,
    Failed = 4,
    Cancelled = 5,
}

/// Which tasks [`cancel`] cancels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CancelMode {
    Queued,
    /// Also one that runs in a worker process, which is killed.
    Running,
}

pub(crate) fn future_state(future: FutureHandle) -> Result<FutureState> {
    let (pool, key) = future.find()?;
    state(pool, key)
}

fn state(pool: &Pool, key: SlotKey) -> Result<FutureState> {
    let mut observed = pool.region().board.slot(key.slot).word.observe();
    if pool.state.is_stray(key, observed) {
        pool.state.end_stray(key);
        observed = pool.region().board.slot(key.slot).word.observe();
    }
    Ok(match observed.phase() {
        Phase::Ready => FutureState::Pending,
        Phase::Running(_) => FutureState::Running,
        Phase::Completed(_) => FutureState::Completed,
        Phase::Failed(_) => FutureState::Failed,
        Phase::Cancelled | Phase::Killed => FutureState::Cancelled,
        // The slot is in use: a worker has written over its word again.
        Phase::Free | Phase::Impossible => return Err(corrupted()),
    })
}

/// The result of a completed task. It stays valid until the future is freed. An error: the task's,
/// or that it is not done.
#[inline]
pub(crate) fn result(future: FutureHandle) -> Result<ResultBytes<'static>> {
    let (pool, key) = future.get()?;
    pool.result(key)
}

/// Waits until the task is done, and returns its result.
#[inline]
pub(crate) fn collect(future: FutureHandle, timeout_ms: i64) -> Result<ResultBytes<'static>> {
    let (pool, key) = future.get()?;
    if !is_done(pool, key) {
        wait_until(pool, key, Deadline::from_ms(timeout_ms))?;
    }
    pool.result(key)
}

/// Why a task that is done has failed; None: it has completed.
pub(crate) fn failure(future: FutureHandle) -> Result<Option<Error>> {
    let (pool, key) = future.find()?;
    let observed = pool.region().board.slot(key.slot).word.observe();
    match observed.phase() {
        Phase::Completed(_) => Ok(None),
        _ => pool.failure(key, observed).map(Some),
    }
}

fn corrupted() -> Error {
    stray_writes::written_over().to_error()
}

impl Pool {
    #[inline(always)]
    fn result(&'static self, key: SlotKey) -> Result<ResultBytes<'static>> {
        let record = self.region().board.slot(key.slot);
        let observed = record.word.observe();
        match (observed.completed_by(), record.inline_result()) {
            (Some(_), Some(inline)) => Ok(inline),
            (Some(seat), None) => self.external_bytes(key, record, seat),
            (None, _) => Err(self.why_no_result(key, observed)),
        }
    }

    #[cold]
    #[inline(never)] // Otherwise all that finds a failure is inlined into `result`.
    fn why_no_result(&self, key: SlotKey, observed: Observed) -> Error {
        self.failure(key, observed).unwrap_or_else(|error| error)
    }

    /// Why a task with this word has failed. An error: it has not. The word is not read again: the
    /// task may have ended since.
    fn failure(&self, key: SlotKey, observed: Observed) -> Result<Error> {
        let record = self.region().board.slot(key.slot);
        let failure = || self.state.slots.side_table.failure(key.slot).map(|it| it.to_error());
        match observed.phase() {
            Phase::Failed(seat) => {
                Ok(failure().unwrap_or_else(|| self.task_error(key, record, seat)))
            }
            Phase::Cancelled => Ok(self.why_cancelled(observed.cancellation().why)),
            Phase::Killed => Ok(failure().unwrap_or_else(|| Status::POOL_ERR_CANCELLED.into())),
            Phase::Ready | Phase::Running(_) => Err(Status::POOL_ERR_NOT_DONE.into()),
            // The slot is in use: a worker has written over its word.
            Phase::Completed(_) | Phase::Free | Phase::Impossible => Err(corrupted()),
        }
    }

    fn why_cancelled(&self, why: CancelReason) -> Error {
        match why {
            CancelReason::Requested => Status::POOL_ERR_CANCELLED.into(),
            CancelReason::Expired => {
                let words = "the task had not started by its deadline";
                Error::new(Status::POOL_ERR_EXPIRED, words)
            }
            CancelReason::Broken => self.state.end_by_break(),
        }
    }

    /// The bytes that the worker of this seat left outside the slot, or in it.
    fn external_bytes<'a>(
        &'a self,
        key: SlotKey,
        record: &'a Slot,
        seat: SeatIndex,
    ) -> Result<ResultBytes<'a>> {
        let ending = record.ending().ok_or_else(corrupted)?;
        match ending.result {
            BytesLocation::File(far) => self.state.slots.side_table.result_file(key, far.len),
            location => self.region().result_bytes(seat, record, location).ok_or_else(corrupted),
        }
    }

    /// The error that the task's function reported, or its worker because the function was not
    /// found.
    fn task_error(&self, key: SlotKey, record: &Slot, seat: SeatIndex) -> Error {
        let Some(ending) = record.ending() else { return corrupted() };
        let bytes = self.external_bytes(key, record, seat).ok();
        let message = bytes.and_then(failure_bytes::decode).map(|failure| failure.message);
        let message = message.unwrap_or_default();
        let detail = Detail {
            task_code: ending.code,
            message: String::from_utf8_lossy(&message).into_owned(),
            ..Detail::default()
        };
        match ending.status {
            status @ (Status::POOL_ERR_TASK
            | Status::POOL_ERR_FUNCTION
            | Status::POOL_ERR_NOMEM
            | Status::POOL_ERR_TOO_LARGE) => Error::with_detail(status, detail),
            // No worker writes to the board of promises.
            status if self.is_promise_pool() => Error::with_detail(status, detail),
            _ => corrupted(),
        }
    }
}

/// The bytes that a failed task has left. None: it has left none.
pub(crate) fn failure_data(future: FutureHandle) -> Result<Option<ResultBytes<'static>>> {
    let (pool, key) = future.find()?;
    let record = pool.region().board.slot(key.slot);
    let observed = record.word.observe();
    match observed.phase() {
        Phase::Completed(_) => Err(Error::new(Status::POOL_ERR_STATE, "the task has completed")),
        // The supervisor has failed it, and its worker has left nothing.
        Phase::Failed(_) if pool.state.slots.side_table.failure(key.slot).is_some() => Ok(None),
        Phase::Failed(seat) => {
            let bytes = pool.external_bytes(key, record, seat).ok();
            Ok(bytes.and_then(failure_bytes::decode).map(|failure| failure.data))
        }
        _ => pool.failure(key, observed).map(|_| None),
    }
}

/// Cancels a task that has not started: it never will. A running task can see that it was asked to
/// end, and with [`CancelMode::Running`] is killed with its worker process.
pub(crate) fn cancel(future: FutureHandle, mode: CancelMode) -> Result<()> {
    let (pool, key) = future.find()?;
    let word = &pool.region().board.slot(key.slot).word;
    word.request_cancel(key.generation);
    if pool.is_promise_pool() {
        promise::cancel_work(future);
    }
    let kills = mode == CancelMode::Running && !pool.is_promise_pool();
    let mut is_passed_on = false;
    // The task may be claimed, requeued or ended between two steps; then the next turn finds it so.
    while word.generation() == key.generation {
        if pool.state.withdraw(key, CancelReason::Requested) {
            return Ok(());
        }
        match state(pool, key)? {
            FutureState::Cancelled => return Ok(()),
            FutureState::Pending => {}
            FutureState::Running if !is_passed_on => {
                pool.state.pass_on_requests(key);
                is_passed_on = true;
            }
            FutureState::Running if kills => {
                if !matches!(pool.state.config.kind, PoolKind::Processes(_)) {
                    let words = "a thread cannot be killed; its task was asked to end";
                    return Err(Error::new(Status::POOL_ERR_UNSUPPORTED, words));
                }
                // From here on its worker takes no other task, so no other can be killed in its
                // place.
                if word.mark_for_kill(key.generation).is_some() {
                    // Without a supervisor the pool is shut down, and the task done.
                    pool.state.send(Command::KillForTask(key));
                    return Ok(());
                }
            }
            _ => return Err(Status::POOL_ERR_STATE.into()),
        }
    }
    Err(corrupted())
}

/// Why a task that could see that it was to end did so: the pool is broken, or somebody wanted that.
pub(super) fn why_ended(future: FutureHandle) -> Error {
    let is_requested = is_cancel_requested(future).unwrap_or(true);
    match future.find() {
        Ok((pool, _)) if pool.state.broken.get().is_some() && !is_requested => {
            pool.state.end_by_break()
        }
        _ => Status::POOL_ERR_CANCELLED.into(),
    }
}

/// Whether [`cancel`] was called, successfully or not.
pub(crate) fn is_cancel_requested(future: FutureHandle) -> Result<bool> {
    let (pool, key) = future.find()?;
    Ok(pool.region().board.slot(key.slot).word.is_cancel_requested())
}

/// The number of the task within its pool; 0: the future is a promise, and no task.
pub(crate) fn future_id(future: FutureHandle) -> Result<u64> {
    let (pool, key) = future.find()?;
    if pool.is_promise_pool() {
        return Ok(0);
    }
    Ok(pool.region().board.slot(key.slot).id())
}

/// The number that the submitter has chosen; 0: none.
pub(crate) fn future_tag(future: FutureHandle) -> Result<u64> {
    let (pool, key) = future.find()?;
    Ok(pool.state.slots.side_table.options(key.slot).map_or(0, |options| options.tag))
}

/// The future of the task with this id, if a caller holds it.
pub(crate) fn find_future(pool: PoolHandle, id: u64) -> Result<FutureHandle> {
    let pool = pool.pool()?;
    let slots = &pool.state.slots;
    let found = (0..slots.used()).find_map(|slot| {
        let generation = slots.entries.generation_for_caller(slot)?;
        let has_id = pool.region().board.slot(slot).id() == id;
        has_id.then(|| FutureHandle::new(pool.index, SlotKey { slot, generation }))
    });
    // The id 0 is no task's: a slot may have it that was never used.
    found.filter(|_| id != 0).ok_or(Status::POOL_ERR_INVALID.into())
}

pub(crate) fn future_pool(future: FutureHandle) -> Result<PoolHandle> {
    let (pool, key) = future.find()?;
    if pool.is_promise_pool() {
        return promise::pool_of_work(pool, key);
    }
    future.pool_handle()
}

/// How long the task was queued and ran, in nanoseconds.
pub(crate) fn duration(future: FutureHandle) -> Result<(u64, u64)> {
    let (pool, key) = future.find()?;
    let record = pool.region().board.slot(key.slot);
    let observed = record.word.observe();
    let stamp = record.stamp();
    let ticks = match observed.phase() {
        Phase::Cancelled => (clock::unpack_short(observed.cancellation().queued), 0),
        phase if phase.is_done() => {
            (clock::unpack((stamp >> 32) as u32), clock::unpack(stamp as u32))
        }
        _ => (0, 0),
    };
    Ok((clock::ns_of_ticks(ticks.0), clock::ns_of_ticks(ticks.1)))
}

/// The progress that the task last reported.
pub(crate) fn progress(future: FutureHandle) -> Result<(u64, u64)> {
    let (pool, key) = future.find()?;
    let packed = pool.state.progress(key);
    Ok((clock::unpack((packed >> 32) as u32), clock::unpack(packed as u32)))
}

/// Frees the future. Its task runs on; a promise, which can no longer be completed, is cancelled.
#[inline]
pub(crate) fn future_free(future: FutureHandle) -> Result<()> {
    let Some((pool, key, released)) = future.release()? else { return Ok(()) };
    if pool.is_promise_pool() {
        pool.free_promise(key, released);
        return Ok(());
    }
    match released {
        Released::Free => pool.give_back(key),
        Released::NotHeld => {}
        Released::Subscribed => pool.release_subscribed(key),
    }
    Ok(())
}

impl Pool {
    #[cold]
    fn release_subscribed(&'static self, key: SlotKey) {
        if !self.detach_entry(key) {
            self.give_back(key);
        }
    }

    #[cold]
    fn free_promise(&'static self, key: SlotKey, released: Released) {
        let is_in_use = match released {
            Released::NotHeld => return,
            Released::Free => false,
            Released::Subscribed => self.detach_entry(key),
        };
        // After it has left its sets, which return no future that was freed.
        if !is_done(self, key) {
            self.state.withdraw(key, CancelReason::Requested);
        }
        if !is_in_use {
            self.give_back(key);
        }
    }

    /// Recycles the slot of a freed future, now or when its task is done. Of a freed pool this may
    /// be the last future, and end the life of `self`.
    #[inline]
    pub(super) fn give_back(&'static self, key: SlotKey) {
        if is_done(self, key) {
            self.recycle(key.slot);
        } else {
            self.detach(key.slot);
        }
    }
}

// ---- waiting ----------------------------------------------------------------------------------------

/// When a wait for several futures ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitMode {
    All,
    First,
    FirstError,
}

/// Waits until the task is done.
pub(crate) fn wait(future: FutureHandle, timeout_ms: i64) -> Result<()> {
    let (pool, key) = future.get()?;
    if is_done(pool, key) {
        return Ok(());
    }
    wait_until(pool, key, Deadline::from_ms(timeout_ms))
}

/// [`wait`] until a deadline.
pub(super) fn wait_for(future: FutureHandle, deadline: Deadline) -> Result<()> {
    let (pool, key) = future.get()?;
    wait_until(pool, key, deadline)
}

/// Whether this thread runs a task, and so may run inline what it waits for.
pub(super) fn may_run_inline() -> bool {
    worker::is_worker()
}

/// In a task, runs the task that it waits for if that has not started. True: it is done.
fn try_run_inline(pool: &Pool, key: SlotKey, deadline: Deadline) -> Result<bool> {
    if !may_run_inline() || deadline.has_passed() {
        return Ok(false);
    }
    match worker::run_inline(pool.region(), key.slot, key.generation) {
        InlineRun::Ran => {
            // It did not run in the ring's order.
            pool.state.hint_completion(key.slot);
            Ok(true)
        }
        InlineRun::NotRun => Ok(false),
        InlineRun::Deadlock => {
            let words = "a task would wait for itself, or for one that waits for it";
            Err(Error::new(Status::POOL_ERR_DEADLOCK, words))
        }
    }
}

/// In a task, runs one of these if it has not started. An error: all of them would wait for this
/// task.
pub(super) fn run_one_inline(futures: &[FutureHandle]) -> Result<()> {
    let mut deadlock = Ok(());
    let mut others = 0;
    for (pool, key) in futures.iter().filter_map(|future| future.find().ok()) {
        match try_run_inline(pool, key, Deadline::Never) {
            Ok(true) => return Ok(()),
            Ok(false) => others += 1,
            Err(error) => deadlock = Err(error),
        }
    }
    if others > 0 { Ok(()) } else { deadlock }
}

#[inline]
pub(super) fn is_done(pool: &Pool, key: SlotKey) -> bool {
    pool.region().board.slot(key.slot).word.is_done()
}

/// Where a done task was on the ring, and its slot: the order in which the completion thread finds
/// done tasks. None: it is not done, or the future was freed.
pub(super) fn position_if_done(future: FutureHandle) -> Option<(u64, u32)> {
    let (pool, key) = future.find().ok()?;
    let record = pool.region().board.slot(key.slot);
    record.word.is_done().then(|| (record.ring_position(), key.slot))
}

/// Waits until the task is done.
fn wait_until(pool: &Pool, key: SlotKey, deadline: Deadline) -> Result<()> {
    if try_run_inline(pool, key, deadline)? {
        return Ok(());
    }
    let board = &pool.region().board;
    let word = &board.slot(key.slot).word;
    let wake_if_queued = |phase| {
        if phase == Phase::Ready {
            board.sleepers.wake_one();
        }
    };
    let mut looks = Looks::default();
    let look = || pool.state.look(key, &mut looks);
    match word.wait(key.generation, board.scope(), deadline, wake_if_queued, look) {
        Waited::Done => Ok(()),
        Waited::TimedOut => Err(Status::POOL_ERR_TIMEOUT.into()),
        Waited::Freed => end_if_held(pool, key),
    }
}

/// Ends a task whose slot has another generation, if its future was not freed: a worker has written
/// over it.
#[cold]
fn end_if_held(pool: &Pool, key: SlotKey) -> Result<()> {
    if !pool.state.slots.entries.holds(key) {
        return Err(Status::POOL_ERR_INVALID.into());
    }
    pool.state.end_stray(key);
    Ok(())
}

/// Waits until the task that uses this slot at the moment is done, if there is one.
pub(super) fn wait_for_slot(pool: &Pool, slot: u32, deadline: Deadline) -> Result<()> {
    let unfinished = pool.region().board.slot(slot).word.observe().unfinished();
    let key = unfinished.map(|generation| SlotKey { slot, generation });
    // A stray worker may have written so over a slot that has no task.
    match key.filter(|key| pool.state.slots.entries.is_in_use(*key)) {
        None => Ok(()),
        Some(key) => match wait_until(pool, key, deadline) {
            // It is done, and its slot is used again.
            Err(error) if error.status == Status::POOL_ERR_INVALID => Ok(()),
            waited => waited,
        },
    }
}

type FoundFuture = (&'static Pool, SlotKey);

/// Waits for several futures; sets `n_done` to the number of those that are done.
pub(crate) fn wait_many(
    futures: &[FutureHandle],
    mode: WaitMode,
    timeout_ms: i64,
    n_done: &mut usize,
) -> Result<()> {
    let waited = wait_many_until(futures, mode, Deadline::from_ms(timeout_ms));
    *n_done = match (mode, &waited) {
        (WaitMode::All, Ok(())) => futures.len(),
        (_, Err(error)) if error.status == Status::POOL_ERR_INVALID => 0,
        _ => count_done(futures),
    };
    waited
}

fn count_done(futures: &[FutureHandle]) -> usize {
    let found = futures.iter().filter_map(|future| future.find().ok());
    found.filter(|(pool, key)| is_done(pool, *key)).count()
}

/// Waits for several futures until a deadline.
pub(super) fn wait_many_until(
    futures: &[FutureHandle],
    mode: WaitMode,
    deadline: Deadline,
) -> Result<()> {
    let mut found = futures.iter().map(|future| future.find());
    match mode {
        WaitMode::All => {
            found.try_for_each(|one| one.map(drop))?;
            wait_all(futures, deadline)
        }
        WaitMode::First | WaitMode::FirstError => {
            wait_any(&found.collect::<Result<Vec<FoundFuture>>>()?, mode, deadline)
        }
    }
}

/// How many futures ahead a slot is prefetched: looking at as many takes as long as a slot takes
/// from memory.
const AHEAD: usize = 8;

/// Waits for the last one first: when that is done, the others are as a rule, and the cache lines
/// of slots that workers use were left alone.
fn wait_all(futures: &[FutureHandle], deadline: Deadline) -> Result<()> {
    if may_run_inline() {
        // A task runs those that have not started itself, in their order.
        return futures.iter().try_for_each(|future| wait_for(*future, deadline));
    }
    for (index, future) in futures.iter().enumerate().rev() {
        let (pool, key) = future.get()?;
        if let Some(later) = index.checked_sub(AHEAD) {
            pool.region().board.prefetch_slot(futures[later].slot());
        }
        if !is_done(pool, key) {
            wait_until(pool, key, deadline)?;
        }
    }
    Ok(())
}

/// Subscribes to each task, and sleeps on the completion events of all pools. The events are read
/// before the tasks are subscribed to: a task that is done after that changes its event.
fn wait_any(futures: &[FoundFuture], mode: WaitMode, deadline: Deadline) -> Result<()> {
    let mut looks = Vec::new();
    let mut pools: Vec<&Pool> = Vec::new();
    for (pool, _) in futures {
        if !pools.iter().any(|known| std::ptr::eq(*known, *pool)) {
            pools.push(pool);
        }
    }
    loop {
        // Acquire; pairs with the Release of `Board::notify_completion`.
        let mut sleepers: Vec<Sleeper<'_>> = pools
            .iter()
            .map(|pool| {
                let board = &pool.region().board;
                let word = board.completion_event();
                Sleeper { word, seen: word.load(Acquire), scope: board.scope() }
            })
            .collect();
        if is_enough(futures, mode)? {
            return Ok(());
        }
        if deadline.has_passed() {
            return Err(Status::POOL_ERR_TIMEOUT.into());
        }
        if may_run_inline() {
            let pending: Vec<FutureHandle> = pending(futures).collect();
            run_one_inline(&pending)?;
        }
        subscribe_all(futures);
        // A task that was done before its subscription has not notified us; it is seen here.
        if is_enough(futures, mode)? {
            return Ok(());
        }
        if prepare_wait_all(&pools, &mut sleepers) {
            for pool in &pools {
                pool.region().board.sleepers.wake_one();
            }
            let left = sleepers.iter().fold(deadline.left(), |left, it| it.scope.limited(left));
            sync::sleep_on_any(&sleepers, left);
            look_at_all(futures, &mut looks);
        }
    }
}

/// Looks at the tasks that are not done.
fn look_at_all(futures: &[FoundFuture], looks: &mut Vec<Looks>) {
    looks.resize_with(futures.len(), Looks::default);
    for ((pool, key), looks) in futures.iter().zip(looks) {
        if !is_done(pool, *key) {
            pool.state.look(*key, looks);
        }
    }
}

fn pending(futures: &[FoundFuture]) -> impl Iterator<Item = FutureHandle> {
    let pending = futures.iter().filter(|(pool, key)| !is_done(pool, *key));
    pending.map(|(pool, key)| FutureHandle::new(pool.index, *key))
}

/// Announces that we are about to sleep on the events. False: one was notified since it was read.
fn prepare_wait_all(pools: &[&Pool], sleepers: &mut [Sleeper<'_>]) -> bool {
    pools.iter().zip(sleepers).all(|(pool, sleeper)| {
        let seen = pool.region().board.prepare_wait(sleeper.seen);
        sleeper.seen = seen.unwrap_or(sleeper.seen);
        seen.is_some()
    })
}

/// Whether the wait is over. An empty list has nothing to wait for.
fn is_enough(futures: &[FoundFuture], mode: WaitMode) -> Result<bool> {
    let mut are_all_done = true;
    for (pool, key) in futures {
        match (state(pool, *key)?, mode) {
            (FutureState::Pending | FutureState::Running, _) => are_all_done = false,
            (FutureState::Completed, WaitMode::FirstError) => {}
            _ => return Ok(true),
        }
    }
    Ok(are_all_done)
}

/// Subscribes to every task that is not done.
fn subscribe_all(futures: &[FoundFuture]) {
    for (pool, key) in futures {
        pool.region().board.slot(key.slot).word.subscribe_completion(key.generation);
    }
}
