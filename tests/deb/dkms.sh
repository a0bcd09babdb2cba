# shellcheck shell=bash
# shellcheck disable=SC2154  # deb.sh and the files before this one set the variables
# SPDX-License-Identifier: Apache-2.0
#
# The driver's package: several kernels, no headers, a source that does not build, the next version
# while the driver is in use, and removal.

module() { [ -e "$root/lib/modules/$1/updates/dkms/accel.ko" ]; }
no_module() { ! module "$1"; }
module_version() {
    [ "$(modinfo -F version "$root/lib/modules/$1/updates/dkms/accel.ko")" = "$2" ]
}
nothing_left() {
    left=$(find "$root/usr/src" "$root/usr/lib" "$root/usr/sbin" "$root/var/lib/dkms" \
        "$root/var/log" "$root/etc/kernel" "$root/lib/modules" \
        -name '*accel*' ! -path '*/linux-headers-*' 2>/dev/null || :)
    echo "left: $left"
    [ -z "$left" ]
}

layer debian12-dkms dkms linux-headers-amd64 linux-headers-rt-amd64
fresh debian12-dkms
name=$(basename "$packages"/accel-dkms_*.deb)
mkdir "$root/root/good"
cp "$packages/$name" "$root/root/good"
repack "$packages/$name" "$root/root/bad" break_driver
repack "$packages/$name" "$root/root/next" raise_version
next_name=$(basename "$root"/root/next/*.deb)
stable=$(basename "$(find "$root/lib/modules" -maxdepth 1 -name '6.1.*-amd64' ! -name '*-rt-*')")
rt=$(basename "$(find "$root/lib/modules" -maxdepth 1 -name '6.1.*-rt-amd64')")
mkdir -p "$root/lib/modules/5.0.0-bare/kernel"

echo "==> Installing a driver that builds"
try dpkg --install "/root/good/$name"
check "the package installs" succeeded
check "dpkg is consistent" consistent
for kernel in "$stable" "$rt"; do
    check "the message says that it built for $kernel" says "$kernel: built and installed"
    check "there is a module for $kernel" module "$kernel"
    check "the module for $kernel has the version" module_version "$kernel" "$version"
done
check "the message says that a kernel has no headers" \
    says "5.0.0-bare: skipped.*linux-headers-5.0.0-bare"
check "no message is about a loaded driver" says_not "is loaded"
check "there is a group" inside getent group accel
check "depmod finds the module by the card's identity" \
    grep -q "^alias pci:v.* accel$" "$root/lib/modules/$stable/modules.alias"

echo "==> Upgrading it while the driver is in use"
loaded=$root/sys/module/accel # as the kernel shows a driver that two files hold
mkdir -p "$loaded"
echo "$version" >"$loaded/version"
echo 0123456789ABCDEF01234567 >"$loaded/srcversion"
echo 2 >"$loaded/refcnt"
try dpkg --install "/root/next/$next_name"
check "the next version installs" succeeded
check "dpkg is consistent with the next version" consistent
check "the message names the driver in use, its version and its users" \
    says "driver $version is loaded and stays.*open files: 2"
check "the message names the way to the next driver" \
    says "modprobe -r accel && modprobe accel.*$next_version"
check "the module of the next version is installed" module_version "$stable" "$next_version"
check "nothing of the old source is left" [ ! -e "$root/usr/src/accel-$version" ]
check "DKMS knows the next version only" \
    [ "$(inside dkms status accel | grep -c "accel/$version,")" -eq 0 ]
echo "$next_version" >"$loaded/version"
try dpkg-reconfigure accel-dkms
check "no message is about the driver of this version" says_not "is loaded"
rm -r "$root/sys/module"

echo "==> Replacing it by one that does not build"
try dpkg --install "/root/bad/$name"
check "the package installs though the driver does not build" succeeded
check "dpkg is consistent after that" consistent
check "the message names the failure and the log" \
    says "$stable: FAILED.* the log is /var/log/accel-dkms/$stable.log"
check "the log has the compiler's message" \
    grep -q "made to fail" "$root/var/log/accel-dkms/$stable.log"
check "no module of the old source is left" no_module "$stable"

echo "==> Installing kernel headers while the driver does not build"
try dpkg-reconfigure "linux-headers-$stable"
check "the headers install" succeeded
check "the message says that the driver failed" says "$stable: FAILED"
check "dpkg is consistent with the new headers" consistent

echo "==> Installing it where DKMS builds nothing"
touch "$root/etc/dkms/no-autoinstall"
try dpkg --install "/root/good/$name"
check "the package installs without a build" succeeded
check "the message names the reason" says "nothing is built.*no-autoinstall"
check "there is no module" no_module "$stable"
rm "$root/etc/dkms/no-autoinstall"

echo "==> Repairing and removing it"
try dpkg --install "/root/good/$name"
check "the next version builds" says "$stable: built and installed"
try dpkg --purge accel-dkms
check "the package is removed" succeeded
check "nothing of it is left" nothing_left
check "dpkg is consistent at the end" consistent
