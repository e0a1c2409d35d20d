//! The wire format for Python: framing, OPEN and the small messages, and UPDATEs as rows for tests and tools.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use dualhome_core::attributes::{
    AsPath, Attributes, Origin, community_text, large_community_text, parse_as_path, parse_community, parse_large_community,
};
use dualhome_core::prefix::Prefix;
use dualhome_core::wire::{self, EncodeOptions, Message, NotificationError, ParseOptions, Update, Updates};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyType};
use serde_json::Value;

use crate::run;

/// A prefix as Python has it: version, bits, length.
pub type PrefixTuple = (u8, u128, u8);

/// An exception class with fields can't be written in Rust for Python 3.11's stable ABI; in Python it is also picklable.
const WIRE_ERROR: &std::ffi::CStr = cr#"
class WireError(Exception):
    """A message that RFC 4271 section 6 answers with a NOTIFICATION; args: (code, subcode, data, reason)."""

    def __init__(self, *args):
        super().__init__(*args)
        self.code, self.subcode, self.data, self.reason = args

    def __str__(self):
        return f"{self.reason} (NOTIFICATION {self.code}/{self.subcode})"
"#;

static WIRE_ERROR_TYPE: PyOnceLock<Py<PyType>> = PyOnceLock::new();

fn wire_error_type(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    let made = WIRE_ERROR_TYPE.get_or_try_init(py, || {
        let globals = PyDict::new(py);
        globals.set_item("__name__", "dualhome._core")?;
        py.run(WIRE_ERROR, Some(&globals), None)?;
        let class = globals.as_any().get_item("WireError")?;
        Ok::<_, PyErr>(class.cast_into::<PyType>()?.unbind())
    })?;
    Ok(made.bind(py))
}

/// The error as a `WireError` value.
pub fn wire_error<'py>(py: Python<'py>, error: &NotificationError) -> PyResult<Bound<'py, PyAny>> {
    let data = PyBytes::new(py, &error.data);
    wire_error_type(py)?.call1((error.code, error.subcode, data, &error.reason))
}

/// The error as a raised `WireError`: the one place that maps them.
pub fn to_python_error(py: Python<'_>, error: &NotificationError) -> PyErr {
    wire_error(py, error).map_or_else(|failed| failed, PyErr::from_value)
}

/// Add this module's names.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("WireError", wire_error_type(module.py())?)?;
    module.add_class::<Framer>()?;
    module.add_class::<OpenMessage>()?;
    module.add_class::<UpdateRow>()?;
    module.add_function(wrap_pyfunction!(decode_open, module)?)?;
    module.add_function(wrap_pyfunction!(encode_open, module)?)?;
    module.add_function(wrap_pyfunction!(count_messages, module)?)?;
    module.add_function(wrap_pyfunction!(encode_keepalive, module)?)?;
    module.add_function(wrap_pyfunction!(encode_notification, module)?)?;
    module.add_function(wrap_pyfunction!(decode_notification, module)?)?;
    module.add_function(wrap_pyfunction!(encode_route_refresh, module)?)?;
    module.add_function(wrap_pyfunction!(decode_route_refresh, module)?)?;
    module.add_function(wrap_pyfunction!(decode_updates, module)?)?;
    module.add_function(wrap_pyfunction!(encode_updates, module)?)
}

/// Cuts a byte stream into messages (RFC 4271 section 4.1, RFC 8654). One per transport.
#[pyclass(module = "dualhome._core")]
struct Framer {
    framer: wire::Framer,
}

type Fed<'py> = (Vec<(u8, Bound<'py, PyBytes>)>, Option<Bound<'py, PyAny>>);

#[pymethods]
impl Framer {
    #[new]
    fn new() -> Self {
        Self {
            framer: wire::Framer::new(),
        }
    }

    fn extend(&mut self) {
        self.framer.extend();
    }

    fn feed<'py>(&mut self, py: Python<'py>, data: &[u8]) -> PyResult<Fed<'py>> {
        let (messages, error) = run(py, || self.framer.feed(data))?;
        let messages = messages
            .iter()
            .map(|message| match message {
                Message::Updates(octets) => (wire::message_type::UPDATE, PyBytes::new(py, octets)),
                Message::Other(kind, body) => (*kind, PyBytes::new(py, body)),
            })
            .collect();
        let error = error.map(|error| wire_error(py, &error)).transpose()?;
        Ok((messages, error))
    }
}

/// Flags, time in s, and (AFI, SAFI, flags) of each family.
type GracefulRestart = (u8, u16, Vec<(u16, u8, u8)>);

/// A decoded OPEN (RFC 4271 section 4.2, RFC 5492, RFC 9072). Unknown capabilities stay in `capabilities`.
#[pyclass(module = "dualhome._core", get_all, frozen)]
struct OpenMessage {
    version: u8,
    asn: u32,
    my_as: u16,
    hold_time_s: u16,
    router_id: String,
    four_octet_as: bool,
    route_refresh: bool,
    extended_message: bool,
    families: Vec<(u16, u8)>,
    graceful_restart: Option<GracefulRestart>,
    capabilities: Vec<(u8, Py<PyBytes>)>,
}

#[pyfunction]
fn decode_open(py: Python<'_>, body: &[u8]) -> PyResult<OpenMessage> {
    let open = run(py, || wire::open::decode_open(body))?.map_err(|error| to_python_error(py, &error))?;
    let bytes = |(code, value): &(u8, Vec<u8>)| (*code, PyBytes::new(py, value).unbind());
    Ok(OpenMessage {
        version: open.version,
        asn: open.asn,
        my_as: open.my_as,
        hold_time_s: open.hold_time_s,
        router_id: open.router_id.to_string(),
        four_octet_as: open.four_octet_as,
        route_refresh: open.route_refresh,
        extended_message: open.extended_message,
        families: open.families,
        graceful_restart: open.graceful_restart.map(|g| (g.flags, g.time_s, g.families)),
        capabilities: open.capabilities.iter().map(bytes).collect(),
    })
}

#[pyfunction]
#[pyo3(signature = (*, asn, hold_time_s, router_id, families, four_octet_as=true, route_refresh=true, extended_message=true,
    graceful_restart=true, more=None))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
fn encode_open<'py>(
    py: Python<'py>,
    asn: u32,
    hold_time_s: u16,
    router_id: &str,
    families: Vec<(u16, u8)>,
    four_octet_as: bool,
    route_refresh: bool,
    extended_message: bool,
    graceful_restart: bool,
    more: Option<Vec<(u8, Vec<u8>)>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let router_id: Ipv4Addr = router_id
        .parse()
        .map_err(|_| value_error(format!("router ID '{router_id}' is no IPv4 address")))?;
    let options = wire::open::OpenOptions {
        asn,
        hold_time_s,
        router_id,
        families,
        four_octet_as,
        route_refresh,
        extended_message,
        graceful_restart,
        more: more.unwrap_or_default(),
    };
    let bytes = run(py, || wire::open::encode_open(&options))?;
    let bytes = bytes.ok_or_else(|| value_error(format!("{} families do not fit in an OPEN", options.families.len())))?;
    Ok(PyBytes::new(py, &bytes))
}

#[pyfunction]
fn count_messages(data: &[u8]) -> usize {
    wire::framing::count(data)
}

#[pyfunction]
fn encode_keepalive(py: Python<'_>) -> Bound<'_, PyBytes> {
    PyBytes::new(py, &wire::encode_keepalive())
}

#[pyfunction]
#[pyo3(signature = (code, subcode, data=None), text_signature = "(code, subcode, data=b'')")]
fn encode_notification<'py>(py: Python<'py>, code: u8, subcode: u8, data: Option<&[u8]>) -> Bound<'py, PyBytes> {
    PyBytes::new(
        py,
        &wire::notification::encode_notification(code, subcode, data.unwrap_or_default()),
    )
}

#[pyfunction]
fn decode_notification<'py>(py: Python<'py>, body: &[u8]) -> PyResult<(u8, u8, Bound<'py, PyBytes>)> {
    let (code, subcode, data) = wire::notification::decode_notification(body).map_err(|error| to_python_error(py, &error))?;
    Ok((code, subcode, PyBytes::new(py, data)))
}

#[pyfunction]
fn encode_route_refresh(py: Python<'_>, afi: u16, safi: u8) -> Bound<'_, PyBytes> {
    PyBytes::new(py, &wire::refresh::encode_route_refresh(afi, safi))
}

#[pyfunction]
fn decode_route_refresh(py: Python<'_>, body: &[u8]) -> PyResult<(u16, u8, u8)> {
    wire::refresh::decode_route_refresh(body).map_err(|error| to_python_error(py, &error))
}

/// One NLRI of an UPDATE, for tests and tools; the bulk path never makes these.
#[pyclass(module = "dualhome._core", get_all, frozen)]
struct UpdateRow {
    prefix: PrefixTuple,
    withdrawn: bool,
    next_hop: Option<String>,
    as_path: String,
    origin: Option<String>,
    med: Option<u32>,
    local_preference: Option<u32>,
    communities: Vec<String>,
    large_communities: Vec<String>,
    error: Option<String>,
}

#[pymethods]
impl UpdateRow {
    fn __repr__(&self) -> String {
        let prefix = Prefix::new(self.prefix.0, self.prefix.1, self.prefix.2);
        match &self.next_hop {
            Some(next_hop) => format!("<UpdateRow {prefix} via {next_hop} path '{}'>", self.as_path),
            None => format!("<UpdateRow {prefix} withdrawn>"),
        }
    }
}

/// The prefix as Python has it.
pub fn tuple(prefix: &Prefix) -> PrefixTuple {
    (prefix.version, prefix.bits, prefix.length)
}

/// The prefix from what Python has; ValueError where it is none.
pub fn from_tuple((version, bits, length): PrefixTuple) -> PyResult<Prefix> {
    let wrong = || value_error(format!("({version}, {bits}, {length}) is no prefix"));
    if !matches!(version, 4 | 6) || length > dualhome_core::prefix::width(version) {
        return Err(wrong());
    }
    let prefix = Prefix::new(version, bits, length);
    if prefix.bits == bits { Ok(prefix) } else { Err(wrong()) }
}

fn value_error(message: impl Into<String>) -> PyErr {
    PyValueError::new_err(message.into())
}

fn rows_of(update: &Update) -> impl Iterator<Item = UpdateRow> + '_ {
    let withdrawn = update.withdrawn.iter().map(|prefix| UpdateRow {
        prefix: tuple(prefix),
        withdrawn: true,
        next_hop: None,
        as_path: String::new(),
        origin: None,
        med: None,
        local_preference: None,
        communities: Vec::new(),
        large_communities: Vec::new(),
        error: None,
    });
    let announced = update.attributes.iter().flat_map(|attributes| {
        update.announced.iter().map(|prefix| UpdateRow {
            prefix: tuple(prefix),
            withdrawn: false,
            next_hop: Some(attributes.next_hop.to_string()),
            as_path: attributes.as_path.text(),
            origin: Some(attributes.origin.to_string()),
            med: attributes.med,
            local_preference: attributes.local_preference,
            communities: attributes.communities.iter().map(|c| community_text(*c)).collect(),
            large_communities: attributes.large_communities.iter().map(|c| large_community_text(*c)).collect(),
            error: update.treat_as_withdraw.clone(),
        })
    });
    withdrawn.chain(announced)
}

#[pyfunction]
#[pyo3(signature = (data, four_octet_as=true))]
fn decode_updates(py: Python<'_>, data: &[u8], four_octet_as: bool) -> PyResult<Vec<UpdateRow>> {
    let options = ParseOptions {
        four_octet: four_octet_as,
        ebgp: false,
        ..ParseOptions::ALL
    };
    let rows = run(py, || {
        let mut rows = Vec::new();
        for update in Updates::new(data, options) {
            rows.extend(rows_of(&update?));
        }
        Ok(rows)
    })?;
    rows.map_err(|error: NotificationError| to_python_error(py, &error))
}

#[derive(FromPyObject)]
enum Rows<'py> {
    Text(String),
    List(Vec<Bound<'py, UpdateRow>>),
}

/// Withdrawals come first, then each block of attributes in the order in which it first appears.
#[pyfunction]
#[pyo3(signature = (rows, four_octet_as=true, max_message=4096))]
fn encode_updates<'py>(py: Python<'py>, rows: Rows<'py>, four_octet_as: bool, max_message: usize) -> PyResult<Bound<'py, PyBytes>> {
    let routes: Vec<(Prefix, Option<Attributes>)> = match rows {
        Rows::Text(text) => {
            let rows: Vec<Value> = serde_json::from_str(&text).map_err(|error| value_error(format!("rows: {error}")))?;
            rows.iter().map(route_of_json).collect::<Result<_, _>>().map_err(value_error)?
        }
        Rows::List(rows) => rows.iter().map(|row| route_of_row(row.get())).collect::<PyResult<_>>()?,
    };
    let options = EncodeOptions {
        four_octet: four_octet_as,
        max_message,
        ebgp: false,
    };
    let bytes = run(py, || encode_routes(routes, &options))?.map_err(value_error)?;
    Ok(PyBytes::new(py, &bytes))
}

fn encode_routes(routes: Vec<(Prefix, Option<Attributes>)>, options: &EncodeOptions) -> Result<Vec<u8>, String> {
    let mut withdrawn = Vec::new();
    let mut blocks: Vec<(Attributes, Vec<Prefix>)> = Vec::new();
    let mut places: HashMap<Attributes, usize> = HashMap::new();
    for (prefix, attributes) in routes {
        let Some(attributes) = attributes else {
            withdrawn.push(prefix);
            continue;
        };
        let place = *places.entry(attributes).or_insert_with_key(|attributes| {
            blocks.push((attributes.clone(), Vec::new()));
            blocks.len() - 1
        });
        blocks[place].1.push(prefix);
    }
    let mut out = wire::encode_withdrawals(&withdrawn, options);
    for (attributes, prefixes) in &blocks {
        out.extend(wire::encode_update_runs(attributes, prefixes, options).map_err(|error| error.to_string())?);
    }
    Ok(out)
}

/// The fields of a row as text and numbers, from JSON or a row.
#[derive(Default)]
struct Fields<'a> {
    next_hop: Option<&'a str>,
    as_path: &'a str,
    origin: Option<&'a str>,
    med: Option<u32>,
    local_preference: Option<u32>,
    communities: Vec<&'a str>,
    large_communities: Vec<&'a str>,
}

fn attributes_of(fields: &Fields<'_>) -> Result<Attributes, String> {
    let next_hop = fields.next_hop.ok_or("a row that is not withdrawn needs a next_hop")?;
    let next_hop: IpAddr = next_hop.parse().map_err(|_| format!("next_hop '{next_hop}' is no address"))?;
    let mut attributes = Attributes {
        as_path: parse_as_path(fields.as_path).ok_or_else(|| format!("'{}' is no AS path", fields.as_path))?,
        med: fields.med,
        local_preference: fields.local_preference,
        ..Attributes::new(next_hop)
    };
    if let Some(origin) = fields.origin {
        attributes.origin = Origin::parse(origin).ok_or_else(|| format!("'{origin}' is no origin"))?;
    }
    for text in &fields.communities {
        attributes
            .communities
            .push(parse_community(text).ok_or_else(|| format!("'{text}' is no community"))?);
    }
    for text in &fields.large_communities {
        let community = parse_large_community(text).ok_or_else(|| format!("'{text}' is no large community"))?;
        attributes.large_communities.push(community);
    }
    attributes.normalize();
    Ok(attributes)
}

fn route_of_row(row: &UpdateRow) -> PyResult<(Prefix, Option<Attributes>)> {
    let prefix = from_tuple(row.prefix)?;
    if row.withdrawn {
        return Ok((prefix, None));
    }
    let fields = Fields {
        next_hop: row.next_hop.as_deref(),
        as_path: &row.as_path,
        origin: row.origin.as_deref(),
        med: row.med,
        local_preference: row.local_preference,
        communities: row.communities.iter().map(String::as_str).collect(),
        large_communities: row.large_communities.iter().map(String::as_str).collect(),
    };
    Ok((prefix, Some(attributes_of(&fields).map_err(value_error)?)))
}

fn route_of_json(row: &Value) -> Result<(Prefix, Option<Attributes>), String> {
    let row = row.as_object().ok_or_else(|| format!("{row} is no object"))?;
    let mut fields = Fields::default();
    let mut prefix = None;
    let mut withdrawn = false;
    for (key, value) in row {
        let wrong = || format!("{key}: {value} is not of the right type");
        match (key.as_str(), value) {
            ("prefix", value) => {
                let parsed = value.as_str().ok_or_else(wrong)?.parse::<Prefix>();
                prefix = Some(parsed.map_err(|error| error.to_string())?);
            }
            ("error", _) | (_, Value::Null) => {}
            ("withdrawn", value) => withdrawn = value.as_bool().ok_or_else(wrong)?,
            ("next_hop", value) => fields.next_hop = Some(value.as_str().ok_or_else(wrong)?),
            ("as_path", value) => fields.as_path = value.as_str().ok_or_else(wrong)?,
            ("origin", value) => fields.origin = Some(value.as_str().ok_or_else(wrong)?),
            ("med", value) => fields.med = Some(number(value).ok_or_else(wrong)?),
            ("local_preference", value) => fields.local_preference = Some(number(value).ok_or_else(wrong)?),
            ("communities", value) => fields.communities = texts(value).ok_or_else(wrong)?,
            ("large_communities", value) => fields.large_communities = texts(value).ok_or_else(wrong)?,
            _ => return Err(format!("unknown key '{key}' in a row")),
        }
    }
    let prefix = prefix.ok_or("a row has no prefix")?;
    let attributes = if withdrawn { None } else { Some(attributes_of(&fields)?) };
    Ok((prefix, attributes))
}

fn number(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|n| u32::try_from(n).ok())
}

fn texts(value: &Value) -> Option<Vec<&str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}
