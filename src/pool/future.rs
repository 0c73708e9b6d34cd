//! Futures: what became of a task.

use super::handles::{FutureHandle, PoolHandle};
use super::{Pool, PoolKind, callbacks, promise};
use crate::board::copy_out;
use crate::board::record::{BytesLocation, Slot};
use crate::board::parent::side_table::TaskFailure;
use crate::board::slot::{Phase, SeatIndex, Waited};
use crate::board::parent::slots::{Released, SlotKey};
use crate::{clock, sync, worker};
use crate::error::{Detail, Error, Result, Status};
use crate::sync::{Deadline, Sleeper};
use crate::sync::Ordering::{*, Relaxed};
use crate::state::Command;
use crate::worker::InlineRun;

/// Where a task stands, by the C API's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FutureState {
    Pending = 1,
    Running = 2,
    Completed = 3,
    Failed = 4,
    CancelledTask = 5,
}

pub(crate) fn future_state(future: FutureHandle) -> Result<FutureState> {
    let (pool, key) = future.find()?;
    state(pool, key)
}

pub(super) fn state(pool: &Pool, key: SlotKey) -> Result<FutureState> {
    Ok(match pool.region().board.slot(key.slot).word.phase() {
        Phase::Ready => FutureState::Pending,
        Phase::Running(_) => FutureState::Running,
        Phase::Completed(_) => FutureState::Completed,
        Phase::Failed(_) => FutureState::Failed,
        Phase::CancelledTask => FutureState::CancelledTask,
        // The slot is ours, and not in use: somebody wrote over its word.
        Phase::Free | Phase::Impossible => return Err(corrupted()),
    })
}

/// The result of a completed task; of another, why there is none.
#[inline]
pub(crate) fn result(future: FutureHandle) -> Result<(*const u8, usize)> {
    let (pool, key) = future.get()?;
    pool.result(future, key)
}

/// Waits until the task is done, and gives its result out.
#[inline]
pub(crate) fn collect(future: FutureHandle, timeout_ms: i64) -> Result<(*const u8, usize)> {
    let (pool, key) = future.get()?;
    if !wait::is_done(pool, key) {
        wait::wait_until(pool, key, Deadline::from_ms(timeout_ms))?;
    }
    pool.result(future, key)
}

#[cold]
fn why_no_result(future: FutureHandle) -> Error {
    match failure(future) {
        Ok(failure) => failure.expect_err("a task that has not completed has an error"),
        Err(error) => error,
    }
}

/// What went wrong with a task that is done: nothing, or an error.
pub(crate) fn failure(future: FutureHandle) -> Result<Result<()>> {
    let (pool, key) = future.find()?;
    let record = pool.region().board.slot(key.slot);
    let note = || pool.state.slots.side_table.failure(key.slot);
    Ok(match (record.word.phase(), state(pool, key)?) {
        (Phase::Completed(_), _) => Ok(()),
        (Phase::Failed(seat), _) => Err(match note() {
            Some(note) => of_note(note),
            None => pool.task_error(key, record, seat),
        }),
        (Phase::CancelledTask, _) => {
            Err(note().map_or_else(|| Status::POOL_ERR_CANCELLED.into(), of_note))
        }
        _ => return Err(Status::POOL_ERR_NOT_DONE.into()),
    })
}

fn of_note(note: TaskFailure) -> Error {
    Error::with_detail(note.status, note.detail)
}

fn corrupted() -> Error {
    Error::new(Status::POOL_ERR_WORKER_LOST, "a worker has written over the task")
}

impl Pool {
    #[inline]
    fn result(&self, future: FutureHandle, key: SlotKey) -> Result<(*const u8, usize)> {
        let record = self.region().board.slot(key.slot);
        match (record.word.completed_by(), record.inline_result()) {
            (Some(_), Some(near)) => Ok(near),
            (Some(seat), None) => self.bytes(key, record, seat),
            (None, _) => Err(why_no_result(future)),
        }
    }

    /// The bytes that the worker of this seat left. Nothing it wrote is believed unchecked.
    #[inline]
    fn bytes(&self, key: SlotKey, record: &Slot, seat: SeatIndex) -> Result<(*const u8, usize)> {
        let (ending, inline) = record.ending().ok_or_else(corrupted)?;
        if let BytesLocation::File(far) = ending.result {
            return self.state.slots.side_table.result_file(key.slot, far);
        }
        self.region().result_bytes(seat, ending.result, inline).ok_or_else(corrupted)
    }

    /// Whether the task was cancelled before it ran; one that was killed while it ran has a note of whom
    /// that killed.
    fn was_withdrawn(&self, key: SlotKey) -> bool {
        let note = || self.state.slots.side_table.failure(key.slot);
        self.region().board.slot(key.slot).word.phase() == Phase::CancelledTask
            && note().is_none_or(|note| note.detail.worker_pid == 0)
    }

    /// Why the task's function, or its worker for want of one, says that it failed.
    fn task_error(&self, key: SlotKey, record: &Slot, seat: SeatIndex) -> Error {
        let Some((ending, _)) = record.ending() else { return corrupted() };
        let mut text = [0; MESSAGE_MAX];
        let mut len = 0;
        if let Ok((start, size)) = self.bytes(key, record, seat) {
            len = size.min(MESSAGE_MAX);
            copy_out(start, &mut text[..len]);
        }
        let detail = Detail {
            task_code: ending.code,
            message: String::from_utf8_lossy(&text[..len]).into_owned(),
            ..Detail::default()
        };
        match ending.status {
            status @ (Status::POOL_ERR_TASK
            | Status::POOL_ERR_FUNCTION
            | Status::POOL_ERR_NOMEM
            | Status::POOL_ERR_TOO_LARGE) => Error::with_detail(status, detail),
            // Nobody else writes on the board of promises.
            status if self.is_promise_pool() => Error::with_detail(status, detail),
            _ => corrupted(),
        }
    }
}

/// The most bytes of a message that a C caller has room for.
const MESSAGE_MAX: usize = crate::worker::MESSAGE_MAX;

/// Cancels a task that has not started; once cancelled it stays so. One that runs can see that it was
/// asked to end; `is_also_running`: it ends with its worker process.
pub(crate) fn cancel(future: FutureHandle, is_also_running: bool) -> Result<()> {
    let (pool, key) = future.find()?;
    let word = &pool.region().board.slot(key.slot).word;
    word.request_cancel(key.generation);
    if pool.is_promise_pool() {
        promise::cancel_background(key);
    }
    if pool.state.withdraw(key, None) || state(pool, key)? == FutureState::CancelledTask {
        return Ok(());
    }
    if !is_also_running || pool.is_promise_pool() || state(pool, key)? != FutureState::Running {
        return Err(Status::POOL_ERR_STATE.into());
    }
    if !matches!(pool.state.kind, PoolKind::Processes(_)) {
        let words = "a thread cannot be killed; its task was asked to end";
        return Err(Error::new(Status::POOL_ERR_UNSUPPORTED, words));
    }
    // From here on its worker takes no other task, so none can be hit in its place.
    word.mark_for_kill(key.generation).ok_or(Status::POOL_ERR_STATE)?;
    // Without a watch the pool is shut down, and the task done.
    pool.state.send(Command::KillForTask(key));
    Ok(())
}

/// Whether [`cancel`] was called, whatever came of it.
pub(crate) fn is_cancel_requested(future: FutureHandle) -> Result<bool> {
    let (pool, key) = future.find()?;
    Ok(pool.region().board.slot(key.slot).word.is_cancel_requested())
}

pub(crate) fn future_id(future: FutureHandle) -> Result<u64> {
    let (pool, key) = future.find()?;
    Ok(pool.region().board.slot(key.slot).id())
}

pub(crate) fn future_pool(future: FutureHandle) -> Result<PoolHandle> {
    future.pool_handle()
}

/// How long the task waited and ran, in nanoseconds.
pub(crate) fn duration(future: FutureHandle) -> Result<(u64, u64)> {
    let (pool, key) = future.find()?;
    let record = pool.region().board.slot(key.slot);
    let is_done = record.word.phase().is_done();
    let (stamp, ended) = (record.stamp(), record.progress().load(Relaxed));
    let ticks = match pool.was_withdrawn(key) {
        // Whoever took it back noted when.
        true => (ended.saturating_sub(stamp), 0),
        false if is_done => (clock::unpack((stamp >> 32) as u32), clock::unpack(stamp as u32)),
        false => (0, 0),
    };
    Ok((clock::ns_of_ticks(ticks.0), clock::ns_of_ticks(ticks.1)))
}

/// How far the task said it was.
pub(crate) fn progress(future: FutureHandle) -> Result<(u64, u64)> {
    let (pool, key) = future.find()?;
    if pool.was_withdrawn(key) {
        return Ok((0, 0));
    }
    let packed = pool.region().board.slot(key.slot).progress().load(Relaxed);
    Ok((clock::unpack((packed >> 32) as u32), clock::unpack(packed as u32)))
}

/// Frees the future. Its task goes on; a promise that nobody can keep any more is cancelled.
#[inline]
pub(crate) fn future_free(future: FutureHandle) -> Result<()> {
    let (pool, key) = future.locate()?;
    if pool.is_promise_pool() {
        return free_promise(future);
    }
    match pool.state.slots.release(key) {
        Released::Free if !current_callback::is_freed_later(future) => pool.give_task_back(key),
        Released::Free | Released::NotHeld => {}
        Released::Subscribed => pool.release_subscribed(future, key),
    }
    Ok(())
}

#[cold]
fn free_promise(future: FutureHandle) -> Result<()> {
    let (pool, key) = future.find()?;
    // Whoever is told that it is cancelled may be the last to need the pool.
    pool.hold_promise_pool();
    pool.let_promise_go(future, key);
    pool.release_promise_pool();
    Ok(())
}

impl Pool {
    #[cold]
    fn release_subscribed(&'static self, future: FutureHandle, key: SlotKey) {
        if !self.detach_entry(key) && !current_callback::is_freed_later(future) {
            self.give_back(key);
        }
    }

    fn let_promise_go(&'static self, future: FutureHandle, key: SlotKey) {
        let stays = match self.state.slots.release(key) {
            Released::NotHeld => return,
            Released::Free => false,
            Released::Subscribed => self.detach_entry(key),
        };
        // After it has left its sets: these give out nothing that was freed.
        if !wait::is_done(self, key) {
            self.state.withdraw(key, None);
        }
        if !stays && !current_callback::is_freed_later(future) {
            self.give_back(key);
        }
    }

    #[inline]
    fn give_task_back(&'static self, key: SlotKey) {
        if wait::is_done(self, key) {
            self.recycle(key.slot);
        } else {
            self.detach(key.slot);
        }
    }

    /// Gives the slot of a freed future back, now or when its task is done.
    pub(super) fn give_back(&'static self, key: SlotKey) {
        let is_promise = self.is_promise_pool();
        self.give_task_back(key);
        // Of another pool this may have been the last future, and its memory be gone.
        if is_promise {
            self.release_promise_pool();
        }
    }
}

// MERGED pool.wait
// Waiting for one future, or for several of any pools.

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitMode {
    All,
    First,
    FirstError,
}

impl WaitMode {
    /// From the C API's number.
    pub(crate) fn from_number(number: i32) -> Option<WaitMode> {
        let modes = [WaitMode::All, WaitMode::First, WaitMode::FirstError];
        modes.get(usize::try_from(number).ok()?).copied()
    }
}

/// Waits until the task is done in any way.
pub(crate) fn wait(future: FutureHandle, timeout_ms: i64) -> Result<()> {
    let (pool, key) = future.get()?;
    if is_done(pool, key) {
        return Ok(());
    }
    wait_until(pool, key, Deadline::from_ms(timeout_ms))
}

/// Waits like [`wait`], until a deadline.
pub(super) fn wait_for(future: FutureHandle, deadline: Deadline) -> Result<()> {
    let (pool, key) = future.get()?;
    wait_until(pool, key, deadline)
}

/// Whether this thread could run a task that it waits for.
pub(super) fn may_run_inline() -> bool {
    worker::is_worker()
}

/// In a task, runs the one that is waited for, if nobody has begun it. True: it is done.
fn help(pool: &Pool, key: SlotKey, deadline: Deadline) -> Result<bool> {
    if !may_run_inline() || deadline.has_passed() {
        return Ok(false);
    }
    match worker::run_inline(pool.region(), key.slot, key.generation) {
        InlineRun::Ran => {
            // It was not its turn on the ring.
            pool.state.hint(key.slot);
            Ok(true)
        }
        InlineRun::NotRun => Ok(false),
        InlineRun::Deadlock => {
            let words = "a task would wait for itself, or for one that waits for it";
            Err(Error::new(Status::POOL_ERR_DEADLOCK, words))
        }
    }
}

/// In a task, runs one of these if nobody has begun it; there must be one that another thread may end.
pub(super) fn run_one_inline(futures: &[FutureHandle]) -> Result<()> {
    let mut deadlock = Ok(());
    let mut others = 0;
    for (pool, key) in futures.iter().filter_map(|future| future.find().ok()) {
        match help(pool, key, Deadline::Never) {
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

/// Waits until the task is done in any way.
pub(super) fn wait_until(pool: &Pool, key: SlotKey, deadline: Deadline) -> Result<()> {
    if help(pool, key, deadline)? {
        return Ok(());
    }
    let board = &pool.region().board;
    let word = &board.slot(key.slot).word;
    let wake_if_queued = |phase| {
        if phase == Phase::Ready {
            board.sleepers.wake_one();
        }
    };
    match word.wait(key.generation, board.scope(), deadline, wake_if_queued) {
        Waited::Done => Ok(()),
        Waited::TimedOut => Err(Status::POOL_ERR_TIMEOUT.into()),
        Waited::Freed => Err(Status::POOL_ERR_INVALID.into()),
    }
}

type FoundFuture = (&'static Pool, SlotKey);

/// Waits for several futures; `n_done` becomes the number of those that are done.
pub(crate) fn wait_many(
    futures: &[u64],
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

fn count_done(futures: &[u64]) -> usize {
    let found = futures.iter().filter_map(|raw| FutureHandle::from_raw(*raw).find().ok());
    found.filter(|(pool, key)| is_done(pool, *key)).count()
}

/// Waits for several futures until a deadline.
pub(super) fn wait_many_until(futures: &[u64], mode: WaitMode, deadline: Deadline) -> Result<()> {
    let mut found = futures.iter().map(|raw| FutureHandle::from_raw(*raw).find());
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

/// So many futures before they are looked at their slots are fetched: as many as one that comes from memory
/// takes.
const AHEAD: usize = 8;

/// Waits for the last one first: when that is done, as a rule the others are, and the workers were not
/// disturbed in the slots that they had in hand.
fn wait_all(futures: &[u64], deadline: Deadline) -> Result<()> {
    if may_run_inline() {
        // A task runs those that nobody has begun itself: in their order.
        let mut futures = futures.iter().map(|raw| FutureHandle::from_raw(*raw));
        return futures.try_for_each(|future| wait_for(future, deadline));
    }
    for (index, raw) in futures.iter().enumerate().rev() {
        let (pool, key) = FutureHandle::from_raw(*raw).get()?;
        if let Some(later) = index.checked_sub(AHEAD) {
            pool.region().board.prefetch_slot(FutureHandle::from_raw(futures[later]).slot());
        }
        if !is_done(pool, key) {
            wait_until(pool, key, deadline)?;
        }
    }
    Ok(())
}

/// Asks each task's pool for a notice, and sleeps on the notices of all pools. What is seen of a
/// notice is read before the tasks are asked: a task that is done after that changes it.
fn wait_any(futures: &[FoundFuture], mode: WaitMode, deadline: Deadline) -> Result<()> {
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
            let tickets: Vec<FutureHandle> = pending(futures).collect();
            run_one_inline(&tickets)?;
        }
        subscribe_all(futures);
        // A task that was done before we asked has rung nobody; it is seen here.
        if is_enough(futures, mode)? {
            return Ok(());
        }
        if prepare_wait_all(&pools, &mut sleepers) {
            for pool in &pools {
                pool.region().board.sleepers.wake_one();
            }
            sync::sleep_on_any(&sleepers, deadline.left());
        }
    }
}

fn pending(futures: &[FoundFuture]) -> impl Iterator<Item = FutureHandle> {
    let pending = futures.iter().filter(|(pool, key)| !is_done(pool, *key));
    pending.map(|(pool, key)| FutureHandle::new(pool.cell, *key))
}

/// Says that we are about to sleep on the notices. False: one was rung since it was read.
fn prepare_wait_all(pools: &[&Pool], sleepers: &mut [Sleeper<'_>]) -> bool {
    pools.iter().zip(sleepers).all(|(pool, sleeper)| {
        let heeded = pool.region().board.prepare_wait(sleeper.seen);
        sleeper.seen = heeded.unwrap_or(sleeper.seen);
        heeded.is_some()
    })
}

/// Whether what is waited for has come. An empty list has nothing to wait for.
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

/// Asks for a notice of every task that is not done.
fn subscribe_all(futures: &[FoundFuture]) {
    for (pool, key) in futures {
        pool.region().board.slot(key.slot).word.subscribe_completion(key.generation);
    }
}
