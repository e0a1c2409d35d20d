//! The RIBs and longest match for Python. It converts; whatever may take long runs without holding Python.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use dualhome_core::prefix::Prefix;
use dualhome_core::rib::decision::Decision;
use dualhome_core::rib::pages::Stage;
use dualhome_core::rib::{self, RequestError};
use dualhome_core::trie::Trie;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::run;
use crate::wire::{PrefixTuple, from_tuple, tuple, wire_error};

/// Add this module's names.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Route>()?;
    module.add_class::<Rib>()?;
    module.add_class::<Table>()
}

fn wrong(error: RequestError) -> PyErr {
    PyValueError::new_err(error.0)
}

fn identifier(what: &str, text: &str) -> PyResult<Ipv4Addr> {
    text.parse()
        .map_err(|_| PyValueError::new_err(format!("{what} '{text}' is no IPv4 address")))
}

fn optional(prefix: Option<PrefixTuple>) -> PyResult<Option<Prefix>> {
    prefix.map(from_tuple).transpose()
}

/// One path to one prefix, as a RIB holds it. Immutable copy.
#[pyclass(module = "dualhome._core", get_all, frozen)]
struct Route {
    prefix: PrefixTuple,
    next_hop: String,
    as_path: String,
    as_path_length: usize,
    origin: &'static str,
    med: Option<u32>,
    local_preference: u32,
    weight: u32,
    communities: Vec<String>,
    large_communities: Vec<String>,
    peer: i32,
    tags: Vec<String>,
    best: bool,
    multipath: bool,
    lost_in: Option<&'static str>,
    reason: Option<String>,
    detail: Option<String>,
}

impl From<rib::Route> for Route {
    fn from(route: rib::Route) -> Self {
        Self {
            prefix: tuple(&route.prefix),
            next_hop: route.next_hop,
            as_path: route.as_path,
            as_path_length: route.as_path_length,
            origin: route.origin,
            med: route.med,
            local_preference: route.local_preference,
            weight: route.weight,
            communities: route.communities,
            large_communities: route.large_communities,
            peer: route.peer,
            tags: route.tags,
            best: route.best,
            multipath: route.multipath,
            lost_in: route.lost_in,
            reason: route.reason,
            detail: route.detail,
        }
    }
}

#[pymethods]
impl Route {
    fn __repr__(&self) -> String {
        let prefix = Prefix::new(self.prefix.0, self.prefix.1, self.prefix.2);
        let fate = match (&self.reason, self.lost_in) {
            (Some(reason), _) => format!(" refused: {reason}"),
            (None, Some(round)) => format!(" lost in {round}"),
            _ if self.best => " best".to_string(),
            _ => String::new(),
        };
        format!(
            "<Route {prefix} via {} path '{}' of peer {}{fate}>",
            self.next_hop, self.as_path, self.peer
        )
    }
}

fn routes(rows: Vec<rib::Route>) -> Vec<Route> {
    rows.into_iter().map(Route::from).collect()
}

/// Next hop, peer or -1, AS path length.
type BestPath = (String, i32, usize);

/// Prefix, peer or -1, place among the blocks; octets and next hop of each block.
type BlockRows<'py> = (Vec<(PrefixTuple, i32, usize)>, Vec<(Bound<'py, PyBytes>, String)>);

/// Adj-RIB-In, Loc-RIB and Adj-RIB-Out of one speaker. Bytes in, bytes out; no I/O, no clock.
#[pyclass(module = "dualhome._core")]
struct Rib {
    inner: rib::Rib,
}

#[pymethods]
impl Rib {
    #[new]
    #[pyo3(signature = (*, asn, router_id, rounds, preference="ExpressRoute", cluster_id=None, multipath=64))]
    fn new(asn: u32, router_id: &str, rounds: Vec<String>, preference: &str, cluster_id: Option<&str>, multipath: usize) -> PyResult<Self> {
        let decision = Decision::new(&rounds, preference, multipath).map_err(PyValueError::new_err)?;
        let cluster_id = cluster_id.map(|text| identifier("cluster ID", text)).transpose()?;
        let inner = rib::Rib::new(asn, identifier("router ID", router_id)?, cluster_id, decision);
        Ok(Self { inner })
    }

    #[pyo3(signature = (*, rounds, preference))]
    fn set_decision(&mut self, rounds: Vec<String>, preference: &str) -> PyResult<()> {
        self.inner.set_decision(&rounds, preference).map_err(wrong)
    }

    fn set_peer(&mut self, py: Python<'_>, peer: u32, config: &str) -> PyResult<()> {
        run(py, || self.inner.set_peer(peer, config))?.map_err(wrong)
    }

    fn remove_peer(&mut self, py: Python<'_>, peer: u32) -> PyResult<()> {
        run(py, || self.inner.remove_peer(peer))?.map_err(wrong)
    }

    #[pyo3(signature = (peer, *, four_octet_as, families, max_message, router_id))]
    fn peer_up(
        &mut self,
        py: Python<'_>,
        peer: u32,
        four_octet_as: bool,
        families: Vec<(u16, u8)>,
        max_message: usize,
        router_id: &str,
    ) -> PyResult<()> {
        let router_id = identifier("router ID", router_id)?;
        run(py, || self.inner.peer_up(peer, four_octet_as, &families, max_message, router_id))?.map_err(wrong)
    }

    #[pyo3(signature = (peer, *, keep=None))]
    fn peer_down(&mut self, py: Python<'_>, peer: u32, keep: Option<Vec<(u16, u8)>>) -> PyResult<()> {
        run(py, || self.inner.peer_down(peer, &keep.unwrap_or_default()))?.map_err(wrong)
    }

    fn mark_stale(&mut self, py: Python<'_>, peer: u32, afi: u16, safi: u8) -> PyResult<()> {
        run(py, || self.inner.mark_stale(peer, afi, safi))?.map_err(wrong)
    }

    fn sweep_stale(&mut self, py: Python<'_>, peer: u32, afi: u16, safi: u8) -> PyResult<usize> {
        run(py, || self.inner.sweep_stale(peer, afi, safi))?.map_err(wrong)
    }

    fn ended(&mut self, peer: u32) -> PyResult<Vec<(u16, u8)>> {
        self.inner.ended(peer).map_err(wrong)
    }

    fn receive<'py>(&mut self, py: Python<'py>, peer: u32, updates: &[u8]) -> PyResult<Option<Bound<'py, PyAny>>> {
        let result = run(py, || self.inner.receive(peer, updates))?.map_err(wrong)?;
        result.err().map(|error| wire_error(py, &error)).transpose()
    }

    fn originate(&mut self, prefix: PrefixTuple, attributes: &str) -> PyResult<()> {
        self.inner.originate(from_tuple(prefix)?, attributes).map_err(wrong)
    }

    fn withdraw(&mut self, prefix: PrefixTuple) -> PyResult<()> {
        self.inner.withdraw(from_tuple(prefix)?);
        Ok(())
    }

    fn process(&mut self, py: Python<'_>) -> PyResult<usize> {
        run(py, || self.inner.process())
    }

    fn version(&self) -> u64 {
        self.inner.version()
    }

    fn changes(&mut self, py: Python<'_>) -> PyResult<Vec<PrefixTuple>> {
        run(py, || self.inner.changes().iter().map(tuple).collect())
    }

    #[pyo3(signature = (peer, max_bytes=65536))]
    fn output<'py>(&mut self, py: Python<'py>, peer: u32, max_bytes: usize) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = run(py, || self.inner.output(peer, max_bytes))?.map_err(wrong)?;
        Ok(PyBytes::new(py, &bytes))
    }

    fn pending(&mut self, py: Python<'_>) -> PyResult<Vec<u32>> {
        run(py, || self.inner.pending())
    }

    #[pyo3(signature = (peer, afi, safi, *, enhanced=false))]
    fn refresh(&mut self, py: Python<'_>, peer: u32, afi: u16, safi: u8, enhanced: bool) -> PyResult<()> {
        run(py, || self.inner.refresh(peer, afi, safi, enhanced))?.map_err(wrong)
    }

    #[pyo3(signature = (prefix=None))]
    fn candidates(&self, py: Python<'_>, prefix: Option<PrefixTuple>) -> PyResult<Vec<Route>> {
        let prefix = optional(prefix)?;
        run(py, || routes(self.inner.candidates(prefix)))
    }

    fn best(&self, py: Python<'_>) -> PyResult<Vec<(PrefixTuple, Vec<BestPath>)>> {
        run(py, || {
            let row = |(next_hop, peer, length): (IpAddr, i32, usize)| (next_hop.to_string(), peer, length);
            let rows = self.inner.best().into_iter();
            rows.map(|(prefix, paths)| (tuple(&prefix), paths.into_iter().map(row).collect()))
                .collect()
        })
    }

    fn lookup(&self, address: &str) -> PyResult<Vec<Route>> {
        let address: IpAddr = address
            .parse()
            .map_err(|_| PyValueError::new_err(format!("'{address}' is no address")))?;
        Ok(routes(self.inner.lookup(address)))
    }

    #[pyo3(signature = (peer, prefix=None))]
    fn received(&self, py: Python<'_>, peer: u32, prefix: Option<PrefixTuple>) -> PyResult<Vec<Route>> {
        let prefix = optional(prefix)?;
        run(py, || self.inner.received(peer, prefix).map(routes))?.map_err(wrong)
    }

    #[pyo3(signature = (peer=None, prefix=None))]
    fn rejected(&self, py: Python<'_>, peer: Option<u32>, prefix: Option<PrefixTuple>) -> PyResult<Vec<Route>> {
        let prefix = optional(prefix)?;
        run(py, || self.inner.rejected(peer, prefix).map(routes))?.map_err(wrong)
    }

    #[pyo3(signature = (peer, prefix=None))]
    fn advertised(&mut self, py: Python<'_>, peer: u32, prefix: Option<PrefixTuple>) -> PyResult<Vec<Route>> {
        let prefix = optional(prefix)?;
        run(py, || self.inner.advertised(peer, prefix).map(routes))?.map_err(wrong)
    }

    #[pyo3(signature = (peer=None, after=None, limit=1000))]
    fn prefixes(&self, py: Python<'_>, peer: Option<u32>, after: Option<PrefixTuple>, limit: usize) -> PyResult<Vec<PrefixTuple>> {
        let after = optional(after)?;
        run(py, || {
            let found = self.inner.prefixes(peer, after, limit);
            found.map(|all| all.iter().map(tuple).collect())
        })?
        .map_err(wrong)
    }

    fn blocks<'py>(&self, py: Python<'py>, stage: &str, peer: Option<u32>, prefixes: Vec<PrefixTuple>) -> PyResult<BlockRows<'py>> {
        let stage = match stage {
            "received" => Stage::Received,
            "accepted" => Stage::Accepted,
            _ => return Err(PyValueError::new_err(format!("'{stage}' is neither received nor accepted"))),
        };
        let prefixes = prefixes.into_iter().map(from_tuple).collect::<PyResult<Vec<_>>>()?;
        let found = run(py, || self.inner.blocks(stage, peer, &prefixes))?.map_err(wrong)?;
        let rows = found.rows.iter().map(|(prefix, peer, place)| (tuple(prefix), *peer, *place));
        let blocks = found.blocks.iter().map(|(octets, hop)| (PyBytes::new(py, octets), hop.to_string()));
        Ok((rows.collect(), blocks.collect()))
    }

    fn over_limit(&self, peer: u32) -> PyResult<u64> {
        self.inner.over_limit(peer).map_err(wrong)
    }

    fn memory(&mut self, py: Python<'_>, peer: u32) -> PyResult<u64> {
        run(py, || self.inner.memory(peer))?.map_err(wrong)
    }

    fn counts(&self, py: Python<'_>, peer: u32) -> PyResult<(u64, BTreeMap<String, u64>, u64, u64)> {
        let counts = run(py, || self.inner.counts(peer))?.map_err(wrong)?;
        Ok((counts.accepted, counts.rejected, counts.advertised, counts.over_limit))
    }

    fn peer_statistics(&self, peer: u32) -> PyResult<BTreeMap<String, u64>> {
        self.inner.peer_statistics(peer).map_err(wrong)
    }

    fn explain_import(&self, peer: u32, prefix: PrefixTuple) -> PyResult<String> {
        self.inner.explain_import(peer, from_tuple(prefix)?).map_err(wrong)
    }

    fn explain_export(&self, peer: u32, prefix: PrefixTuple) -> PyResult<String> {
        self.inner.explain_export(peer, from_tuple(prefix)?).map_err(wrong)
    }

    fn statistics(&self) -> BTreeMap<&'static str, u64> {
        self.inner.statistics()
    }
}

/// Longest match from prefix to a number, in bulk.
#[pyclass(module = "dualhome._core", frozen)]
struct Table {
    trie: Trie<i64>,
}

#[pymethods]
impl Table {
    #[new]
    fn new(py: Python<'_>, rows: Vec<(PrefixTuple, i64)>) -> PyResult<Self> {
        run(py, || {
            let mut trie = Trie::default();
            for (prefix, value) in rows {
                trie.insert(from_tuple(prefix)?, value);
            }
            Ok(Self { trie })
        })?
    }

    fn lookup(&self, version: u8, bits: u128) -> PyResult<Option<(PrefixTuple, i64)>> {
        if !matches!(version, 4 | 6) || (version == 4 && bits > u128::from(u32::MAX)) {
            return Err(PyValueError::new_err(format!("({version}, {bits}) is no address")));
        }
        Ok(self.trie.lookup(version, bits).map(|(prefix, value)| (tuple(&prefix), *value)))
    }
}
