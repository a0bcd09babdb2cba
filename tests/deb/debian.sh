# shellcheck shell=bash
# shellcheck disable=SC2154  # deb.sh and the files before this one set the variables
# SPDX-License-Identifier: Apache-2.0
#
# A Debian 12 in a folder, made once. Each test begins with a fresh one: its changes are in a layer
# above the folder, which is thrown away. deb.sh reads this file; $log is its log.

cache=${XDG_CACHE_HOME:-$HOME/.cache}/accel
root=$cache/debian12-root # where the Debian of a test is mounted

fail() {
    echo "error: $*" >&2
    exit 1
}

mkdir -p "$cache"
exec 9>"$root.lock"
flock 9

# Runs a command in that Debian.
inside() {
    chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@" 9>&-
}

# mount_layers LAYER...: the last is the one that is written to.
mount_layers() {
    local lower upper=$cache/${*: -1}
    unmount
    mkdir -p "$root" "$upper" "$upper.work"
    lower=$(printf "%s\n" "${@:1:$#-1}" | tac | sed "s,^,$cache/," | paste -sd :)
    mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$upper.work" "$root" ||
        fail "this machine cannot mount an overlay on $cache: set XDG_CACHE_HOME to a folder of" \
            "another file system"
    mount -t proc proc "$root/proc"
    # Packages are downloaded once for all tests.
    mkdir -p "$cache/debian12-archives/partial" "$root/var/cache/apt/archives"
    mount --bind "$cache/debian12-archives" "$root/var/cache/apt/archives"
}

unmount() {
    if mountpoint -q "$root"; then
        umount -R "$root"
    fi
}

# fresh [LAYER...]: the Debian with these layers, without the changes of earlier tests.
fresh() {
    unmount
    rm -rf "$cache/debian12-changes" "$cache/debian12-changes.work"
    mount_layers debian12 "$@" debian12-changes
}

# layer NAME PACKAGE...: makes a layer with these packages, once.
layer() {
    local name=$1
    shift
    [ ! -e "$cache/$name.ready" ] || return 0
    echo "==> Adding packages to the Debian, once: $*"
    rm -rf "${cache:?}/$name"
    mount_layers debian12 "$name"
    inside apt-get -q install -y --no-install-recommends "$@" >>"$log" 2>&1 ||
        fail "the packages could not be installed; see $log"
    unmount
    touch "$cache/$name.ready"
}

if [ ! -e "$cache/debian12.ready" ]; then
    echo "==> Making a Debian 12, once, in $cache/debian12"
    rm -rf "$cache/debian12"
    {
        debootstrap --variant=minbase bookworm "$cache/debian12" http://deb.debian.org/debian
        printf 'deb http://deb.debian.org/%s main\n' 'debian bookworm' 'debian bookworm-updates' \
            'debian-security bookworm-security' >"$cache/debian12/etc/apt/sources.list"
        # apt would delete the archives that the tests share.
        rm -f "$cache/debian12/etc/apt/apt.conf.d/docker-clean"
        echo 'APT::Keep-Downloaded-Packages "true";' \
            >"$cache/debian12/etc/apt/apt.conf.d/keep-archives"
        # It need not survive a crash of the machine.
        echo force-unsafe-io >"$cache/debian12/etc/dpkg/dpkg.cfg.d/unsafe-io"
        chroot "$cache/debian12" apt-get -q update
    } >"$log" 2>&1 || fail "the Debian could not be made; see $log"
    touch "$cache/debian12.ready"
fi

passed=0
failed=0
# check SENTENCE COMMAND...
check() {
    local sentence=$1
    shift
    if "$@" >>"$log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "failed: $sentence (log: $log)"
    fi
}

# The output of a command in the Debian is kept for the checks that follow.
said=$build/logs/test-deb.said
try() {
    inside "$@" >"$said" 2>&1 && result=0 || result=$?
    { echo "== $*"; cat "$said"; } >>"$log"
}
says() { grep -qE "$1" "$said"; }
says_not() { ! says "$1"; }
succeeded() { [ "$result" -eq 0 ]; }
consistent() { [ -z "$(inside dpkg --audit)" ]; }
