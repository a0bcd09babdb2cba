#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Checks the spelling of code and docs with codespell. A word that only looks wrong is in words.txt.
set -eu
cd "$(dirname "$0")/../.."
git ls-files | grep -vE '^LICENSES/|\.(bin|onnx|png|svg|json|dump|abi)$' |
    xargs codespell --ignore-words tools/check/words.txt
