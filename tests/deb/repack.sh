# shellcheck shell=bash
# shellcheck disable=SC2154  # deb.sh and the files before this one set the variables
# SPDX-License-Identifier: Apache-2.0
#
# Variants of the packages for tests: the next version, and a driver that does not build.

# The version of the project, and the one after it.
version=$(dpkg-deb --field "$(echo "$packages"/accel-dkms_*.deb)" Version)
version=${version%-*}
next_version=${version%.*}.$((${version##*.} + 1))

# repack DEB FOLDER CHANGE...: writes DEB into FOLDER after CHANGE TREE has changed its tree.
repack() {
    local deb=$1 folder=$2 work
    shift 2
    work=$(mktemp -d)
    dpkg-deb --raw-extract "$deb" "$work/tree"
    rm -f "$work/tree/DEBIAN/md5sums"
    "$@" "$work/tree"
    mkdir -p "$folder"
    dpkg-deb --root-owner-group -Znone --build "$work/tree" "$folder" >>"$log"
    rm -rf "$work"
}

break_driver() {
    echo '#error made to fail' >>"$1/usr/src/accel-$version/driver/accel_drv.c"
}

raise_version() {
    local source=$1/usr/src/accel-$version old=${version//./\\.}
    sed -i "s/$old/$next_version/g" "$1"/DEBIAN/*
    [ -d "$source" ] || return 0
    mv "$source" "$1/usr/src/accel-$next_version"
    source=$1/usr/src/accel-$next_version
    sed -i "s/$old/$next_version/g" "$source/dkms.conf" "$source/driver/accel_drv.c" \
        "$1/usr/sbin/accel-dkms"
}
