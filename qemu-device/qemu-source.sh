# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# qemu-source.sh - what qemu-headers.sh and qemu-tree.sh share: the source of the installed QEMU.
#
# The emulated card is compiled against the structures of one QEMU, so it needs exactly the source,
# with exactly the patches, that the installed qemu-system-x86 was built from: Debian's source package
# of the same version. It is fetched with a sources list and an apt state of its own, so nothing under
# /etc or /var is touched and no privilege is needed. Mirrors configured on the machine are used.
#
# Sourced, not run. Sets `cache` and `work`; `work` is a scratch directory on the same file system as
# the cache, removed when the script ends, however it ends.

say() {
    echo "${0##*/}: $*" >&2
}

fail() {
    say "$@"
    exit 1
}

# A tool's output is kept back; when it fails, the end of it is shown.
quietly() {
    "$@" >"$work/log" 2>&1 || {
        tail -n 30 "$work/log" >&2
        return 1
    }
}

cache=${XDG_CACHE_HOME:-$HOME/.cache}/accel

make_work() {
    mkdir -p "$cache" || fail "cannot create $cache"
    # What a killed run of long ago left behind.
    find "$cache" -maxdepth 1 -name '.work.*' -mmin +1440 -exec rm -rf {} +
    work=$(mktemp -d "$cache/.work.XXXXXX") || fail "cannot write to $cache"
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM HUP
}

# Puts a finished directory into the cache in one step. Whoever was first wins: the results are equal.
publish() {
    mv -T "$1" "$2" 2>/dev/null || [ -d "$2" ] || fail "cannot create $2"
}

# The version of the source package that the installed QEMU was built from.
qemu_version() {
    command -v dpkg-query >/dev/null ||
        fail "this is no Debian: build the card into a QEMU of your own (docs/emulation.md says how)"
    # shellcheck disable=SC2016  # dpkg-query expands these
    set -- "$(dpkg-query -W -f '${db:Status-Status} ${source:Version}' qemu-system-x86 2>/dev/null)"
    case $1 in
        "installed "*) echo "${1#installed }" ;;
        *) fail "QEMU is not installed: apt-get install qemu-system-x86" ;;
    esac
}

# Fails with the one command that installs all that is missing.
qemu_needs_build_tools() {
    missing=
    for pair in cc:gcc g++:g++ python3:python3 ninja:ninja-build meson:meson pkg-config:pkg-config dpkg-source:dpkg-dev; do
        command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
    done
    # Libraries that QEMU's build insists on, whatever is switched off.
    for pair in glib-2.0:libglib2.0-dev pixman-1:libpixman-1-dev libfdt:libfdt-dev; do
        case $pair in
            libfdt:*) echo '#include <libfdt.h>' | cc -E - >/dev/null 2>&1 || missing="$missing ${pair#*:}" ;;
            *) pkg-config --exists "${pair%%:*}" 2>/dev/null || missing="$missing ${pair#*:}" ;;
        esac
    done
    [ -z "$missing" ] || fail "packages are missing: apt-get install$missing"
}

# Unpacks the source of version $1 into $work/qemu.
qemu_fetch() {
    suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    [ -n "$suite" ] || fail "/etc/os-release names no release of Debian"

    # The mirrors the machine takes its binary packages from, or Debian's own for a suite it has not got.
    # shellcheck disable=SC2016  # apt-get expands these
    apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Identifier: Packages' \
        >"$work/targets" 2>/dev/null || :
    for release in "$suite" "$suite-updates" "$suite-security"; do
        case $release in
            *-security) default=http://deb.debian.org/debian-security/ ;;
            *) default=http://deb.debian.org/debian/ ;;
        esac
        awk -v release="$release" -v default="$default" '
            $1 == release && $2 == "main" && !seen[$3]++ { print "deb-src", $3, release, "main"; found = 1 }
            END { if (!found) print "deb-src", default, release, "main" }' "$work/targets"
    done >"$work/sources.list"

    mkdir -p "$work/parts" "$work/lists/partial" "$work/archives/partial"
    cat >"$work/apt.conf" <<CONF
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "$work/parts";
Dir::State::lists "$work/lists";
Dir::Cache "$work";
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
CONF
    quietly apt-get -q -c "$work/apt.conf" --error-on=any update ||
        fail "cannot read the package lists of $suite: is there a network?"
    (cd "$work" && quietly apt-get -q -c apt.conf --download-only --only-source source "qemu=$1") ||
        fail "the archive has no source of QEMU $1: update the installed one (apt-get install qemu-system-x86)"
    # apt has checked the archive's signature; Debian's patches are applied by unpacking.
    quietly dpkg-source --no-check -x "$work"/qemu_*.dsc "$work/qemu" || fail "cannot unpack QEMU $1"
}
