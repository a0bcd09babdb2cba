#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs in the guest: GoogleTest programs one after the other, each with its JUnit file and exit status in /results.
# Usage: gtest.sh FILTER PROGRAM...
#
# Judging is the host's work, so this ends with 0 when all have run. The line in the kernel log lets the harness say
# which program ran when the kernel complained.

filter=$1
shift
for program in "$@"; do
    echo "accel-vm: running $program" >/dev/kmsg
    echo "==== $program"
    "$program" --gtest_color=no --gtest_filter="$filter" --gtest_output="xml:/results/$program.xml"
    echo $? >"/results/$program.status"
done
