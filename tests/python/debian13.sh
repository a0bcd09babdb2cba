#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the wheel in a Debian 13 of its own, with its Python 3.13 and its compiler, and runs suite
# python there, on the emulated device.
#
#   debian13.sh BUILD        writes BUILD/python-3.13/accel-VERSION-….whl
#
# debootstrap makes the Debian once, in a folder of the cache (1.7 GB). This, and running programs
# in it, need root.
set -euo pipefail

source=$(cd "$(dirname "$0")/../.." && pwd)
build=$(mkdir -p "$1/python-3.13" && cd "$1/python-3.13" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/accel
root=$cache/debian13-python
packages="build-essential cmake ninja-build pkg-config ccache python3-dev python3-venv
    ca-certificates libprotobuf-dev protobuf-compiler libonnx-dev"

fail() {
    echo "error: $*" >&2
    exit 1
}

[ "$(id -u)" -eq 0 ] || fail "this needs root: it makes a root folder and runs programs in it"
unshare --mount true 2>/dev/null ||
    fail "this machine, which may be a container, does not allow to mount /proc in the root folder"
mkdir -p "$cache"
exec 9>"$root.lock"
flock 9

# Runs a command in that Debian. Its mounts end with it.
# shellcheck disable=SC2016  # the inner shell expands these
inside() {
    unshare --mount sh -c '
        mount -t proc proc "$0/proc"
        mount -t tmpfs tmpfs "$0/dev/shm"
        exec chroot "$0" "$@"' "$root" \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root \
        DEBIAN_FRONTEND=noninteractive CCACHE_DIR=/ccache PIP_DEFAULT_TIMEOUT=180 "$@" 9>&-
}

if [ ! -e "$root/ready" ]; then
    echo "==> Making a Debian 13 with Python 3.13, once, in $root"
    rm -rf "$root"
    debootstrap --variant=minbase trixie "$root" http://deb.debian.org/debian
    printf 'deb http://deb.debian.org/%s main\n' \
        'debian trixie' 'debian-security trixie-security' >"$root/etc/apt/sources.list"
    mkdir -p "$root/dev/shm"
    inside apt-get -q update
    # shellcheck disable=SC2086  # a list of words
    inside apt-get -q install -y --no-install-recommends $packages
    touch "$root/ready"
fi
# pip asks the servers of this machine, which may have a certificate of their own.
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"

rm -rf "$root/source"
mkdir "$root/source"
git -C "$source" ls-files -z --cached --others --exclude-standard |
    (cd "$source" && tar --null --files-from=- --ignore-failed-read -cf -) |
    tar -C "$root/source" -xf -
# The models of the tests: npm would need many packages there.
mkdir -p "$root/root/.cache/accel"
data=$("$source/tests/compiler/data.sh")
cp -ru "$data" "$root/root/.cache/accel/"
[ ! -d "$cache/minilm" ] || cp -ru "$cache/minilm" "$root/root/.cache/accel/"
# shellcheck disable=SC2016  # the inner shell expands these
inside sh -ec '
    cd /source
    export ACCEL_WERROR=OFF PIP_CERT=/etc/ssl/certs/ca-certificates.crt
    if [ -d /usr/lib/ccache ]; then PATH=/usr/lib/ccache:$PATH; fi
    libaccel/python/wheel.sh /build
    tests/python/wheel.sh /build'
cp "$root"/build/accel-*.whl "$build"
ls "$build"/accel-*.whl
