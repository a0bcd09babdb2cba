#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Builds the Debian packages from the source package, and prints their names:
#
#   deb.sh BUILD             BUILD/packages/*.deb; the source package is in BUILD/packages/source
#
# A second build is short where ccache is installed.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/packages"
packages=$(cd "$1/packages" && pwd)
tree=$("$here/source.sh" "$packages/source")

# debhelper gives the build a home folder of its own.
export CCACHE_DIR="${CCACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ccache}"
export CCACHE_NOHASHDIR=1
export DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS:-parallel=$(nproc) noautodbgsym}"
(cd "$tree" && dpkg-buildpackage --build=binary --no-sign --no-check-builddeps >&2)
rm -f "$packages"/*.deb
mv "$packages"/source/*.deb "$packages"
# The objects are large, and a build begins without them.
rm -rf "$tree"
ls "$packages"/*.deb
