#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# qemu-headers.sh - print the path of the headers of the installed QEMU; generate them first if they
# are missing.
#
# It configures a minimal QEMU and builds only the headers that QEMU's build generates, in about 15
# seconds. They stay under ~/.cache/accel. CMake needs the path as -DACCEL_QEMU_HEADERS. The script
# can be interrupted, and run twice at the same time.
set -eu
# shellcheck source-path=SCRIPTDIR source=qemu-source.sh
. "${0%/*}/qemu-source.sh"

[ $# -eq 0 ] || fail "usage: ${0##*/} (it has no arguments, and prints a path)"
version=$(qemu_version)
result=$cache/qemu-headers-${version#*:}
if [ ! -d "$result" ]; then
    qemu_needs_build_tools
    say "generating the headers of QEMU $version in $result (only once)"
    make_work
    qemu_fetch "$version"

    mkdir "$work/build"
    cd "$work/build"
    quietly ../qemu/configure --target-list=x86_64-softmmu --without-default-features \
        --without-default-devices || fail "cannot configure QEMU $version: see the lines above"
    # One output of the QAPI generator stands for all of them.
    quietly ninja config-poison.h qapi/qapi-types-common.h ||
        fail "cannot generate the headers of QEMU $version: see the lines above"

    mkdir -p "$work/headers/qapi"
    cp -R ../qemu/include "$work/headers/"
    cp config-host.h config-poison.h "$work/headers/"
    cp qapi/*.h "$work/headers/qapi/"
    # The card compares this version with the version of the QEMU that loads it (accel_preload.c).
    echo "#define ACCEL_QEMU_PACKAGE \"$version\"" >"$work/headers/accel-qemu-package.h"
    cd /
    publish "$work/headers" "$result"
fi
echo "$result"
