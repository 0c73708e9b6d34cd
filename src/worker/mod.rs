//! A worker's life: initializer, loop, finalizer. The same for threads and processes.
//!
//! ```text
//!           initializer                     an exit reason: finalizer
//!   start ───────────────▶ take ▸ run ▸ finish ───────────────────────▶ exit
//!     │ it fails:            ▲         │
//!     │ HookFailed           └─────────┘
//!     ▼
//!   exit
//! ```
//!
//! What a worker holds stands on the board: its seat in the word of the slot that it has claimed,
//! and its bits among the sleepers. So whatever happens to it in a task, the supervisor can recover
//! what it leaves.

mod channel;
pub(crate) mod child;
pub(crate) mod chunk;
mod completion;
pub(crate) mod config;
mod current;
mod cxx_exceptions;
mod dl_lock;
mod echo;
mod exceptions;
pub(crate) mod exec_context;
mod executable;
mod forkserver;
pub(crate) mod inherit_fds;
mod loader;
pub(crate) mod main_hook;
pub(crate) mod memory_limit;
mod modules;
pub(crate) mod opened_program;
pub(crate) mod program;
pub(crate) mod protocol;
pub(crate) mod resolve;
mod sandbox;
mod soft_signal;
pub(crate) mod spawn;
pub(crate) mod symbols;
mod task;
mod threads;
mod unseen;

pub(crate) use channel::{Channel, Received};
pub(crate) use completion::{Completion, claim_external, complete};
pub(crate) use current::{
    CapacityClaim, ClaimedTask, InlineRun, claim_next, current_task, is_worker, is_worker_of,
    run_inline,
};
pub(crate) use echo::echo_address;
pub(crate) use forkserver::raw_status;
pub(crate) use main_hook::main_program_has_hook;
pub(crate) use task::{ResultFile, Task};
pub(crate) use threads::start_own_thread;
pub(crate) use unseen::status_after_reaping;

use crate::board::memory::FileLimit;
use crate::board::parent::slots::SlotKey;
use crate::board::record::TaskCall;
use crate::board::ring::RingEntry;
use crate::board::slot::{Claim, Outcome, SeatIndex};
use crate::board::stats::FinishedTask;
use crate::board::{After, IdlePolicy, Next, Region};
use crate::error::{Result, Status};
use crate::process::ProcessMark;
use crate::{clock, process};
use config::WorkerConfig;
use current::EnterGuard;
use memory_limit::MemoryLimit;
use protocol::{ExitReason, Hook, HookFailure, Message};
use resolve::{Resolver, TaskFunction};
use soft_signal::SignalWindow;
use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;
use task::UserState;

/// The library's version, which parent and worker must have in common: their board is the same.
pub(crate) fn version() -> u64 {
    env!("CARGO_PKG_VERSION")
        .split('.')
        .fold(0, |number, part| number * 1000 + part.parse::<u64>().unwrap_or(0))
}

/// Sends a result that does not lie on the board to the parent.
pub(crate) type SendResultFile = Box<dyn Fn(ResultFile) -> Result<()> + Send>;

/// Sends result files over a channel.
fn send_over(channel: &Arc<Channel>) -> SendResultFile {
    let channel = channel.clone();
    Box::new(move |file: ResultFile| {
        let SlotKey { slot, generation } = file.key;
        let message = Message::ResultFile { slot, generation, len: file.len };
        channel.send_patiently(&message, file.memory.file())
    })
}

pub(crate) struct Worker {
    region: Arc<Region>,
    seat: SeatIndex,
    config: WorkerConfig,
    resolver: RefCell<Resolver>,
    send_result_file: SendResultFile,
    user_state: UserState,
    /// Of the clock, for statistics.
    scale: u64,
    /// None: unlimited.
    memory_limit: OnceCell<MemoryLimit>,
    /// The task whose function runs; NULL: none does.
    current_task: Cell<*const Task>,
    /// The process in which the worker began.
    mark: ProcessMark,
    /// For results in files.
    file_limit: Cell<FileLimit>,
    /// The worker that this thread was before, while it runs a task of ours inside one of that
    /// worker's.
    outer: Cell<*const Worker>,
    /// How many tasks it runs that it has claimed inside others, to make room in the queue.
    claimed: Cell<u32>,
}

// SAFETY: one thread at a time uses a worker; `outer` and `current_task` are only set while the
// worker runs in a thread.
unsafe impl Send for Worker {}

impl Worker {
    pub(crate) fn new(
        region: Arc<Region>,
        seat: SeatIndex,
        config: WorkerConfig,
        resolver: Resolver,
        send_result_file: SendResultFile,
    ) -> Worker {
        process::count_forks();
        Worker {
            region,
            seat,
            config,
            resolver: RefCell::new(resolver),
            send_result_file,
            user_state: UserState::new(config.tasks_max, config.isolated_seat.unwrap_or(0)),
            scale: if config.scale == 0 { clock::scale() } else { config.scale },
            memory_limit: OnceCell::new(),
            current_task: Cell::new(std::ptr::null()),
            mark: ProcessMark::new(),
            file_limit: Cell::new(FileLimit::Current),
            outer: Cell::new(std::ptr::null()),
            claimed: Cell::new(0),
        }
    }

    fn task(&self) -> Task {
        Task::new(&self.region, self.seat, &self.user_state, self.mark, self.file_limit.get())
    }

    /// From now on the worker makes no system call to read the limit of file sizes.
    fn keep_file_limit(&self) {
        self.file_limit.set(FileLimit::read());
    }

    /// From now on functions of the main program are found without opening anything.
    fn open_main_program(&self) {
        self.resolver.borrow_mut().open_main_program();
    }

    fn is_on(&self, region: &Region) -> bool {
        std::ptr::eq(&*self.region, region)
    }

    pub(crate) fn seat(&self) -> SeatIndex {
        self.seat
    }

    /// Runs the initializer, if there is one.
    pub(crate) fn initialize(&self) -> std::result::Result<(), HookFailure> {
        self.run_hook(Hook::Initializer, self.config.initializer)
    }

    /// Runs the finalizer, if there is one.
    pub(crate) fn finalize(&self) -> std::result::Result<(), HookFailure> {
        self.run_hook(Hook::Finalizer, self.config.finalizer)
    }

    fn has_initializer(&self) -> bool {
        self.config.initializer.is_some()
    }

    /// Whether it has run as many tasks as it may, or its task has asked it to exit.
    pub(crate) fn reached_max_tasks(&self) -> bool {
        self.user_state.tasks_left.get() == 0
    }

    /// From now on its memory is looked at between two tasks, if that is limited.
    fn limit_memory(&self) -> Result<()> {
        if self.config.memory_max > 0 {
            let _ = self.memory_limit.set(MemoryLimit::new(self.config.memory_max)?);
        }
        Ok(())
    }

    /// Runs tasks until there is a reason to exit.
    fn run(&self) -> ExitReason {
        let _entered = EnterGuard::enter(self);
        let task = self.task();
        let board = &self.region.board;
        let idle_policy = match u32::from(self.seat.0) < self.config.min_workers {
            true => IdlePolicy::Stay,
            false => IdlePolicy::ExitAfterTimeout,
        };
        // When the last task ended. A task that follows at once began then: reading the clock takes
        // as long as all else between the two.
        let mut ended = None;
        loop {
            let next = match board.try_next(self.seat) {
                Some(slot) => Next::Task(slot),
                None => {
                    ended = None;
                    board.next(self.seat, idle_policy)
                }
            };
            match next {
                Next::Exit => return ExitReason::Requested,
                Next::IdleTimeout => return ExitReason::IdleTimeout,
                Next::Task(slot) => {
                    let started = ended.unwrap_or_else(clock::now);
                    match self.run_task(&task, slot, started) {
                        Ok(After::Continue) => ended = Some(task.ended()),
                        Ok(After::ContinueLater) => ended = None,
                        Ok(After::Exit) => return ExitReason::Killed,
                        Err(NeedsMainProgram) => return ExitReason::NeedsMainProgram,
                    }
                }
            }
            if self.reached_max_tasks() {
                return match self.user_state.is_retiring.get() {
                    true => ExitReason::Retired,
                    false => ExitReason::MaxTasks,
                };
            }
            if let Some(memory_limit) = self.memory_limit.get() {
                ended = None;
                if memory_limit.is_exceeded() {
                    return ExitReason::MaxMemory;
                }
            }
        }
    }

    /// Claims this task and runs it, now. False: another worker has claimed it.
    pub(crate) fn run_now(&self, slot: u32, generation: u32) -> bool {
        if self.region.board.claim(self.seat, RingEntry { slot, generation }) != Claim::Yours {
            return false;
        }
        let _entered = EnterGuard::enter(self);
        self.run_claimed(slot);
        true
    }

    /// Runs the task of a slot that our seat has claimed, inside another task or without one. Only
    /// threads do that, and they are the main program.
    fn run_claimed(&self, slot: u32) {
        let task = self.task();
        let _ = self.run_task(&task, slot, clock::now());
    }

    /// Runs the task of a slot that our seat has claimed. An error: this worker must exit.
    #[inline]
    fn run_task(
        &self,
        task: &Task,
        slot: u32,
        started: u64,
    ) -> std::result::Result<After, NeedsMainProgram> {
        let board = &self.region.board;
        let TaskCall { function: index, is_chunk, .. } = board.slot(slot).call();
        board.set_task_start(self.seat, started);
        task.begin(slot);
        let found = self.resolver.borrow_mut().find(index, &self.region).clone();
        let mut signals = None;
        let outcome = match found {
            Ok(function) => {
                signals = self.open_signal_window();
                let code = match is_chunk {
                    false => self.call(function, task),
                    true => chunk::run(task, &|| self.call(function, task)),
                };
                if let Some(signals) = &signals {
                    signals.close();
                }
                let outcome = task.end(code, started);
                match task.take_result_file() {
                    Some(file) => self.send_file(task, file, outcome, started),
                    None => outcome,
                }
            }
            // The supervisor requeues the task, and starts a worker that runs the main program.
            Err(message) => {
                task.set_message(message.as_bytes());
                if self.resolver.borrow().needs_main_program(index, &self.region) {
                    return Err(NeedsMainProgram);
                }
                task.end_failed(Status::POOL_ERR_FUNCTION, 0, started)
            }
        };
        self.count_task(slot, outcome);
        let after = board.finish(self.seat, slot, outcome);
        if let Some(signals) = signals {
            signals.end();
        }
        let tasks_left = &self.user_state.tasks_left;
        tasks_left.set(tasks_left.get().saturating_sub(1));
        Ok(after)
    }

    /// While a task of this worker process may receive the signal of its soft limit.
    #[inline]
    fn open_signal_window(&self) -> Option<Box<SignalWindow>> {
        match self.config.soft_signal {
            0 => None,
            number => Some(SignalWindow::open(number)),
        }
    }

    #[inline]
    fn count_task(&self, slot: u32, outcome: Outcome) {
        count_task(&self.region, self.seat, slot, outcome, self.scale);
    }

    /// Sends a result that does not lie on the board. It must be sent before the task is done.
    #[cold]
    fn send_file(&self, task: &Task, file: ResultFile, outcome: Outcome, started: u64) -> Outcome {
        match (self.send_result_file)(file) {
            Ok(()) => outcome,
            Err(_) => task.end_failed(Status::POOL_ERR_NOMEM, 0, started),
        }
    }

    fn run_hook(&self, hook: Hook, slot: Option<u32>) -> std::result::Result<(), HookFailure> {
        let Some(slot) = slot else { return Ok(()) };
        let _entered = EnterGuard::enter(self);
        let task = self.task();
        task.begin_hook(slot);
        let index = self.region.board.slot(slot).call().function;
        let found = self.resolver.borrow_mut().find(index, &self.region).clone();
        let (code, message) = match found {
            Ok(function) => match self.call(function, &task) {
                0 => return Ok(()),
                code => (code, task.take_message()),
            },
            Err(message) => (0, message),
        };
        Err(HookFailure { hook, code, message })
    }

    /// Calls a task's function. An exception that leaves it fails the task, like any non-zero code.
    fn call(&self, function: TaskFunction, task: &Task) -> i32 {
        let pointer = std::ptr::from_ref(task).cast_mut().cast();
        let outer = self.current_task.replace(task);
        // SAFETY: the submitter's promise: the pointer is to a task's function. The task outlives
        // it.
        let code = unsafe { exceptions::call(function, pointer) }.unwrap_or_else(|words| {
            task.set_message(words.as_bytes());
            exceptions::EXCEPTION_CODE
        });
        self.current_task.set(outer);
        if !self.mark.is_of_this_process() {
            exit_forked_copy();
        }
        code
    }
}

/// Counts the task that is about to be finished. Only an end that stays is counted.
#[inline(always)] // Two callers, one of them the loop of every worker.
pub(crate) fn count_task(
    region: &Region,
    seat: SeatIndex,
    slot: u32,
    outcome: Outcome,
    scale: u64,
) {
    let record = region.board.slot(slot);
    let (args_len, result_len) = record.lens();
    let spans = record.stamp();
    let ns = |packed: u32| clock::scaled(packed, scale);
    let is_failed = outcome != Outcome::Completed;
    region.worker_stats(seat).count(&FinishedTask {
        id: record.id(),
        is_failed,
        args_len,
        result_len: if is_failed { 0 } else { result_len },
        queue_ns: ns((spans >> 32) as u32),
        run_ns: ns(spans as u32),
    });
}

/// The task's function is in the main program, and this process runs another one.
struct NeedsMainProgram;

/// The life of a worker whose seat is ready: what it does, and reports over its channel, until it
/// exits. `on_initialized` runs between the initializer and the loop, and reports that the worker
/// is ready.
fn live(
    worker: &Worker,
    channel: &Channel,
    on_initialized: impl FnOnce() -> Result<()>,
) -> Result<ExitReason> {
    if worker.config.soft_signal != 0 {
        soft_signal::block(worker.config.soft_signal);
    }
    if worker.has_initializer() {
        channel.send_patiently(&Message::Initializing, None)?;
    }
    if let Err(failure) = worker.initialize() {
        channel.send_patiently(&hook_failed(failure), None)?;
        return Ok(ExitReason::Requested);
    }
    on_initialized()?;
    let reason = worker.run();
    // One that is about to be killed runs no user code any more.
    if reason == ExitReason::Killed {
        return Ok(reason);
    }
    if worker.config.finalizer.is_some() {
        let _ = channel.send_patiently(&Message::Finalizing, None);
    }
    if let Err(failure) = worker.finalize() {
        let _ = channel.send_patiently(&hook_failed(failure), None);
    }
    Ok(reason)
}

fn hook_failed(failure: HookFailure) -> Message {
    Message::HookFailed(HookFailure { message: protocol::clip(&failure.message), ..failure })
}

/// The function has forked, and this is the child: the seat belongs to the parent.
#[cold]
fn exit_forked_copy() -> ! {
    // SAFETY: ends the process without running anything.
    unsafe { libc::_exit(0) }
}
