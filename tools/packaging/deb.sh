#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Builds the Debian packages from the source package, and prints their names:
#
#   deb.sh BUILD             BUILD/packages/*.deb; the source package is in BUILD/packages/source
#
# Packages of the same sources are not built again. After a change, the build is short where ccache
# is installed.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/packages"
packages=$(cd "$1/packages" && pwd)
tree=$("$here/source.sh" "$packages/source")

# The description of the source package has the checksums of all its files.
sources=$(sha256sum <"$(echo "$packages"/source/*.dsc)")
if [ "$sources" = "$(cat "$packages/built-from" 2>/dev/null)" ] &&
    ls "$packages"/*.deb 2>/dev/null; then
    rm -rf "$tree"
    exit
fi
rm -f "$packages/built-from"

# debhelper gives the build a home folder of its own.
export CCACHE_DIR="${CCACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ccache}"
export CCACHE_NOHASHDIR=1
export DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS:-parallel=$(nproc) noautodbgsym}"
(cd "$tree" && dpkg-buildpackage --build=binary --no-sign --no-check-builddeps >&2)
rm -f "$packages"/*.deb
mv "$packages"/source/*.deb "$packages"
# The objects are large, and a build begins without them.
rm -rf "$tree"
echo "$sources" >"$packages/built-from"
ls "$packages"/*.deb
