// SPDX-License-Identifier: Apache-2.0
//
// Access to fields of ONNX files that are newer than onnx.proto of Debian 12: see onnx_newer.proto.
#pragma once

#include <onnx.pb.h>
#include <onnx_newer.pb.h>

namespace accel::compiler {

/// The fields of a message that its own description does not have. False if they are damaged.
template <typename Newer, typename Message>
[[nodiscard]] bool read_newer(const Message& message, Newer& newer) {
    return newer.ParseFromString(message.unknown_fields());
}

/// Adds such fields to a message.
template <typename Newer, typename Message>
void write_newer(const Newer& newer, Message& message) {
    message.MergeFromString(newer.SerializeAsString());
}

}  // namespace accel::compiler
