//! The lifecycle of a pool, which determines the stage of its workers and the flags for submitters.
//!
//! ```text
//!            join                       all done
//!   open ───────────▶ joining ──────────────────────▶ open
//!     │                  │
//!     └──────────────────┴──▶ stopping (Drain ▸ Cancel ▸ Terminate ▸ Kill) ──▶ over
//!              stop                 a stronger mode replaces a weaker one
//! ```
//!
//! While it is open, a pool can be paused and resumed. A join or a stop runs what is queued all the same.
//!
//! A pool can break in any of these states, and then stays broken. It is over only when it is
//! stopped, too.

use crate::board::Stage;
use crate::state::commands::StopMode;
use crate::state::pool_flags;
use std::time::Instant;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lifecycle {
    /// The strongest stop that was requested.
    pub(super) stop: Option<StopMode>,
    /// When the workers that got SIGTERM are killed.
    pub(super) kill_at: Option<Instant>,
    pub(super) is_joining: bool,
    pub(super) is_paused: bool,
    pub(super) is_broken: bool,
    pub(super) is_over: bool,
}

impl Lifecycle {
    /// The stage that workers see.
    pub(super) fn stage(&self) -> Stage {
        match self.stop {
            _ if self.is_broken => Stage::Stop,
            Some(StopMode::Drain) => Stage::Drain,
            Some(_) => Stage::Stop,
            None if self.is_joining => Stage::Drain,
            None if self.is_paused => Stage::Paused,
            None => Stage::Open,
        }
    }

    /// The flags that submitters see. The caller of a stop has set some of them before.
    pub(super) fn flags(&self) -> u32 {
        let flag = |is_set: bool, flag: u32| if is_set { flag } else { 0 };
        flag(self.stop.is_some(), pool_flags::CLOSED)
            | flag(self.is_broken, pool_flags::BROKEN)
            | flag(self.is_joining, pool_flags::JOINING)
            | flag(self.is_paused, pool_flags::PAUSED)
            | flag(self.is_over, pool_flags::TERMINATED)
    }

    /// Whether the pool is neither stopped nor joined nor broken.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.stage(), Stage::Open | Stage::Paused)
    }

    /// Whether a stop of this mode changes anything.
    pub(super) fn is_stopped_by(&self, mode: StopMode) -> bool {
        self.stop.is_none_or(|before| mode.is_stronger_than(before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_lifecycle_determines_stage_and_flags() {
        let open = Lifecycle::default();
        assert_eq!((open.stage(), open.flags()), (Stage::Open, 0));
        let joining = Lifecycle { is_joining: true, ..open };
        assert_eq!((joining.stage(), joining.flags()), (Stage::Drain, pool_flags::JOINING));
        let paused = Lifecycle { is_paused: true, ..open };
        assert_eq!((paused.stage(), paused.flags()), (Stage::Paused, pool_flags::PAUSED));
        assert!(open.is_open() && paused.is_open() && !joining.is_open());
        assert_eq!(Lifecycle { is_paused: true, ..joining }.stage(), Stage::Drain);
        let draining = Lifecycle { stop: Some(StopMode::Drain), ..open };
        assert_eq!((draining.stage(), draining.flags()), (Stage::Drain, pool_flags::CLOSED));
        let modes = [StopMode::Cancel, StopMode::Terminate(Duration::ZERO), StopMode::Kill];
        for mode in modes {
            assert!(draining.is_stopped_by(mode));
            let stopped = Lifecycle { stop: Some(mode), is_joining: true, ..open };
            assert_eq!(stopped.stage(), Stage::Stop);
            assert!(!stopped.is_stopped_by(StopMode::Drain) && !stopped.is_stopped_by(mode));
        }
        let broken = Lifecycle { is_broken: true, ..draining };
        assert_eq!(broken.stage(), Stage::Stop);
        assert_eq!(broken.flags(), pool_flags::CLOSED | pool_flags::BROKEN);
        let over = Lifecycle { is_over: true, ..draining };
        assert_eq!(over.flags(), pool_flags::CLOSED | pool_flags::TERMINATED);
    }
}
