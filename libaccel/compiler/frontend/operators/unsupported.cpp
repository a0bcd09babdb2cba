// SPDX-License-Identifier: Apache-2.0
//
// Operators that this compiler refuses by name, because they compute strings, read the files of
// images, or compute gradients.
#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

namespace {

Lowering refused(const char* cause, const char* remedy) {
    return [=](const Node&) -> Values { refuse(cause, remedy); };
}

}  // namespace

void add_unsupported(OperatorTable& table) {
    const Lowering string = refused("it computes strings, and the card has numbers only",
                                    "compute it before the model, on the host");
    table.add({
        {"ImageDecoder",
         {20},
         refused("it decodes an image file, and the card computes with pixels only",
                 "decode the image before the model, on the host")},
        {"RegexFullMatch", {20}, string},
        {"StringConcat", {20}, string},
        {"StringNormalizer", {10}, string},
        {"StringSplit", {20}, string},
        {"ai.onnx.preview.training.Gradient",
         {1},
         refused("it computes gradients of other nodes",
                 "export the gradient as nodes of the model")},
    });
}

}  // namespace accel::compiler
