#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Removes a folder that a build made, and refuses any other.
#
#   clean.sh FOLDER MARK...      a build leaves one of the MARKs in its folder
set -eu

folder=$1
shift
[ -e "$folder" ] || exit 0
for mark; do
    if [ -e "$folder/$mark" ]; then
        rm -rf -- "$folder"
        exit 0
    fi
done
# An empty folder is nobody's loss.
rmdir -- "$folder" 2>/dev/null && exit 0
echo "error: $folder is not a folder of this build, and stays: remove it yourself" >&2
exit 1
