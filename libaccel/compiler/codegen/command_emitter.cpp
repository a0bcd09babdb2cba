// SPDX-License-Identifier: Apache-2.0
#include "codegen/command_emitter.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>

#include "codegen/list_arguments.hpp"

namespace accel::compiler {

namespace {

std::string_view name_of(const AnyCommand& command) {
    static constexpr std::array<std::string_view, std::variant_size_v<AnyCommand>> names{
        "FILL", "ELEMENTWISE", "GEMM",   "SOFTMAX", "REDUCE", "CONV2D",
        "POOL", "TRANSPOSE",   "GATHER", "SCATTER", "RESIZE", "ATTENTION"};
    return names.at(command.index());
}

using Operands = std::array<Operand, max_sources>;

void set_operands(Fill& c, const Operand& dst, const Operands&) {
    c.dst = dst;
}
void set_operands(Elementwise& c, const Operand& dst, const Operands& src) {
    c.dst = dst;
    c.a = src[0];
    c.b = src[1];
    c.c = src[2];
}
void set_operands(Gemm& c, const Operand& dst, const Operands& src) {
    c.d = dst;
    c.a = src[0];
    c.b = src[1];
    c.bias = src[2];
}
void set_operands(Conv2d& c, const Operand& dst, const Operands& src) {
    c.dst = dst;
    c.src = src[0];
    c.weights = src[1];
    c.bias = src[2];
}
void set_operands(Gather& c, const Operand& dst, const Operands& src) {
    c.dst = dst;
    c.src = src[0];
    c.indices = src[1];
}
void set_operands(Scatter& c, const Operand& dst, const Operands& src) {
    c.dst = dst;
    c.src = src[0];
    c.indices = src[1];
}
void set_operands(Resize& c, const Operand& dst, const Operands& src) {
    c.dst = dst;
    c.src = src[0];
    c.table = src[1];
}
void set_operands(Attention& c, const Operand& dst, const Operands& src) {
    c.d = dst;
    c.q = src[0];
    c.k = src[1];
    c.v = src[2];
    c.mask = src[3];
    c.lengths = src[4];
    c.positions = src[5];
}
template <typename T>
void set_operands(T& c, const Operand& dst, const Operands& src) {
    c.dst = dst;
    c.src = src[0];
}

class CommandEmitter {
  public:
    CommandEmitter(const CommandPlan& plan, std::size_t inputs, std::size_t outputs)
        : plan_(plan), inputs_(static_cast<std::uint32_t>(inputs)) {
        // A list with an argument for each input and output needs no other order of them.
        if (inputs + outputs <= max_ports) {
            part_.ports.resize(inputs + outputs);
            std::iota(part_.ports.begin(), part_.ports.end(), 0U);
        }
    }

    void run(GeneratedCode& code) {
        for (const CommandTemplate& planned : plan_.commands) {
            add_ports(planned, code);
            Operands src;
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
            ++part_.commands;
            note_largest(planned, code);
        }
        finish_part(code);
    }

  private:
    [[nodiscard]] const BufferSlot& slot(const BufferRef& ref) const {
        return plan_.slots[static_cast<std::size_t>(ref.slot)];
    }

    // The input or output at which a reference points, if it does.
    [[nodiscard]] std::optional<std::uint32_t> port(const BufferRef& ref) const {
        if (ref.slot < 0) {
            return std::nullopt;
        }
        switch (slot(ref).kind) {
            case BufferSlot::Kind::input:
                return slot(ref).index;
            case BufferSlot::Kind::output:
                return inputs_ + slot(ref).index;
            default:
                return std::nullopt;
        }
    }

    // Makes the ports of a command arguments of the list; begins another list if it has too many.
    void add_ports(const CommandTemplate& planned, GeneratedCode& code) {
        std::vector<std::uint32_t> missing;
        const auto note = [&](const BufferRef& ref) {
            const auto found = port(ref);
            if (found && std::ranges::find(part_.ports, *found) == part_.ports.end() &&
                std::ranges::find(missing, *found) == missing.end()) {
                missing.push_back(*found);
            }
        };
        note(planned.dst);
        std::ranges::for_each(planned.src, note);
        if (part_.ports.size() + missing.size() > max_ports) {
            finish_part(code);
            return add_ports(planned, code);
        }
        part_.ports.insert(part_.ports.end(), missing.begin(), missing.end());
    }

    void finish_part(GeneratedCode& code) {
        if (part_.commands != 0) {
            code.parts.push_back(std::move(part_));
        }
        part_ = {};
    }

    void note_largest(const CommandTemplate& planned, GeneratedCode& code) const {
        const BufferRef& to = planned.dst;
        if (to.slot >= 0 && slot(to).kind == BufferSlot::Kind::scratch &&
            slot(to).bytes > code.largest_bytes) {
            code.largest_bytes = slot(to).bytes;
            code.largest_node = planned.node;
        }
    }

    [[nodiscard]] Operand operand(const BufferRef& ref) const {
        if (ref.slot < 0) {
            return {};
        }
        if (const auto index = port(ref)) {
            const auto at = std::ranges::find(part_.ports, *index) - part_.ports.begin();
            return argument(first_port_argument + static_cast<std::uint32_t>(at), ref.offset);
        }
        const bool weights = slot(ref).kind == BufferSlot::Kind::weights;
        return argument(weights ? weights_argument : scratch_argument,
                        slot(ref).offset + ref.offset);
    }

    const CommandPlan& plan_;
    std::uint32_t inputs_;
    ListPart part_;  // that has not ended yet
};

std::vector<WeightPiece> take_weights(CommandPlan& plan) {
    std::vector<WeightPiece> pieces;
    std::set<std::uint64_t> known;
    for (BufferSlot& slot : plan.slots) {
        if (slot.kind == BufferSlot::Kind::weights && slot.data) {
            if (slot.bytes != 0 && known.insert(slot.offset).second) {
                pieces.push_back({slot.offset, slot.data->data});
            }
            slot.data = nullptr;
        }
    }
    return pieces;
}

}  // namespace

GeneratedCode generate_commands(CommandPlan& plan, std::size_t inputs, std::size_t outputs) {
    GeneratedCode code;
    CommandEmitter(plan, inputs, outputs).run(code);
    code.weights = take_weights(plan);
    return code;
}

}  // namespace accel::compiler
