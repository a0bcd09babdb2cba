// SPDX-License-Identifier: Apache-2.0
//
// A loaded model: what it takes and gives, and its runs.
#include <accel/model.hpp>

#include <algorithm>

#include "codegen/compile.hpp"
#include "frontend/onnx_file.hpp"
#include "frontend/onnx_import.hpp"
#include "runtime/compiled_model.hpp"
#include "runtime/host_fallback.hpp"
#include "runtime/serialization.hpp"

namespace accel {

namespace compiler {

std::vector<TensorInfo> results_of(const ModelState& state) {
    if (!state.tail) {
        return state.outputs;
    }
    std::vector<TensorInfo> results;
    for (const std::size_t source : state.tail->sources) {
        const std::size_t commands = state.outputs.size();
        results.push_back(source < commands ? state.outputs.at(source)
                                            : state.tail->outputs.at(source - commands));
    }
    return results;
}

std::vector<TensorData> run_tail(const Device& device, Queue& queue, const Tail& tail,
                                 std::vector<TensorData> inputs) {
    LoadOptions options{.allow_narrowing = tail.narrow, .host_fallback = true};
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        options.constant_inputs[tail.inputs[i]] = std::move(inputs[i]);
    }
    const Program program =
        read_onnx(std::as_bytes(std::span(tail.model)), "what is left to the host", options);
    std::vector<TensorData> results;
    for (const Port& output : program.outputs) {
        const Constant& known = program.values[output.value].constant;
        if (!known || program.tail) {
            // The rest of the way is the card's again.
            return compile(device, program).run(queue, std::span<const TensorData>());
        }
        results.push_back({known->type, known->dims, known->data});
    }
    return results;
}

namespace {

// Scratch memory while a run is submitted: nobody else takes it meanwhile.
class Lease {
  public:
    // The memory of this queue, or some that no run uses any more, or new memory.
    Lease(ModelState& state, std::uint32_t queue) : state_(state) {
        const std::lock_guard lock(state.mutex);
        auto found = std::ranges::find(state.scratch, queue, &Scratch::queue);
        if (found == state.scratch.end()) {
            found = std::ranges::find_if(
                state.scratch, [](const Scratch& s) { return !s.submitting && s.job.done(); });
        }
        if (found == state.scratch.end()) {
            const std::uint64_t bytes = std::max<std::uint64_t>(state.memory.peak, 1);
            auto memory = state.device.allocate_device<std::byte>({bytes});
            state.scratch.push_back({.memory = std::move(memory), .job = {}});
            found = std::prev(state.scratch.end());
        }
        found->queue = queue;
        found->submitting = true;
        scratch_ = &*found;
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Lease(Lease&&) = delete;
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
        const std::lock_guard lock(state_.mutex);
        scratch_->submitting = false;
        if (job_) {
            scratch_->job = std::move(*job_);
        }
    }

    [[nodiscard]] const Buffer<std::byte>& memory() const { return scratch_->memory; }
    void used_by(const Job& job) { job_ = job; }

  private:
    ModelState& state_;
    Scratch* scratch_ = nullptr;
    std::optional<Job> job_;
};

Job submit_list(ModelState& state, Queue& queue, const CommandList& list,
                std::span<const Operand> given) {
    Lease lease(state, queue.id());
    std::vector<Operand> arguments{Operand(lease.memory()), Operand(state.weights)};
    arguments.insert(arguments.end(), given.begin(), given.end());
    // What comes last and is not used is no argument of the list.
    arguments.resize(list.arguments());
    Job job = queue.submit(list, arguments);
    lease.used_by(job);
    return job;
}

// The commands of a model, each with a record in argument `index`.
CommandList record_all(const ModelState& state, std::uint32_t index) {
    CommandList list = state.device.create_command_list(Placement::device);
    for (std::size_t i = 0; i < state.commands.size(); ++i) {
        list.add(state.commands[i].with_record(argument(index, i * sizeof(CompletionRecord))));
    }
    list.close();
    return list;
}

}  // namespace

}  // namespace compiler

std::uint64_t TensorInfo::elements() const {
    const bool open = std::ranges::any_of(shape, [](std::int64_t n) { return n < 0; });
    return open ? 0 : static_cast<std::uint64_t>(compiler::elements(shape));
}
std::uint64_t TensorInfo::bytes() const {
    return elements() * size_of(type);
}

Model Model::load(const Device& device, const std::filesystem::path& file,
                  const LoadOptions& options) {
    const std::vector<std::byte> bytes = compiler::read_file(file);
    if (compiler::is_compiled(bytes)) {
        return compiler::load_compiled(device, bytes, file.string(), options);
    }
    if (options.log != nullptr) {
        *options.log << "read: nodes become instructions, shapes are inferred, constants folded\n";
    }
    compiler::Program program = compiler::read_onnx_file(bytes, file, options);
    try {
        return compiler::compile(device, std::move(program), options.log, options.imported_weights);
    } catch (const Error& error) {
        throw Error(error.errc(), file.string() + ": " + compiler::message_of(error));
    }
}

FileDescriptor Model::export_weights() const {
    return state_->device.export_memory(state_->weights);
}

std::span<const TensorInfo> Model::inputs() const {
    return state_->inputs;
}
std::span<const TensorInfo> Model::outputs() const {
    return state_->results;
}
std::span<const HostNode> Model::host_nodes() const {
    return state_->tail ? std::span<const HostNode>(state_->tail->nodes)
                        : std::span<const HostNode>();
}
Job Model::submit(Queue& queue, std::span<const Operand> arguments) const {
    using namespace compiler;
    ModelState& state = *state_;
    if (state.tail) {
        throw Error(std::errc::not_supported,
                    "Model::submit() is one command, and this model leaves nodes to the host "
                    "(Model::host_nodes()): use Model::run()");
    }
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
    return submit_list(state, queue, *state.list, arguments);
}

namespace {

// What `given` has for each of these, in their order; `left` counts what it has for nobody.
template <typename T>
std::vector<T> by_name(std::span<const TensorInfo> infos, const std::map<std::string, T>& given,
                       std::size_t& left) {
    std::vector<T> result;
    for (const TensorInfo& info : infos) {
        const auto found = given.find(info.name);
        if (found == given.end()) {
            throw Error(std::errc::invalid_argument, "nothing is given for '" + info.name + "'");
        }
        result.push_back(found->second);
        --left;
    }
    return result;
}

[[noreturn]] void throw_unknown_name(const Model& model) {
    std::string names;
    for (const auto& infos : {model.inputs(), model.outputs()}) {
        for (const TensorInfo& info : infos) {
            names += (names.empty() ? "'" : ", '") + info.name + "'";
        }
    }
    throw Error(std::errc::invalid_argument,
                "more names are given than the model has: it has " + names);
}

}  // namespace

Job Model::submit(Queue& queue, const std::map<std::string, Operand>& arguments) const {
    std::size_t left = arguments.size();
    std::vector<Operand> ordered = by_name(inputs(), arguments, left);
    for (Operand& output : by_name(outputs(), arguments, left)) {
        ordered.push_back(std::move(output));
    }
    if (left != 0) {
        throw_unknown_name(*this);
    }
    return submit(queue, ordered);
}

namespace {

// Buffers for what a run takes and gives.
struct Bindings {
    std::vector<Buffer<std::byte>> buffers;
    std::vector<Operand> operands;
};

Bindings bind(compiler::ModelState& state, std::span<const TensorData> inputs) {
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
                        "input '" + info.name + "' is " +
                            std::string(compiler::to_string(info.type)) +
                            compiler::to_string(info.shape) + ", not " +
                            std::string(compiler::to_string(inputs[i].type)) +
                            compiler::to_string(inputs[i].shape));
        }
        std::ranges::copy(inputs[i].bytes, add(info).begin());
    }
    for (const TensorInfo& info : state.outputs) {
        static_cast<void>(add(info));
    }
    return result;
}

// The results, when the commands have run.
std::vector<TensorData> fetch(const compiler::ModelState& state, Queue& queue,
                              const Bindings& bindings) {
    std::vector<TensorData> made;
    for (std::size_t i = 0; i < state.outputs.size(); ++i) {
        const TensorInfo& info = state.outputs[i];
        const auto bytes = bindings.buffers[state.inputs.size() + i].span().first(info.bytes());
        made.push_back({info.type, info.shape, {bytes.begin(), bytes.end()}});
    }
    if (!state.tail) {
        return made;
    }
    const std::size_t first = made.size() - state.tail->inputs.size();
    std::vector<TensorData> given(
        std::make_move_iterator(made.begin() + static_cast<std::ptrdiff_t>(first)),
        std::make_move_iterator(made.end()));
    std::vector<TensorData> late =
        compiler::run_tail(state.device, queue, *state.tail, std::move(given));
    if (late.size() != state.tail->outputs.size()) {
        throw Error(std::errc::invalid_argument,
                    "what is left to the host gives " + std::to_string(late.size()) +
                        " outputs, not " + std::to_string(state.tail->outputs.size()) +
                        ": was the compiled file written by hand?");
    }
    std::vector<TensorData> results;
    for (const std::size_t source : state.tail->sources) {
        results.push_back(source < made.size() ? std::move(made[source])
                                               : std::move(late[source - made.size()]));
    }
    return results;
}

}  // namespace

std::vector<TensorData> Model::run(Queue& queue, std::span<const TensorData> inputs) const {
    using namespace compiler;
    const Bindings bindings = bind(*state_, inputs);
    if (state_->list) {
        submit_list(*state_, queue, *state_->list, bindings.operands).wait();
    }
    return fetch(*state_, queue, bindings);
}

std::map<std::string, TensorData> Model::run(
    Queue& queue, const std::map<std::string, TensorData>& inputs) const {
    std::size_t left = inputs.size();
    const std::vector<TensorData> ordered = by_name(this->inputs(), inputs, left);
    if (left != 0) {
        throw_unknown_name(*this);
    }
    std::vector<TensorData> results = run(queue, ordered);
    std::map<std::string, TensorData> named;
    for (std::size_t i = 0; i < results.size(); ++i) {
        named[outputs()[i].name] = std::move(results[i]);
    }
    return named;
}

std::vector<TensorData> Model::profile(Queue& queue, std::span<const TensorData> inputs,
                                       std::vector<std::uint64_t>& ticks) const {
    using namespace compiler;
    ModelState& state = *state_;
    const Bindings bindings = bind(state, inputs);
    ticks.assign(state.commands.size(), 0);
    if (state.commands.empty()) {
        return fetch(state, queue, bindings);
    }
    const auto records = state.device.allocate<CompletionRecord>({state.commands.size()});
    const auto index = static_cast<std::uint32_t>(first_argument + bindings.operands.size());
    std::vector<Operand> arguments = bindings.operands;
    arguments.emplace_back(records);
    const CommandList* list = nullptr;
    {
        const std::lock_guard lock(state.mutex);
        if (!state.profiled) {
            state.profiled.emplace(record_all(state, index));
        }
        list = &*state.profiled;
    }
    submit_list(state, queue, *list, arguments).wait();
    for (std::size_t i = 0; i < ticks.size(); ++i) {
        ticks[i] = records[i].end - records[i].start;
    }
    return fetch(state, queue, bindings);
}

MemoryUse Model::memory() const {
    return state_->memory;
}
std::span<const ModelCommand> Model::commands() const {
    return state_->steps;
}

}  // namespace accel
