#!/usr/bin/env bash
# Makes the virtual environment VENV and installs this checkout with its test tools.
# usage: tools/setup.sh VENV [options of `uv pip install`]
# PYTHON names the interpreter; otherwise the newest that runs is taken.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1
shift

is_new_enough='import sys; sys.exit(sys.version_info < (3, 11))'

find_python() {
  local candidate
  # A name on PATH may be a shim that does not run, so each one is tried.
  for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3 python}; do
    if "$candidate" -c "$is_new_enough" 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "rram_jax needs Python 3.11 or newer, and none runs as" \
    "${PYTHON:-python3 on PATH}: install one, or name one with" \
    "'make PYTHON=/path/to/python3'." >&2
  return 1
}

# Debian and Ubuntu keep this module in a package of its own.
ensure_venv_module() {
  "$1" -c 'import ensurepip, venv' 2>/dev/null && return
  local package
  package=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "$1 lacks its venv module: installing $package."
    apt-get -qq -o DPkg::Lock::Timeout=600 update
    apt-get -qq -o DPkg::Lock::Timeout=600 install -y --no-install-recommends \
      "$package" >/dev/null
  else
    echo "$1 lacks its venv module: run 'apt-get install $package' as root and try" \
      "again." >&2
    return 1
  fi
}

if ! "$venv/bin/python" -c "$is_new_enough" 2>/dev/null; then
  python=$(find_python)
  ensure_venv_module "$python"
  echo "Making $venv with $("$python" -V)."
  "$python" -m venv --clear "$venv"
fi

echo "Installing rram_jax and its test tools into $venv."
pip_install=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check)
if ! { "${pip_install[@]}" uv && "$venv/bin/uv" pip install --quiet \
  --python "$venv/bin/python" "$@" -e '.[dev]'; }; then
  # uv reads neither pip's settings nor, by default, the system's certificates.
  echo "uv could not install it (see above): trying pip, which takes ten times longer."
  "${pip_install[@]}" "$@" -e '.[dev]'
fi
