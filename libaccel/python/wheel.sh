#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes the wheel and the sdist of the Python package in BUILD:
#
#   wheel.sh BUILD           BUILD/accel-VERSION-….whl and BUILD/accel-VERSION.tar.gz
#
# auditwheel copies libprotobuf into the wheel, so that the wheel needs no library of this machine.
# It names the oldest glibc that can load the wheel in its tag. Debian's static libprotobuf cannot
# be linked into a shared library.
set -eu

cd "$(dirname "$0")/../.."
mkdir -p "$1"
build=$(cd "$1" && pwd)
# Beside BUILD: at this depth, ccache finds what that folder has compiled.
work=$build-python
python=$(tools/setup/python.sh)
bin=$(dirname "$python")

# scikit-build-core would take the compiler that built Python.
export CC="${CC:-cc}" CXX="${CXX:-c++}"
rm -rf "$work/dist"
"$bin/python" -m build --no-isolation --outdir "$work/dist" -C build-dir="$work" \
    -C cmake.define.ACCEL_WERROR="${ACCEL_WERROR:-ON}" --sdist --wheel .
rm -f "$build"/accel-*.whl "$build"/accel-*.tar.gz
PATH="$bin:$PATH" "$bin/auditwheel" repair --wheel-dir "$build" "$work"/dist/accel-*.whl
cp "$work"/dist/accel-*.tar.gz "$build"
ls "$build"/accel-*.whl "$build"/accel-*.tar.gz
