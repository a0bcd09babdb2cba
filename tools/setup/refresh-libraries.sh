#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# After an installation: tells the dynamic loader of new libraries, or says what is to be done.
#
#   refresh-libraries.sh DESTDIR PREFIX
set -eu

[ -z "$1" ] || exit 0 # the libraries are for another system
ldconfig=$(PATH=$PATH:/usr/sbin:/sbin command -v ldconfig) || exit 0
# Without root, or under a prefix of its own, nothing changes: the tools find their libraries by
# their own path.
[ "$(id -u)" -ne 0 ] || "$ldconfig"
library=$(find "$2" -name 'libaccel.so.0' | head -n 1)
[ -n "$library" ] || exit 0
libraries=$(dirname "$library")
if ! "$ldconfig" -p | grep -qF "$libraries/libaccel.so"; then
    echo "The tools work. The loader does not search $libraries. Your programs need"
    echo "one of:"
    echo "  a RUNPATH: -Wl,-rpath,$libraries   or   LD_LIBRARY_PATH=$libraries"
fi
