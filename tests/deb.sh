#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests the driver's package in a Debian 12 of its own: with several kernels, without headers, with
# a source that does not build, and its removal. The last line is "N passed, N failed".
#
#   deb.sh FOLDER      writes the packages into FOLDER
#
# debootstrap makes the Debian once, in a folder of the cache. This, and running programs in it,
# need root.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
build=$(mkdir -p "$1" && cd "$1" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/accel
root=$cache/debian12-dkms
log=$build/logs/test-deb.log
mkdir -p "$build/logs" "$cache"

fail() {
    echo "error: $*" >&2
    exit 1
}

[ "$(id -u)" -eq 0 ] || fail "this needs root: it makes a root folder and runs programs in it"
unshare --mount true 2>/dev/null ||
    fail "this machine, which may be a container, does not allow to mount /proc in the root folder"
exec 9>"$root.lock"
flock 9

# Runs a command in that Debian. Its mounts end with it.
# shellcheck disable=SC2016  # the inner shell expands these
inside() {
    unshare --mount sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$root" \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@" 9>&-
}

if [ ! -e "$root/ready" ]; then
    echo "==> Making a Debian 12 with DKMS and kernel headers, once, in $root"
    rm -rf "$root"
    {
        debootstrap --variant=minbase bookworm "$root" http://deb.debian.org/debian
        printf 'deb http://deb.debian.org/%s main\n' \
            'debian bookworm' 'debian-security bookworm-security' >"$root/etc/apt/sources.list"
        inside apt-get -q update
        inside apt-get -q install -y --no-install-recommends \
            dkms linux-headers-amd64 linux-headers-rt-amd64
    } >"$log" 2>&1 || fail "the Debian could not be made; see $log"
    touch "$root/ready"
fi

passed=0
failed=0
# check SENTENCE COMMAND...
check() {
    sentence=$1
    shift
    if "$@" >>"$log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "failed: $sentence (log: $log)"
    fi
}

# The output of dpkg is kept for the checks that follow.
said=$build/logs/test-deb.said
package() {
    inside dpkg "$@" >"$said" 2>&1 && result=0 || result=$?
    { echo "== dpkg $*"; cat "$said"; } >>"$log"
}
says() { grep -qE "$1" "$said"; }
succeeded() { [ "$result" -eq 0 ]; }
consistent() { [ -z "$(inside dpkg --audit)" ]; }
module() { [ -e "$root/lib/modules/$1/updates/dkms/accel.ko" ]; }
no_module() { ! module "$1"; }
nothing_left() {
    left=$(find "$root/usr/src" "$root/usr/lib" "$root/usr/sbin" "$root/var/lib/dkms" \
        "$root/var/log" "$root/etc/kernel" "$root/lib/modules" \
        -name '*accel*' ! -path '*/linux-headers-*' 2>/dev/null || :)
    echo "left: $left"
    [ -z "$left" ]
}

: >"$log"
rm -rf "$root/root/good" "$root/root/bad"
"$here/../driver/packaging/deb.sh" "$root/root/good" >>"$log"
cp -r "$here/../driver" "$build/logs/bad-driver"
echo '#error made to fail' >>"$build/logs/bad-driver/accel_drv.c"
"$here/../driver/packaging/deb.sh" "$root/root/bad" "$build/logs/bad-driver" >>"$log"
rm -rf "$build/logs/bad-driver"
name=$(basename "$root"/root/good/*.deb)
stable=$(basename "$(find "$root/lib/modules" -maxdepth 1 -name '6.1.*-amd64' ! -name '*-rt-*')")
rt=$(basename "$(find "$root/lib/modules" -maxdepth 1 -name '6.1.*-rt-amd64')")
mkdir -p "$root/lib/modules/5.0.0-bare/kernel"
inside dpkg --purge accel-dkms >/dev/null 2>&1 || :

echo "==> Installing a package that builds"
package --install "/root/good/$name"
check "the package installs" succeeded
check "dpkg is consistent" consistent
for kernel in "$stable" "$rt"; do
    check "the message says that it built for $kernel" says "$kernel: built and installed"
    check "there is a module for $kernel" module "$kernel"
done
check "the message says that a kernel has no headers" \
    says "5.0.0-bare: skipped.*linux-headers-5.0.0-bare"
check "there is a group" inside getent group accel
check "depmod finds the module by the card's identity" \
    grep -q "^alias pci:v.* accel$" "$root/lib/modules/$stable/modules.alias"

echo "==> Replacing it by one that does not build"
package --install "/root/bad/$name"
check "the package installs though the driver does not build" succeeded
check "dpkg is consistent after that" consistent
check "the message names the failure and the log" \
    says "$stable: FAILED.* the log is /var/log/accel-dkms/$stable.log"
check "the log has the compiler's message" \
    grep -q "made to fail" "$root/var/log/accel-dkms/$stable.log"
check "no module of the old source is left" no_module "$stable"

echo "==> Installing kernel headers while the driver does not build"
inside dpkg-reconfigure "linux-headers-$stable" >"$said" 2>&1 && result=0 || result=$?
cat "$said" >>"$log"
check "the headers install" succeeded
check "the message says that the driver failed" says "$stable: FAILED"
check "dpkg is consistent with the new headers" consistent

echo "==> Repairing and removing it"
package --install "/root/good/$name"
check "the next version builds" says "$stable: built and installed"
package --purge accel-dkms
check "the package is removed" succeeded
check "nothing of it is left" nothing_left
check "dpkg is consistent at the end" consistent

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
