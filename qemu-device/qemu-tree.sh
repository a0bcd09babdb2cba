#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# qemu-tree.sh [--sanitize] - print the path of a QEMU with the card built in; build it first if it
# is missing.
#
# It builds the same files as accel-pci.so, but as a folder of QEMU's own tree, with QEMU's compiler
# flags. This is how to add the card to your own QEMU, and the only way to run QEMU and the card
# under a sanitizer. The source is Debian's, of the installed version, and the firmware is that of
# Debian's packages. --sanitize adds the address and the undefined-behavior sanitizer.
#
# The first build needs some minutes. The tree stays in ~/.cache/accel, so that a change of the card
# rebuilds only its own files. An interrupted build continues.
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
    # One build at a time. A second one waits, and finds the result of the first.
    exec 9>"$tree.lock"
    flock 9
    if [ ! -d "$tree" ]; then
        say "building QEMU $version with the card in $tree; this needs some minutes, but only once"
        qemu_fetch "$version"
        rm -rf "$work/qemu/roms"  # the source of the firmware, half of the tree
        echo "subdir('accel-pci')" >>"$work/qemu/hw/meson.build"
        publish "$work/qemu" "$tree"
    else
        say "building the card in $tree"
    fi

    rm -rf "$tree/hw/accel-pci"
    mkdir "$tree/hw/accel-pci"
    cp -R --preserve=timestamps "$here"/core "$here"/accel_pci* "$here"/meson.build \
        "$here"/../include/accel_*.h "$tree/hw/accel-pci/"
    mkdir -p "$tree/build"
    cd "$tree/build"
    if [ ! -e build.ninja ]; then
        # shellcheck disable=SC2086  # nothing, or one option
        quietly ../configure --target-list=x86_64-softmmu --without-default-features --enable-tcg \
            --enable-kvm --disable-tools --disable-guest-agent --disable-docs \
            --firmwarepath=/usr/share/qemu:/usr/share/seabios $sanitize ||
            fail "cannot configure QEMU $version: see the lines above"
    fi
    quietly ninja qemu-system-x86_64 || fail "cannot build QEMU $version: see the lines above"
    mkdir "$work/result"
    cp qemu-system-x86_64 "$work/result/"
    cd /
    # Removes the results of earlier states of the card.
    find "$cache" -maxdepth 1 -name "${tree##*/}-????????????????" -exec rm -rf {} +
    publish "$work/result" "$result"
fi
echo "$result/qemu-system-x86_64"
