#!/bin/bash
# Build the fuzzers with nightly Rust and run each for so many seconds, one after the other: run.sh SECONDS [TARGET...]
#
# What they learn stays in fuzz/found (not in git); an input that makes one fail lies in fuzz/artifacts/TARGET, and is fed to it again by
# `fuzz/target/fuzz/x86_64-unknown-linux-gnu/release/TARGET FILE`. Add it to fuzz/corpus/TARGET with the fix.
set -eu -o pipefail
cd "$(dirname "$0")"
seconds=$1
shift
targets=${*:-framer open notification refresh update fast policy prefix rib}
rustc +nightly --version >/dev/null 2>&1 || { echo "fuzzing needs nightly Rust: rustup toolchain install nightly"; exit 1; }
host=$(rustc +nightly -vV | sed -n 's/^host: //p')

# What cargo-fuzz gives rustc, without the address sanitizer: the core has no unsafe code. Only code for the target is counted, not build scripts.
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
coverage+=" -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1"
# shellcheck disable=SC2086
RUSTFLAGS="$coverage" cargo +nightly build --quiet --release --features libfuzzer --target "$host" --target-dir target/fuzz \
  $(printf -- '--bin %s ' $targets)

failed=
for target in $targets; do
  mkdir -p "found/$target" "artifacts/$target"
  echo "== $target, ${seconds} s"
  log=found/$target.log
  if "target/fuzz/$host/release/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 \
      -artifact_prefix="artifacts/$target/" "found/$target" "corpus/$target" >"$log" 2>&1; then
    grep -E 'DONE|number_of_executed_units|slowest_unit' "$log" | sed 's/^/   /'
  else
    failed="$failed $target"
    grep -aE 'panicked|assert|left:|right:|SUMMARY|ERROR|Test unit written' -A 1 "$log" | head -20
  fi
done
test -z "$failed" || { echo "a fault in:$failed"; exit 1; }
