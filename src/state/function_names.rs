//! The names of a pool's functions, for messages.
//!
//! The board names them too, but workers could change what is there.

use crate::board::functions::Function;
use crate::sync::Mutex;
use crate::worker::symbols;
use std::sync::{Arc, OnceLock};

/// The functions in the order of their indexes on the board, each with its name once a message has
/// needed it.
#[derive(Default)]
pub(crate) struct FunctionNames(Mutex<Vec<Arc<NamedFunction>>>);

struct NamedFunction {
    function: Function,
    name: OnceLock<String>,
}

impl FunctionNames {
    /// Adds the function of the next index.
    pub(crate) fn add(&self, function: Function) {
        self.0.lock().push(Arc::new(NamedFunction { function, name: OnceLock::new() }));
    }

    /// The name of the function with this index. None: there is no such function.
    pub(crate) fn describe(&self, index: u32) -> Option<String> {
        let named = self.0.lock().get(index as usize).cloned()?;
        // Without the lock: a file may be read for it.
        Some(named.name.get_or_init(|| symbols::describe(&named.function)).clone())
    }
}
