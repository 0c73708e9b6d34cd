//! Thread pools and process pools behind one C API.
//!
//! This page is the map for readers of the code. The contract for users is `include/carpool.h`;
//! `ARCHITECTURE.md` gives the reasons, and `docs/design/` has a page for each of the hard parts.
//!
//! # The idea
//!
//! A pool is a **board** and **workers** that take tasks from it. The board is a table of task
//! slots with a ring that orders them, like the scoreboard of Apache httpd. It lies in private
//! memory for threads, and in a sealed memfd for processes; all else is the same code. Each worker
//! has a **seat**: its index on the board, which the worker that replaces it takes over. A worker
//! claims a task by one atomic step that writes its seat into the word of the slot, so the parent
//! can always tell which task a dead worker was running.
//!
//! # The rooms, top to bottom; a room uses only rooms below it
//!
//! | room             | what it does                                                                          |
//! |------------------|---------------------------------------------------------------------------------------|
//! | [`ffi`]          | converts between C and the rest, and decides nothing                                  |
//! | [`pool`]         | what a call does: submit, wait, cancel, map, callbacks, resize, shut down             |
//! | [`supervisor`]   | one thread for each pool: starts workers, enforces limits, recovers from lost workers |
//! | [`state`]        | what callers and the supervisor share: configuration, flags, commands, callbacks      |
//! | [`worker`]       | a worker's life, in a thread or a process; how a worker process starts                |
//! | [`board`]        | what submitters and workers share: slots, rings, sleepers, arenas; and in             |
//! |                  | [`board::parent`] what only the parent knows of it                                    |
//! | [`handle_table`] | the table that handles are checked against                                            |
//! | [`clock`]        | time stamps that cost less than a task                                                |
//! | [`process`]      | what is true of the whole process: forks, exit                                        |
//! | [`fd`]           | where file descriptors come from: none is 0, 1 or 2                                   |
//! | [`sync`]         | atomics, locks and futex waits; the models replace them                               |
//! | [`error`]        | the table of statuses                                                                 |
//!
//! In a worker process nothing above `worker` runs, unless a task makes a pool of its own. The pool
//! and the supervisor meet in `state`: the pool starts the supervisor and sends it
//! [`state::commands`].
//!
//! # The path of a task
//!
//! 1. `pool_submit` (`ffi/pool.rs`) converts C's arguments to a [`pool::TaskSpec`].
//! 2. [`pool::submit`] interns the function (`pool/functions.rs`), allocates a slot ([`board::parent::slots`]), writes the
//!    task to it ([`board::record`]), enqueues it ([`board::queue`]), and wakes one idle worker
//!    ([`board::sleep::Sleepers::notify_one`]).
//! 3. The worker's loop ([`worker::Worker::run`]) claims it ([`board::slot::SlotWord::claim`]), finds the function
//!    ([`worker::resolve`]), calls it with a [`worker::Task`], and finishes the slot ([`board::Board::finish`]).
//! 4. [`pool::wait()`] sees that in the slot's word, or sleeps on it; `future_result` returns the bytes where they are.
//!    Callbacks and sets are served by the completion thread (`pool/callbacks.rs`).
//!
//! # Where to look
//!
//! | question                                     | answer                                                                     |
//! |----------------------------------------------|----------------------------------------------------------------------------|
//! | Where does a submit wake a worker?           | `board/sleep.rs`: `notify_one`, called by `enqueue_at` in `pool/submit.rs` |
//! | What happens to the task of a killed worker? | `supervisor/reap.rs`: requeued, or failed in the worker's name             |
//! | What if a worker writes over the board?      | `state/stray_writes.rs`: whoever waits looks, and ends what cannot end     |
//! | Where is a hard limit enforced?              | `supervisor/limits.rs`: marks the task, then kills its worker              |
//! | How does a lazy map bound its window?        | `pool/map/lazy.rs`, `LazyMap::room`                                        |
//! | How does a full queue block submitters?      | `state/backpressure.rs`                                                    |
//! | Who gives isolated workers their tasks?      | `supervisor/proxy.rs`: takes them, and writes them to the worker's board   |
//! | How is a worker process started?             | `worker/spawn.rs`, `worker/forkserver.rs`; unseen: `worker/unseen.rs`      |
//! | Which state does a pool go through?          | `supervisor/lifecycle.rs`                                                  |
//!
//! # Glossary
//!
//! | word                   | meaning                                                                                  |
//! |------------------------|------------------------------------------------------------------------------------------|
//! | board                  | the data structure in a pool's region, shared by submitters and workers                  |
//! | seat                   | the index of a worker on the board; reused by the worker that replaces it                |
//! | region                 | the memory of a board: private, or a sealed memfd                                        |
//! | slot                   | one task in the region: its word, arguments, result; reused, with another generation     |
//! | slot word              | the atomic state machine of a slot: phase, seat, flags, generation                       |
//! | ring                   | the queue: entries of slot and generation, in the order of their positions               |
//! | position               | a number that a submitter reserves on the ring; it only grows                            |
//! | enqueue, claim, finish | a submitter writes a task to the ring; a worker takes it; the worker ends it             |
//! | slot table             | the parent's private side of the slots: free, held, or detached                          |
//! | side table             | what few tasks have beside their slot: options, failures, results in files               |
//! | held, detached         | a caller holds the future of a task; no caller does, and its slot is reclaimed when done |
//! | orphaned               | a running task whose worker has died                                                     |
//! | completion event       | the futex word that a worker notifies when it finishes a task with a subscription        |
//! | sleeper, parker        | an idle worker; the futex word that it sleeps on                                         |
//! | retire                 | a worker exits because the pool has too many, or is replaced                             |
//! | fork server            | a process that starts workers: it forks itself, or executes a program for each           |
//! | channel                | the socket pair between the parent and a worker or a fork server                         |
//! | isolated worker, proxy | a worker with a board of its own; the thread of the parent that gives it its tasks       |
//! | hook                   | an initializer or a finalizer                                                            |
//! | chunk                  | several items of a map in one task                                                       |
//! | permit                 | allows an operation that was begun before a close to submit more                         |
//!
//! # What holds everywhere
//!
//! - No lock, pipe or semaphore is shared with a worker: a dead worker cannot hold one.
//! - Data written by workers is untrusted: it is read once, checked, and only then used.
//! - Every state machine is one word in one file, with its picture: [`board::slot`], [`board::ring`], [`board::sleep`],
//!   [`board::parent::free_list`], [`board::retire`], [`board::parent::limit_timer`], `board/prefetch.rs`.
//!   `board/models.rs` tries every interleaving of a few steps of each.
//! - An idle pool causes no wake-ups except idle timeouts.

#![cfg_attr(loom, allow(dead_code, unused_imports, reason = "models use the board alone"))]

mod board;
#[cfg(not(loom))]
mod clock;
mod error;
mod fd;
#[cfg(not(loom))]
mod ffi;
mod handle_table;
#[cfg(not(loom))]
mod pool;
mod process;
#[cfg(not(loom))]
mod state;
#[cfg(not(loom))]
mod supervisor;
mod sync;
#[cfg(not(loom))]
mod worker;
