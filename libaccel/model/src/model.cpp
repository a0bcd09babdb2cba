// SPDX-License-Identifier: Apache-2.0
//
// A loaded model: the stages one after the other, its weights on the card, and its runs.
#include <accel/model.hpp>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <optional>
#include <ostream>

#include "fuse.hpp"
#include "layout.hpp"
#include "onnx_reader.hpp"
#include "plan.hpp"

namespace accel {

namespace model {

namespace {

// Arguments of the recorded list: the scratch memory of a run, then inputs and outputs.
constexpr std::uint32_t scratch_argument = 0;
constexpr std::uint32_t first_argument = 1;
constexpr std::size_t most_arguments = 63;

struct Scratch {
    Buffer<std::byte> memory;
    Job job;  // the last that uses it
};

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

}  // namespace

struct ModelState {
    explicit ModelState(Device card) : device(std::move(card)) {}

    Device device;
    std::vector<TensorInfo> inputs;
    std::vector<TensorInfo> outputs;
    std::vector<ModelStep> steps;
    std::vector<Command> commands;
    MemoryUse memory;
    Buffer<std::byte> weights;
    std::optional<CommandList> list;  // none: there is nothing to do
    std::mutex mutex;                 // guards what follows
    std::vector<Scratch> scratch;
    std::optional<CommandList> profiled;  // as list, with a record of each command
};

namespace {

class Emitter {
  public:
    Emitter(ModelState& state, const Steps& steps) : state_(state), steps_(steps) {}

    void run() {
        upload();
        CommandList list = state_.device.create_list();
        for (const Step& step : steps_.list) {
            std::array<Operand, 3> src;
            for (std::size_t i = 0; i < src.size(); ++i) {
                src.at(i) = operand(step.src.at(i));
            }
            std::visit(
                [&](auto command) {
                    set_operands(command, operand(step.dst), src);
                    const Command encoded(command);
                    list.add(encoded);
                    state_.commands.push_back(encoded);
                },
                step.command);
            state_.steps.push_back({step.node, std::string(name_of(step.command))});
        }
        if (list.size() > 0) {
            list.seal();
            state_.list.emplace(std::move(list));
        }
    }

  private:
    void upload() {
        if (state_.memory.weights == 0) {
            return;
        }
        state_.weights = state_.device.allocate<std::byte>({state_.memory.weights});
        for (const Store& store : steps_.stores) {
            if (store.kind == Store::Kind::weights && store.data) {
                std::ranges::copy(store.data->data,
                                  state_.weights.span().subspan(store.offset).begin());
            }
        }
    }

    Operand operand(const Ref& ref) {
        if (ref.store < 0) {
            return {};
        }
        const Store& store = steps_.stores[static_cast<std::size_t>(ref.store)];
        switch (store.kind) {
            case Store::Kind::weights:
                return state_.weights.slice(store.offset + ref.offset, store.bytes - ref.offset);
            case Store::Kind::scratch:
                return arg(scratch_argument, store.offset + ref.offset);
            case Store::Kind::input:
                return arg(first_argument + store.index, ref.offset);
            case Store::Kind::output:
                break;
        }
        return arg(first_argument + static_cast<std::uint32_t>(state_.inputs.size()) + store.index,
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

// Memory that no run uses any more. The caller holds the lock until it has submitted.
Scratch& free_scratch(ModelState& state) {
    const auto free =
        std::ranges::find_if(state.scratch, [](const Scratch& s) { return s.job.done(); });
    if (free != state.scratch.end()) {
        return *free;
    }
    const std::uint64_t bytes = std::max<std::uint64_t>(state.memory.peak, 1);
    state.scratch.push_back({state.device.allocate<std::byte>({bytes}), Job()});
    return state.scratch.back();
}

std::vector<Operand> call_arguments(const CommandList& list, const Scratch& scratch,
                                    std::span<const Operand> given) {
    std::vector<Operand> arguments{Operand(scratch.memory)};
    arguments.insert(arguments.end(), given.begin(), given.end());
    // What comes last and is not used is no argument of the list.
    arguments.resize(list.arguments());
    return arguments;
}

}  // namespace

}  // namespace model

std::uint64_t TensorInfo::elements() const {
    return static_cast<std::uint64_t>(model::elements(shape));
}
std::uint64_t TensorInfo::bytes() const {
    return elements() * size_of(type);
}

Model Model::load(const Device& device, const std::filesystem::path& file,
                  const LoadOptions& options) {
    using namespace model;
    announce(options.dump,
             "read: nodes become instructions, shapes are inferred, constants folded");
    Program program = read_onnx(file, options);
    print(program, options.dump);
    auto state = std::make_shared<ModelState>(device.share());
    state->inputs = infos(program, program.inputs);
    state->outputs = infos(program, program.outputs);
    if (state->inputs.size() + state->outputs.size() + first_argument > most_arguments) {
        throw Error(std::errc::invalid_argument,
                    file.string() + ": it has more than " + std::to_string(most_arguments - 1) +
                        " inputs and outputs, and a call takes no more");
    }
    try {
        announce(options.dump, "fuse: what an engine does in one go");
        fuse(program, options.dump);
        announce(options.dump, "layout: how values lie in memory");
        Steps steps = lay_out(program, options.dump);
        announce(options.dump, "plan: what shares memory");
        state->memory = plan(steps, options.dump);
        announce(options.dump, "emit: commands of the card");
        Emitter(*state, steps).run();
        if (options.dump != nullptr) {
            for (const ModelStep& step : state->steps) {
                *options.dump << "  " << step.command << "  (" << step.node << ")\n";
            }
        }
    } catch (const Error& error) {
        throw Error(error.errc(), file.string() + ": " + message_of(error));
    }
    return Model(std::move(state));
}

std::span<const TensorInfo> Model::inputs() const {
    return state_->inputs;
}
std::span<const TensorInfo> Model::outputs() const {
    return state_->outputs;
}
Job Model::submit(Queue& queue, std::span<const Operand> arguments) const {
    using namespace model;
    ModelState& state = *state_;
    const std::size_t expected = state.inputs.size() + state.outputs.size();
    if (arguments.size() != expected) {
        throw Error(std::errc::invalid_argument,
                    "Model::submit() takes " + std::to_string(state.inputs.size()) +
                        " inputs and then " + std::to_string(state.outputs.size()) +
                        " outputs, not " + std::to_string(arguments.size()) + " arguments");
    }
    if (!state.list) {
        return queue.submit(Nop{});
    }
    const std::lock_guard lock(state.mutex);
    Scratch& scratch = free_scratch(state);
    scratch.job = queue.submit(*state.list, call_arguments(*state.list, scratch, arguments));
    return scratch.job;
}

namespace {

// Buffers for what a run takes and gives.
struct Bindings {
    std::vector<Buffer<std::byte>> buffers;
    std::vector<Operand> operands;
};

Bindings bind(model::ModelState& state, std::span<const TensorData> inputs) {
    if (inputs.size() != state.inputs.size()) {
        throw Error(std::errc::invalid_argument,
                    "the model has " + std::to_string(state.inputs.size()) + " inputs, not " +
                        std::to_string(inputs.size()));
    }
    Bindings result;
    const auto add = [&](const TensorInfo& info) -> Buffer<std::byte>& {
        result.buffers.push_back(
            state.device.allocate<std::byte>({std::max<std::uint64_t>(info.bytes(), 1)}));
        result.operands.emplace_back(result.buffers.back());
        return result.buffers.back();
    };
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        const TensorInfo& info = state.inputs[i];
        if (inputs[i].type != info.type || inputs[i].shape != info.shape ||
            inputs[i].bytes.size() != info.bytes()) {
            throw Error(std::errc::invalid_argument,
                        "input '" + info.name + "' is " + std::string(model::to_string(info.type)) +
                            model::to_string(info.shape) + ", not " +
                            std::string(model::to_string(inputs[i].type)) +
                            model::to_string(inputs[i].shape));
        }
        std::ranges::copy(inputs[i].bytes, add(info).begin());
    }
    for (const TensorInfo& info : state.outputs) {
        static_cast<void>(add(info));
    }
    return result;
}

std::vector<TensorData> fetch(const model::ModelState& state, const Bindings& bindings) {
    std::vector<TensorData> results;
    for (std::size_t i = 0; i < state.outputs.size(); ++i) {
        const TensorInfo& info = state.outputs[i];
        const auto bytes = bindings.buffers[state.inputs.size() + i].span().first(info.bytes());
        results.push_back({info.type, info.shape, {bytes.begin(), bytes.end()}});
    }
    return results;
}

}  // namespace

std::vector<TensorData> Model::run(Queue& queue, std::span<const TensorData> inputs) const {
    const Bindings bindings = bind(*state_, inputs);
    submit(queue, bindings.operands).wait();
    return fetch(*state_, bindings);
}

std::vector<TensorData> Model::profile(Queue& queue, std::span<const TensorData> inputs,
                                       std::vector<std::uint64_t>& ticks) const {
    using namespace model;
    ModelState& state = *state_;
    const Bindings bindings = bind(state, inputs);
    ticks.assign(state.commands.size(), 0);
    if (state.commands.empty()) {
        return fetch(state, bindings);
    }
    const auto records = state.device.allocate<Record>({state.commands.size()});
    const auto index = static_cast<std::uint32_t>(first_argument + bindings.operands.size());
    std::vector<Operand> arguments = bindings.operands;
    arguments.emplace_back(records);
    Job job;
    {
        const std::lock_guard lock(state.mutex);
        if (!state.profiled) {
            CommandList list = state.device.create_list();
            for (std::size_t i = 0; i < state.commands.size(); ++i) {
                list.add(state.commands[i].with_record(arg(index, i * sizeof(Record))));
            }
            list.seal();
            state.profiled.emplace(std::move(list));
        }
        Scratch& scratch = free_scratch(state);
        job = scratch.job =
            queue.submit(*state.profiled, call_arguments(*state.profiled, scratch, arguments));
    }
    job.wait();
    for (std::size_t i = 0; i < ticks.size(); ++i) {
        ticks[i] = records[i].end - records[i].start;
    }
    return fetch(state, bindings);
}

MemoryUse Model::memory() const {
    return state_->memory;
}
std::span<const ModelStep> Model::steps() const {
    return state_->steps;
}

}  // namespace accel
