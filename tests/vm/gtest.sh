#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs GoogleTest programs in the guest, and writes a JUnit file and the exit status of each to
# /results.
#
#   gtest.sh FILTER PROGRAM...
#
# The host judges the results, so the exit code is 0 after all programs ran. With the line in the
# kernel log, the harness can name the program that ran when the kernel complained.

filter=$1
shift
for program in "$@"; do
    echo "accel-vm: running $program" >/dev/kmsg
    echo "==== $program"
    "$program" --gtest_color=no --gtest_filter="$filter" --gtest_output="xml:/results/$program.xml"
    echo $? >"/results/$program.status"
done
