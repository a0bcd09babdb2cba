# shellcheck shell=bash
# shellcheck disable=SC2154  # deb.sh and the files before this one set the variables
# SPDX-License-Identifier: Apache-2.0
#
# The packages of the SDK: installed by apt, upgraded to the next version while a program uses them,
# and removed.

at_version() {
    # shellcheck disable=SC2016  # dpkg-query expands it
    [ "$(inside dpkg-query -f '${Version}' -W "$1")" = "$2-${revision##*-}" ]
}
nothing_of_the_sdk_left() {
    left=$(cd "$root" && find usr -path '*accel*' -print -quit)
    echo "left: $left"
    [ -z "$left" ]
}

sdk=(libaccel0 libaccel-c0 libaccel-model0 libaccel-dev accel-tools python3-accel)
fresh
revision=$(dpkg-deb --field "$(echo "$packages"/libaccel0_*.deb)" Version)
mkdir "$root/root/good"
for package in "${sdk[@]}"; do
    cp "$packages/${package}"_*.deb "$root/root/good"
    repack "$(echo "$packages/${package}"_*.deb)" "$root/root/next" raise_version
done
program() { inside env ACCEL_DEVICE=emulated accelctl validate; }

echo "==> Installing the SDK"
try sh -c 'apt-get -q install -y --no-install-recommends /root/good/*.deb'
check "the SDK installs" succeeded
check "dpkg is consistent" consistent
check "the tools run on the emulated device" program
check "Python runs on the emulated device" \
    inside python3 -c 'import accel; accel.Device("emulated")'

echo "==> Upgrading it while a program runs"
inside python3 -c '
import accel, pathlib, time
device = accel.Device("emulated")
pathlib.Path("/root/running").touch()
while not pathlib.Path("/root/upgraded").exists(): time.sleep(0.1)
device.buffer((4,), "f32")
' >>"$log" 2>&1 &
running=$!
until [ -e "$root/root/running" ] || ! kill -0 "$running" 2>/dev/null; do sleep 0.1; done
# A library of the next version does not leave its headers behind.
try sh -c 'apt-get -q install -y --no-remove /root/next/libaccel0_*.deb'
check "a library alone is not upgraded without its headers" [ "$result" -ne 0 ]
check "dpkg is consistent after a refusal" consistent
try sh -c 'apt-get -q install -y --no-install-recommends /root/next/*.deb'
check "the next version installs" succeeded
check "dpkg is consistent with the next version" consistent
for package in "${sdk[@]}"; do
    check "$package is upgraded" at_version "$package" "$next_version"
done
check "the tools run after the upgrade" program
touch "$root/root/upgraded"
check "the program that ran during the upgrade ends well" wait "$running"

echo "==> Removing it"
try apt-get -q purge -y "${sdk[@]}"
check "the SDK is removed" succeeded
check "nothing of the SDK is left" nothing_of_the_sdk_left
