//! The private half of a board: what only the parent process knows, and no worker can reach.

pub(crate) mod free_list;
pub(crate) mod limit_timer;
pub(crate) mod side_table;
pub(crate) mod slots;
pub(crate) mod tail;
