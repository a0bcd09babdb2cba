#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes the API reference and the pages of docs/ as HTML. It fails on a warning of Doxygen and on a
# broken link.
#
#   build.sh FOLDER         the result is FOLDER/html/index.html
set -eu

[ $# -eq 1 ] || {
    echo "usage: docs/build.sh FOLDER" >&2
    exit 2
}
source=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
output=$(cd "$1" && pwd)
command -v doxygen dot >/dev/null || {
    echo "error: doxygen or dot is missing: run 'tools/setup/packages.sh docs'" >&2
    exit 1
}

# A source package has no list of files from git; its links were checked before.
[ ! -e "$source/.git" ] || "$source/tools/check/links.py"

version=$(sed -n 's/^project(accel VERSION \([0-9.]*\).*/\1/p' "$source/CMakeLists.txt")
rm -rf "$output/html"
sed -e "s|@SOURCE@|$source|g" -e "s|@OUTPUT@|$output|g" -e "s|@VERSION@|$version|g" \
    -e "s|@FILTER@|$source/docs/doxygen_filter.py|g" "$source/docs/Doxyfile.in" >"$output/Doxyfile"
# Doxygen finds all warnings before it fails.
doxygen "$output/Doxyfile"
echo "The documentation is in $output/html/index.html"
