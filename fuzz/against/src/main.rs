//! What another reader of BGP makes of a file of MRT: one line of JSON a record, a list of its routes. `tests/fuzz/test_against_bgpkit.py` compares.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};

use bgpkit_parser::models::{Community, ElemType, MetaCommunity};
use bgpkit_parser::{BgpElem, BgpkitParser, Elementor};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: dualhome-against FILE")?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut elementor = Elementor::new();
    for record in BgpkitParser::from_reader(BufReader::new(File::open(path)?)).into_record_iter() {
        let routes: Vec<Value> = elementor.record_to_elems(record).iter().map(route).collect();
        writeln!(out, "{}", Value::from(routes))?;
    }
    Ok(())
}

fn route(elem: &BgpElem) -> Value {
    let prefix = elem.prefix.prefix.to_string();
    if elem.elem_type == ElemType::WITHDRAW {
        return json!({"prefix": prefix, "withdrawn": true});
    }
    let (mut plain, mut large) = (Vec::new(), Vec::new());
    for community in elem.communities.iter().flatten() {
        match community {
            MetaCommunity::Plain(Community::NoExportSubConfed) => plain.push("no-export-subconfed".to_string()),
            MetaCommunity::Plain(c) => plain.push(c.to_string()),
            MetaCommunity::Large(c) => large.push(c.to_string()),
            _ => {}
        }
    }
    json!({
        "prefix": prefix,
        "withdrawn": false,
        "next_hop": elem.next_hop.map(|hop| hop.to_string()),
        "as_path": elem.as_path.as_ref().map(|path| path.to_string()).unwrap_or_default(),
        "origin": elem.origin.map(|origin| origin.to_string().to_lowercase()),
        "med": elem.med,
        "local_preference": elem.local_pref,
        "communities": plain,
        "large_communities": large,
    })
}
