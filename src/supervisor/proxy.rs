//! The proxy of an isolated worker: a thread that takes tasks from the pool's board for it, and gives
//! them to it on a board of its own (see [`crate::state::isolated`]).
//!
//! On the pool's board the proxy is the worker: it has the seat, sleeps and is woken, claims, and ends
//! tasks. So all that is done about workers there is done as for others.
//!
//! ```text
//!            the worker asks              Board::next          it answers
//!   waits ─────────────────▶ looks for a task ──────▶ calls it ──────────▶ gives it the task
//!     ▲                        │ Exit, IdleTimeout      │ taken back                │
//!     │                        ▼                        ▼                           │
//!     │                  tells the worker to exit    (waits)                        │
//!     └─────────────────────────────────────────────────────────────────────────────┘
//!                         the worker has ended it; its result is copied
//! ```
//!
//! A worker asks for each task (see `board/ask.rs`) after it has ended the one before, and knows that it
//! will take another; and it answers when it is called. So one that is about to exit, was killed in its
//! sleep, or is stopped, is given no task: the supervisor takes the task back, and another worker gets it.
//! The proxy knows by itself whether its worker was given a task. No worker makes the pool run one twice.
//!
//! When the worker process has exited, the supervisor ends its proxy, and then finds on the pool's board
//! what it would find there of any dead worker.

use crate::board::heap::Arena;
use crate::board::memory::{Memory, ResultBytes};
use crate::board::parent::slots::SlotKey;
use crate::board::queue::Reservation;
use crate::board::record::{ARGS_MAX, BytesLocation, Ending, FarBytes, Slot};
use crate::board::ring::RingEntry;
use crate::board::slot::{GENERATION_MASK, Outcome, Phase, SeatIndex};
use crate::board::{After, IDLE_NOW, IdlePolicy, Next, Stage, feature};
use crate::clock;
use crate::error::{Error, Result, Status};
use crate::fd::Descriptor;
use crate::state::PoolState;
use crate::state::commands::Command;
use crate::state::isolated::{HandedTask, IsolatedBoard, OWN_SEAT, TASK_SLOT};
use crate::sync::{LOOK_EVERY, Ordering::*, Scope, spin_until};
use crate::worker;
use crate::worker::config::WorkerConfig;

use std::sync::Arc;
use std::thread::JoinHandle;

/// How many looks in succession find that a worker does not run its task, before it is killed.
const LOOKS: u32 = 10;
/// How many find that a worker does not ask for a task, before the task goes to another one.
const LOOKS_AT_ABSENT: u32 = 2;
/// From this length on the memory of arguments is returned to the kernel after their task.
const LARGE_ARGS: usize = 1 << 20;

/// The supervisor's end of a proxy. Dropping it ends the proxy.
pub(super) struct Proxy {
    state: Arc<PoolState>,
    seat: SeatIndex,
    board: Arc<IsolatedBoard>,
    thread: Option<JoinHandle<()>>,
}

/// What a worker leaves that has exited.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    Nothing,
    /// A task that it has not ended.
    Task,
}

impl Proxy {
    /// Makes the board of a worker that is about to be initialized, and starts its proxy. Returns the
    /// file of the board, too, which only the worker gets.
    pub(super) fn start(state: &Arc<PoolState>, seat: SeatIndex) -> Result<(Proxy, Descriptor)> {
        let mut region = state.isolated.create_board(&state.region)?;
        region.memory.keep_from_forks()?;
        let file = region.memory.take_file().ok_or(Status::POOL_ERR_OS)?;
        // Never because it is idle: the proxy tells it.
        region.board.set_idle_time(-1);
        region.board.set_features(feature::ASKS);
        region.board.init_seat(OWN_SEAT);
        let board = Arc::new(IsolatedBoard::new(region));
        let mut relay = Relay::new(state.clone(), seat, board.clone());
        relay.write_hooks()?;
        let title = format!("{}/proxy{}", state.config.name, seat.0);
        let thread = worker::start_own_thread(title, move || relay.run())?;
        state.isolated.set(seat, Some(board.clone()));
        let proxy = Proxy { state: state.clone(), seat, board, thread: Some(thread) };
        Ok((proxy, file))
    }

    /// The board of the worker.
    pub(super) fn board(&self) -> &Arc<IsolatedBoard> {
        &self.board
    }

    /// The configuration of the worker, made from that of the pool's workers.
    pub(super) fn worker_config(seat: SeatIndex, config: WorkerConfig) -> WorkerConfig {
        WorkerConfig {
            min_workers: 0,
            initializer: config.initializer.map(|_| INITIALIZER_SLOT),
            finalizer: config.finalizer.map(|_| FINALIZER_SLOT),
            isolated_seat: Some(seat.0),
            ..config
        }
    }

    /// Ends the proxy of a worker that has exited.
    pub(super) fn end(mut self) -> Left {
        self.join();
        // One that it was not given goes to another worker, unless the pool stops.
        self.take_back();
        let Some(HandedTask { key, is_given, .. }) = self.board.handed() else {
            return Left::Nothing;
        };
        if is_given {
            let own = self.board.region.board.slot(TASK_SLOT).progress().load(Relaxed);
            self.state.region.board.slot(key.slot).progress().store(own, Relaxed);
        }
        Left::Task
    }

    /// Queues a task again that the worker was not given. Called by the supervisor, so the pool does not
    /// begin to stop meanwhile: one that stops has withdrawn what waits, and would leave the task.
    pub(super) fn take_back(&self) {
        let (board, tails) = (&self.state.region.board, &self.state.slots.tails);
        if board.stage() == Stage::Stop {
            return;
        }
        let requeue = |key: SlotKey| {
            board.requeue(key.slot, self.seat, tails, || self.state.counters.repeated.add());
            board.give_up_claim(self.seat);
        };
        if self.board.take_back(requeue) {
            self.state.wake_submitters();
            self.board.region.board.notify_completion();
        }
    }

    fn join(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.board.stop();
        self.state.region.board.retire_proxy(self.seat);
        let _ = thread.join();
        self.state.isolated.set(self.seat, None);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.join();
    }
}

/// The slots of the hooks on a worker's own board.
const INITIALIZER_SLOT: u32 = 0;
const FINALIZER_SLOT: u32 = 1;

/// What the thread of a proxy works with.
struct Relay {
    state: Arc<PoolState>,
    seat: SeatIndex,
    own: Arc<IsolatedBoard>,
    /// On the pool's board: for the results.
    results: Arena,
    /// On the worker's board: where the arguments of a task go.
    args_start: usize,
    /// By index: whether the worker's board has the function.
    functions: Vec<bool>,
    names_used: usize,
    idle_policy: IdlePolicy,
    /// How many tasks the worker has ended.
    ended: u64,
    /// Of the last task on the worker's board.
    generation: u32,
    scale: u64,
}

/// The supervisor has ended the proxy, or the worker can be given no more tasks.
struct Ended;

impl Relay {
    fn new(state: Arc<PoolState>, seat: SeatIndex, own: Arc<IsolatedBoard>) -> Relay {
        let stays = u32::from(seat.0) < state.workers_min();
        Relay {
            results: state.region.results_arena(seat),
            args_start: own.region.args_area().0,
            functions: Vec::new(),
            names_used: 0,
            idle_policy: if stays { IdlePolicy::Stay } else { IdlePolicy::ExitAfterTimeout },
            ended: 0,
            generation: 0,
            scale: clock::scale(),
            state,
            seat,
            own,
        }
    }

    // ---- before the first task -----------------------------------------------------------------

    /// Copies the hooks with their arguments, which stay on the worker's board.
    fn write_hooks(&mut self) -> Result<()> {
        let config = self.state.worker_config;
        let hooks = [(config.initializer, INITIALIZER_SLOT), (config.finalizer, FINALIZER_SLOT)];
        for (from, to) in hooks {
            let Some(from) = from else { continue };
            let state = self.state.clone();
            let len = self.copy_task(state.region.board.slot(from), to)?;
            self.args_start += len.next_multiple_of(ALIGN);
        }
        Ok(())
    }

    // ---- the loop ------------------------------------------------------------------------------

    fn run(&mut self) {
        while let Ok(()) = self.relay_one() {}
    }

    /// Relays one task. An error: it was the last one.
    fn relay_one(&mut self) -> std::result::Result<(), Ended> {
        let (state, own) = (self.state.clone(), self.own.clone());
        let ended = self.ended;
        let has_asked = || own.region.board.has_asked(OWN_SEAT, ended);
        if !self.wait_until(has_asked, || {}) {
            return Err(Ended);
        }
        let slot = match state.region.board.next(self.seat, self.idle_policy) {
            Next::Task(slot) => slot,
            Next::Exit => return self.let_worker_exit(),
            Next::IdleTimeout => {
                own.region.board.set_idle_time(IDLE_NOW);
                return Err(Ended);
            }
        };
        state.region.board.set_task_start(self.seat, clock::now());
        let record = state.region.board.slot(slot);
        let key = SlotKey { slot, generation: record.word.generation() };
        self.generation = (self.generation + 1) & GENERATION_MASK;
        own.set_handed(Some(HandedTask { key, generation: self.generation, is_given: false }));
        if !self.call_worker()? {
            return self.await_answer();
        }
        match self.copy_task(record, TASK_SLOT) {
            Ok(_) if self.give(key)? => self.await_end(key),
            Ok(_) => Ok(()),
            Err(error) if own.give(|_| {}) => self.fail(slot, &error),
            Err(_) => Ok(()),
        }
    }

    fn let_worker_exit(&self) -> std::result::Result<(), Ended> {
        self.own.region.board.set_stage(Stage::Stop);
        Err(Ended)
    }

    /// Waits until a condition holds that the worker may bring about. `look` is called after each
    /// sleep that has not ended the wait. False: the worker has exited.
    fn wait_until(&self, condition: impl Fn() -> bool, mut look: impl FnMut()) -> bool {
        let board = &self.own.region.board;
        let is_over = || condition() || self.own.is_stopped();
        loop {
            let seen = board.completion_event().load(Acquire);
            if is_over() || spin_until(is_over) {
                break;
            }
            if let Some(seen) = board.prepare_wait(seen) {
                board.completion_event().sleep_if(seen, Scope::Shared, Some(LOOK_EVERY));
                look();
            }
        }
        // What a worker has done before it exited is done.
        condition()
    }

    // ---- a task --------------------------------------------------------------------------------

    /// Calls the worker, and waits for its answer. False: the task was taken back.
    fn call_worker(&self) -> std::result::Result<bool, Ended> {
        let board = &self.own.region.board;
        // In place of a number of its own: each task has another one.
        let number = self.generation;
        let is_there = || self.own.handed().is_some();
        board.call(OWN_SEAT, number);
        let mut looks = 0;
        let look = || {
            looks += 1;
            board.sleepers.wake(OWN_SEAT);
            if looks >= LOOKS_AT_ABSENT {
                self.command(Command::TakeBack);
            }
        };
        let is_over = || board.has_answered(OWN_SEAT, number) || !is_there();
        if !self.wait_until(is_over, look) {
            return Err(Ended);
        }
        Ok(is_there())
    }

    /// Waits for the answer of a worker whose task was taken back. Until then it gets no other one: this
    /// thread is awake, and would take the task again before the thread of another worker.
    fn await_answer(&self) -> std::result::Result<(), Ended> {
        let board = &self.own.region.board;
        let has_answered = || board.has_answered(OWN_SEAT, self.generation);
        match self.wait_until(has_answered, || board.sleepers.wake(OWN_SEAT)) {
            true => Ok(()),
            false => Err(Ended),
        }
    }

    /// Gives the task, which was copied to the worker's board, to the worker. False: it was taken back.
    fn give(&self, key: SlotKey) -> std::result::Result<bool, Ended> {
        let (region, tails) = (&self.own.region, &self.own.tails);
        let word = &region.board.slot(TASK_SLOT).word;
        word.clear();
        let Some(position) = region.board.reserve(tails.main()) else {
            self.give_up();
            return Err(Ended);
        };
        let is_given = self.own.give(|generation| {
            let entry = RingEntry { slot: TASK_SLOT, generation };
            region.board.enqueue(Reservation::main(position), entry);
        });
        if is_given {
            region.board.sleepers.notify_one();
            self.state.pass_on_requests(key);
            self.state.pass_on_stop_to(&self.own);
            word.subscribe_completion(self.generation);
        }
        Ok(is_given)
    }

    /// Copies a task to a slot of the worker's board; returns how many bytes of its arguments are
    /// beside the slot.
    fn copy_task(&mut self, record: &Slot, to: u32) -> Result<usize> {
        let call = record.call();
        self.copy_function(call.function)?;
        let region = &self.own.region;
        let args = self.state.region.args_bytes(record);
        let args = args.ok_or(Status::POOL_ERR_INVALID)?;
        let (len, own) = (args.len(), region.board.slot(to));
        let (stamp, id) = (record.stamp(), record.id());
        if len <= ARGS_MAX {
            let mut inline = [0; ARGS_MAX];
            args.copy_to(&mut inline[..len]);
            own.fill(call, BytesLocation::Inline { len }, &inline[..len], stamp, id);
            return Ok(0);
        }
        let (start, area) = region.args_area();
        let has_room = self.args_start - start + len <= area;
        if !has_room || !region.copy_from(self.args_start, args) {
            let words = "no room for the arguments in the memory of an isolated worker";
            return Err(Error::new(Status::POOL_ERR_TOO_LARGE, words));
        }
        let far = FarBytes { location: self.args_start as u64, len: len as u64 };
        own.fill(call, BytesLocation::Heap(far), &[], stamp, id);
        Ok(len)
    }

    /// Copies a function to the worker's board, under the same index.
    fn copy_function(&mut self, index: u32) -> Result<()> {
        let at = index as usize;
        if self.functions.get(at).is_some_and(|is_there| *is_there) {
            return Ok(());
        }
        let (pool, region) = (&self.state.region, &self.own.region);
        let function = pool.functions.read(index, &pool.memory).ok_or(Status::POOL_ERR_FUNCTION)?;
        if !region.functions.write(index, &function, &mut self.names_used, &region.memory) {
            return Err(Status::POOL_ERR_FUNCTION.into());
        }
        if self.functions.len() <= at {
            self.functions.resize(at + 1, false);
        }
        self.functions[at] = true;
        Ok(())
    }

    /// Waits until the worker has ended the task, and ends it on the pool's board.
    fn await_end(&mut self, key: SlotKey) -> std::result::Result<(), Ended> {
        let (state, own) = (self.state.clone(), self.own.clone());
        let (word, generation) = (&own.region.board.slot(TASK_SLOT).word, self.generation);
        let outcome = || {
            let observed = word.observe();
            let is_own = observed.generation() == generation;
            match observed.phase() {
                Phase::Completed(OWN_SEAT) if is_own => Some(Outcome::Completed),
                Phase::Failed(OWN_SEAT) if is_own => Some(Outcome::Failed),
                _ => None,
            }
        };
        let mut looks = 0;
        if !self.wait_until(|| outcome().is_some(), || self.look(&mut looks)) {
            return Err(Ended);
        }
        let Some(outcome) = outcome() else { return Err(Ended) };
        let Some(ending) = self.take_ending(key) else { return Err(Ended) };
        let record = state.region.board.slot(key.slot);
        let own_record = own.region.board.slot(TASK_SLOT);
        record.progress().store(own_record.progress().load(Relaxed), Relaxed);
        record.end(ending, own_record.stamp());
        let outcome = if ending.status == Status::POOL_OK { outcome } else { Outcome::Failed };
        self.release_args();
        self.ended += 1;
        own.set_handed(None);
        self.finish(key.slot, outcome)
    }

    fn finish(&self, slot: u32, outcome: Outcome) -> std::result::Result<(), Ended> {
        let region = &self.state.region;
        worker::count_task(region, self.seat, slot, outcome, self.scale);
        match region.board.finish(self.seat, slot, outcome) {
            After::Continue | After::ContinueLater => Ok(()),
            // The worker is about to be killed, for the task that it has ended.
            After::Exit => self.let_worker_exit(),
        }
    }

    /// Ends a task that the worker cannot be given.
    fn fail(&self, slot: u32, error: &Error) -> std::result::Result<(), Ended> {
        let record = self.state.region.board.slot(slot);
        let words = error.detail().map(|detail| detail.message.clone()).unwrap_or_default();
        let bytes = crate::board::failure_bytes::encode(&[], words.as_bytes());
        let result = self.keep_slice(&bytes).unwrap_or(BytesLocation::Inline { len: 0 });
        let submitted = record.stamp();
        let queued = clock::pack(clock::now().saturating_sub(submitted));
        record.end(Ending { status: error.status, code: 0, result }, u64::from(queued) << 32);
        self.own.set_handed(None);
        self.finish(slot, Outcome::Failed)
    }

    fn keep_slice(&self, bytes: &[u8]) -> Option<BytesLocation> {
        let block = self.results.take(bytes.len())?;
        let offset = self.results.offset(block);
        self.state.region.copy_in(offset, bytes);
        let len = bytes.len() as u64;
        Some(BytesLocation::Heap(FarBytes { location: offset as u64, len }))
    }

    // ---- the result ----------------------------------------------------------------------------

    /// How the worker has ended the task, with its result in the memory of the pool. None: it has
    /// exited, or has written what cannot be so.
    fn take_ending(&self, key: SlotKey) -> Option<Ending> {
        let own = self.own.region.board.slot(TASK_SLOT);
        let Some(ending) = own.ending() else {
            self.give_up();
            return None;
        };
        let result = match ending.result {
            BytesLocation::File(far) => return self.take_file(key, ending, far),
            location => self.own.region.result_bytes(OWN_SEAT, own, location),
        };
        let Some(bytes) = result else {
            self.give_up();
            return None;
        };
        let kept = self.keep_result(key, bytes);
        if let BytesLocation::Heap(far) = ending.result {
            let arena = self.own.region.results_arena(OWN_SEAT);
            if let Some(block) = arena.block_at(far.location) {
                arena.give(block, &self.own.region.memory);
            }
        }
        Some(kept.map_or_else(no_memory, |result| Ending { result, ..ending }))
    }

    /// Copies a result to where no worker reaches it. None: there is no memory for it.
    fn keep_result(&self, key: SlotKey, bytes: ResultBytes<'_>) -> Option<BytesLocation> {
        let region = &self.state.region;
        if let Some(location) = region.board.slot(key.slot).put_inline_result(bytes) {
            return Some(location);
        }
        let len = bytes.len() as u64;
        if let Some(block) = self.results.take(bytes.len()) {
            let offset = self.results.offset(block);
            region.copy_from(offset, bytes);
            return Some(BytesLocation::Heap(FarBytes { location: offset as u64, len }));
        }
        let memory = Memory::copy_of(bytes).ok()?;
        self.state.slots.side_table.insert_result_file(key, memory);
        Some(BytesLocation::File(FarBytes { location: 0, len }))
    }

    /// Replaces a result in a file, which the worker may have kept, by a copy.
    fn take_file(&self, key: SlotKey, ending: Ending, far: FarBytes) -> Option<Ending> {
        let side_table = &self.state.slots.side_table;
        if !self.wait_until(|| side_table.has_result_file(key), || {}) {
            return None;
        }
        let file = side_table.take_result_file(key).flatten();
        let copy = file.and_then(|file| file.private_copy(usize::try_from(far.len).ok()?)?.ok());
        let Some(copy) = copy else { return Some(no_memory()) };
        side_table.insert_result_file(key, copy);
        Some(ending)
    }

    /// The worker's board holds what it cannot hold: has the worker killed, and waits for that.
    fn give_up(&self) {
        self.report_stray();
        let _ = self.wait_until(|| false, || {});
    }

    fn release_args(&self) {
        let (_, area) = self.own.region.args_area();
        let own = self.own.region.board.slot(TASK_SLOT);
        if let (BytesLocation::Heap(far), _) = own.args()
            && let Ok(len) = usize::try_from(far.len)
            && (LARGE_ARGS..=area).contains(&len)
        {
            self.own.region.memory.discard(self.args_start, len);
        }
    }

    // ---- what a stray worker has written over --------------------------------------------------

    /// Looks at a task that the worker takes long for. It is to be killed if it does not run it.
    fn look(&self, looks: &mut u32) {
        let board = &self.own.region.board;
        let observed = board.slot(TASK_SLOT).word.observe();
        let is_own = observed.generation() == self.generation;
        let entry = RingEntry { slot: TASK_SLOT, generation: self.generation };
        let is_sound = match observed.phase() {
            Phase::Running(OWN_SEAT) if is_own => board.slot_of(OWN_SEAT) == Some(TASK_SLOT),
            Phase::Ready if is_own => {
                board.sleepers.wake(OWN_SEAT);
                board.ring.peek().1 == Some(entry)
            }
            Phase::Completed(OWN_SEAT) | Phase::Failed(OWN_SEAT) if is_own => true,
            _ => return self.report_stray(),
        };
        *looks = if is_sound { 0 } else { *looks + 1 };
        if *looks >= LOOKS {
            self.report_stray();
        }
    }

    fn report_stray(&self) {
        self.command(Command::KillStray);
    }

    fn command(&self, command: impl FnOnce(SeatIndex, u64) -> Command) {
        if let Some(number) = self.state.worker_table.number(self.seat) {
            self.state.send(command(self.seat, number));
        }
    }
}

/// The alignment of arguments beside a slot.
const ALIGN: usize = 64;

fn no_memory() -> Ending {
    let result = BytesLocation::Inline { len: 0 };
    Ending { status: Status::POOL_ERR_NOMEM, code: 0, result }
}
