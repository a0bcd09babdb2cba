# shellcheck shell=bash
# shellcheck disable=SC2154  # deb.sh and the files before this one set the variables
# SPDX-License-Identifier: Apache-2.0
#
# docs/guides/install.md by copy and paste: each way to install, in a fresh Debian with a clone of
# the project. It builds the project twice; the packages of this commit are there already.

# commands HEADING: the blocks of shell commands in a section of the guide; without a heading those
# before the first section.
commands() {
    awk -v wanted="$1" '
        /^## / { section = substr($0, 4) }
        /^```sh$/ { inside = 1; next }
        /^```$/ { inside = 0 }
        inside && section == wanted
    ' "$here/../docs/guides/install.md"
}

# What `make setup` installs is there already, in a layer that all ways share; it installs what is
# missing.
mapfile -t needed < <(awk '
    /^\[/ { wanted = $0 ~ /^\[(build|docs|deb)\]/ }
    wanted && /^[a-z0-9]/ { print $1 }' "$here/../tools/setup/packages.txt")
layer debian12-build ccache git make "${needed[@]}"

ccache=${CCACHE_DIR:-$HOME/.cache/ccache}
for way in "Debian packages" "make install" "pip"; do
    echo "==> Following the guide: $way"
    fresh debian12-build
    git clone -q "$here/.." "$root/root/accel" 9>&-
    # `make deb` makes the source package, and finds that its packages are there: it is the same
    # with the same headers of QEMU.
    mkdir -p "$root/root/.cache/accel"
    cp -r "$cache"/qemu-headers-* "$root/root/.cache/accel"
    mkdir "$root/root/accel/build"
    cp -r "$packages" "$root/root/accel/build/packages"
    mkdir -p "$ccache" "$root/root/.cache/ccache"
    mount --bind "$ccache" "$root/root/.cache/ccache"
    # The network is that of the host: its certificates, and its settings of pip.
    mkdir -p "$root/usr/local/share/ca-certificates"
    find /usr/local/share/ca-certificates -name '*.crt' -exec cp {} \
        "$root/usr/local/share/ca-certificates" \; 2>/dev/null || :
    inside update-ca-certificates >>"$log" 2>&1
    [ ! -e /etc/pip.conf ] || cp /etc/pip.conf "$root/etc"
    {
        echo 'set -eux; cd /root/accel'
        commands ""
        commands "$way"
    } >"$root/root/guide.sh"
    try env CCACHE_NOHASHDIR=1 PIP_CERT=/etc/ssl/certs/ca-certificates.crt sh /root/guide.sh
    check "the commands of '$way' work" succeeded
done
