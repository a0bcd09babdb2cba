# shellcheck shell=bash
# shellcheck disable=SC2154  # deb.sh and the files before this one set the variables
# SPDX-License-Identifier: Apache-2.0
#
# The tests that the source package has for its packages (debian/tests): a project outside the tree,
# the tools, Python, QEMU, and DKMS's own test. Each test gets a fresh Debian.

# The settings of this build, such as its ACCEL_PCI_SO, are none of the packages.
forget=()
for setting in "${!ACCEL_@}"; do
    forget+=(-u "$setting")
done
mapfile -t names < <(sed -n 's/^Tests: //p' "$here/../tools/packaging/debian/tests/control")
for name in "${names[@]}"; do
    echo "==> Running the packages' test '$name'"
    fresh
    # The archive of apt is shared; autopkgtest would make apt forget it.
    check "the packages' test '$name' passes" \
        env "${forget[@]}" autopkgtest --no-built-binaries --test-name "$name" \
        "$packages"/*.deb "$packages"/source/*.dsc -- chroot "$root"
done
