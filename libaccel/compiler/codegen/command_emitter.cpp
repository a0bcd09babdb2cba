// SPDX-License-Identifier: Apache-2.0
#include "codegen/command_emitter.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <variant>

#include "codegen/list_arguments.hpp"

namespace accel::compiler {

namespace {

std::string_view name_of(const AnyCommand& command) {
    static constexpr std::array<std::string_view, std::variant_size_v<AnyCommand>> names{
        "FILL", "ELEMENTWISE", "GEMM",   "SOFTMAX", "REDUCE", "CONV2D",
        "POOL", "TRANSPOSE",   "GATHER", "SCATTER", "RESIZE"};
    return names.at(command.index());
}

void set_operands(Fill& c, const Operand& dst, const std::array<Operand, 3>&) {
    c.dst = dst;
}
void set_operands(Elementwise& c, const Operand& dst, const std::array<Operand, 3>& src) {
    c.dst = dst;
    c.a = src[0];
    c.b = src[1];
    c.c = src[2];
}
void set_operands(Gemm& c, const Operand& dst, const std::array<Operand, 3>& src) {
    c.d = dst;
    c.a = src[0];
    c.b = src[1];
    c.bias = src[2];
}
void set_operands(Conv2d& c, const Operand& dst, const std::array<Operand, 3>& src) {
    c.dst = dst;
    c.src = src[0];
    c.weights = src[1];
    c.bias = src[2];
}
void set_operands(Gather& c, const Operand& dst, const std::array<Operand, 3>& src) {
    c.dst = dst;
    c.src = src[0];
    c.indices = src[1];
}
void set_operands(Scatter& c, const Operand& dst, const std::array<Operand, 3>& src) {
    c.dst = dst;
    c.src = src[0];
    c.indices = src[1];
}
void set_operands(Resize& c, const Operand& dst, const std::array<Operand, 3>& src) {
    c.dst = dst;
    c.src = src[0];
    c.table = src[1];
}
template <typename T>
void set_operands(T& c, const Operand& dst, const std::array<Operand, 3>& src) {
    c.dst = dst;
    c.src = src[0];
}

class CommandEmitter {
  public:
    CommandEmitter(const CommandPlan& plan, std::size_t inputs)
        : plan_(plan), inputs_(static_cast<std::uint32_t>(inputs)) {}

    void run(GeneratedCode& code) const {
        for (const CommandTemplate& planned : plan_.commands) {
            std::array<Operand, 3> src;
            for (std::size_t i = 0; i < src.size(); ++i) {
                src.at(i) = operand(planned.src.at(i));
            }
            std::visit(
                [&](auto command) {
                    set_operands(command, operand(planned.dst), src);
                    code.commands.emplace_back(command);
                },
                planned.command);
            code.names.push_back({planned.node, std::string(name_of(planned.command))});
        }
    }

  private:
    [[nodiscard]] Operand operand(const BufferRef& ref) const {
        if (ref.slot < 0) {
            return {};
        }
        const BufferSlot& slot = plan_.slots[static_cast<std::size_t>(ref.slot)];
        switch (slot.kind) {
            case BufferSlot::Kind::weights:
                return argument(weights_argument, slot.offset + ref.offset);
            case BufferSlot::Kind::scratch:
                return argument(scratch_argument, slot.offset + ref.offset);
            case BufferSlot::Kind::input:
                return argument(first_port_argument + slot.index, ref.offset);
            case BufferSlot::Kind::output:
                break;
        }
        return argument(first_port_argument + inputs_ + slot.index, ref.offset);
    }

    const CommandPlan& plan_;
    std::uint32_t inputs_;
};

std::vector<std::byte> collect_weights(const CommandPlan& plan, std::uint64_t size) {
    std::vector<std::byte> bytes(size);
    for (const BufferSlot& slot : plan.slots) {
        if (slot.kind == BufferSlot::Kind::weights && slot.data) {
            std::ranges::copy(slot.data->data,
                              bytes.begin() + static_cast<std::ptrdiff_t>(slot.offset));
        }
    }
    return bytes;
}

}  // namespace

GeneratedCode generate_commands(const CommandPlan& plan, std::size_t inputs,
                                std::uint64_t weight_bytes) {
    GeneratedCode code;
    CommandEmitter(plan, inputs).run(code);
    code.weights = collect_weights(plan, weight_bytes);
    return code;
}

}  // namespace accel::compiler
