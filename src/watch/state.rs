//! What a pool and its watch share: the board, the books, the gate, and the way to send orders.

use super::backpressure::SubmitQueue;
use super::callbacks::CallbackQueue;
use super::cancelled::CancelledList;
pub(crate) use super::commands::{Command, CommandReceiver, RestartMode, ShrinkMode, StopMode};
use super::commands::{CommandQueue, StopRequest};
use super::counters::Counters;
use super::events::Observers;
use super::limits::{LimitSettings, TimeLimits};
use super::resize::WorkerBounds;
use super::task_callbacks::TaskCallbackTable;
use super::worker_table::WorkerTable;
use crate::board::Region;
use crate::board::side_table::TaskFailure;
use crate::board::slot::SeatIndex;
use crate::board::slots::{SlotKey, SlotTable};
use crate::clock;
use crate::error::{Error, Result, Status};
use crate::sync::plain::{AtomicBool, AtomicU32};
use crate::sync::{Ordering::*, fence};
use crate::worker::WorkerConfig;
use crate::worker::start::ProcessConfig;
use rustix::event::EventfdFlags;
use rustix::process::Signal;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Why no task is taken; the bits of `pool_state`.
pub(crate) mod pool_flags {
    pub(crate) const CLOSED: u32 = 1;
    pub(crate) const BROKEN: u32 = 2;
    pub(crate) const TERMINATED: u32 = 4;
    pub(crate) const JOINING: u32 = 8;
    /// A stop that lets nothing more run. Nobody is shown this one.
    pub(crate) const STOPPED: u32 = 16;
    /// What keeps those out who have begun when the gate was open.
    pub(crate) const REFUSE_ALWAYS: u32 = BROKEN | TERMINATED | STOPPED;
    pub(crate) const PUBLIC: u32 = CLOSED | BROKEN | TERMINATED | JOINING;
}

/// Somebody who is about to submit more, for something that was begun when the gate was open. Joining and
/// draining wait for them.
pub(crate) struct SubmitPermit(Arc<PoolState>);

impl SubmitPermit {
    pub(crate) fn new(state: &Arc<PoolState>) -> SubmitPermit {
        state.permits.fetch_add(1, AcqRel);
        // Pairs with the fence after the gate is shut: the watch sees us, or we see the gate.
        fence(SeqCst);
        SubmitPermit(state.clone())
    }
}

impl Drop for SubmitPermit {
    fn drop(&mut self) {
        self.0.permits.fetch_sub(1, AcqRel);
        fence(SeqCst);
        if self.0.flags.load(Relaxed) != 0 {
            self.0.wake();
        }
    }
}

pub(crate) struct PoolState {
    pub(crate) name: String,
    pub(crate) kind: PoolKind,
    pub(crate) plan: Plan,
    pub(crate) worker_config: WorkerConfig,
    pub(crate) worker_table: WorkerTable,
    pub(crate) counters: Counters,
    pub(crate) limits: LimitSettings,
    /// Sent to a worker process whose task has passed its soft limit.
    pub(crate) soft_signal: Option<Signal>,
    pub(crate) task_callbacks: TaskCallbackTable,
    pub(crate) callbacks: CallbackQueue,
    pub(crate) observers: Observers,
    pub(crate) region: Arc<Region>,
    pub(crate) slots: SlotTable,
    pub(crate) submit_queue: SubmitQueue,
    /// Slots of tasks that somebody waits for by the notice and that were ended by the parent itself.
    hints: Mutex<Vec<u32>>,
    /// Whether somebody takes the hints.
    has_listener: AtomicBool,
    /// The tasks that a stop or a break has cancelled; listed while somebody can still ask.
    pub(crate) cancelled: CancelledList,
    pub(crate) lists_cancelled: AtomicBool,
    /// Bits of [`gate`]. Written with a fence before the slots are looked at; a submitter reads it
    /// after the fence that follows its post. So either it sees the gate shut, or its task is seen.
    pub(crate) flags: AtomicU32,
    pub(crate) permits: AtomicU32,
    /// Workers that were started and have not left.
    pub(crate) workers: AtomicU32,
    /// A function of the main program was submitted: helpers will not do.
    pub(crate) needs_main_program: AtomicBool,
    pub(crate) broken: OnceLock<TaskFailure>,
    pub(super) stop_request: StopRequest,
    pub(super) size: WorkerBounds,
    wake_pending: AtomicBool,
    commands: CommandQueue,
    wakeup: OwnedFd,
}

impl PoolState {
    pub(crate) fn new(
        name: String,
        kind: PoolKind,
        plan: Plan,
        is_external: bool,
        region: Region,
        slots: SlotTable,
    ) -> Result<(PoolState, CommandReceiver)> {
        let wakeup = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|errno| Error::os("eventfd", errno))?;
        let commands = CommandQueue::new();
        let receiver = CommandReceiver(commands.clone());
        let state = PoolState {
            callbacks: CallbackQueue::new(&name, is_external)?,
            name,
            kind,
            plan,
            worker_config: WorkerConfig::default(),
            worker_table: WorkerTable::default(),
            counters: Counters::default(),
            observers: Observers::default(),
            limits: LimitSettings::new(TimeLimits::default()),
            soft_signal: None,
            task_callbacks: TaskCallbackTable::default(),
            region: Arc::new(region),
            slots,
            submit_queue: SubmitQueue::default(),
            hints: Mutex::default(),
            has_listener: AtomicBool::new(false),
            cancelled: CancelledList::default(),
            lists_cancelled: AtomicBool::new(true),
            flags: AtomicU32::new(0),
            permits: AtomicU32::new(0),
            workers: AtomicU32::new(0),
            needs_main_program: AtomicBool::new(false),
            broken: OnceLock::new(),
            stop_request: StopRequest::default(),
            size: WorkerBounds::new(&plan),
            wake_pending: AtomicBool::new(false),
            commands,
            wakeup,
        };
        Ok((state, receiver))
    }

    pub(crate) fn wakeup(&self) -> &OwnedFd {
        &self.wakeup
    }

    /// Sends an order. False: the watch is gone, because the pool has been shut down.
    pub(crate) fn send(&self, command: Command) -> bool {
        let is_sent = self.commands.push(command);
        self.wake();
        is_sent
    }

    /// Makes the watch look around: at its orders, at the lines, at who is needed.
    pub(crate) fn wake(&self) {
        let _ = rustix::io::write(&self.wakeup, &1_u64.to_ne_bytes());
    }

    /// Called after a submit's fence: asks for workers, if more could be had and are needed.
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
        // AcqRel; pairs with `clear_wake_pending`: a call that is not made was not answered yet.
        if is_needed && !self.wake_pending.swap(true, AcqRel) {
            self.wake();
        }
    }

    /// How many tasks this seat's workers have claimed.
    pub(crate) fn claimed(&self, seat: SeatIndex) -> u64 {
        self.region.board.seats().at(usize::from(seat.0)).claimed.load(Relaxed)
    }

    /// The watch is about to look whom it needs.
    pub(crate) fn clear_wake_pending(&self) {
        self.wake_pending.swap(false, AcqRel);
    }

    /// Takes a task back that no worker has claimed, and ends it as cancelled.
    pub(crate) fn withdraw(&self, ticket: SlotKey, note: Option<&TaskFailure>) -> bool {
        if let Some(note) = note {
            self.slots.side_table.set_failure(ticket.slot, note.clone());
        }
        // Counted first: whoever sees it done sees it counted.
        self.counters.cancelled.count();
        let is_taken = self.region.board.cancel(ticket.slot, ticket.generation);
        if is_taken {
            self.slots.count_withdrawn();
            self.notify_submitters();
            let slot = self.region.board.slot(ticket.slot);
            slot.progress().store(clock::now(), Relaxed);
            self.hint(ticket.slot);
        } else {
            self.counters.cancelled.uncount();
            if note.is_some() {
                self.slots.side_table.clear_failure(ticket.slot);
            }
        }
        is_taken
    }

    /// From now on somebody takes the hints. The fence pairs with that of `hint`: who sees the flag of a
    /// task that is asked for after this also sees the listener.
    pub(crate) fn listen(&self) {
        self.has_listener.store(true, Relaxed);
        fence(SeqCst);
    }

    /// Tells the listener that the parent itself has ended a task.
    pub(crate) fn hint(&self, slot: u32) {
        if !self.region.board.slot(slot).word.waiters().on_event {
            return;
        }
        fence(SeqCst);
        if self.has_listener.load(Relaxed) {
            self.push_completion_hint(slot);
        }
    }

    /// Tells the listener to look at a task that is done.
    pub(crate) fn push_completion_hint(&self, slot: u32) {
        self.hints.lock().unwrap_or_else(PoisonError::into_inner).push(slot);
        self.region.board.notify_completion();
    }

    pub(crate) fn take_completion_hints(&self) -> Vec<u32> {
        std::mem::take(&mut *self.hints.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes that the pool is broken; answers why, which is the first reason that there was.
    pub(crate) fn set_broken(&self, note: TaskFailure) -> TaskFailure {
        let mut is_first = false;
        let first = self.broken.get_or_init(|| {
            is_first = true;
            note
        });
        let note = first.clone();
        if is_first {
            self.log_broken(&note);
        }
        self.flags.fetch_or(pool_flags::BROKEN, AcqRel);
        // Pairs with the fence of a submit's ring (see `gate`).
        fence(SeqCst);
        self.wake_submitters();
        note
    }

    /// The reason why the pool is broken, if it is.
    pub(crate) fn check_broken(&self) -> Result<()> {
        match self.broken.get() {
            Some(note) => Err(Error::with_detail(note.status, note.detail.clone())),
            None => Ok(()),
        }
    }

    /// Why the pool takes no task, if it does not.
    pub(crate) fn check_open(&self) -> Result<()> {
        self.check_flags(u32::MAX)
    }

    /// The same, for whom only these bits count.
    #[inline]
    pub(crate) fn check_flags(&self, shut: u32) -> Result<()> {
        match self.flags.load(Acquire) {
            bits if bits & shut == 0 => Ok(()),
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
}
