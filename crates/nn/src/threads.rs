//! The threads on which models run: one pool for the process.

use std::sync::{Arc, Mutex, OnceLock};

use convnet_engine::kernels::par::Pool;

use crate::error::{Error, Result};

fn shared() -> &'static Mutex<Option<Arc<Pool>>> {
    static POOL: OnceLock<Mutex<Option<Arc<Pool>>>> = OnceLock::new();
    POOL.get_or_init(Mutex::default)
}

/// Sets the number of threads; 0 means as many as the machine has, which is also the default. Results are the same to
/// the bit for any number.
///
/// # Errors
/// If the system refuses to start them.
pub fn set_threads(threads: usize) -> Result<()> {
    let pool = new_pool(threads)?;
    *shared().lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(pool);
    Ok(())
}

/// The pool, started at the first call.
pub(crate) fn pool() -> Result<Arc<Pool>> {
    let mut pool = shared().lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if pool.is_none() {
        *pool = Some(new_pool(0)?);
    }
    Ok(Arc::clone(pool.as_ref().expect("set just above")))
}

/// Runs `work` on the pool.
pub(crate) fn install<R: Send>(work: impl FnOnce() -> R + Send) -> Result<R> {
    Ok(pool()?.install(work))
}

fn new_pool(threads: usize) -> Result<Arc<Pool>> {
    Pool::new(threads).map(Arc::new).map_err(|problem| Error::argument("threads", problem.to_string()))
}
