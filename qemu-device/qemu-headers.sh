#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# qemu-headers.sh - print the path of the headers of the installed QEMU, making them if need be.
#
# Out of QEMU's source it configures nothing and builds nothing but the headers that the build
# generates (about a quarter of a minute), and keeps them under ~/.cache/accel. CMake takes the path
# as -DACCEL_QEMU_HEADERS. Safe to interrupt and to run twice at once.
set -eu
# shellcheck source-path=SCRIPTDIR source=qemu-source.sh
. "${0%/*}/qemu-source.sh"

[ $# -eq 0 ] || fail "usage: ${0##*/} (no arguments; prints a path)"
version=$(qemu_version)
result=$cache/qemu-headers-${version#*:}
if [ ! -d "$result" ]; then
    qemu_needs_build_tools
    say "making the headers of QEMU $version, once, in $result"
    make_work
    qemu_fetch "$version"

    mkdir "$work/build"
    cd "$work/build"
    quietly ../qemu/configure --target-list=x86_64-softmmu --without-default-features \
        --without-default-devices || fail "cannot configure QEMU $version"
    # Naming one output of the QAPI generator makes all of them.
    quietly ninja config-poison.h qapi/qapi-types-common.h || fail "cannot generate the headers of QEMU $version"

    mkdir -p "$work/headers/qapi"
    cp -R ../qemu/include "$work/headers/"
    cp config-host.h config-poison.h "$work/headers/"
    cp qapi/*.h "$work/headers/qapi/"
    # What the card compares with the QEMU that loads it (accel_preload.c).
    echo "#define ACCEL_QEMU_PACKAGE \"$version\"" >"$work/headers/accel-qemu-package.h"
    cd /
    publish "$work/headers" "$result"
fi
echo "$result"
