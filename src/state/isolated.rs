//! The boards of isolated workers. Each worker process has one of its own and maps no other; the
//! pool's own board, with the queue, is in private memory.
//!
//! ```text
//!                claims              writes it to the worker's board
//!   the queue ───────────▶ the proxy ────────────────────────────────▶ the worker
//!                              ▲                                          │
//!     ends the task ◀──────────┴──────────────────────────────────────────┘
//!                               copies the result, which then no worker reaches
//! ```
//!
//! So a task that runs is on two boards, which [`HandedTask`] pairs. The worker can write to its own
//! board only, and that is believed as little as any shared one. What callers ask of a running task is
//! passed on to the worker's board; its progress is read there.
//!
//! | who passes on a request                 | the proxy                                   |
//! |-----------------------------------------|---------------------------------------------|
//! | 1. sets the flag on the pool's board    | 1. writes the task to the worker's board,   |
//! | 2. reads the pair under the lock, and   |    and that it is there, under the lock     |
//! |    sets the flag on the worker's board  | 2. copies the flags of the pool's board     |
//!
//! If the lock is first taken in the left column, the proxy sees the flag in its second step; else the
//! pair is found.

use super::PoolState;
use crate::board::parent::slots::SlotKey;
use crate::board::parent::tail::Tails;
use crate::board::region::HeapOfOne;
use crate::board::slot::{Phase, Requests, SeatIndex};
use crate::board::{Region, Stage};
use crate::error::{Result, Status};
use crate::sync::plain::AtomicBool;
use crate::sync::{Mutex, Ordering::*};
use std::sync::Arc;

/// The name of their files, which /proc shows.
const NAME: &str = "carpool";
/// The only seat of a worker's own board.
pub(crate) const OWN_SEAT: SeatIndex = SeatIndex(0);
/// Its slot for the task that runs. Before it are those of the initializer and the finalizer.
pub(crate) const TASK_SLOT: u32 = 2;

/// The board of one isolated worker.
pub(crate) struct IsolatedBoard {
    pub(crate) region: Region,
    pub(crate) tails: Tails,
    handed: Mutex<Option<HandedTask>>,
    /// Whether the proxy is to end, because its worker has.
    is_stopped: AtomicBool,
}

/// A task that a proxy has claimed for its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HandedTask {
    /// On the pool's board.
    pub(crate) key: SlotKey,
    /// On the worker's board, in [`TASK_SLOT`].
    pub(crate) generation: u32,
    /// Whether it is there: else the worker knows nothing of it.
    pub(crate) is_given: bool,
}

impl IsolatedBoard {
    pub(crate) fn new(region: Region) -> IsolatedBoard {
        IsolatedBoard {
            region,
            tails: Tails::new(),
            handed: Mutex::default(),
            is_stopped: AtomicBool::new(false),
        }
    }

    pub(crate) fn set_handed(&self, handed: Option<HandedTask>) {
        *self.handed.lock() = handed;
    }

    /// The task on the pool's board that this one on the worker's board is, if it runs.
    pub(crate) fn key_of(&self, own: SlotKey) -> Option<SlotKey> {
        let is_it = |handed: &HandedTask| {
            handed.is_given && handed.generation == own.generation && own.slot == TASK_SLOT
        };
        self.handed().filter(is_it).map(|handed| handed.key)
    }

    pub(crate) fn handed(&self) -> Option<HandedTask> {
        *self.handed.lock()
    }

    /// Gives the task to the worker by `give`. False: it was taken back.
    pub(crate) fn give(&self, give: impl FnOnce(u32)) -> bool {
        let mut handed = self.handed.lock();
        if let Some(handed) = &mut *handed {
            handed.is_given = true;
            give(handed.generation);
        }
        handed.is_some()
    }

    /// Takes back a task that the worker was not given, by `take`. Returns whether there was one.
    pub(crate) fn take_back(&self, take: impl FnOnce(SlotKey)) -> bool {
        let mut handed = self.handed.lock();
        let Some(HandedTask { key, .. }) = handed.filter(|handed| !handed.is_given) else {
            return false;
        };
        take(key);
        *handed = None;
        true
    }

    /// Ends the proxy's waits. Release; pairs with `is_stopped`.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Release);
        self.region.board.renotify_completion();
    }

    /// Acquire; pairs with `stop`: what the worker has written before it died is seen.
    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Acquire)
    }

    /// Passes requests on to the worker, if it runs this task, and calls `then` with the generation
    /// of the task on its board before the task can be another one.
    fn pass_on(&self, key: SlotKey, requests: Requests, signals: bool, then: impl FnOnce(u32)) {
        let handed = self.handed.lock();
        let is_it = |handed: &HandedTask| handed.is_given && handed.key == key;
        if let Some(HandedTask { generation, .. }) = handed.filter(is_it) {
            let word = &self.region.board.slot(TASK_SLOT).word;
            word.add_requests(generation, requests, signals);
            then(generation);
        }
    }
}

#[derive(Default)]
pub(crate) struct IsolatedBoards {
    /// By seat.
    boards: Mutex<Vec<Option<Arc<IsolatedBoard>>>>,
    /// The heap of each, as large as was possible when the pool was made: a worker may be limited as
    /// this process was then. None: workers are not isolated.
    heap: Option<HeapOfOne>,
}

impl IsolatedBoards {
    /// An error: no worker could have a board.
    pub(crate) fn new(pool: &Region) -> Result<IsolatedBoards> {
        let trial = Region::create_for_one(NAME, &pool.geometry, HeapOfOne::MAX)?;
        Ok(IsolatedBoards { boards: Mutex::default(), heap: Some(trial.heap_of_one()) })
    }

    /// Creates a board. Its memory is not yet kept from forked processes.
    pub(crate) fn create_board(&self, pool: &Region) -> Result<Region> {
        let heap = self.heap.ok_or(Status::POOL_ERR_STATE)?;
        Region::create_for_one(NAME, &pool.geometry, heap)
    }

    pub(crate) fn set(&self, seat: SeatIndex, board: Option<Arc<IsolatedBoard>>) {
        let (mut boards, seat) = (self.boards.lock(), usize::from(seat.0));
        if boards.len() <= seat {
            boards.resize(seat + 1, None);
        }
        boards[seat] = board;
    }

    pub(crate) fn get(&self, seat: SeatIndex) -> Option<Arc<IsolatedBoard>> {
        self.boards.lock().get(usize::from(seat.0))?.clone()
    }

    fn all(&self) -> Vec<Arc<IsolatedBoard>> {
        self.boards.lock().iter().flatten().cloned().collect()
    }
}

impl PoolState {
    /// Whether each worker has a board of its own.
    pub(crate) fn is_isolated(&self) -> bool {
        self.config.kind.is_isolated()
    }

    /// The worker's own board, if the task runs in an isolated worker.
    fn isolated_board_of(&self, key: SlotKey) -> Option<Arc<IsolatedBoard>> {
        if !self.is_isolated() {
            return None;
        }
        match self.region.board.slot(key.slot).word.phase() {
            Phase::Running(seat) => self.isolated.get(seat),
            _ => None,
        }
    }

    /// Passes what was requested of a running task on to its isolated worker.
    pub(crate) fn pass_on_requests(&self, key: SlotKey) {
        if let Some(board) = self.isolated_board_of(key) {
            let requests = self.region.board.slot(key.slot).word.requests();
            board.pass_on(key, requests, false, |_| {});
        }
    }

    /// Marks a task of an isolated worker as overdue on the worker's board, too. `signal` sends a
    /// signal, before which the worker starts nothing else.
    pub(crate) fn pass_on_soft_limit(&self, key: SlotKey, signal: Option<impl FnOnce()>) {
        let signals = signal.is_some();
        let mut signal = signal;
        let mut send = || signal.take().into_iter().for_each(|signal| signal());
        if let Some(board) = self.isolated_board_of(key) {
            board.pass_on(key, Requests::OVERDUE, signals, |generation| {
                send();
                board.region.board.slot(TASK_SLOT).word.signal_sent(generation);
            });
        }
        send();
    }

    /// Lets the tasks of isolated workers see that the pool stops.
    pub(crate) fn pass_on_stop(&self) {
        self.isolated.all().iter().for_each(|board| self.pass_on_stop_to(board));
    }

    /// The same, for the task of one worker.
    pub(crate) fn pass_on_stop_to(&self, board: &IsolatedBoard) {
        if self.region.board.stage() == Stage::Stop
            && let Some(handed) = board.handed()
        {
            board.pass_on(handed.key, Requests::CANCEL, false, |_| {});
        }
    }

    /// The progress of a task, packed.
    pub(crate) fn progress(&self, key: SlotKey) -> u64 {
        let own = self.isolated_board_of(key).and_then(|board| {
            let is_own = board.handed().is_some_and(|it| it.is_given && it.key == key);
            is_own.then(|| board.region.board.slot(TASK_SLOT).progress().load(Relaxed))
        });
        own.unwrap_or_else(|| self.region.board.slot(key.slot).progress().load(Relaxed))
    }
}
