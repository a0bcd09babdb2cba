#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes the source package in FOLDER and prints the path of its unpacked tree.
#
#   source.sh FOLDER
#
# Two component tarballs have the parts that come from elsewhere: nanobind, from PyPI, and the
# headers of Debian's QEMU. DEBFULLNAME and DEBEMAIL name the maintainer.
set -euo pipefail

mkdir -p "$1"
output=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
cd "$top"
version=$(sed -n 's/^project(accel VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
tree=$output/accel-$version
maintainer=${DEBEMAIL:+"${DEBFULLNAME:-accel maintainers} <$DEBEMAIL>"}
maintainer=${maintainer:-accel maintainers <accel@example.org>}
# The same files give the same packages.
if [ -e .git ]; then
    date=$(git log -1 --format=%cD)
else
    date=$(date -R -r CMakeLists.txt)
fi

# The files that git knows, with changes that are not committed. A copy without git has the files of
# a release only.
files() {
    if [ -e .git ]; then
        comm -z -23 <(git ls-files -z --cached --others --exclude-standard | sort -z) \
            <(git ls-files -z --deleted | sort -z)
    else
        find . -path './build*' -prune -o -type f -print0 | sort -z
    fi
}

# archive NAME TAR-ARGUMENTS...
archive() {
    local name=$1
    shift
    tar --owner=root:0 --group=root:0 --mode=u=rwX,go=rX --mtime="$date" --sort=name \
        --exclude=__pycache__ -czf "$output/accel_$version.$name.tar.gz" "$@"
}

headers=$(qemu-device/qemu-headers.sh)
python=$(tools/setup/python.sh)
nanobind=$("$python" -c 'import nanobind; print(nanobind.__path__[0])')
rm -rf "$output"/accel[-_]"$version"*
files |
    archive orig --null --no-recursion -T - --transform "s,^,accel-$version/,"
archive orig-nanobind -C "$(dirname "$nanobind")" nanobind
archive orig-qemu-headers -C "$(dirname "$headers")" --transform 's,^[^/]*,qemu-headers,' \
    "$(basename "$headers")"

tar -xzf "$output/accel_$version.orig.tar.gz" -C "$output"
for component in nanobind qemu-headers; do
    tar -xzf "$output/accel_$version.orig-$component.tar.gz" -C "$tree"
done
cp -R tools/packaging/debian "$tree/debian"
find "$tree/debian" -type f ! -name rules -exec sed -i -e "s/@VERSION@/$version/g" \
    -e "s/@DATE@/$date/" -e "s/@MAINTAINER@/$maintainer/" {} +
(cd "$output" && dpkg-source -b "accel-$version" >&2)
echo "$tree"
