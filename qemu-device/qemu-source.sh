# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# qemu-source.sh - fetch the source of the installed QEMU. qemu-headers.sh and qemu-tree.sh include
# this file; it is not run by itself.
#
# The emulated card is compiled against the structures of one QEMU. So it needs the exact source,
# including patches, from which the installed qemu-system-x86 was built: Debian's source package of
# the same version. The source is fetched with a separate sources list and apt state, so nothing
# under /etc or /var changes and no privilege is needed. The machine's own mirrors are used.
#
# It sets `cache` and `work`. `work` is a scratch directory on the file system of the cache. It is
# removed when the script ends, also after an error or a signal.

say() {
    echo "${0##*/}: $*" >&2
}

fail() {
    say "$@"
    exit 1
}

# Runs a tool silently; if it fails, prints the end of its output.
quietly() {
    "$@" >"$work/log" 2>&1 || {
        tail -n 30 "$work/log" >&2
        return 1
    }
}

cache=${XDG_CACHE_HOME:-$HOME/.cache}/accel

make_work() {
    mkdir -p "$cache" || fail "cannot create $cache: set XDG_CACHE_HOME to a writable directory"
    # Removes the remains of runs that were killed more than a day ago.
    find "$cache" -maxdepth 1 -name '.work.*' -mmin +1440 -exec rm -rf {} +
    work=$(mktemp -d "$cache/.work.XXXXXX") ||
        fail "cannot write to $cache: set XDG_CACHE_HOME to a writable directory"
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM HUP
}

# Moves a finished directory into the cache in one step. If another run was faster, its result
# stays, because both results are equal.
publish() {
    mv -T "$1" "$2" 2>/dev/null || [ -d "$2" ] || fail "cannot create $2"
}

# The version of the source package that the installed QEMU was built from.
qemu_version() {
    command -v dpkg-query >/dev/null ||
        fail "dpkg-query is missing, so this is not Debian:" \
            "build the card into your own QEMU, as docs/concepts/emulation.md explains"
    # shellcheck disable=SC2016  # dpkg-query expands these
    set -- "$(dpkg-query -W -f '${db:Status-Status} ${source:Version}' qemu-system-x86 2>/dev/null)"
    case $1 in
        "installed "*) echo "${1#installed }" ;;
        *) fail "QEMU is not installed: apt-get install qemu-system-x86" ;;
    esac
}

# If tools or libraries are missing, fails with one command that installs all of them.
qemu_needs_build_tools() {
    missing=
    for pair in cc:gcc g++:g++ python3:python3 ninja:ninja-build meson:meson \
        pkg-config:pkg-config dpkg-source:dpkg-dev; do
        command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
    done
    # QEMU's build needs these libraries even with all features disabled.
    for pair in glib-2.0:libglib2.0-dev pixman-1:libpixman-1-dev libfdt:libfdt-dev; do
        case $pair in
            libfdt:*) echo '#include <libfdt.h>' | cc -E - >/dev/null 2>&1 ;;
            *) pkg-config --exists "${pair%%:*}" 2>/dev/null ;;
        esac || missing="$missing ${pair#*:}"
    done
    [ -z "$missing" ] || fail "QEMU's build needs more packages: apt-get install$missing"
}

# Unpacks the source of version $1 into $work/qemu.
qemu_fetch() {
    suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    [ -n "$suite" ] || fail "/etc/os-release has no VERSION_CODENAME, so this is not Debian:" \
        "build the card into your own QEMU, as docs/concepts/emulation.md explains"

    # The mirrors of the machine's binary packages, or Debian's own for an archive without one.
    # shellcheck disable=SC2016  # apt-get expands these
    apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Identifier: Packages' \
        >"$work/targets" 2>/dev/null || :
    for release in "$suite" "$suite-updates" "$suite-security"; do
        case $release in
            *-security) default=http://deb.debian.org/debian-security/ ;;
            *) default=http://deb.debian.org/debian/ ;;
        esac
        awk -v release="$release" -v default="$default" '
            $1 == release && $2 == "main" && !seen[$3]++ {
                print "deb-src", $3, release, "main"
                found = 1
            }
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
        fail "cannot read the package lists of $suite: check the network and the mirrors"
    (cd "$work" && quietly apt-get -q -c apt.conf --download-only --only-source source "qemu=$1") ||
        fail "the archive has no source of QEMU $1:" \
            "update the installed QEMU (apt-get install qemu-system-x86)"
    # apt has verified the archive's signature. dpkg-source applies Debian's patches.
    quietly dpkg-source --no-check -x "$work"/qemu_*.dsc "$work/qemu" ||
        fail "cannot unpack the source of QEMU $1: see the lines above"
}
