mod board;
mod clock;
mod error;
mod ffi;
mod pool;
mod sync;
mod watch;
mod worker;
