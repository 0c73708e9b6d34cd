//! The messages of workers, each held against what its worker can have to say.
//!
//! A worker says a few things in an order that its life gives ([`LifeStep`]), and sends a file for a
//! task that it runs. One that says anything else is not what was started: a task has written to its
//! channel. It is killed, and its task is lost. So no number of messages costs more than what the
//! tasks of the pool may cost: a few are read each time the supervisor wakes up, one file is kept
//! for each task, and no worker sends more files than tasks were ever queued.

use super::proxy::Proxy;
use super::worker_handle::{LifeStep, WorkerHandle};
use crate::board::parent::side_table::Arrival;
use crate::board::parent::slots::SlotKey;
use crate::board::slot::{GENERATION_MASK, Phase, SeatIndex};
use crate::error::Error;
use crate::fd::Descriptor;
use crate::state::PoolState;
use crate::worker::Received;
use crate::worker::protocol::{Hook, Message};

/// The most messages of one worker that are read at once: others wait for theirs to be read.
const AT_ONCE: usize = 64;
/// The most messages of a worker that has exited. The kernel keeps fewer; but a copy of the worker
/// may write more meanwhile.
const AT_EXIT: usize = 1024;

/// What follows from the messages of a worker.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// It goes on.
    Nothing,
    /// No more: its end of the channel is closed.
    End,
    /// It is a thread that has ended.
    ThreadEnded,
    /// It has sent what no worker sends at this time, or no message at all.
    Wrong,
}

/// Receives the messages of a worker that have arrived: some of them, if there are many.
pub(super) fn receive(state: &PoolState, seat: usize, worker: &mut WorkerHandle) -> Said {
    let count = if worker.is_process() && worker.has_exited() { AT_EXIT } else { AT_ONCE };
    for _ in 0..count {
        match worker.channel.try_receive() {
            Received::Message(message, file) => {
                match on_message(state, seat, worker, message, file) {
                    Said::Nothing => {}
                    said => return said,
                }
            }
            Received::Nothing => return Said::Nothing,
            Received::Garbage => return Said::Wrong,
            Received::End => return Said::End,
        }
    }
    Said::Nothing
}

fn on_message(
    state: &PoolState,
    seat: usize,
    worker: &mut WorkerHandle,
    message: Message,
    file: Option<Descriptor>,
) -> Said {
    let timeouts = &state.config.timeouts;
    if !is_expected(state, worker, &message) {
        return Said::Wrong;
    }
    match message {
        Message::Ready => worker.set_ready(state, seat),
        Message::Initializing => worker.begin(LifeStep::Initializing, timeouts),
        Message::Finalizing => {
            worker.begin(LifeStep::Finalizing, timeouts);
            state.worker_table.change(seat, |info| info.is_stopping = true);
        }
        Message::HookFailed(failure) => {
            worker.hook_failure = Some(failure);
            worker.has_hook_failed = true;
        }
        Message::Exiting { reason } => {
            worker.has_said_last = true;
            let may_say = reason.can_be_announced(worker.image);
            worker.announced = Some(reason).filter(|_| may_say);
            return match (worker.is_process(), may_say) {
                // The last message of a thread. Its end of the channel may stay open in a child
                // that this process has forked.
                (false, _) => Said::ThreadEnded,
                (true, true) => Said::Nothing,
                (true, false) => Said::Wrong,
            };
        }
        Message::StartFailed { status, errno, message } => {
            worker.has_said_last = true;
            worker.start_error = Some(Error::from_peer(status, errno, message));
        }
        Message::ResultFile { slot, generation, len } => {
            return receive_file(state, seat, worker, SlotKey { slot, generation }, len, file);
        }
        // What `is_expected` refuses.
        _ => return Said::Wrong,
    }
    Said::Nothing
}

/// Whether a worker at this step of its life sends such a message.
fn is_expected(state: &PoolState, worker: &WorkerHandle, message: &Message) -> bool {
    let config = &state.worker_config;
    let step = worker.step;
    if worker.has_said_last {
        return false;
    }
    match message {
        Message::Initializing => step == LifeStep::Starting && config.initializer.is_some(),
        Message::Ready => match step {
            LifeStep::Starting => config.initializer.is_none(),
            LifeStep::Initializing => !worker.has_hook_failed,
            LifeStep::Working | LifeStep::Finalizing => false,
        },
        Message::StartFailed { .. } => !worker.is_ready && worker.is_process(),
        Message::ResultFile { .. } => step == LifeStep::Working,
        Message::Finalizing => step == LifeStep::Working && config.finalizer.is_some(),
        Message::HookFailed(failure) => {
            let hook_step = match failure.hook {
                Hook::Initializer => LifeStep::Initializing,
                Hook::Finalizer => LifeStep::Finalizing,
            };
            step == hook_step && !worker.has_hook_failed
        }
        Message::Exiting { .. } => {
            worker.is_ready || worker.has_hook_failed || !worker.is_process()
        }
        Message::Parent { .. }
        | Message::Init(_)
        | Message::Preload { .. }
        | Message::Program { .. }
        | Message::Fork { .. }
        | Message::Forked { .. }
        | Message::ForkFailed { .. }
        | Message::Signal { .. }
        | Message::Wait { .. }
        | Message::Exited { .. }
        | Message::Reap { .. } => false,
    }
}

/// What the board says of a task whose result has arrived in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileTask {
    /// The worker runs it, or has completed it.
    Own,
    /// Its slot was given to another task, or is about to be: nobody wants the result.
    Past,
    /// The worker cannot have run it.
    Foreign,
}

fn receive_file(
    state: &PoolState,
    seat: usize,
    worker: &mut WorkerHandle,
    key: SlotKey,
    len: u64,
    file: Option<Descriptor>,
) -> Said {
    worker.files += 1;
    // Tasks that were queued again count again.
    let is_too_many = worker.files > state.slots.tails.main().count();
    let index = SeatIndex(seat as u16);
    let board = worker.proxy.as_ref().map(Proxy::board);
    let key = match board.map(|board| board.key_of(key)) {
        Some(None) => return Said::Wrong,
        Some(Some(on_pools_board)) => on_pools_board,
        None => key,
    };
    match file_task(state, index, key) {
        FileTask::Foreign => Said::Wrong,
        _ if is_too_many => Said::Wrong,
        FileTask::Past => Said::Nothing,
        FileTask::Own => match state.slots.side_table.receive_result_file(key, len, file) {
            Arrival::First => {
                // The proxy may be waiting for it.
                board.inspect(|board| board.region.board.notify_completion());
                Said::Nothing
            }
            Arrival::Again => Said::Wrong,
        },
    }
}

fn file_task(state: &PoolState, seat: SeatIndex, key: SlotKey) -> FileTask {
    if key.slot >= state.slots.used() || key.generation > GENERATION_MASK {
        return FileTask::Foreign;
    }
    // In private memory. A message may arrive after its task, and any number of later ones.
    let now = state.slots.entries.generation(key.slot);
    let behind = now.wrapping_sub(key.generation) & GENERATION_MASK;
    if behind > GENERATION_MASK / 2 {
        return FileTask::Foreign;
    }
    let observed = state.region.board.slot(key.slot).word.observe();
    if behind != 0 || observed.generation() != key.generation {
        return FileTask::Past;
    }
    match observed.phase() {
        Phase::Running(own) | Phase::Completed(own) if own == seat => FileTask::Own,
        Phase::Ready | Phase::Running(_) | Phase::Completed(_) => FileTask::Foreign,
        Phase::Free | Phase::Failed(_) | Phase::Cancelled | Phase::Killed | Phase::Impossible => {
            FileTask::Past
        }
    }
}
