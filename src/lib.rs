#![cfg_attr(loom, allow(dead_code, unused_imports, reason = "models use the board alone"))]

mod board;
#[cfg(not(loom))]
mod cells;
#[cfg(not(loom))]
mod clock;
mod error;
#[cfg(not(loom))]
mod ffi;
#[cfg(not(loom))]
mod pool;
mod sync;
#[cfg(not(loom))]
mod watch;
#[cfg(not(loom))]
mod worker;
