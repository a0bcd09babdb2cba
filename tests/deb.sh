#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs, upgrades, tests and removes the packages of BUILD in a Debian 12 of its own. The last
# line is "N passed, N failed".
#
#   deb.sh BUILD [PART...]      parts: dkms upgrade autopkgtest guide; default: all but guide
#
# debootstrap makes the Debian once, in a folder of the cache. This, and running programs in it,
# need root.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# The mounts below belong to this process and end with it.
if [ -z "${ACCEL_DEB_MOUNTS:-}" ]; then
    [ "$(id -u)" -eq 0 ] || {
        echo "error: this needs root: it makes a root folder and runs programs in it" >&2
        exit 1
    }
    unshare --mount true 2>/dev/null || {
        echo "error: this machine, which may be a container, does not allow to mount" >&2
        exit 1
    }
    ACCEL_DEB_MOUNTS=1 exec unshare --mount "$0" "$@"
fi

build=$(cd "$1" && pwd)
shift
parts=${*:-dkms upgrade autopkgtest}
packages=$build/packages
log=$build/logs/test-deb.log
mkdir -p "$build/logs"
# shellcheck source-path=SCRIPTDIR source=deb/debian.sh
. "$here/deb/debian.sh"
# shellcheck source-path=SCRIPTDIR source=deb/repack.sh
. "$here/deb/repack.sh"

compgen -G "$packages/*.deb" >/dev/null || fail "no package is in $packages: make deb"
: >"$log"
for part in $parts; do
    [ -e "$here/deb/$part.sh" ] || fail "there is no part '$part'"
    # shellcheck disable=SC1090  # the parts are beside this file
    . "$here/deb/$part.sh"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
