#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# qemu-tree.sh [--sanitize] - print the path of a QEMU with the card built in, building it if need be.
#
# The same files as in accel-pci.so, but as a folder of QEMU's own tree, with QEMU's own compiler
# flags: what somebody does who has a QEMU of his own, and the only way to have all of it under a
# sanitizer. The source is Debian's, of the version that is installed; firmware is taken from where
# Debian's packages put it. --sanitize adds the address and the undefined-behaviour sanitizer.
#
# The first time takes some minutes. The tree stays in ~/.cache/accel, so that after a change of the
# card only its own files are built again; a build that was interrupted goes on where it was.
set -eu
# shellcheck source-path=SCRIPTDIR source=qemu-source.sh
. "${0%/*}/qemu-source.sh"

here=$(cd "${0%/*}" && pwd)
kind=
sanitize=
case $#:${1-} in
    0:) ;;
    1:--sanitize)
        kind=-sanitize
        sanitize=--enable-sanitizers
        ;;
    *) fail "usage: ${0##*/} [--sanitize]" ;;
esac

version=$(qemu_version)
hash=$(cd "$here" && find core accel_pci* meson.build ../include/accel_*.h -type f -print0 |
    LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
result=$cache/qemu-tree-${version#*:}$kind-$hash
if [ ! -d "$result" ]; then
    qemu_needs_build_tools
    make_work
    tree=$cache/qemu-tree-${version#*:}$kind
    # One build at a time; a second one finds the result of the first.
    exec 9>"$tree.lock"
    flock 9
    if [ ! -d "$tree" ]; then
        say "building QEMU $version with the card in its tree, once, in $tree; this takes some minutes"
        qemu_fetch "$version"
        rm -rf "$work/qemu/roms"  # firmware source, half of it all
        echo "subdir('accel-pci')" >>"$work/qemu/hw/meson.build"
        publish "$work/qemu" "$tree"
    else
        say "building the card in $tree"
    fi

    rm -rf "$tree/hw/accel-pci"
    mkdir "$tree/hw/accel-pci"
    cp -R --preserve=timestamps "$here"/core "$here"/accel_pci* "$here"/meson.build "$here"/../include/accel_*.h \
        "$tree/hw/accel-pci/"
    mkdir -p "$tree/build"
    cd "$tree/build"
    if [ ! -e build.ninja ]; then
        # shellcheck disable=SC2086  # nothing, or one option
        quietly ../configure --target-list=x86_64-softmmu --without-default-features --enable-tcg --enable-kvm \
            --disable-tools --disable-guest-agent --disable-docs --firmwarepath=/usr/share/qemu:/usr/share/seabios \
            $sanitize || fail "cannot configure QEMU $version"
    fi
    quietly ninja qemu-system-x86_64 || fail "cannot build QEMU $version"
    mkdir "$work/result"
    cp qemu-system-x86_64 "$work/result/"
    cd /
    # What earlier states of the card made is of no use any more.
    find "$cache" -maxdepth 1 -name "${tree##*/}-????????????????" -exec rm -rf {} +
    publish "$work/result" "$result"
fi
echo "$result/qemu-system-x86_64"
