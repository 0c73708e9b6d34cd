//! A worker's loop: take, resolve, call, finish. The same for threads and processes.
//!
//! ```text
//!           initializer                     told, idle, worn, or fat: finalizer
//!   start ───────────────▶ take ▸ run ▸ finish ──────────────────────────────▶ leave
//!     │ it fails: says so    ▲         │
//!     ▼                      └─────────┘
//!   leave
//! ```
//!
//! What a worker holds is in the board: its seat in the word of the slot it has claimed, and its
//! bits in the bell. So whatever happens to it in a task, the watch can settle what it leaves.

mod channel;
pub(crate) mod child;
pub(crate) mod chunk;
mod completion;
pub(crate) mod config;
mod caller_copy;
mod current;
mod dl_lock;
pub(crate) mod exec_context;
mod forkserver;
pub(crate) mod inherit_fds;
mod library;
pub(crate) mod main_hook;
pub(crate) mod memory_limit;
mod module;
pub(crate) mod protocol;
pub(crate) mod resolve;
mod spawn;
pub(crate) mod start;
mod task;
pub(crate) mod template;
mod threads;

pub(crate) use config::WorkerConfig;
pub(crate) use completion::{Completion, claim_external, complete, echo_address};
pub(crate) use current::{
    CapacityClaim, ClaimedTask, InlineRun, claim_next, is_worker, is_worker_of, run_inline,
};
pub(crate) use task::{MESSAGE_MAX, ResultFile, Task};
pub(crate) use threads::start_own_thread;

use crate::board::record::TaskCall;
use crate::board::ring::RingEntry;
use crate::board::side_table::TaskFailure;
use crate::board::slot::{Claim, Outcome, SeatIndex};
use crate::board::stats::FinishedTask;
use crate::board::{After, Next, Region};
use crate::clock;
use crate::error::{Detail, Result, Status};
use crate::process;
use current::EnterGuard;
use memory_limit::MemoryLimit;
use protocol::{Channel, Leave, Message};
use resolve::{Resolver, TaskFunction};
use std::cell::{Cell, OnceCell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use task::UserState;

/// The library's version, which parent and worker must have in common: their board is the same.
pub(crate) fn version() -> u64 {
    env!("CARGO_PKG_VERSION")
        .split('.')
        .fold(0, |number, part| number * 1000 + part.parse::<u64>().unwrap_or(0))
}

/// Which of the two functions around a worker's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    Initializer = 1,
    Finalizer = 2,
}

/// A hook that failed, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HookFailure {
    pub(crate) hook: Hook,
    /// What the function returned; 0 when it could not be called.
    pub(crate) code: i32,
    pub(crate) words: String,
}

impl HookFailure {
    /// Why the pool is broken by it.
    pub(crate) fn into_note(self) -> TaskFailure {
        let status = match self.hook {
            Hook::Initializer => Status::POOL_ERR_INITIALIZER,
            Hook::Finalizer => Status::POOL_ERR_FINALIZER,
        };
        let detail = Detail { task_code: self.code, message: self.words, ..Detail::default() };
        TaskFailure { status, detail }
    }
}

/// Sends a result that does not lie on the board to where the parent will find it.
pub(crate) type SendResultFile = Box<dyn Fn(ResultFile) -> Result<()> + Send>;

pub(crate) struct Worker {
    region: Arc<Region>,
    seat: SeatIndex,
    config: WorkerConfig,
    resolver: RefCell<Resolver>,
    deliver: SendResultFile,
    state: UserState,
    tasks_done: Cell<u64>,
    /// Of the clock, for statistics.
    scale: u64,
    /// Where its memory is limited.
    meter: OnceCell<MemoryLimit>,
    /// What [`process::fork_generation`] was when the worker began.
    fork_generation: u32,
    /// The worker that this thread was before, while it runs a task of ours in the middle of one.
    outer: Cell<*const Worker>,
    /// How many tasks it runs that it has claimed in the middle of others to make room.
    claimed: Cell<u32>,
}

// SAFETY: a worker is used by one thread at a time; `outer` is only set while it is at work in one.
unsafe impl Send for Worker {}

impl Worker {
    pub(crate) fn new(
        region: Arc<Region>,
        seat: SeatIndex,
        config: WorkerConfig,
        resolver: Resolver,
        deliver: SendResultFile,
    ) -> Worker {
        process::count_forks();
        Worker {
            region,
            seat,
            config,
            resolver: RefCell::new(resolver),
            deliver,
            state: UserState::default(),
            tasks_done: Cell::new(0),
            scale: if config.scale == 0 { clock::scale() } else { config.scale },
            meter: OnceCell::new(),
            fork_generation: process::fork_generation(),
            outer: Cell::new(std::ptr::null()),
            claimed: Cell::new(0),
        }
    }

    fn is_on(&self, region: &Region) -> bool {
        std::ptr::eq(&*self.region, region)
    }

    pub(crate) fn seat(&self) -> SeatIndex {
        self.seat
    }

    /// Runs the initializer, if there is one.
    pub(crate) fn begin(&self) -> std::result::Result<(), HookFailure> {
        self.run_hook(Hook::Initializer, self.config.initializer)
    }

    /// Runs the finalizer, if there is one.
    pub(crate) fn end(&self) -> std::result::Result<(), HookFailure> {
        self.run_hook(Hook::Finalizer, self.config.finalizer)
    }

    pub(crate) fn has_initializer(&self) -> bool {
        self.config.initializer.is_some()
    }

    pub(crate) fn has_finalizer(&self) -> bool {
        self.config.finalizer.is_some()
    }

    /// Whether it has run as many tasks as it may.
    pub(crate) fn reached_max_tasks(&self) -> bool {
        self.config.tasks_max != 0 && self.tasks_done.get() >= self.config.tasks_max
    }

    /// Begins to watch its own memory, if that is limited.
    pub(crate) fn start_memory_limit(&self) -> Result<()> {
        if self.config.memory_max > 0 {
            let _ = self.meter.set(MemoryLimit::new(self.config.memory_max)?);
        }
        Ok(())
    }

    /// Works until it is time to leave.
    pub(crate) fn run(&self) -> Leave {
        let _entered = EnterGuard::enter(self);
        let task = Task::new(&self.region, self.seat, &self.state);
        let board = &self.region.board;
        let stays = u32::from(self.seat.0) < self.config.min_workers;
        // When the last task ended. One that follows at once began then: to read the clock takes as long as
        // all else between the two.
        let mut ended = None;
        loop {
            let next = match board.try_next(self.seat) {
                Some(slot) => Next::Task(slot),
                None => {
                    ended = None;
                    board.next(self.seat, stays)
                }
            };
            match next {
                Next::Exit => return Leave::Requested,
                Next::IdleTimeout => return Leave::IdleTimeout,
                Next::Task(slot) => {
                    let started = ended.unwrap_or_else(clock::now);
                    match self.perform(&task, slot, started) {
                        Ok(After::Continue) => ended = Some(task.ended()),
                        Ok(After::ContinueLater) => ended = None,
                        Ok(After::Exit) => return Leave::KillPending,
                        Err(why) => return why,
                    }
                }
            }
            if self.reached_max_tasks() {
                return Leave::MaxTasks;
            }
            if let Some(meter) = self.meter.get() {
                ended = None;
                if meter.is_over() {
                    return Leave::MaxMemory;
                }
            }
        }
    }

    /// Claims this task and runs it, now. False: somebody else has claimed it.
    pub(crate) fn run_now(&self, slot: u32, generation: u32) -> bool {
        if self.region.board.claim(self.seat, RingEntry { slot, generation }) != Claim::Yours {
            return false;
        }
        let _entered = EnterGuard::enter(self);
        // Only a process can be of the wrong image, and only threads run tasks so.
        self.run_claimed(slot);
        true
    }

    /// Runs the task of a slot that our seat has claimed, in the middle of another or without one.
    fn run_claimed(&self, slot: u32) {
        let task = Task::new(&self.region, self.seat, &self.state);
        let _ = self.perform(&task, slot, clock::now());
    }

    /// Runs the task of a slot that our seat has claimed. An error: this worker must leave.
    #[inline]
    fn perform(&self, task: &Task, slot: u32, started: u64) -> std::result::Result<After, Leave> {
        let board = &self.region.board;
        let TaskCall { function: index, is_chunk, .. } = board.slot(slot).call();
        board.set_task_start(self.seat, started);
        task.begin(slot);
        let found = self.resolver.borrow_mut().find(index, &self.region).clone();
        let outcome = match found {
            Ok(function) => {
                let code = match is_chunk {
                    false => self.call(function, task),
                    true => chunk::run(task, &|| self.call(function, task)),
                };
                let outcome = task.end(code, started);
                match task.take_result_file() {
                    Some(result_file) => self.deliver(task, result_file, started),
                    None => outcome,
                }
            }
            // The watch puts the task back, and starts a worker of the right image.
            Err(words) => {
                task.set_message(words.as_bytes());
                if self.resolver.borrow().needs_main_program(index, &self.region) {
                    return Err(Leave::NeedsMainProgram);
                }
                task.end_failed(Status::POOL_ERR_FUNCTION, 0, started)
            }
        };
        self.count_task(slot, outcome);
        let after = board.finish(self.seat, slot, outcome);
        self.tasks_done.set(self.tasks_done.get() + 1);
        Ok(after)
    }

    /// Counts the task that is about to be finished. Only an end that stays is one.
    #[inline]
    fn count_task(&self, slot: u32, outcome: Outcome) {
        let record = self.region.board.slot(slot);
        let (args_len, result_len) = record.lens();
        let spans = record.stamp();
        let ns = |packed: u32| clock::scaled(packed, self.scale);
        let is_failed = outcome != Outcome::Completed;
        self.region.worker_stats(self.seat).count(&FinishedTask {
            id: record.id(),
            is_failed,
            args_len,
            result_len: if is_failed { 0 } else { result_len },
            queue_ns: ns((spans >> 32) as u32),
            run_ns: ns(spans as u32),
        });
    }

    /// Sends a result that does not lie on the board. It must be under way before the task is done.
    #[cold]
    fn deliver(&self, task: &Task, result_file: ResultFile, started: u64) -> Outcome {
        match (self.deliver)(result_file) {
            Ok(()) => Outcome::Completed,
            Err(_) => task.end_failed(Status::POOL_ERR_NOMEM, 0, started),
        }
    }

    fn run_hook(&self, hook: Hook, slot: Option<u32>) -> std::result::Result<(), HookFailure> {
        let Some(slot) = slot else { return Ok(()) };
        let _entered = EnterGuard::enter(self);
        let task = Task::new(&self.region, self.seat, &self.state);
        task.begin_hook(slot);
        let index = self.region.board.slot(slot).call().function;
        let found = self.resolver.borrow_mut().find(index, &self.region).clone();
        let (code, words) = match found {
            Ok(function) => match self.call(function, &task) {
                0 => return Ok(()),
                code => (code, task.take_message()),
            },
            Err(words) => (0, words),
        };
        Err(HookFailure { hook, code, words })
    }

    /// Calls a task's function. A panic that reaches us fails the task, like any other code.
    fn call(&self, function: TaskFunction, task: &Task) -> i32 {
        let pointer = std::ptr::from_ref(task).cast_mut().cast();
        // SAFETY: the submitter's promise: the pointer is to a task's function. The task outlives it.
        let run = || unsafe { function(pointer) };
        let code = match catch_unwind(AssertUnwindSafe(run)) {
            Ok(code) => code,
            Err(panic) => {
                let words = panic.downcast_ref::<&str>().copied().map(str::to_owned);
                let words = words.or_else(|| panic.downcast_ref::<String>().cloned());
                task.set_message(words.as_deref().unwrap_or("the function panicked").as_bytes());
                std::mem::forget(panic);
                i32::MIN
            }
        };
        if process::fork_generation() != self.fork_generation {
            exit_forked_copy();
        }
        code
    }
}

/// Lets a worker work that has begun, and end; what fails is told over the line.
fn work(worker: &Worker, channel: &Channel) -> Leave {
    let why = worker.run();
    if why == Leave::KillPending {
        return why;
    }
    if worker.has_finalizer() {
        let _ = channel.send(&Message::Finalizing, None);
    }
    if let Err(failure) = worker.end() {
        let _ = channel.send(&Message::HookFailed(failure), None);
    }
    why
}

fn send_result_file(channel: &Channel, result_file: &ResultFile) -> Result<()> {
    let message = Message::ResultFile { task: result_file.task, len: result_file.len };
    channel.send(&message, result_file.memory.file())
}

/// The function has forked, and this is the child: the seat belongs to the parent.
#[cold]
fn exit_forked_copy() -> ! {
    // SAFETY: ends the process without running anything.
    unsafe { libc::_exit(0) }
}
