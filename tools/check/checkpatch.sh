#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs the kernel's checkpatch.pl over the driver and the headers in include/.
#
# Debian's headers come without checkpatch. The script takes it out of the source package of the
# kernel, once, and keeps it in ${XDG_CACHE_HOME:-~/.cache}/accel, keyed by the package's version.
set -eu
cd "$(dirname "$0")/../.."

package=linux-source-6.1
version=$(apt-cache policy $package | awk '/Candidate:/ { print $2 }')
[ "${version:-(none)}" != "(none)" ] || {
    echo "error: apt knows no package $package; run 'apt-get update'" >&2
    exit 1
}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/accel
folder=$cache/checkpatch-$version
if [ ! -f "$folder/checkpatch.pl" ]; then
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/.work.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    (cd "$work" && apt-get -q download $package >&2 && dpkg-deb -x ./*.deb .)
    mkdir "$work/scripts"
    tar -xf "$work"/usr/src/$package.tar.xz -C "$work/scripts" --strip-components=2 \
        --wildcards '*/scripts/checkpatch.pl' '*/scripts/spelling.txt' \
        '*/scripts/const_structs.checkpatch'
    mv "$work/scripts" "$folder"
fi
# BIT() is the kernel's own; a header that user space includes cannot use it. Iteration macros use
# their arguments more than once, and macros that paste a name cannot put it in parentheses. The
# macros of tracepoints have a style of their own.
git ls-files -z 'driver/*.[ch]' 'include/*.h' ':!driver/accel_trace.h' |
    xargs -0 "$folder/checkpatch.pl" --no-tree --strict --quiet --terse --file \
        --max-line-length=100 \
        --ignore BIT_MACRO,UNCOMMENTED_DEFINITION,MACRO_ARG_REUSE,MACRO_ARG_PRECEDENCE
