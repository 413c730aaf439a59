#!/usr/bin/env bash
# Runs the parts of the tests that are named, or all of them, one after another whatever fails, and sums up.
#   tests/run.sh [setup] [viewer] [build] [rust] [e2e] [charts] [conformance] [browser]
set -uo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/build/bin:$PATH"

readonly ALL=(viewer build rust e2e charts browser)
# Absolute: the parts run in different folders.
SYSFLOW_BIN=$(realpath -m "${SYSFLOW_BIN:-${CARGO_TARGET_DIR:-target}/debug/sysflow}")
SYSFLOW_SHARED=$(realpath -m "${SYSFLOW_SHARED:-../shared}")
export SYSFLOW_BIN SYSFLOW_SHARED

# Pinned versions are what was tested; a developer may be about to change them.
cargo_flags=()
[ -z "${CI:-}" ] || cargo_flags=(--locked)

setup() { tests/setup.sh test; }

viewer() {
  npm --prefix viewer run --silent check && npm --prefix viewer test --silent && viewer_build
}

viewer_build() { make --no-print-directory viewer; }

build() { cargo build --workspace "${cargo_flags[@]}"; }

# TEST_FULL=1: also what takes long.
rust() { cargo test --workspace --no-fail-fast "${cargo_flags[@]}" -- ${TEST_FULL:+--include-ignored}; }

conformance() {
  if [ ! -d "$SYSFLOW_SHARED/data/pairs" ]; then
    echo "There is nothing to compare with: $SYSFLOW_SHARED/data/pairs is not here. SYSFLOW_SHARED names another folder" \
      "that holds data/pairs (X.scap.gz and X.sf) and tools/sfdiff.py."
    [ -z "${CI:-}" ]
    return
  fi
  build/venv/bin/python -m pytest tests/e2e/test_conformance.py -rs
}

e2e() { build/venv/bin/python -m pytest tests/e2e -rs; }

charts() { build/venv/bin/python -m pytest tests/charts -rs; }

browser() { (cd tests/browser && npm test --silent); }

names=() results=() times=() failed=0

part() {
  local name=$1 start=$SECONDS result=passed
  printf '\n==> %s\n' "$name"
  "${name//-/_}" || { result=FAILED; failed=$((failed + 1)); }
  names+=("$name") results+=("$result") times+=($((SECONDS - start)))
}

summary() {
  local at
  printf '\n==> Summary\n'
  for at in "${!names[@]}"; do
    printf '%-14s %-8s %3d min %02d s\n' "${names[at]}" "${results[at]}" $((times[at] / 60)) $((times[at] % 60))
  done
  [ -d "$SYSFLOW_SHARED/data" ] || echo "skipped: all tests that need ../shared/data, which is not here"
  [ -n "${FALCOSIDEKICK:-}" ] || echo "skipped: tests with the program Falcosidekick itself (FALCOSIDEKICK names none);" \
    "those with a stand-in that follows its contract ran"
  printf '%d passed, %d failed\n' $((${#names[@]} - failed)) "$failed"
}

part setup
if [ "$failed" = 0 ]; then
  if [ $# = 0 ]; then set -- "${ALL[@]}"; fi
  for name in "$@"; do
    part "$name"
  done
fi
summary
[ "$failed" = 0 ]
