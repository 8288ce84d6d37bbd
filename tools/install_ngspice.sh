#!/usr/bin/env bash
# Installs ngspice where there is none, with the KLU solver where the system offers it.
# PYTHON names the interpreter for tools/add_backports.py.
set -euo pipefail
cd "$(dirname "$0")"
program=${NGSPICE:-ngspice}

found() { command -v "$program" >/dev/null; }

say_if_slow() {
  "$program" --version 2>/dev/null | grep -q KLU ||
    echo "$program has no KLU solver, so arrays past 32 x 32 simulate slowly;" \
      "ngspice 46, in Debian's backports, has it."
}

if found; then
  say_if_slow
  exit
fi
if [ -n "${NGSPICE:-}" ]; then
  echo "NGSPICE=$NGSPICE is no program: correct it, or unset it to have ngspice" \
    "installed." >&2
  exit 1
fi

if [ "$(id -u)" = 0 ]; then as_root=env; else as_root=sudo; fi
if ! command -v apt-get >/dev/null || ! command -v $as_root >/dev/null; then
  echo "ngspice is missing and cannot be installed from here: run 'apt-get install" \
    "ngspice' as root, 'brew install ngspice' or 'conda install -c conda-forge" \
    "ngspice', or name the program in NGSPICE." >&2
  exit 1
fi

apt_get() {
  $as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -o DPkg::Lock::Timeout=600 "$@" >/dev/null
}

from_backports() {
  local suite added
  # Two words: the suite, and the file that was written, if one was.
  read -r suite added < <($as_root "${PYTHON:-python3}" add_backports.py) || return
  apt_get update && apt_get install -y --no-install-recommends -t "$suite" ngspice && return
  # An apt that cannot update would be a poor thing to leave behind.
  [ -z "$added" ] || $as_root rm -f "$added"
  return 1
}

echo "Installing ngspice with apt-get."
if ! from_backports; then
  echo "No ngspice came from a backports suite: taking the system's own."
  apt_get update || true # an unrelated source may fail; the lists at hand may do
  apt_get install -y --no-install-recommends ngspice || {
    echo "apt-get could not install ngspice: see its message above, or install ngspice" \
      "yourself and name it in NGSPICE." >&2
    exit 1
  }
fi
if ! found; then
  echo "apt-get installed ngspice, but no '$program' is on PATH: name it in NGSPICE." >&2
  exit 1
fi
say_if_slow
