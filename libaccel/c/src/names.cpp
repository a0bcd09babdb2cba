// SPDX-License-Identifier: Apache-2.0
//
// Translates names such as QueueOptions::time_limit, which a reader of a C program does not know.
#include "names.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace accel::c {

namespace {

struct Name {
    std::string_view cpp;
    std::string_view c;
};

// Names whose translation follows no rule.
constexpr std::array exceptions{
    Name{"Device::list()", "accel_devices_list()"},
    Name{"DeviceInfo::time_limit", "accel_device_info_t.time_limit_ns"},
    Name{"LoadOptions::constant_inputs", "accel_model_options_t.constants"},
    Name{"Model::describe_inputs()", "accel_model_input()"},
    Name{"QueueOptions::time_limit", "accel_queue_options_t.time_limit_ns"},
};

// Types with functions accel_..._member() and structures accel_..._t.member.
constexpr std::array types{
    Name{"Attention", "accel_attention"},
    Name{"BufferOptions", "accel_buffer_options"},
    Name{"Command", "accel_command"},
    Name{"CommandList", "accel_command_list"},
    Name{"Conv2d", "accel_conv2d"},
    Name{"Copy", "accel_copy"},
    Name{"Device", "accel_device"},
    Name{"DeviceInfo", "accel_device_info"},
    Name{"Elementwise", "accel_elementwise"},
    Name{"Fill", "accel_fill"},
    Name{"Gather", "accel_gather"},
    Name{"Gemm", "accel_gemm"},
    Name{"HeadStrides", "accel_head_strides"},
    Name{"Job", "accel_job"},
    Name{"LoadOptions", "accel_model_options"},
    Name{"Model", "accel_model"},
    Name{"NumericFormat", "accel_format"},
    Name{"Pool", "accel_pool"},
    Name{"Queue", "accel_queue"},
    Name{"QueueOptions", "accel_queue_options"},
    Name{"Reduce", "accel_reduce"},
    Name{"Resize", "accel_resize"},
    Name{"Scatter", "accel_scatter"},
    Name{"Softmax", "accel_softmax"},
    Name{"Transpose", "accel_transpose"},
};

// Types whose members are constants.
constexpr std::array enumerations{
    Name{"Access", "ACCEL_ACCESS_"},
    Name{"DataType", "ACCEL_DTYPE_"},
    Name{"ElementwiseOp", "ACCEL_ELEMENTWISE_"},
    Name{"Placement", "ACCEL_PLACEMENT_"},
    Name{"PoolOp", "ACCEL_POOLING_"},
    Name{"Priority", "ACCEL_QUEUE_PRIORITY_"},
    Name{"ReduceOp", "ACCEL_REDUCTION_"},
    Name{"ScatterOp", "ACCEL_SCATTERING_"},
    Name{"UnaryOp", "ACCEL_ACTIVATION_"},
};

template <typename Table>
std::string_view find(const Table& table, std::string_view cpp) {
    const auto* const found =
        std::find_if(table.begin(), table.end(), [&](const Name& name) { return name.cpp == cpp; });
    return found != table.end() ? found->c : std::string_view();
}

bool is_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

// The C name of type::member, or nothing.
std::string translate(std::string_view type, std::string_view member, bool call) {
    const std::string name = std::string(type) + "::" + std::string(member) + (call ? "()" : "");
    if (const auto exception = find(exceptions, name); !exception.empty()) {
        return std::string(exception);
    }
    if (const auto prefix = find(types, type); !prefix.empty()) {
        return std::string(prefix) + (call ? "_" : "_t.") + std::string(member) +
               (call ? "()" : "");
    }
    std::string constant(find(enumerations, type));
    if (!constant.empty()) {
        for (const char c : member) {
            constant += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        }
    }
    return constant;
}

}  // namespace

std::string with_c_names(std::string_view text) {
    std::string result;
    while (true) {
        const std::size_t colons = text.find("::");
        if (colons == std::string_view::npos) {
            return result + std::string(text);
        }
        std::size_t start = colons;
        while (start > 0 && is_word(text[start - 1])) {
            --start;
        }
        std::size_t end = colons + 2;
        while (end < text.size() && is_word(text[end])) {
            ++end;
        }
        const bool call = text.substr(end).starts_with("()");
        const std::string name = translate(text.substr(start, colons - start),
                                           text.substr(colons + 2, end - colons - 2), call);
        end += call ? 2 : 0;
        result += text.substr(0, start);
        result += name.empty() ? text.substr(start, end - start) : name;
        text.remove_prefix(end);
    }
}

}  // namespace accel::c
