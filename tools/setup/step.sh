#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs one step of the Makefile: prints its name, keeps its output in a log, and shows the end
# of the log if the step fails.
#
#   step.sh LOG SENTENCE COMMAND [ARGUMENT...]      V=1 shows the output at once
set -u

log=$1
sentence=$2
shift 2
echo "==> $sentence"
mkdir -p "$(dirname "$log")"
if [ "${V:-}" = 1 ]; then
    "$@" && exit 0
else
    "$@" >"$log" 2>&1 && exit 0
    tail -n 40 "$log" >&2
fi
echo "error: '$sentence' failed$([ "${V:-}" = 1 ] || echo "; the whole output is in $log")" >&2
exit 1
