//! The fabric in the kernel for Python: maps in columns of packed bytes.

use std::path::PathBuf;

use dualhome_fabric::Fabric;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::linux::{Namespace, system};

/// Add this module's names.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<KernelFabric>()
}

#[pyclass(name = "Fabric", module = "dualhome._core", frozen)]
struct KernelFabric {
    inner: Fabric,
}

#[pymethods]
impl KernelFabric {
    #[staticmethod]
    fn create(py: Python<'_>, program: PyBackedBytes, entries: Vec<(String, u32)>, pins: PathBuf) -> PyResult<Self> {
        let inner = system(py, || Fabric::create(&program, &entries, &pins))?;
        Ok(Self { inner })
    }

    #[staticmethod]
    fn open(py: Python<'_>, pins: PathBuf) -> PyResult<Self> {
        let inner = system(py, || Fabric::open(&pins))?;
        Ok(Self { inner })
    }

    fn attach(&self, py: Python<'_>, namespace: &Namespace, ports: Vec<u32>) -> PyResult<()> {
        system(py, || self.inner.attach(namespace.inner(), &ports))
    }

    fn update(&self, py: Python<'_>, name: &str, keys: PyBackedBytes, values: PyBackedBytes) -> PyResult<()> {
        system(py, || self.inner.map(name)?.update(&keys, &values))
    }

    fn delete(&self, py: Python<'_>, name: &str, keys: PyBackedBytes) -> PyResult<()> {
        system(py, || self.inner.map(name)?.delete(&keys))
    }

    fn read<'py>(&self, py: Python<'py>, name: &str) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let (keys, values) = system(py, || self.inner.map(name)?.read())?;
        Ok((PyBytes::new(py, &keys), PyBytes::new(py, &values)))
    }

    fn sums(&self, py: Python<'_>, name: &str) -> PyResult<Vec<(u32, u64, u64)>> {
        system(py, || self.inner.map(name)?.sums())
    }
}
