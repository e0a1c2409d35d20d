//! Python's door to the core: it only converts (style guide, section 12). One module a side: `wire`, `rib`, `linux`.
#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::PyAssertionError;
use pyo3::prelude::*;

mod fabric;
mod linux;
mod rib;
mod wire;

/// Do the work without holding Python. A panic is our bug: it becomes an AssertionError and goes no further.
pub(crate) fn run<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> PyResult<T> {
    py.detach(|| catch_unwind(AssertUnwindSafe(work))).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        PyAssertionError::new_err(format!("bug in dualhome._core: {text}"))
    })
}

/// `dualhome._core`; what is in it is said in `_core.pyi`.
#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    wire::register(module)?;
    rib::register(module)?;
    linux::register(module)?;
    fabric::register(module)?;
    Ok(())
}
