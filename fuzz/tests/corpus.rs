//! Each file of each corpus, fed to its target: what once was found, and what there is of every kind, on any toolchain.

use std::path::Path;

use dualhome_fuzz::TARGETS;

#[test]
fn every_target_takes_every_file_of_its_corpus() {
    for (name, run) in TARGETS {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let files: Vec<_> = directory
            .read_dir()
            .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
            .collect();
        assert!(files.len() >= 5, "{name}: a corpus of {} files proves little", files.len());
        for file in files {
            let path = file.unwrap().path();
            eprintln!("{}", path.display()); // shown where it panics
            run(&std::fs::read(&path).unwrap());
        }
    }
}

#[test]
fn every_target_takes_nothing_and_short_noise() {
    for (_, run) in TARGETS {
        run(&[]);
        for first in 0..=255 {
            run(&[first]);
            run(&[first, 0, 0, 0, 0, first]);
        }
    }
}

#[test]
fn every_corpus_is_of_a_target() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").read_dir().unwrap();
    for each in corpora {
        let name = each.unwrap().file_name();
        assert!(TARGETS.iter().any(|(target, _)| *target == name.to_string_lossy()), "{name:?}");
    }
}
