#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs one step of the Makefile: prints its name, keeps its output in a log, and shows the end
# of the log if the step fails.
#
#   step.sh [--lock FILE] LOG SENTENCE COMMAND [ARGUMENT...]      V=1 shows the output at once
#
# With a lock, one step at a time runs of all that name the file, also in other processes of make.
# A step that waits says so; its log is opened only then.
set -u

lock=
if [ "$1" = --lock ]; then
    lock=$2
    shift 2
fi
log=$1
sentence=$2
shift 2
echo "==> $sentence"
mkdir -p "$(dirname "$log")"
if [ -n "$lock" ]; then
    mkdir -p "$(dirname "$lock")"
    exec 9>"$lock"
    if ! flock -n 9; then
        echo "    (another make works in $(dirname "$lock"): waiting for it)"
        flock 9
    fi
fi
# The command does not inherit the lock: a process that it leaves behind would keep it.
if [ "${V:-}" = 1 ]; then
    "$@" 9>&- && exit 0
else
    "$@" >"$log" 2>&1 9>&- && exit 0
    tail -n 40 "$log" >&2
fi
echo "error: '$sentence' failed$([ "${V:-}" = 1 ] || echo "; the whole output is in $log")" >&2
exit 1
