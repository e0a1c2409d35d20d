//! Linux for Python: network namespaces, links, addresses, nexthop objects and routes in bulk.

use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::path::PathBuf;

use dualhome_linux::addresses::Interface;
use dualhome_linux::links::{Device, End, Veth};
use dualhome_linux::routes::{Group, Nexthop, Place, Target};
use dualhome_linux::{Error, Failure, addresses, dump, links, namespace, routes};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyString, PyTuple};

use crate::run;

/// The mark of routes and nexthop objects that are ours.
const PROTOCOL: u8 = 84;

/// (index, errno, text) of requests that the kernel refused.
type Failures = Vec<(usize, i32, String)>;
type VethTuple = (String, u32, PyBackedBytes, String, Py<Namespace>, PyBackedBytes, u32);

/// Add this module's names.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("ROUTE_PROTOCOL", PROTOCOL)?;
    module.add_class::<Namespace>()?;
    module.add_function(wrap_pyfunction!(namespace_create, module)?)?;
    module.add_function(wrap_pyfunction!(namespaces_create, module)?)?;
    module.add_function(wrap_pyfunction!(namespace_delete, module)?)?;
    module.add_function(wrap_pyfunction!(namespaces_delete, module)?)?;
    module.add_function(wrap_pyfunction!(namespace_directory_delete, module)?)
}

/// The work without Python's lock; its refusal as an OSError of the errno's class.
pub(crate) fn system<T: Send>(py: Python<'_>, work: impl FnOnce() -> dualhome_linux::Result<T> + Send) -> PyResult<T> {
    run(py, work)?.map_err(os_error)
}

fn os_error(error: Error) -> PyErr {
    PyOSError::new_err((error.errno, error.text))
}

fn failure_rows(failures: Vec<Failure>) -> Failures {
    failures.into_iter().map(|f| (f.index, f.errno, f.text)).collect()
}

#[pyfunction]
fn namespace_create(py: Python<'_>, path: PathBuf) -> PyResult<()> {
    system(py, || namespace::create(&[path]))
}

#[pyfunction]
fn namespaces_create(py: Python<'_>, paths: Vec<PathBuf>) -> PyResult<()> {
    system(py, || namespace::create(&paths))
}

#[pyfunction]
fn namespace_delete(py: Python<'_>, path: PathBuf) -> PyResult<()> {
    system(py, || namespace::delete(&[path]))
}

#[pyfunction]
fn namespaces_delete(py: Python<'_>, paths: Vec<PathBuf>) -> PyResult<()> {
    system(py, || namespace::delete(&paths))
}

#[pyfunction]
fn namespace_directory_delete(py: Python<'_>, directory: PathBuf) -> PyResult<()> {
    system(py, || namespace::delete_directory(&directory))
}

/// A handle of a network namespace.
#[pyclass(module = "dualhome._core", frozen)]
pub(crate) struct Namespace {
    inner: dualhome_linux::Namespace,
}

impl Namespace {
    /// What it is underneath.
    pub(crate) fn inner(&self) -> &dualhome_linux::Namespace {
        &self.inner
    }
}

#[pymethods]
impl Namespace {
    #[new]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let inner = system(py, || dualhome_linux::Namespace::open(&path))?;
        Ok(Self { inner })
    }

    #[getter]
    fn path(&self) -> String {
        self.inner.path().to_string_lossy().into_owned()
    }

    fn __repr__(&self) -> String {
        format!("Namespace({:?})", self.path())
    }

    fn fileno(&self) -> i32 {
        self.inner.fd().as_raw_fd()
    }

    #[pyo3(signature = (family, kind, protocol=0))]
    fn socket(&self, py: Python<'_>, family: i32, kind: i32, protocol: i32) -> PyResult<i32> {
        system(py, || self.inner.socket(family, kind, protocol)).map(IntoRawFd::into_raw_fd)
    }

    fn sysctl(&self, py: Python<'_>, pairs: Vec<(String, String)>) -> PyResult<()> {
        system(py, || self.inner.sysctl(&pairs))
    }

    #[pyo3(signature = (name, number, mac, peer_name, peer, peer_mac, peer_number=0, *, mtu=1500, up=true))]
    #[expect(clippy::too_many_arguments, reason = "a pair has two ends")]
    fn veth(
        &self,
        py: Python<'_>,
        name: String,
        number: u32,
        mac: PyBackedBytes,
        peer_name: String,
        peer: Py<Namespace>,
        peer_mac: PyBackedBytes,
        peer_number: u32,
        mtu: u32,
        up: bool,
    ) -> PyResult<()> {
        self.veths(py, vec![(name, number, mac, peer_name, peer, peer_mac, peer_number)], mtu, up)
    }

    #[pyo3(signature = (pairs, *, mtu=1500, up=true))]
    fn veths(&self, py: Python<'_>, pairs: Vec<VethTuple>, mtu: u32, up: bool) -> PyResult<()> {
        system(py, || {
            let pairs: Vec<_> = pairs.iter().map(pair).collect();
            links::veths(&self.inner, &pairs, mtu, up)
        })
    }

    #[pyo3(signature = (name, number=0, mac=None, *, up=true))]
    fn tap(&self, py: Python<'_>, name: &str, number: u32, mac: Option<PyBackedBytes>, up: bool) -> PyResult<u32> {
        system(py, || links::tap(&self.inner, name, number, mac.as_deref().unwrap_or_default(), up))
    }

    #[pyo3(signature = (device, up=true))]
    fn link_up(&self, py: Python<'_>, device: Wrapped, up: bool) -> PyResult<()> {
        system(py, || links::set(&mut self.inner.rtnetlink(), &device.0, up, &[]))
    }

    fn link_delete(&self, py: Python<'_>, device: Wrapped) -> PyResult<()> {
        match self.links_delete(py, vec![device])?.pop() {
            Some((_, errno, text)) => Err(PyOSError::new_err((errno, format!("delete link: {text}")))),
            None => Ok(()),
        }
    }

    fn links_delete(&self, py: Python<'_>, devices: Vec<Wrapped>) -> PyResult<Failures> {
        let devices: Vec<_> = devices.into_iter().map(|d| d.0).collect();
        system(py, || links::delete(&mut self.inner.rtnetlink(), &devices)).map(failure_rows)
    }

    #[expect(clippy::type_complexity, reason = "a row, said in _core.pyi")]
    fn links<'py>(&self, py: Python<'py>) -> PyResult<Vec<(u32, String, String, Bound<'py, PyBytes>, bool)>> {
        let links = system(py, || dump::links(&mut self.inner.rtnetlink()))?;
        Ok(links
            .into_iter()
            .map(|l| (l.number, l.name, l.kind, PyBytes::new(py, &l.mac), l.up))
            .collect())
    }

    #[pyo3(signature = (put=vec![], drop=vec![]))]
    fn addresses(&self, py: Python<'_>, put: Vec<(Wrapped, String)>, drop: Vec<(Wrapped, String)>) -> PyResult<()> {
        let read = |rows: Vec<(Wrapped, String)>| -> PyResult<Vec<(Device, Interface)>> {
            rows.into_iter()
                .map(|(device, text)| Ok((device.0, text.parse().map_err(os_error)?)))
                .collect()
        };
        let (put, drop) = (read(put)?, read(drop)?);
        system(py, || addresses::addresses(&mut self.inner.rtnetlink(), &put, &drop))
    }

    #[pyo3(signature = (put=vec![], drop=vec![]))]
    fn neighbors(&self, py: Python<'_>, put: Vec<(Wrapped, String, PyBackedBytes)>, drop: Vec<(Wrapped, String)>) -> PyResult<()> {
        let put = put
            .into_iter()
            .map(|(d, a, mac)| Ok((d.0, address(&a)?, mac.to_vec())))
            .collect::<PyResult<Vec<_>>>()?;
        let drop = drop
            .into_iter()
            .map(|(d, a)| Ok((d.0, address(&a)?)))
            .collect::<PyResult<Vec<_>>>()?;
        system(py, || addresses::neighbors(&mut self.inner.rtnetlink(), &put, &drop))
    }

    #[pyo3(signature = (put=vec![], groups=vec![], drop=vec![], *, protocol=PROTOCOL))]
    fn nexthops(
        &self,
        py: Python<'_>,
        put: Vec<(u32, Option<String>, Option<Wrapped>, bool)>,
        groups: Vec<(u32, Vec<u32>)>,
        drop: Vec<u32>,
        protocol: u8,
    ) -> PyResult<Failures> {
        let nexthop = |(id, gateway, device, onlink): (u32, Option<String>, Option<Wrapped>, bool)| {
            let gateway = address(gateway.as_deref().unwrap_or("0.0.0.0"))?;
            Ok(Nexthop {
                id,
                gateway,
                device: device.map(|d| d.0),
                onlink,
            })
        };
        let put = put.into_iter().map(nexthop).collect::<PyResult<Vec<_>>>()?;
        let groups: Vec<_> = groups.into_iter().map(|(id, members)| Group { id, members }).collect();
        system(py, || routes::nexthops(&mut self.inner.rtnetlink(), &put, &groups, &drop, protocol)).map(failure_rows)
    }

    #[pyo3(signature = (put=vec![], drop=vec![], *, table=254, protocol=PROTOCOL, metric=0))]
    fn routes(
        &self,
        py: Python<'_>,
        put: Vec<(PyBackedBytes, u8, u32)>,
        drop: Vec<(PyBackedBytes, u8)>,
        table: u32,
        protocol: u8,
        metric: u32,
    ) -> PyResult<Failures> {
        let place = Place { table, protocol, metric };
        system(py, || {
            let put: Vec<_> = put
                .iter()
                .map(|(address, length, id)| (address, *length, Target::Nexthop(*id)))
                .collect();
            let drop: Vec<_> = drop.iter().map(|(address, length)| (address, *length)).collect();
            routes::routes(&mut self.inner.rtnetlink(), &put, &drop, place)
        })
        .map(failure_rows)
    }

    #[pyo3(signature = (kind, put, *, device=None, table=254, protocol=PROTOCOL, metric=0))]
    #[expect(clippy::too_many_arguments, reason = "what a route has")]
    fn special_routes(
        &self,
        py: Python<'_>,
        kind: &str,
        put: Vec<(PyBackedBytes, u8)>,
        device: Option<Wrapped>,
        table: u32,
        protocol: u8,
        metric: u32,
    ) -> PyResult<Failures> {
        let place = Place { table, protocol, metric };
        let device = device.map_or_else(|| Device::Name("lo".into()), |d| d.0);
        let target = match kind {
            "unreachable" => Target::Unreachable,
            "blackhole" => Target::Blackhole,
            "prohibit" => Target::Prohibit,
            "throw" => Target::Throw,
            "local" => Target::Local(device.number(&self.inner.rtnetlink()).map_err(os_error)?),
            _ => {
                return Err(PyValueError::new_err(format!(
                    "{kind}: unreachable, blackhole, prohibit, throw or local"
                )));
            }
        };
        system(py, || {
            let put: Vec<_> = put.iter().map(|(address, length)| (address, *length, target)).collect();
            routes::routes(&mut self.inner.rtnetlink(), &put, &[], place)
        })
        .map(failure_rows)
    }

    #[pyo3(signature = (table=254))]
    fn route_dump<'py>(&self, py: Python<'py>, table: u32) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let (found, names) = system(py, || {
            let mut socket = self.inner.rtnetlink();
            Ok((dump::routes(&mut socket, table)?, Names::new(dump::links(&mut socket)?)))
        })?;
        let hops = found.hops.iter().map(|hops| {
            let hop = |h: &dump::Hop| (h.gateway.map(|g| g.to_string()), names.of(h.device), h.weight);
            PyTuple::new(py, hops.iter().map(hop))
        });
        let hops = hops.collect::<PyResult<Vec<_>>>()?;
        let row = |r: &dump::RouteRow| {
            let (bytes, length) = addresses::octets(&r.address);
            let family = addresses::family(&r.address);
            (
                family,
                PyBytes::new(py, &bytes[..length]),
                r.length,
                r.protocol,
                r.metric,
                &hops[r.hops],
            )
                .into_pyobject(py)
        };
        found.rows.iter().map(row).collect()
    }

    #[expect(clippy::type_complexity, reason = "a row, said in _core.pyi")]
    fn nexthop_dump(&self, py: Python<'_>) -> PyResult<Vec<(u32, Option<String>, Option<String>, Vec<(u32, u32)>, u8)>> {
        let (rows, names) = system(py, || {
            let mut socket = self.inner.rtnetlink();
            Ok((dump::nexthops(&mut socket)?, Names::new(dump::links(&mut socket)?)))
        })?;
        let device = |number| (number != 0).then(|| names.of(number));
        Ok(rows
            .into_iter()
            .map(|r| (r.id, r.gateway.map(|g| g.to_string()), device(r.device), r.members, r.protocol))
            .collect())
    }
}

fn pair((name, number, mac, peer_name, peer, peer_mac, peer_number): &VethTuple) -> Veth<'_> {
    let here = End {
        name,
        number: *number,
        mac,
    };
    let there = End {
        name: peer_name,
        number: *peer_number,
        mac: peer_mac,
    };
    Veth {
        here,
        there,
        namespace: &peer.get().inner,
    }
}

/// Names of links by index.
struct Names(HashMap<u32, String>);

impl Names {
    fn new(links: Vec<dump::Link>) -> Self {
        Self(links.into_iter().map(|l| (l.number, l.name)).collect())
    }

    /// One that was deleted meanwhile shows as its number.
    fn of(&self, number: u32) -> String {
        self.0.get(&number).cloned().unwrap_or_else(|| number.to_string())
    }
}

/// A device as Python names it: by its name or its index.
struct Wrapped(Device);

impl<'py> FromPyObject<'_, 'py> for Wrapped {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if value.is_instance_of::<PyString>() {
            return Ok(Self(Device::Name(value.extract()?)));
        }
        Ok(Self(Device::Number(value.extract()?)))
    }
}

fn address(text: &str) -> PyResult<IpAddr> {
    text.parse()
        .map_err(|_| os_error(Error::invalid(format_args!("{text:?} is no address"))))
}
