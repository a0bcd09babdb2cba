// SPDX-License-Identifier: Apache-2.0
//
// The domains of operators, and the opset of each domain that a model or one of its functions
// imports.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace onnx {
class FunctionProto;
class ModelProto;
}  // namespace onnx

namespace accel::compiler {

/// The newest opset of ai.onnx that the table of operators was read against.
inline constexpr std::int64_t latest_opset = 28;

/// A domain of operators. In files and in the table, the domain ai.onnx has an empty name.
struct Domain {
    std::string_view name;
    std::int64_t latest = 1;  // the newest opset that is supported
};

/// All domains whose operators the table may have.
inline constexpr std::array domains{
    Domain{"", latest_opset},
    Domain{"ai.onnx.preview"},
    Domain{"ai.onnx.preview.training"},
    Domain{"com.microsoft"},
};

/// The name of a domain as the table has it: "ai.onnx" is "".
[[nodiscard]] std::string_view table_name(std::string_view domain);

/// The name of a domain as messages have it: "" is "ai.onnx".
[[nodiscard]] std::string_view display_name(std::string_view domain);

class OpsetImports {
  public:
    /// Throws if the model imports an opset of ai.onnx that is not supported.
    explicit OpsetImports(const onnx::ModelProto& model);
    explicit OpsetImports(const onnx::FunctionProto& function);

    /// The opset of a domain. Throws if the domain or its opset is not supported.
    [[nodiscard]] std::int64_t opset(std::string_view domain) const;

  private:
    std::map<std::string, std::int64_t, std::less<>> opsets_;
};

}  // namespace accel::compiler
