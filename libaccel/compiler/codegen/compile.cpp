// SPDX-License-Identifier: Apache-2.0
//
// The stages one after the other, and the last of them: commands, whose operands are arguments.
#include "codegen/compile.hpp"

#include <algorithm>
#include <ostream>

#include "passes/fusion.hpp"
#include "passes/layout_assignment.hpp"
#include "passes/memory_planning.hpp"
#include "passes/quantization_lowering.hpp"
#include "runtime/compiled_model.hpp"
#include "runtime/weight_upload.hpp"

namespace accel::compiler {

namespace {

std::string_view name_of(const AnyCommand& command) {
    static constexpr std::array<std::string_view, std::variant_size_v<AnyCommand>> names{
        "FILL",   "ELEMENTWISE", "GEMM",      "SOFTMAX", "REDUCE",
        "CONV2D", "POOL",        "TRANSPOSE", "GATHER",  "RESIZE"};
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

class Emitter {
  public:
    Emitter(ModelState& state, const Steps& steps) : state_(state), steps_(steps) {}

    void run() {
        for (const Step& step : steps_.list) {
            std::array<Operand, 3> src;
            for (std::size_t i = 0; i < src.size(); ++i) {
                src.at(i) = operand(step.src.at(i));
            }
            std::visit(
                [&](auto command) {
                    set_operands(command, operand(step.dst), src);
                    state_.commands.emplace_back(command);
                },
                step.command);
            state_.steps.push_back({step.node, std::string(name_of(step.command))});
        }
    }

    [[nodiscard]] std::vector<std::byte> weights() const {
        std::vector<std::byte> bytes(state_.memory.weights);
        for (const Store& store : steps_.stores) {
            if (store.kind == Store::Kind::weights && store.data) {
                std::ranges::copy(store.data->data,
                                  bytes.begin() + static_cast<std::ptrdiff_t>(store.offset));
            }
        }
        return bytes;
    }

  private:
    Operand operand(const Ref& ref) {
        if (ref.store < 0) {
            return {};
        }
        const Store& store = steps_.stores[static_cast<std::size_t>(ref.store)];
        switch (store.kind) {
            case Store::Kind::weights:
                return argument(weights_argument, store.offset + ref.offset);
            case Store::Kind::scratch:
                return argument(scratch_argument, store.offset + ref.offset);
            case Store::Kind::input:
                return argument(first_argument + store.index, ref.offset);
            case Store::Kind::output:
                break;
        }
        return argument(
            first_argument + static_cast<std::uint32_t>(state_.inputs.size()) + store.index,
            ref.offset);
    }

    ModelState& state_;
    const Steps& steps_;
};

std::vector<TensorInfo> infos(const Program& program, const std::vector<Port>& ports) {
    std::vector<TensorInfo> result;
    for (const Port& port : ports) {
        const Value& value = program.values[port.value];
        result.push_back({port.name, value.type, value.dims});
    }
    return result;
}

void announce(std::ostream* dump, const char* stage) {
    if (dump != nullptr) {
        *dump << stage << '\n';
    }
}

void print(const Program& program, std::ostream* dump) {
    if (dump == nullptr) {
        return;
    }
    for (const Instruction& x : program.code) {
        *dump << "  %" << x.out << " = " << to_string(x.operation);
        for (const ValueId id : x.in) {
            *dump << " %" << id << (program.values[id].constant ? "c" : "")
                  << to_string(program.values[id].dims);
        }
        *dump << " -> " << to_string(program.values[x.out].type)
              << to_string(program.values[x.out].dims) << "  (" << x.node << ")\n";
    }
}

}  // namespace

Model compile(const Device& device, Program program, std::ostream* dump, int imported_weights) {
    check_card(device.info(), needed_features);
    auto state = std::make_shared<ModelState>(device.alias());
    state->inputs = infos(program, program.inputs);
    state->outputs = infos(program, program.outputs);
    state->tail = program.tail;
    state->results = results_of(*state);
    if (dump != nullptr && program.tail) {
        for (const HostNode& node : program.tail->nodes) {
            *dump << "  left to the host: " << node.node << ": " << node.reason << '\n';
        }
    }
    if (state->inputs.size() + state->outputs.size() + first_argument > most_arguments) {
        refuse("it has more than " + std::to_string(most_arguments - first_argument) +
               " inputs and outputs, and a call takes no more");
    }
    print(program, dump);
    announce(dump, "fuse: what an engine does in one go");
    fuse(program, dump);
    announce(dump, "bytes: what works on quantized numbers");
    use_bytes(program, dump);
    announce(dump, "layout: how values lie in memory");
    Steps steps = lay_out(program, dump);
    announce(dump, "plan: what shares memory");
    state->memory = plan(steps, dump);
    announce(dump, "emit: commands of the card");
    Emitter emitter(*state, steps);
    emitter.run();
    place(*state, emitter.weights(), imported_weights);
    if (dump != nullptr) {
        for (const ModelCommand& step : state->steps) {
            *dump << "  " << step.command << "  (" << step.node << ")\n";
        }
    }
    return ModelAccess::wrap(std::move(state));
}

}  // namespace accel::compiler
