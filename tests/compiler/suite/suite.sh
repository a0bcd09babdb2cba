#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Prints the folder of ONNX's newest operator suite, in the layout of Debian's libonnx-testdata. The
# package `onnx` of PyPI generates it, once, into a folder of the user's cache.
#
#   suite.sh             the folder of the suite
#   suite.sh --python    a Python interpreter with onnx and onnxruntime, for the report
set -eu

onnx=onnx==1.23.2
runtime=onnxruntime==1.32.0
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/accel/onnx
version=$(python3 -c 'import sys; print(sys.version, sys.prefix)')

fail() {
    echo "suite.sh: $1" >&2
    exit 1
}

# Prints an interpreter with packages. Each list of packages has an environment of its own.
interpreter() {
    environment=$cache/python-$(echo "$* $version" | sha256sum | cut -c 1-16)
    if [ ! -e "$environment/complete" ]; then
        rm -rf "$environment"
        mkdir -p "$cache"
        python3 -m venv "$environment" ||
            fail "cannot make a Python environment: apt-get install python3-venv"
        "$environment/bin/pip" install -q --disable-pip-version-check "$@" >"$cache/pip.log" 2>&1 ||
            fail "cannot install $* from PyPI; the log is $cache/pip.log"
        touch "$environment/complete"
    fi
    echo "$environment/bin/python"
}

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [ "${1:-}" = --python ]; then
    interpreter "$onnx" "$runtime"
    exit
fi
folder=$cache/suite-$(cat "$here/suite.sh" "$here/write_suite.py" | sha256sum | cut -c 1-16)
if [ ! -e "$folder/complete" ]; then
    python=$(interpreter "$onnx")
    rm -rf "$folder"
    "$python" "$here/write_suite.py" "$folder" >"$cache/suite.log" 2>&1 ||
        fail "cannot write the suite; the log is $cache/suite.log"
    touch "$folder/complete"
fi
echo "$folder"
