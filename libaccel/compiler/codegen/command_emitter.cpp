// SPDX-License-Identifier: Apache-2.0
#include "codegen/command_emitter.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "codegen/list_arguments.hpp"

namespace accel::compiler {

namespace {

std::string_view name_of(const AnyCommand& command) {
    static constexpr std::array<std::string_view, std::variant_size_v<AnyCommand>> names{
        "FILL", "ELEMENTWISE", "GEMM",         "SOFTMAX", "REDUCE", "CONV2D",
        "POOL", "TRANSPOSE",   "GATHER",       "SCATTER", "RESIZE", "ATTENTION",
        "LOOP", "SKIP",        "SET_ARGUMENT", ""};
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
void set_operands(Loop& c, const Operand& dst, const Operands& src) {
    c.index = dst;
    c.count = src[0];
    c.condition = src[1];
}
void set_operands(Skip& c, const Operand&, const Operands& src) {
    c.condition = src[0];
}
void set_operands(SetArgument& c, const Operand&, const Operands& src) {
    c.base = src[0];
}
template <typename T>
void set_operands(T& c, const Operand& dst, const Operands& src) {
    c.dst = dst;
    c.src = src[0];
}

class CommandEmitter {
  public:
    CommandEmitter(CommandPlan& plan, std::size_t inputs, std::size_t outputs)
        : plan_(plan),
          set_arguments_(plan.slots.size()),
          inputs_(static_cast<std::uint32_t>(inputs)) {
        // A list with an argument for each input and output needs no other order of them.
        if (inputs + outputs <= max_ports) {
            part_.ports.resize(inputs + outputs);
            std::iota(part_.ports.begin(), part_.ports.end(), 0U);
        }
    }

    void run(GeneratedCode& code) {
        count_commands();
        for (std::size_t i = 0; i < plan_.commands.size(); ++i) {
            const CommandTemplate& planned = plan_.commands[i];
            if (ends_region(planned.command)) {
                next_argument_ = open_.back();
                open_.pop_back();
                continue;
            }
            if (open_.empty()) {
                add_ports(std::span(plan_.commands).subspan(i, ends_[i] - i), code);
            }
            if (begins_region(planned.command)) {
                open_.push_back(next_argument_);
            }
            Operands src;
            for (std::size_t i = 0; i < src.size(); ++i) {
                src.at(i) = operand(planned.src.at(i));
            }
            std::visit(
                [&](auto command) {
                    if constexpr (std::is_same_v<decltype(command), SetArgument>) {
                        command.argument = set_argument(planned);
                    }
                    if constexpr (!std::is_same_v<decltype(command), RegionEnd>) {
                        set_operands(command, operand(planned.dst), src);
                        code.commands.emplace_back(command);
                    }
                },
                planned.command);
            code.names.push_back({planned.node, std::string(name_of(planned.command))});
            ++part_.commands;
            note_largest(planned, code);
        }
        finish_part(code);
    }

  private:
    // Counts the commands of each region, and finds where each command, with its region, ends.
    void count_commands() {
        ends_.resize(plan_.commands.size());
        std::vector<std::pair<std::size_t, std::uint32_t>> open;  // begins, and commands up to them
        std::uint32_t emitted = 0;
        for (std::size_t i = 0; i < plan_.commands.size(); ++i) {
            AnyCommand& command = plan_.commands[i].command;
            ends_[i] = i + 1;
            emitted += ends_region(command) ? 0 : 1;
            if (begins_region(command)) {
                open.emplace_back(i, emitted);
            } else if (ends_region(command)) {
                const auto [begin, before] = open.back();
                open.pop_back();
                ends_[begin] = i + 1;
                AnyCommand& first = plan_.commands[begin].command;
                if (auto* const loop = std::get_if<Loop>(&first)) {
                    loop->commands = emitted - before;
                } else {
                    std::get<Skip>(first).commands = emitted - before;
                }
            }
        }
    }

    // The argument that a SET_ARGUMENT sets. It is free again at the end of the region.
    [[nodiscard]] std::uint32_t set_argument(const CommandTemplate& planned) {
        if (last_set_argument - next_argument_ >= max_set_arguments) {
            refuse("a loop reads and writes more than " + std::to_string(max_set_arguments) +
                       " tensors slice by slice, the most that one can",
                   "concatenate some of them");
        }
        std::uint32_t& argument = set_arguments_[static_cast<std::size_t>(planned.dst.slot)];
        argument = next_argument_--;
        return argument;
    }

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

    // Makes the ports of commands arguments of the list; begins another list if it has too many.
    void add_ports(std::span<const CommandTemplate> commands, GeneratedCode& code) {
        std::vector<std::uint32_t> missing;
        const auto note = [&](const BufferRef& ref) {
            const auto found = port(ref);
            if (found && std::ranges::find(part_.ports, *found) == part_.ports.end() &&
                std::ranges::find(missing, *found) == missing.end()) {
                missing.push_back(*found);
            }
        };
        for (const CommandTemplate& planned : commands) {
            note(planned.dst);
            std::ranges::for_each(planned.src, note);
        }
        if (part_.ports.size() + missing.size() > max_ports) {
            if (part_.commands == 0) {
                refuse("a loop uses more than " + std::to_string(max_ports) +
                       " inputs and outputs of the model, the most of one list");
            }
            finish_part(code);
            return add_ports(commands, code);
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
        if (slot(ref).kind == BufferSlot::Kind::slice) {
            return argument(set_arguments_[static_cast<std::size_t>(ref.slot)], ref.offset);
        }
        const bool weights = slot(ref).kind == BufferSlot::Kind::weights;
        return argument(weights ? weights_argument : scratch_argument,
                        slot(ref).offset + ref.offset);
    }

    CommandPlan& plan_;
    std::vector<std::size_t> ends_;             // for each command the one behind its region
    std::vector<std::uint32_t> set_arguments_;  // of slots that are slices
    std::vector<std::uint32_t> open_;           // for each open region the argument that was free
    std::uint32_t next_argument_ = last_set_argument;
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
