#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Installs the Debian packages of packages.txt that are missing.
#
#   packages.sh [SECTION...]     default: build
#
# It looks at the machine first: one that cannot do the work gets one sentence at once.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
memory_needed_kib=$((3 * 1024 * 1024))

fail() {
    echo "error: $*" >&2
    exit 1
}

{ command -v apt-get && command -v dpkg-query; } >/dev/null ||
    fail "this needs Debian 12 or a relative of it with apt; 'docker run -it debian:12' is one."
[ "$(uname -m)" = x86_64 ] || fail "this needs an x86-64 machine, and this one is $(uname -m)."
available=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
[ "$available" -ge "$memory_needed_kib" ] ||
    fail "this needs 3 GiB of free memory, and this machine has $((available / 1024)) MiB."

wanted=$(awk -v sections=" ${*:-build} " '
    /^\[/ { name = substr($1, 2, length($1) - 2); chosen = index(sections, " " name " ") }
    chosen && /^[a-z0-9]/ { print $1 }' "$here/packages.txt")
# shellcheck disable=SC2016,SC2086  # dpkg-query expands the format; the list is words
# A package that another one provides counts as installed: Node.js may bring its npm.
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}, ${Provides}\n' $wanted 2>/dev/null |
    sed -n 's/^installed //p' | tr -s ', ' '\n' || :)
missing=
for package in $wanted; do
    echo "$installed" | grep -qxF "$package" || missing="$missing $package"
done
missing=${missing# }
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
    as_root=""
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    as_root="sudo"
else
    fail "packages are missing; as root, run: apt-get update &&" \
        "apt-get install --no-install-recommends $missing"
fi

echo "==> Installing packages: $missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # lists of words
if ! { $as_root apt-get -q update &&
    $as_root apt-get -q install -y --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    fail "apt-get could not install the packages; its last lines are above."
fi
