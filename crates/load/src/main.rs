//! `dualhome-load PLAN`: load a route server with many speakers, and check every route that each of them is told.
//!
//! The plan is a JSON object (`plan.rs`). On standard output there is a line of JSON for each phase. Exit 0: after each phase every speaker held exactly
//! what it must, and no session was lost; 1: not so; 2: the plan is wrong; 3: the sessions can't be had.

mod chance;
mod ledger;
mod load;
mod peer;
mod phases;
mod plan;
mod sys;
mod table;
mod wire;

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [text] = &arguments[..] else {
        eprintln!("usage: dualhome-load PLAN, where PLAN is a JSON object");
        return ExitCode::from(2);
    };
    let plan = match plan::Plan::read(text) {
        Ok(plan) => plan,
        Err(why) => {
            eprintln!("dualhome-load: {why}");
            return ExitCode::from(2);
        }
    };
    let mut out = std::io::stdout();
    // Who doesn't read on has no use for the rest.
    let mut tell = |line| drop(writeln!(out, "{line}").and_then(|()| out.flush()));
    match phases::run(plan, &mut tell) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(why) => {
            eprintln!("dualhome-load: {why}");
            ExitCode::from(3)
        }
    }
}
