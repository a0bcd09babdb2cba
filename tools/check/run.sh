#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The checks that run nothing of the project. All of them run, and the exit code
# says whether one failed.
#
#   run.sh BUILD KERNEL-HEADERS DRIVER-OUTPUT JOBS
#
# TIDY=changed limits clang-tidy to the files that the branch changes while little is known to be
# clean; TIDY=no leaves it out.
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

cpp=$(git ls-files 'libaccel/*.[ch]pp' 'qemu-device/*.[ch]pp' 'tests/*.[ch]pp' 'tools/*.[ch]pp')
scripts=$(git ls-files | while read -r file; do
    [ -f "$file" ] && head -n 1 "$file" | grep -aqE '^#!/bin/(ba)?sh' && echo "$file"
done)

# shellcheck disable=SC2086  # the lists are words
{
    step format "Formatting of C++" clang-format --dry-run -Werror $cpp
    step shell "Shell scripts" shellcheck -x -P SCRIPTDIR $scripts
}
step prose "Sentences, words, columns" tools/check/prose.py
step spelling "Spelling" tools/check/spelling.sh
step layers "Layers: includes and calls point one way" tools/check/layers.py
step lengths "Lengths of functions and files" tools/check/lengths.py
step links "Links and paths in the docs" tools/check/links.py
step python "Python: ruff and mypy" tools/check/python.sh
step driver "Driver: sparse, W=1, no warning" make -C driver check KDIR="$headers" O="$driver"
step checkpatch "Driver: the kernel's coding style" tools/check/checkpatch.sh
tidy=${TIDY:-yes}
if [ "$tidy" != no ]; then
    # clang-tidy reads the headers that the build generates.
    step generate "Generated headers" cmake --build "$build" --target accel_onnx accel_compiled
    changed=$([ "$tidy" = changed ] && echo "--changed --seconds 600")
    # shellcheck disable=SC2086  # the options are words
    step tidy "clang-tidy" tools/check/tidy.py "$build" --jobs "$jobs" $changed
fi

[ $failed -eq 0 ] && echo "all checks passed"
exit $failed
