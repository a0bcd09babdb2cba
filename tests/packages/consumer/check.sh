#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Builds this project against the installed SDK, with each compiler, by CMake and by pkg-config, and
# runs it on the emulated device. The last line is "N passed, N failed".
#
#   check.sh [COMPILER...]      gcc and clang; default: gcc
#
# CMAKE_PREFIX_PATH, PKG_CONFIG_PATH and LDFLAGS lead to an SDK in another place.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export ACCEL_DEVICE=emulated
printf '%s\n' 'job: 1 2 3' 'affine: 2 3 4' 'fill: 7 7 7' >"$work/expected"
passed=0
failed=0

# check NAME: the programs of the folder NAME print what they must.
check() {
    if "$1" >"$work/log" 2>&1 &&
        { ./job && ./affine "$here/affine.onnx" && ./fill; } >"$work/said" 2>&1 &&
        cmp -s "$work/said" "$work/expected"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "failed: $1 with $CC"
        cat "$work/log" "$work/said" 2>/dev/null || :
    fi
}
with_cmake() {
    cmake -S "$here" -B . -DCMAKE_BUILD_TYPE=Release && cmake --build .
}
with_pkg_config() {
    make -f "$here/Makefile" VPATH="$here"
}

[ $# -gt 0 ] || set -- gcc
for compiler in "$@"; do
    case $compiler in
        gcc) export CC=gcc CXX=g++ ;;
        *) export CC="$compiler" CXX="$compiler++" ;;
    esac
    for way in with_cmake with_pkg_config; do
        mkdir -p "$work/$compiler-$way"
        cd "$work/$compiler-$way"
        check "$way"
    done
done
cd /
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
