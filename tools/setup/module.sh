#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Loads the driver into the kernel of this machine, or unloads it.
#
#   module.sh load FILE | unload
set -eu

fail() {
    echo "error: $*" >&2
    exit 1
}

# The card's vendor and device, from the one place where they stand.
header=$(dirname "$0")/../../include/accel_hw.h
card_id() { awk -v name="ACCEL_PCI_$1" '$2 == name { print $3 }' "$header"; }

have_card() {
    for device in /sys/bus/pci/devices/*; do
        [ "$(cat "$device/vendor" 2>/dev/null)" = "$(card_id VENDOR)" ] &&
            [ "$(cat "$device/device" 2>/dev/null)" = "$(card_id DEVICE)" ] && return 0
    done
    return 1
}

case ${1:-} in
load)
    have_card || fail "this machine has no card ($(card_id VENDOR):$(card_id DEVICE));" \
        "'make shell' starts a VM that has one."
    [ -f "$2" ] || fail "$2 is not built;" \
        "'make driver KDIR=/lib/modules/$(uname -r)/build' builds it."
    [ "$(id -u)" -eq 0 ] || fail "loading a module needs root: sudo make load"
    [ ! -d /sys/module/accel ] || fail "the driver is loaded already; 'make unload' first."
    insmod "$2" || fail "the kernel refused $2; 'dmesg | tail' tells why."
    ls /dev/accel[0-9]*
    ;;
unload)
    [ -d /sys/module/accel ] || fail "the driver is not loaded."
    [ "$(id -u)" -eq 0 ] || fail "unloading a module needs root: sudo make unload"
    rmmod accel || fail "the driver is in use; 'fuser -v /dev/accel*' tells by whom."
    ;;
*)
    fail "usage: module.sh load FILE | unload"
    ;;
esac
