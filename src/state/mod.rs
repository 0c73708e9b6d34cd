//! The state that the callers of a pool share with its supervisor.
#![forbid(unsafe_code)]

pub(crate) mod backpressure;
pub(crate) mod callbacks;
pub(crate) mod cancelled;
pub(crate) mod commands;
pub(crate) mod config;
pub(crate) mod counters;
pub(crate) mod events;
pub(crate) mod function_names;
pub(crate) mod isolated;
pub(crate) mod limits;
pub(crate) mod pending;
pub(crate) mod stray_writes;
pub(crate) mod task_callbacks;
pub(crate) mod workers;

use crate::board::Region;
use crate::board::parent::side_table::TaskFailure;
use crate::board::parent::slots::{SlotKey, SlotTable};
use crate::board::slot::{CancelReason, Cancellation, SeatIndex};
use crate::clock;
use crate::error::{Detail, Error, Result, Status};
use crate::fd::TrackedEvent;
use crate::sync::plain::{AtomicBool, AtomicU32, AtomicU64};
use crate::sync::{Deadline, Mutex, Ordering::*, fence};
use crate::worker::config::WorkerConfig;
use backpressure::SubmitQueue;
use callbacks::CallbackQueue;
use cancelled::CancelledList;
use commands::{Command, CommandReceiver, CommandSender, ShutdownRequest, StopMode};
use config::{Config, PoolKind};
use counters::Counters;
use events::LogLevel;
use function_names::FunctionNames;
use isolated::IsolatedBoards;
use limits::{LimitSettings, TimeLimits};
use std::sync::{Arc, OnceLock};
use task_callbacks::TaskCallbackTable;
use workers::{WorkerBounds, WorkerTable};

/// The state of a pool, and why it refuses tasks; the bits of `pool_state`.
pub(crate) mod pool_flags {
    pub(crate) const CLOSED: u32 = 1;
    pub(crate) const BROKEN: u32 = 2;
    pub(crate) const TERMINATED: u32 = 4;
    pub(crate) const JOINING: u32 = 8;
    /// Tasks are accepted, but not begun.
    pub(crate) const PAUSED: u32 = 16;
    /// A stop that lets nothing more run. Private.
    pub(crate) const STOPPED: u32 = 32;
    /// What refuses a task that is submitted alone.
    pub(crate) const REFUSE: u32 = !PAUSED;
    /// What refuses the tasks of an operation that has a [`super::SubmitPermit`].
    pub(crate) const REFUSE_ALWAYS: u32 = BROKEN | TERMINATED | STOPPED;
    pub(crate) const PUBLIC: u32 = CLOSED | BROKEN | TERMINATED | JOINING | PAUSED;
}

pub(crate) struct PoolState {
    pub(crate) config: Arc<Config>,
    pub(crate) region: Arc<Region>,
    pub(crate) slots: SlotTable,
    /// The configuration of workers, except for the current minimum of workers.
    pub(crate) worker_config: WorkerConfig,
    pub(crate) worker_table: WorkerTable,
    pub(crate) functions: FunctionNames,
    pub(crate) bounds: WorkerBounds,
    pub(crate) counters: Counters,
    pub(crate) limits: LimitSettings,
    pub(crate) callbacks: CallbackQueue,
    pub(crate) task_callbacks: TaskCallbackTable,
    /// Empty, unless workers are isolated.
    pub(crate) isolated: IsolatedBoards,
    pub(crate) submit_queue: SubmitQueue,
    /// Slots with a completion subscription whose tasks the parent itself has ended.
    completion_hints: Mutex<Vec<u32>>,
    /// Whether a thread takes the hints.
    has_listener: AtomicBool,
    /// The tasks that a stop or a break has cancelled.
    pub(crate) cancelled: CancelledList,
    /// Whether cancelled tasks are still listed: false when no caller can ask for them any more.
    pub(crate) lists_cancelled: AtomicBool,
    /// Bits of [`pool_flags`]. A flag is set, then comes a fence ([`PoolState::set_flags`]), then
    /// the slots are read. A submitter enqueues its task, then comes a fence
    /// (`Sleepers::notify_one`), then it reads the flags. So either it sees the flag, or its task
    /// is seen.
    pub(crate) flags: AtomicU32,
    /// The number of [`SubmitPermit`]s.
    pub(crate) permits: AtomicU32,
    /// Workers that were started and have not exited.
    pub(crate) workers: AtomicU32,
    /// What the board says of the idle time, for [`PoolState::restore_idle_time`]: an i64.
    idle_ms: AtomicU64,
    /// A function of the main program was submitted, so workers must run the main program.
    pub(crate) needs_main_program: AtomicBool,
    /// Why the pool is broken.
    pub(crate) broken: OnceLock<TaskFailure>,
    pub(crate) shutdown_request: ShutdownRequest,
    /// The supervisor was woken to start workers, and has not checked yet.
    wake_pending: AtomicBool,
    commands: CommandSender,
    /// Wakes the supervisor; None: the pool has none.
    wakeup: Option<TrackedEvent>,
}

/// Allows an operation that began while the pool was open to submit more tasks after it was closed.
/// Joining and draining wait until there are no permits.
pub(crate) struct SubmitPermit(Arc<PoolState>);

impl SubmitPermit {
    pub(crate) fn new(state: &Arc<PoolState>) -> SubmitPermit {
        state.permits.fetch_add(1, AcqRel);
        // Pairs with the fence in `PoolState::set_flags`: the supervisor sees the permit, or this
        // thread sees the flag.
        fence(SeqCst);
        SubmitPermit(state.clone())
    }
}

impl Drop for SubmitPermit {
    fn drop(&mut self) {
        self.0.permits.fetch_sub(1, AcqRel);
        // Pairs with the fence in `PoolState::set_flags`: the supervisor sees that the permit is
        // dropped, or this thread sees the flag.
        fence(SeqCst);
        if self.0.flags.load(Relaxed) != 0 {
            self.0.wake();
        }
    }
}

impl PoolState {
    /// Returns the state with the receiver of its commands. The caller sets `worker_config`, which
    /// needs the slots of the hooks. `bound`: the maximum number of queued tasks; 0: unlimited.
    #[inline(never)] // The state is on the stack while it is made.
    pub(crate) fn new(
        config: Arc<Config>,
        region: Arc<Region>,
        bound: u64,
        make_slots: impl FnOnce(&Region) -> Result<SlotTable>,
    ) -> Result<(Arc<PoolState>, CommandReceiver)> {
        let wakeup = match config.kind {
            PoolKind::Inline => None,
            PoolKind::Threads | PoolKind::Processes(_) => {
                Some(TrackedEvent::new().map_err(|errno| Error::os("pipe2", errno))?)
            }
        };
        let (commands, receiver) = commands::channel();
        let slots = make_slots(&region)?;
        let state = Arc::new(PoolState {
            region,
            slots,
            worker_config: WorkerConfig::default(),
            worker_table: WorkerTable::default(),
            functions: FunctionNames::default(),
            bounds: WorkerBounds::new(config.workers_min, config.workers_max),
            counters: Counters::default(),
            limits: LimitSettings::new(config.limits),
            callbacks: CallbackQueue::new(&config.name, config.is_external)?,
            task_callbacks: TaskCallbackTable::default(),
            isolated: IsolatedBoards::default(),
            submit_queue: SubmitQueue::new(bound),
            completion_hints: Mutex::default(),
            has_listener: AtomicBool::new(false),
            cancelled: CancelledList::default(),
            lists_cancelled: AtomicBool::new(true),
            flags: AtomicU32::new(0),
            permits: AtomicU32::new(0),
            workers: AtomicU32::new(0),
            idle_ms: AtomicU64::new(config.idle_ms as u64),
            needs_main_program: AtomicBool::new(false),
            broken: OnceLock::new(),
            shutdown_request: ShutdownRequest::default(),
            wake_pending: AtomicBool::new(false),
            commands,
            wakeup,
            config,
        });
        Ok((state, receiver))
    }

    // ---- the supervisor ------------------------------------------------------------------------

    pub(crate) fn wakeup(&self) -> Option<&TrackedEvent> {
        self.wakeup.as_ref()
    }

    /// Sends a command. False: the supervisor has ended, because the pool has been shut down.
    pub(crate) fn send(&self, command: Command) -> bool {
        let is_sent = self.commands.send(command).is_ok();
        self.wake();
        is_sent
    }

    /// Wakes the supervisor to check its commands and how many workers are needed.
    /// Async-signal-safe.
    pub(crate) fn wake(&self) {
        if let Some(wakeup) = &self.wakeup {
            wakeup.set();
        }
    }

    /// Requests workers, if more are allowed and needed. Called after a submit's fence.
    #[inline(always)]
    pub(crate) fn request_workers(&self) {
        if self.workers.load(Relaxed) < self.workers_max() {
            self.request_workers_if_needed();
        }
    }

    fn request_workers_if_needed(&self) {
        let workers = u64::from(self.workers.load(Relaxed));
        let load = self.slots.load(&self.region);
        let is_needed = workers == 0 || load.pending + u64::from(load.busy) > workers;
        // AcqRel; pairs with `clear_wake_pending`: if this wake-up is skipped, the supervisor has
        // not handled the previous one yet.
        if is_needed && !self.wake_pending.swap(true, AcqRel) {
            self.wake();
        }
    }

    /// Called before the supervisor checks how many workers are needed. AcqRel; pairs with
    /// `request_workers_if_needed`.
    pub(crate) fn clear_wake_pending(&self) {
        if let Some(wakeup) = &self.wakeup {
            wakeup.clear();
        }
        self.wake_pending.swap(false, AcqRel);
    }

    /// Sets the time after which idle workers exit.
    pub(crate) fn set_idle_time(&self, idle_ms: i64) {
        self.idle_ms.store(idle_ms as u64, Relaxed);
        // Pairs with the fence in `restore_idle_time`: who sees the new time on the board sees it here.
        fence(Release);
        self.region.board.set_idle_time(idle_ms);
    }

    /// Restores the idle time on the board, which a stray worker may have overwritten: with 0 there,
    /// workers would exit as soon as they have started, and be replaced, without end.
    pub(crate) fn restore_idle_time(&self) {
        let on_board = self.region.board.idle_time();
        fence(Acquire); // Pairs with the fence in `set_idle_time`.
        let idle_ms = self.idle_ms.load(Relaxed) as i64;
        if on_board != idle_ms {
            self.region.board.set_idle_time(idle_ms);
        }
    }

    pub(crate) fn workers_min(&self) -> u32 {
        self.bounds.min()
    }

    #[inline]
    pub(crate) fn workers_max(&self) -> u32 {
        self.bounds.max()
    }

    /// The configuration of a worker that starts now.
    pub(crate) fn worker_config_now(&self) -> WorkerConfig {
        WorkerConfig { min_workers: self.workers_min(), ..self.worker_config }
    }

    /// How many tasks the workers of this seat have claimed.
    pub(crate) fn claimed(&self, seat: SeatIndex) -> u64 {
        self.region.board.seats().at(usize::from(seat.0)).claimed.load(Relaxed)
    }

    /// Whether the worker of this seat has ended every task that it has claimed.
    pub(crate) fn is_idle(&self, seat: SeatIndex) -> bool {
        let seat = self.region.board.seats().at(usize::from(seat.0));
        // Acquire; pairs with `Board::claim`.
        let claimed = seat.claimed.load(Acquire);
        seat.ended.load(Relaxed) >= claimed
    }

    // ---- tasks that do not run -----------------------------------------------------------------

    /// Cancels a task that no worker has claimed.
    pub(crate) fn withdraw(&self, key: SlotKey, why: CancelReason) -> bool {
        let submitted = self.region.board.slot(key.slot).stamp();
        let queued = clock::pack_short(clock::now().saturating_sub(submitted));
        let how = Cancellation { why, queued };
        let cancel = || self.region.board.cancel(key.slot, key.generation, how);
        let is_withdrawn = self.counters.cancelled.count_if(cancel);
        if is_withdrawn {
            self.slots.count_withdrawn();
            self.notify_submitters();
            self.hint_completion(key.slot);
        }
        is_withdrawn
    }

    /// From now on a thread takes the completion hints. The fence pairs with that in
    /// `hint_completion`: a thread that sees a subscription that was made after this also sees the
    /// listener.
    pub(crate) fn start_listening(&self) {
        self.has_listener.store(true, Relaxed);
        fence(SeqCst);
    }

    /// Notifies the listener that the parent itself has ended a task, if there is a subscription to
    /// its end.
    pub(crate) fn hint_completion(&self, slot: u32) {
        if !self.region.board.slot(slot).word.waiters().on_event {
            return;
        }
        self.push_hint(slot);
    }

    /// Like [`PoolState::hint_completion`], whatever the slot says.
    fn push_hint(&self, slot: u32) {
        // Pairs with the fence in `start_listening`.
        fence(SeqCst);
        if self.has_listener.load(Relaxed) {
            self.push_completion_hint(slot);
        }
    }

    /// Makes the listener check a task that is done.
    pub(crate) fn push_completion_hint(&self, slot: u32) {
        self.completion_hints.lock().push(slot);
        self.region.board.notify_completion();
    }

    pub(crate) fn take_completion_hints(&self) -> Vec<u32> {
        std::mem::take(&mut *self.completion_hints.lock())
    }

    // ---- time limits ---------------------------------------------------------------------------

    /// Arms the limit timer for a task with the pool's limits. Called after a submit's fence.
    #[inline]
    pub(crate) fn arm_limits(&self) {
        if self.limits.arm_default() {
            self.wake();
        }
    }

    /// Arms the limit timer for a task with these limits. Called after a submit's fence.
    pub(crate) fn arm_limits_of(&self, limits: TimeLimits) {
        if self.limits.arm(limits) {
            self.wake();
        }
    }

    /// Cancels the task unless it starts within this time.
    pub(crate) fn set_start_deadline(&self, key: SlotKey, ms: u64) {
        if self.limits.add_start_deadline(key, ms) {
            self.wake();
        }
    }

    // ---- a bounded queue -----------------------------------------------------------------------

    /// Reserves a position for a task in a bounded queue, if there is capacity.
    pub(crate) fn reserve_bounded(&self) -> Option<u64> {
        self.submit_queue.reserve(&self.region, &self.slots)
    }

    /// Like [`PoolState::reserve_bounded`], but waits for capacity. `refusing`: the flags that end
    /// the wait.
    pub(crate) fn wait_for_capacity(&self, deadline: Deadline, refusing: u32) -> Result<u64> {
        let is_closed = || self.flags.load(Acquire) & refusing != 0;
        loop {
            let found = self.submit_queue.wait(&self.region, &self.slots, deadline, is_closed);
            if let Some(position) = found {
                return Ok(position);
            }
            self.check_flags(refusing)?;
            if deadline.has_passed() {
                return Err(backpressure::full());
            }
            // It was refused by a join that is over.
        }
    }

    /// Wakes a waiting submitter: a task has left the queue, and was counted.
    pub(crate) fn notify_submitters(&self) {
        self.submit_queue.notify(&self.region);
    }

    /// Wakes all waiting submitters to check the flags.
    pub(crate) fn wake_submitters(&self) {
        self.submit_queue.wake_all(&self.region);
    }

    // ---- closing -------------------------------------------------------------------------------

    /// Sets flags. After the fence a submit either sees them, or its task is seen.
    pub(crate) fn set_flags(&self, bits: u32) {
        self.flags.fetch_or(bits, AcqRel);
        // Pairs with the fences in `Sleepers::notify_one` (see `flags`) and in `SubmitPermit`.
        fence(SeqCst);
    }

    /// Closes the pool: nothing that is submitted after this is accepted. Async-signal-safe.
    pub(crate) fn close_for(&self, mode: StopMode) {
        let stopped = if mode == StopMode::Drain { 0 } else { pool_flags::STOPPED };
        self.set_flags(pool_flags::CLOSED | stopped);
    }

    /// Requests a stop. Atomic steps and one write: async-signal-safe.
    pub(crate) fn request_stop(&self, mode: StopMode) {
        if self.flags.load(Acquire) & pool_flags::TERMINATED != 0 {
            return;
        }
        self.shutdown_request.announce();
        self.close_for(mode);
        self.shutdown_request.request(mode);
        self.wake();
    }

    /// Breaks the pool. Returns why it is broken: the first reason that was given.
    pub(crate) fn set_broken(&self, reason: TaskFailure) -> TaskFailure {
        let mut is_first = false;
        let first = self.broken.get_or_init(|| {
            is_first = true;
            reason
        });
        let reason = first.clone();
        if is_first {
            self.log_broken(&reason);
        }
        self.set_flags(pool_flags::BROKEN);
        self.wake_submitters();
        reason
    }

    /// The error of a broken pool.
    pub(crate) fn check_broken(&self) -> Result<()> {
        match self.broken.get() {
            Some(reason) => Err(reason.to_error()),
            None => Ok(()),
        }
    }

    /// The error of a task that was cancelled because the pool is broken.
    pub(crate) fn end_by_break(&self) -> Error {
        let mut detail = Detail::default();
        if let Some(TaskFailure { status, detail: why }) = self.broken.get() {
            let status = status.description().to_string_lossy();
            detail = why.clone();
            detail.message = match why.message.as_str() {
                "" => format!("cancelled: {status}"),
                message => format!("cancelled: {status}: {message}"),
            };
        }
        Error::with_detail(Status::POOL_ERR_BROKEN, detail)
    }

    /// Why the pool refuses tasks, if it does.
    pub(crate) fn check_open(&self) -> Result<()> {
        self.check_flags(pool_flags::REFUSE)
    }

    /// Like [`PoolState::check_open`], for these flags only.
    #[inline]
    pub(crate) fn check_flags(&self, refusing: u32) -> Result<()> {
        match self.flags.load(Acquire) {
            bits if bits & refusing == 0 => Ok(()),
            bits => Err(self.refusal(bits)),
        }
    }

    #[cold]
    fn refusal(&self, bits: u32) -> Error {
        match self.check_broken() {
            Err(why) if bits & (pool_flags::CLOSED | pool_flags::TERMINATED) == 0 => why,
            _ => Status::POOL_ERR_CLOSED.into(),
        }
    }

    // ---- the log -------------------------------------------------------------------------------

    /// Writes a message to the log, if there is one.
    pub(crate) fn log(&self, level: LogLevel, message: impl FnOnce() -> String) {
        self.config.observers.log(&self.callbacks, level, message);
    }

    fn log_broken(&self, reason: &TaskFailure) {
        self.log(LogLevel::Error, || {
            let status = reason.status.description().to_string_lossy();
            match reason.detail.message.as_str() {
                "" => format!("the pool is broken: {status}"),
                message => format!("the pool is broken: {status}: {message}"),
            }
        });
    }
}
