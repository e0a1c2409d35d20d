//! A classifier at the ingress of interfaces, by rtnetlink: it stays with the interface, whoever put it there (tc-bpf(8)).

use std::os::fd::RawFd;

use dualhome_linux::error::first_failure;
use dualhome_linux::socket::Requests;
use dualhome_linux::{Namespace, Result};
use libc::{NLM_F_CREATE, NLM_F_REPLACE, RTM_NEWQDISC, RTM_NEWTFILTER};

const TC_H_CLSACT: u32 = 0xffff_fff1;
const TC_H_MIN_INGRESS: u32 = 0xfff2;
const ETH_P_ALL: u16 = 0x0003;
const PRIORITY: u32 = 1;
const HANDLE: u32 = 1;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_BPF_FD: u16 = 6;
const TCA_BPF_NAME: u16 = 7;
const TCA_BPF_FLAGS: u16 = 8;
const TCA_BPF_FLAG_ACT_DIRECT: u32 = 1;

/// Attach the program of this descriptor to these interfaces, in the place of one that was there.
pub fn attach(namespace: &Namespace, program: RawFd, ports: &[u32]) -> Result<()> {
    let mut socket = namespace.rtnetlink();
    let mut requests = Requests::new(&mut socket);
    for port in ports {
        let qdisc = header(*port, 0xffff_0000, TC_H_CLSACT, 0);
        requests.push(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, &qdisc, |b| b.text(TCA_KIND, "clsact"))?;
        let parent = (TC_H_CLSACT & 0xffff_0000) | TC_H_MIN_INGRESS;
        let filter = header(*port, HANDLE, parent, PRIORITY << 16 | u32::from(ETH_P_ALL.to_be()));
        requests.push(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_REPLACE, &filter, |b| {
            b.text(TCA_KIND, "bpf");
            b.nested(TCA_OPTIONS, |b| {
                b.number(TCA_BPF_FD, program as u32);
                b.text(TCA_BPF_NAME, "fabric");
                b.number(TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
            });
        })?;
    }
    let failures = requests.finish()?;
    first_failure(&failures, |index| format!("classifier at interface {}", ports[index / 2]))
}

/// `tcmsg`.
fn header(interface: u32, handle: u32, parent: u32, info: u32) -> [u8; 20] {
    let mut bytes = [0; 20];
    for (at, number) in [(4, interface), (8, handle), (12, parent), (16, info)] {
        bytes[at..at + 4].copy_from_slice(&number.to_ne_bytes());
    }
    bytes
}
