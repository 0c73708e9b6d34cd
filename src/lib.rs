//! Thread pools and process pools behind one C API.
//!
//! This page is the map for readers of the code; the contract for users is `include/carpool.h`, and
//! `ARCHITECTURE.md` tells the reasons.
//!
//! # The idea
//!
//! A pool is a **board**, a table of task slots with a ring that orders them, and **workers** that
//! take tasks from it. The board lies in private memory for threads, and in a sealed memfd for
//! processes; all else is the same code. A task is claimed by one atomic step that writes the
//! worker's seat into the slot's word: whatever happens to the worker, it is known what it had.
//!
//! # The rooms, top to bottom; a room uses only rooms below it
//!
//! | room       | what it does                                                                       |
//! |------------|------------------------------------------------------------------------------------|
//! | [`ffi`]    | converts between C and the rest, and decides nothing                               |
//! | [`pool`]   | submits, waits, maps, cancels, stops: the last room in which anything is decided   |
//! | [`watch`]  | one thread for each pool: starts workers, keeps times, settles what dead ones held |
//! | [`worker`] | takes a task, finds its function, calls it; and how a worker starts                |
//! | [`board`]  | what submitters and workers agree on: slots, ring, bell, heap                      |
//! | [`cells`]  | the table that handles are checked against                                         |
//! | [`clock`]  | time stamps that cost less than a task                                             |
//! | [`sync`]   | the only door to atomics, fences and sleeping                                      |
//! | [`table`]  | values by their numbers                                                            |
//! | [`error`]  | the table of statuses                                                              |
//!
//! In a worker process nothing above `worker` runs, but where a task makes a pool of its own.
//!
//! # The tour of a task
//!
//! 1. `pool_submit` (`ffi::pool`) turns C's arguments into a [`pool::TaskSpec`].
//! 2. [`pool::submit`] names the function (`pool::functions`), takes a slot from the books
//!    ([`board::slots`]), fills it ([`board::record`]), and posts it ([`board::Board::enqueue`]); then
//!    it rings for one sleeper ([`board::sleep`]).
//! 3. The worker's loop ([`worker::Worker::run`]) claims it ([`board::slot::SlotWord::claim`]), finds
//!    the function ([`worker::resolve`]), calls it with a [`worker::Task`], and finishes the slot.
//! 4. [`pool::wait()`] sees that in the slot's word, or is woken there; `future_result` hands out the
//!    bytes where they are. What somebody asked to be told of is found by `pool::callbacks`, and told by
//!    [`watch::callbacks`].
//!
//! Two side doors. A worker dies between claiming and finishing: the watch sees its process end
//! ([`watch`]), finds the slots with its seat, and ends them in its name (`watch::reap`). Or the task runs too
//! long, or is not wanted any more: it is doomed in its slot's word, and its worker killed for it
//! ([`watch::limits`]).
//!
//! # What holds everywhere
//!
//! - No lock, pipe or semaphore is shared with a worker: there is nothing that a dead one could hold.
//! - What a worker can write is read once, checked, and only then used.
//! - Every state machine is one word in one file, with its picture: [`board::slot`], [`board::ring`],
//!   [`board::sleep`], [`board::free`], [`board::retire`], [`board::limit_timer`], and for batches `board::prefetch`;
//!   `board::models` tries every interleaving of a few steps.
//! - An idle pool makes no wake-up at all, but for its workers to leave when their time is over.

#![cfg_attr(loom, allow(dead_code, unused_imports, reason = "models use the board alone"))]

mod board;
#[cfg(not(loom))]
mod clock;
mod error;
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
