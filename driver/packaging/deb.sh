#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Builds the package accel-dkms_VERSION_all.deb and prints its name.
#
#   deb.sh FOLDER [DRIVER]      DRIVER: the source, for tests that break it; default: this one
set -eu

output=$1
here=$(cd "$(dirname "$0")" && pwd)
driver=${2:-$here/..}
top=$here/../..
version=$(sed -n 's/^project(accel VERSION \([0-9.]*\).*/\1/p' "$top/CMakeLists.txt")
maintainer=${DEBEMAIL:+"${DEBFULLNAME:-accel} <$DEBEMAIL>"}
maintainer=${maintainer:-accel maintainers <root@localhost>}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022

# put MODE SOURCE TARGET: installs a file and replaces the @NAMES@ in it
put() {
    mkdir -p "$(dirname "$work/root/$3")"
    sed -e "s/@VERSION@/$version/g" -e "s/@MAINTAINER@/$maintainer/" "$2" >"$work/root/$3"
    chmod "$1" "$work/root/$3"
}

source=usr/src/accel-$version
mkdir -p "$work/root/$source/driver" "$work/root/$source/include"
(cd "$driver" && tar -cf - Kbuild Makefile ./*.[ch] ./*/*.[ch]) |
    tar -xf - -C "$work/root/$source/driver"
cp "$top"/include/*.h "$work/root/$source/include/"
chmod -R u=rwX,go=rX "$work/root/$source"
put 644 "$here/dkms.conf" "$source/dkms.conf"
put 755 "$here/accel-dkms" usr/sbin/accel-dkms
put 755 "$here/kernel-hook" etc/kernel/postinst.d/accel-dkms
put 755 "$here/kernel-hook" etc/kernel/header_postinst.d/accel-dkms
put 644 "$here/70-accel.rules" usr/lib/udev/rules.d/70-accel.rules
put 644 "$here/accel.sysusers" usr/lib/sysusers.d/accel.conf
put 644 "$here/accel.modprobe" usr/lib/modprobe.d/accel.conf
put 644 "$here/copyright" usr/share/doc/accel-dkms/copyright
put 644 "$here/control" DEBIAN/control
for script in postinst prerm postrm; do
    put 755 "$here/$script" "DEBIAN/$script"
done
for hook in postinst.d header_postinst.d; do
    echo "/etc/kernel/$hook/accel-dkms"
done >"$work/root/DEBIAN/conffiles"

mkdir -p "$output"
result=$output/accel-dkms_${version}_all.deb
dpkg-deb --root-owner-group --build "$work/root" "$work/result.deb" >/dev/null
mv "$work/result.deb" "$result"
echo "$result"
