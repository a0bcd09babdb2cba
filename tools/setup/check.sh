#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What can be found wrong without running anything. All checks run, and then the exit code says whether one failed.
#
#   check.sh BUILD KERNEL-HEADERS DRIVER-OUTPUT JOBS
set -u

build=$1
headers=$2
driver=$3
jobs=$4
failed=0

step() {
    name=$1
    sentence=$2
    shift 2
    tools/setup/step.sh "$build/logs/check-$name.log" "$sentence" "$@" || failed=1
}

cpp=$(find libaccel qemu-device tests tools -name '*.[ch]pp' | sort)
scripts=$(find . \( -path ./.git -o -path "./${build#./}" \) -prune -o -type f -print |
    while read -r file; do head -n 1 "$file" | grep -aqE '^#!/bin/(ba)?sh' && echo "$file"; done)

# shellcheck disable=SC2086  # the lists are words
{
    step format "Formatting of C++" clang-format --dry-run -Werror $cpp
    step shell "Shell scripts" shellcheck -x -P SCRIPTDIR $scripts
}
step driver "Driver: sparse, W=1, no warning" make -C driver check KDIR="$headers" O="$driver"
checkpatch=${CHECKPATCH:-$headers/scripts/checkpatch.pl}
if [ -f "$checkpatch" ]; then
    step checkpatch "Driver: the kernel's coding style" \
        "$checkpatch" --no-tree --strict --file driver/*.[ch] include/*.h
fi
# It takes long where nothing is known to be clean yet: TIDY=no leaves it out.
[ "${TIDY:-yes}" = no ] || step tidy "clang-tidy" tools/setup/tidy.py "$build" "$jobs"

[ $failed -eq 0 ] && echo "all checks passed"
exit $failed
