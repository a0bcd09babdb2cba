#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The guest's first process: loads the modules, runs the command, sends the results, powers off.
#
# It reports to the harness in lines on the virtio port "accel.report", which results.py reads:
#   up | failed module NAME | failed device NODE | ready | exit STATUS | failed unload NAME |
#   tainted MASK | failed results NAME | files BYTES SHA256, then BYTES of tar, then "end".
# The port "accel.output" gets the output of the command, and the serial console only the messages
# of the kernel. The port "accel.input" has the commands of a shell without a terminal.
# shellcheck shell=dash disable=SC2154  # variables come from /vm/config

export PATH=/usr/bin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing
ln -s /proc/self/fd /dev/fd
ln -s /proc/self/fd/0 /dev/stdin
ln -s /proc/self/fd/1 /dev/stdout
ln -s /proc/self/fd/2 /dev/stderr
ip link set lo up
ulimit -c 0
# A kernel that checks DMA mappings reports only its first error by default.
all_errors=/sys/kernel/debug/dma-api/all_errors
[ ! -e $all_errors ] || echo 1 >$all_errors
# shellcheck source=/dev/null
. /vm/config

log() { echo "accel-vm: $*" >/dev/kmsg; }
report() { echo "$*" >&3; }
finish() {
    sync
    poweroff -f
}
# The kernel reports memory that two scans in a row find unreferenced, if it is older than five
# seconds. The first scan after the boot only records checksums.
scan_for_leaks() {
    [ -n "$leaks" ] || return
    log "scanning for leaked memory $1"
    sleep 6
    for _ in 1 2; do
        echo scan >/sys/kernel/debug/kmemleak || log "cannot scan for leaked memory"
    done
    while IFS= read -r line; do
        echo "kmemleak: $line" >/dev/kmsg
    done </sys/kernel/debug/kmemleak
    log "scanned for leaked memory $1"
}
port() {
    for entry in /sys/class/virtio-ports/*; do
        if [ "$(cat "$entry/name")" = "$1" ]; then
            echo "/dev/${entry##*/}"
            return
        fi
    done
}

for module in $harness_modules; do
    insmod "/vm/modules/$module" || log "cannot load $module"
done
tries=0
until [ -n "$(port accel.report)" ] && [ -n "$(port accel.output)" ] &&
    { [ -z "$piped" ] || [ -n "$(port accel.input)" ]; }; do
    tries=$((tries + 1))
    if [ $tries -gt 600 ]; then
        log "the ports to the host did not appear"
        finish
    fi
    sleep 0.05
done
exec 3>"$(port accel.report)" 4>"$(port accel.output)"
log "up after $(cut -d' ' -f1 /proc/uptime) s"
report up

if [ -n "$share" ]; then
    mkdir -p /host
    # Without a cache, changes of the host are seen at once.
    mount -t 9p -o trans=virtio,version=9p2000.L,cache=none,msize=262144 share /host ||
        log "cannot mount the folder of the host"
fi

# The driver under test, then the nodes that it must create.
loaded=""
while read -r module parameters; do
    [ -n "$module" ] || continue
    log "loading $module $parameters"
    # The parameters are split into words on purpose.
    # shellcheck disable=SC2086
    if ! insmod "/vm/modules/$module" $parameters >&4 2>&4; then
        report "failed module $module"
        finish
    fi
    name=${module%.ko}
    loaded="$(echo "$name" | tr - _) $loaded"
done <<END
$driver_modules
END
for device in $devices; do
    tries=0
    until [ -e "$device" ]; do
        tries=$((tries + 1))
        if [ $tries -gt 200 ]; then
            report "failed device $device"
            finish
        fi
        sleep 0.05
    done
done
log "ready"
report ready

cd /root || finish
if [ -n "$interactive" ]; then
    export TERM="$terminal" PS1='accel:\w\$ ' LD_LIBRARY_PATH="$library_path"
    # A session leader that opens a terminal gets it as controlling terminal, for job control and
    # Ctrl-C. The terminal forgets its size when nothing has it open, so the shell's own program
    # sets it. QEMU leaves carriage returns to its own terminal.
    # shellcheck disable=SC2016  # the inner shell expands them
    setsid sh -c 'exec </dev/ttyS1 >/dev/ttyS1 2>&1 3>&- 4>&-
        stty sane -onlcr rows "$1" cols "$2"
        [ -z "$3" ] || echo "/host is $3 of the host."
        exec sh -l' sh "$rows" "$columns" "$share"
    status=0
elif [ -n "$piped" ]; then
    # The port keeps what the host writes until the shell reads it, and then has an end.
    export PS1='' LD_LIBRARY_PATH="$library_path"
    setsid sh -l <"$(port accel.input)" >&4 2>&4 3>&- 4>&-
    status=$?
else
    setsid /vm/command </dev/null >&4 2>&4 3>&- 4>&-
    status=$?
fi
log "command ended with $status"
report "exit $status"

# Processes that the command left behind would keep the module busy.
kill -9 -1
wait
scan_for_leaks "with the driver"
for name in $loaded; do
    [ -d "/sys/module/$name" ] || continue # the command unloaded it itself
    tries=0
    until rmmod "$name" 2>/run/rmmod; do
        tries=$((tries + 1))
        if [ $tries -gt 40 ]; then
            log "$(cat /run/rmmod)"
            report "failed unload $name"
            break
        fi
        sleep 0.05
    done
done
scan_for_leaks "after the driver"
report "tainted $(cat /proc/sys/kernel/tainted)"

if ! tar -cf /run/results.tar -C /results . >&4 2>&4; then
    report "failed results tar"
    finish
fi
report "files $(stat -c %s /run/results.tar) $(sha256sum </run/results.tar | cut -d' ' -f1)"
cat /run/results.tar >&3
report end
finish
