//! How many workers a pool needs. Pure: facts in, a number out.

/// What the watch sees when it looks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Demand {
    /// Tasks that wait for a worker.
    pub(crate) queued: u64,
    /// Workers that run no task, and workers that are starting.
    pub(crate) free: u32,
    /// All workers, those that are starting included.
    pub(crate) workers: u32,
    pub(crate) workers_min: u32,
    pub(crate) workers_max: u32,
    /// Workers that were lost since the last look.
    pub(crate) lost: u32,
}

/// How many workers to start: one for each waiting task that has no free worker, one for each that
/// was lost, and as many as there are always to be; never more than may be.
pub(crate) fn wanted(facts: Demand) -> u32 {
    let room = facts.workers_max.saturating_sub(facts.workers);
    let needed = facts.queued.saturating_sub(u64::from(facts.free));
    let needed = u32::try_from(needed).unwrap_or(u32::MAX);
    let missing = facts.workers_min.saturating_sub(facts.workers);
    needed.max(facts.lost).max(missing).min(room)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn workers_start_for_tasks_that_have_none() {
        let wanted = |queued, free, workers, workers_max, lost| {
            wanted(Demand { queued, free, workers, workers_min: 2, workers_max, lost })
        };
        assert_eq!(wanted(0, 0, 0, 4, 0), 2);
        assert_eq!(wanted(0, 0, 0, 1, 0), 1);
        assert_eq!(wanted(3, 0, 0, 4, 0), 3);
        assert_eq!(wanted(1, 1, 1, 4, 0), 1);
        assert_eq!(wanted(1, 1, 2, 4, 0), 0);
        assert_eq!(wanted(9, 1, 2, 4, 0), 2);
        assert_eq!(wanted(9, 0, 4, 4, 0), 0);
        assert_eq!(wanted(u64::MAX, 0, 0, 1024, 0), 1024);
        assert_eq!(wanted(0, 3, 3, 4, 1), 1);
        assert_eq!(wanted(0, 4, 4, 4, 1), 0);
        assert_eq!(wanted(0, 0, 5, 4, 0), 0);
    }
}
