#!/usr/bin/env bash
# Makes a Debian package of what was built: packaging/deb.sh [FOLDER of sysflow and libsysflow.so] [FOLDER for the package]
# It needs dpkg-deb only. DEB_COMPRESSION (default xz) may name another compression.
set -euo pipefail
cd "$(dirname "$0")/.."

# Not local: the trap runs when main has ended.
root=

main() {
  local built=${1:-target/release} out=${2:-build} version arch
  [ -x "$built/sysflow" ] && [ -e "$built/libsysflow.so" ] || die "$built has no sysflow and libsysflow.so: make build"
  version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
  arch=$(dpkg --print-architecture)
  root=$(mktemp -d)
  trap 'rm -rf "$root"' EXIT
  tree "$built" "$root"
  control "$version" "$arch" "$root"
  mkdir -p "$out"
  dpkg-deb --root-owner-group -Z"${DEB_COMPRESSION:-xz}" --build "$root" "$out/sysflow_${version}_$arch.deb"
}

die() { printf 'deb: %s\n' "$*" >&2; exit 1; }

tree() {
  local built=$1 root=$2
  chmod 755 "$root"
  install -D -m 755 "$built/sysflow" "$root/usr/bin/sysflow"
  # Falco takes plugins by name from this folder only, and does not follow links out of it.
  install -D -m 644 "$built/libsysflow.so" "$root/usr/share/falco/plugins/libsysflow.so"
  mkdir -p "$root/usr/lib/sysflow"
  ln -s ../../share/falco/plugins/libsysflow.so "$root/usr/lib/sysflow/libsysflow.so"
  # Not in /etc/falco: which of them Falco gets is the operator's choice, and Falco does not start once one names a library that is gone.
  install -D -m 644 -t "$root/usr/share/sysflow/falco-config" falco-config/*
  install -D -m 644 -t "$root/usr/share/sysflow/rules" rules/*.yaml
  install -D -m 644 packaging/sysflow.yaml "$root/etc/sysflow/sysflow.yaml"
  install -D -m 644 packaging/sysflow.service "$root/usr/lib/systemd/system/sysflow.service"
  install -D -m 644 packaging/sysflow.sysusers.conf "$root/usr/lib/sysusers.d/sysflow.conf"
  install -D -m 644 LICENSE "$root/usr/share/doc/sysflow/copyright"
}

control() {
  local version=$1 arch=$2 root=$3
  mkdir -p "$root/DEBIAN"
  install -m 755 -t "$root/DEBIAN" packaging/debian/{postinst,prerm,postrm}
  echo /etc/sysflow/sysflow.yaml >"$root/DEBIAN/conffiles"
  cat >"$root/DEBIAN/control" <<END
Package: sysflow
Version: $version
Architecture: $arch
Maintainer: SysFlow <https://github.com/sysflow-telemetry/sysflow-falco>
Installed-Size: $(du -ks "$root" | cut -f 1)
Depends: libc6 (>= 2.36), libgcc-s1, systemd | systemd-standalone-sysusers
Suggests: falco (>= 0.42)
Section: admin
Priority: optional
Homepage: https://github.com/sysflow-telemetry/sysflow-falco
Description: behaviour graphs and alerts of what processes do, beside Falco
 A plugin for Falco folds its events into processes, file flows and network
 flows; this program judges those, keeps them, and shows each alert as a graph.
END
}

main "$@"
