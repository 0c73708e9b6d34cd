//! What a pool and its watch share: the board, the books, the gate, and the way to send orders.

use super::cancelled::CancelledList;
use super::heralds::TaskCallbackTable;
use super::limits::{LimitSettings, TimeLimits};
use super::line::SubmitQueue;
use super::news::Observers;
pub(crate) use super::orders::{Command, CommandReceiver, RestartMode, ShrinkMode, StopMode};
use super::orders::{CommandQueue, StopRequest};
use super::outbox::CallbackQueue;
use super::scale::WorkerBounds;
use super::staff::WorkerTable;
use super::totals::Counters;
use crate::board::Region;
use crate::board::ledger::{SlotKey, SlotTable};
use crate::board::notes::TaskFailure;
use crate::board::slot::SeatIndex;
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
pub(crate) mod gate {
    pub(crate) const CLOSED: u32 = 1;
    pub(crate) const BROKEN: u32 = 2;
    pub(crate) const TERMINATED: u32 = 4;
    pub(crate) const JOINING: u32 = 8;
    /// A stop that lets nothing more run. Nobody is shown this one.
    pub(crate) const STOPPED: u32 = 16;
    /// What keeps those out who have begun when the gate was open.
    pub(crate) const FOR_INSIDERS: u32 = BROKEN | TERMINATED | STOPPED;
    pub(crate) const SHOWN: u32 = CLOSED | BROKEN | TERMINATED | JOINING;
}

/// Somebody who is about to submit more, for something that was begun when the gate was open. Joining and
/// draining wait for them.
pub(crate) struct SubmitPermit(Arc<PoolState>);

impl SubmitPermit {
    pub(crate) fn new(site: &Arc<PoolState>) -> SubmitPermit {
        site.insiders.fetch_add(1, AcqRel);
        // Pairs with the fence after the gate is shut: the watch sees us, or we see the gate.
        fence(SeqCst);
        SubmitPermit(site.clone())
    }
}

impl Drop for SubmitPermit {
    fn drop(&mut self) {
        self.0.insiders.fetch_sub(1, AcqRel);
        fence(SeqCst);
        if self.0.gate.load(Relaxed) != 0 {
            self.0.ring();
        }
    }
}

/// What kind of workers a pool has.
#[derive(Clone)]
pub(crate) enum PoolKind {
    Threads,
    Processes(Arc<ProcessConfig>),
    /// No workers: tasks run in the threads that submit them.
    Inline,
}

/// How many workers there are to be at first, and how often starting one may fail.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Plan {
    pub(crate) workers_min: u32,
    pub(crate) workers_max: u32,
    /// So many starts may fail one after the other within the window; the largest number: any.
    pub(crate) restarts_max: u32,
    pub(crate) restart_window: Duration,
    pub(crate) times: StepTimeouts,
    pub(crate) on_lost: OnLost,
    /// How often a task is run again whose worker is lost.
    pub(crate) retries: u32,
}

/// What becomes of the pool when a worker is lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum OnLost {
    #[default]
    GoOn,
    Break,
}

/// How long what workers do may take. None: any time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StepTimeouts {
    /// From SIGTERM to SIGKILL.
    pub(crate) kill_grace: Duration,
    /// From a worker process's start to its first word.
    pub(crate) start: Option<Duration>,
    pub(crate) initializer: Option<Duration>,
    pub(crate) finalizer: Option<Duration>,
}

pub(crate) struct PoolState {
    pub(crate) name: String,
    pub(crate) kind: PoolKind,
    pub(crate) plan: Plan,
    pub(crate) terms: WorkerConfig,
    pub(crate) staff: WorkerTable,
    pub(crate) totals: Counters,
    pub(crate) limiter: LimitSettings,
    /// Sent to a worker process whose task has passed its soft limit.
    pub(crate) soft_signal: Option<Signal>,
    pub(crate) heralds: TaskCallbackTable,
    pub(crate) outbox: CallbackQueue,
    pub(crate) listeners: Observers,
    pub(crate) region: Arc<Region>,
    pub(crate) slots: SlotTable,
    pub(crate) line: SubmitQueue,
    /// Slots of tasks that somebody waits for by the notice and that were ended by the parent itself.
    hints: Mutex<Vec<u32>>,
    /// Whether somebody takes the hints.
    has_listener: AtomicBool,
    /// The tasks that a stop or a break has cancelled; listed while somebody can still ask.
    pub(crate) cancelled: CancelledList,
    pub(crate) lists_cancelled: AtomicBool,
    /// Bits of [`gate`]. Written with a fence before the slots are looked at; a submitter reads it
    /// after the fence that follows its post. So either it sees the gate shut, or its task is seen.
    pub(crate) gate: AtomicU32,
    pub(crate) insiders: AtomicU32,
    /// Workers that were started and have not left.
    pub(crate) workers: AtomicU32,
    /// A function of the main program was submitted: helpers will not do.
    pub(crate) needs_own_image: AtomicBool,
    pub(crate) why_broken: OnceLock<TaskFailure>,
    pub(super) stop_request: StopRequest,
    pub(super) size: WorkerBounds,
    was_called: AtomicBool,
    orders: CommandQueue,
    bell: OwnedFd,
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
        let bell = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|errno| Error::os("eventfd", errno))?;
        let orders = CommandQueue::new();
        let inbox = CommandReceiver(orders.clone());
        let site = PoolState {
            outbox: CallbackQueue::new(&name, is_external)?,
            name,
            kind,
            plan,
            terms: WorkerConfig::default(),
            staff: WorkerTable::default(),
            totals: Counters::default(),
            listeners: Observers::default(),
            limiter: LimitSettings::new(TimeLimits::default()),
            soft_signal: None,
            heralds: TaskCallbackTable::default(),
            region: Arc::new(region),
            slots,
            line: SubmitQueue::default(),
            hints: Mutex::default(),
            has_listener: AtomicBool::new(false),
            cancelled: CancelledList::default(),
            lists_cancelled: AtomicBool::new(true),
            gate: AtomicU32::new(0),
            insiders: AtomicU32::new(0),
            workers: AtomicU32::new(0),
            needs_own_image: AtomicBool::new(false),
            why_broken: OnceLock::new(),
            stop_request: StopRequest::default(),
            size: WorkerBounds::new(&plan),
            was_called: AtomicBool::new(false),
            orders,
            bell,
        };
        Ok((site, inbox))
    }

    pub(crate) fn bell(&self) -> &OwnedFd {
        &self.bell
    }

    /// Sends an order. False: the watch is gone, because the pool has been shut down.
    pub(crate) fn order(&self, order: Command) -> bool {
        let is_sent = self.orders.add(order);
        self.ring();
        is_sent
    }

    /// Makes the watch look around: at its orders, at the lines, at who is needed.
    pub(crate) fn ring(&self) {
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    /// Called after a submit's fence: asks for workers, if more could be had and are needed.
    #[inline(always)]
    pub(crate) fn call_for_workers(&self) {
        if self.workers.load(Relaxed) < self.workers_max() {
            self.call_if_needed();
        }
    }

    fn call_if_needed(&self) {
        let workers = u64::from(self.workers.load(Relaxed));
        let load = self.slots.load(&self.region);
        let is_needed = workers == 0 || load.pending + u64::from(load.busy) > workers;
        // AcqRel; pairs with `answer_call`: a call that is not made was not answered yet.
        if is_needed && !self.was_called.swap(true, AcqRel) {
            self.ring();
        }
    }

    /// How many tasks this seat's workers have claimed.
    pub(crate) fn claimed(&self, seat: SeatIndex) -> u64 {
        self.region.board.seats().at(usize::from(seat.0)).claimed.load(Relaxed)
    }

    /// The watch is about to look whom it needs.
    pub(crate) fn answer_call(&self) {
        self.was_called.swap(false, AcqRel);
    }

    /// Takes a task back that no worker has claimed, and ends it as cancelled.
    pub(crate) fn take_back(&self, ticket: SlotKey, note: Option<&TaskFailure>) -> bool {
        if let Some(note) = note {
            self.slots.side_table.set_failure(ticket.slot, note.clone());
        }
        // Counted first: whoever sees it done sees it counted.
        self.totals.cancelled.count();
        let is_taken = self.region.board.cancel(ticket.slot, ticket.generation);
        if is_taken {
            self.slots.count_withdrawn();
            self.tell_line();
            let slot = self.region.board.slot(ticket.slot);
            slot.progress().store(clock::now(), Relaxed);
            self.hint(ticket.slot);
        } else {
            self.totals.cancelled.uncount();
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
            self.hint_done(slot);
        }
    }

    /// Tells the listener to look at a task that is done.
    pub(crate) fn hint_done(&self, slot: u32) {
        self.hints.lock().unwrap_or_else(PoisonError::into_inner).push(slot);
        self.region.board.notify_completion();
    }

    pub(crate) fn take_hints(&self) -> Vec<u32> {
        std::mem::take(&mut *self.hints.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes that the pool is broken; answers why, which is the first reason that there was.
    pub(crate) fn note_break(&self, note: TaskFailure) -> TaskFailure {
        let mut is_first = false;
        let first = self.why_broken.get_or_init(|| {
            is_first = true;
            note
        });
        let note = first.clone();
        if is_first {
            self.tell_break(&note);
        }
        self.gate.fetch_or(gate::BROKEN, AcqRel);
        // Pairs with the fence of a submit's ring (see `gate`).
        fence(SeqCst);
        self.rouse_line();
        note
    }

    /// The reason why the pool is broken, if it is.
    pub(crate) fn check_broken(&self) -> Result<()> {
        match self.why_broken.get() {
            Some(note) => Err(Error::with_detail(note.status, note.detail.clone())),
            None => Ok(()),
        }
    }

    /// Why the pool takes no task, if it does not.
    pub(crate) fn check_gate(&self) -> Result<()> {
        self.check_gate_for(u32::MAX)
    }

    /// The same, for whom only these bits count.
    #[inline]
    pub(crate) fn check_gate_for(&self, shut: u32) -> Result<()> {
        match self.gate.load(Acquire) {
            bits if bits & shut == 0 => Ok(()),
            bits => Err(self.refusal(bits)),
        }
    }

    #[cold]
    fn refusal(&self, bits: u32) -> Error {
        match self.check_broken() {
            Err(why) if bits & (gate::CLOSED | gate::TERMINATED) == 0 => why,
            _ => Status::POOL_ERR_CLOSED.into(),
        }
    }
}
