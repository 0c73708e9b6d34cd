//! The private half of a board: state in the memory of the parent, which workers cannot access.

pub(crate) mod entries;
pub(crate) mod free_list;
pub(crate) mod limit_timer;
pub(crate) mod side_table;
pub(crate) mod slots;
pub(crate) mod tail;
