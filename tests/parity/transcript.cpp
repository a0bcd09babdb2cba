// SPDX-License-Identifier: Apache-2.0
//
// The program: commands, lists, semaphores, memory, errors, a model.
#include "transcript.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <vector>

#include "accel/accel.hpp"
#include "accel/model.hpp"

namespace accel::test {

namespace {

// FNV-1a, and the first bytes for readers.
std::string digest(std::span<const std::byte> bytes) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const std::byte byte : bytes) {
        hash = (hash ^ static_cast<std::uint64_t>(byte)) * 0x100000001b3;
    }
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(hash));
    std::string result = text.data();
    for (const std::byte byte : bytes.first(std::min<std::size_t>(bytes.size(), 8))) {
        std::snprintf(text.data(), text.size(), " %02x", static_cast<unsigned>(byte));
        result += text.data();
    }
    return result;
}

class Program {
  public:
    explicit Program(const Device& card)
        : card_(card), path_(card.info().path), queue_(card.create_queue()) {}

    void properties();
    void matrices();
    void elements();
    void movement();
    void images();
    void lists();
    void order();
    void sharing();
    void failures();
    void refusals();
    void model(const std::filesystem::path& file);

    [[nodiscard]] const std::string& text() const { return text_; }

  private:
    void line(const std::string& name, const std::string& value) {
        text_ += name + ": " + value + "\n";
    }

    // Values from -1 to 1 that depend on a seed alone.
    [[nodiscard]] Buffer<float> values(std::uint32_t count, std::uint32_t seed) const {
        auto buffer = card_.allocate<float>({count});
        std::uint32_t state = seed * 2654435761U + 1;
        for (float& value : buffer.span()) {
            state = state * 1664525U + 1013904223U;
            value = static_cast<float>(state >> 8) / static_cast<float>(1 << 23) - 1.0F;
        }
        return buffer;
    }

    [[nodiscard]] Buffer<std::uint8_t> bytes(std::uint32_t count, std::uint32_t seed) const {
        auto buffer = card_.allocate<std::uint8_t>({count});
        std::uint32_t state = seed * 2654435761U + 1;
        for (std::uint8_t& value : buffer.span()) {
            state = state * 1664525U + 1013904223U;
            value = static_cast<std::uint8_t>(state >> 24);
        }
        return buffer;
    }

    template <typename T>
    void result(const std::string& name, const Buffer<T>& of) {
        line(name, digest(std::as_bytes(of.span())));
    }

    // The text of an error, without the name of the card and the addresses of buffers.
    template <typename Action>
    void error(const std::string& name, Action&& action) {
        std::string text = "nothing was thrown";
        try {
            action();
        } catch (const Error& thrown) {
            text = std::to_string(thrown.code().value()) + " " + thrown.what();
        }
        replace(text, path_, "CARD");
        replace(text, std::to_string(card_.info().memory_size) + " bytes", "ALL bytes");
        replace(text, address_, "ADDRESS");
        line(name, text);
    }

    static void replace(std::string& text, const std::string& what, const std::string& by) {
        for (std::size_t at = 0; !what.empty() && (at = text.find(what, at)) != std::string::npos;
             at += by.size()) {
            text.replace(at, what.size(), by);
        }
    }

    const Device& card_;
    std::string path_;
    std::string address_;  // of a buffer in texts
    Queue queue_;
    std::string text_;
};

void Program::properties() {
    const DeviceInfo info = card_.info();
    line("hardware", std::to_string(info.hardware_version));
    line("features", std::to_string(info.features));
    line("list commands", std::to_string(info.max_list_commands));
    line("list steps", std::to_string(info.max_list_steps));
    line("call arguments", std::to_string(info.max_call_arguments));
    line("ring entries", std::to_string(info.max_ring_entries));
    line("address bits", std::to_string(info.address_bits));
    line("engines", std::to_string(info.compute_engines) + " " + std::to_string(info.dma_engines));
    line("time limit",
         std::to_string(info.time_limit.value_or(std::chrono::milliseconds(0)).count()));
}

void Program::matrices() {
    constexpr std::uint32_t n = 37;
    const auto a = values(n * n, 1);
    const auto b = values(n * n, 2);
    const auto bias = values(n, 3);
    const auto d = card_.allocate<float>({std::uint64_t{n} * n});
    queue_.submit(Gemm{.d = d, .a = a, .b = b, .m = n, .n = n, .k = n}).wait();
    result("gemm", d);
    queue_
        .submit(Gemm{.d = d,
                     .a = a,
                     .b = b,
                     .bias = bias,
                     .m = n,
                     .n = n,
                     .k = n,
                     .activation = UnaryOp::sigmoid,
                     .transpose_b = true})
        .wait();
    result("gemm with bias and sigmoid", d);
    const auto sums = card_.allocate<std::int32_t>({std::uint64_t{n} * n});
    queue_
        .submit(Gemm{.d = sums,
                     .a = bytes(n * n, 4),
                     .b = bytes(n * n, 5),
                     .m = n,
                     .n = n,
                     .k = n,
                     .format = {.a_type = DataType::u8,
                                .b_type = DataType::i8,
                                .result_type = DataType::i32}})
        .wait();
    result("gemm of bytes", sums);
}

void Program::elements() {
    constexpr std::uint32_t n = 1001;
    const auto a = values(n, 6);
    const auto b = values(n, 7);
    const auto d = card_.allocate<float>({n});
    for (const auto op : {ElementwiseOp::add, ElementwiseOp::div, ElementwiseOp::pow,
                          ElementwiseOp::fmod, ElementwiseOp::less}) {
        queue_.submit(Elementwise{.op = op, .dst = d, .a = a, .b = b, .shape = {n}}).wait();
        result("elementwise " + std::to_string(static_cast<int>(op)), d);
    }
    for (const auto op : {UnaryOp::relu, UnaryOp::tanh, UnaryOp::exp, UnaryOp::log, UnaryOp::sqrt,
                          UnaryOp::sin, UnaryOp::erf}) {
        queue_
            .submit(Elementwise{
                .op = ElementwiseOp::identity, .dst = d, .a = a, .shape = {n}, .activation = op})
            .wait();
        result("unary " + std::to_string(static_cast<int>(op)), d);
    }
    queue_.submit(Softmax{.dst = d, .src = a, .outer = 7, .n = 143}).wait();
    result("softmax", d);
    const auto sums = card_.allocate<float>({7});
    queue_.submit(Reduce{.op = ReduceOp::mean, .dst = sums, .src = a, .outer = 7, .n = 143}).wait();
    result("reduce", sums);
}

void Program::movement() {
    const auto source = values(24 * 35, 8);
    const auto d = card_.allocate_device<float>({std::uint64_t{24} * 35});
    const auto back = card_.allocate<float>({std::uint64_t{24} * 35});
    queue_.submit(Transpose{.dst = d, .src = source, .shape = {35, 24}, .src_strides = {1, 35}});
    queue_.submit(copy(back, d)).wait();
    result("transpose", back);
    auto indices = card_.allocate<std::int64_t>({5});
    std::ranges::copy(std::array<std::int64_t, 5>{3, 0, 23, 3, 7}, indices.data());
    queue_
        .submit(Gather{
            .dst = back, .src = source, .indices = indices, .n = 24, .count = 5, .inner = 35})
        .wait();
    result("gather", back);
    queue_
        .submit(Scatter{.op = ScatterOp::add,
                        .dst = back,
                        .src = source,
                        .indices = indices,
                        .n = 24,
                        .count = 5,
                        .inner = 35})
        .wait();
    result("scatter", back);
    queue_.submit(
        Fill{.dst = d, .pattern = 0x3f8ccccd, .bytes = 40, .rows = 20, .dst_stride = 160});
    queue_
        .submit(Copy{
            .dst = back, .src = d, .bytes = 100, .rows = 20, .dst_stride = 120, .src_stride = 160})
        .wait();
    result("fill and copy of rows", back);
}

void Program::images() {
    const ImageLayout layout{.height = 15, .width = 13, .channels = 6};
    const auto source = values(15 * 13 * 6, 9);
    const auto weights = values(3 * 3 * 6 * 6, 10);
    const auto d = card_.allocate<float>({std::uint64_t{15} * 13 * 6});
    queue_
        .submit(Conv2d{.dst = d,
                       .src = source,
                       .weights = weights,
                       .src_layout = layout,
                       .dst_layout = layout,
                       .window = {.height = 3, .width = 3, .pad_top = 1, .pad_left = 1}})
        .wait();
    result("conv2d", d);
    queue_
        .submit(Pool{.op = PoolOp::average,
                     .dst = d,
                     .src = source,
                     .src_layout = layout,
                     .dst_layout = {.height = 7, .width = 6, .channels = 6},
                     .window = {.height = 2, .width = 2, .stride_y = 2, .stride_x = 2}})
        .wait();
    result("pool", d);
    auto table = card_.allocate<ResizeTap>({8});
    for (std::uint32_t i = 0; i < 8; ++i) {
        table[i] = {.index = i * 13 / 8, .weight = 0.5F + static_cast<float>(i) / 8};
    }
    queue_
        .submit(Resize{
            .dst = d, .src = source, .table = table, .outer = 15, .n = 13, .count = 8, .inner = 6})
        .wait();
    result("resize", d);
}

void Program::lists() {
    const auto a = values(100, 11);
    const auto d = card_.allocate<float>({100});
    for (const Placement placement : {Placement::host, Placement::device}) {
        CommandList list = card_.create_command_list(placement);
        list.add(Elementwise{.dst = argument(0), .a = argument(1), .b = a, .shape = {100}});
        list.add(Elementwise{.op = ElementwiseOp::mul,
                             .dst = argument(0),
                             .a = argument(0),
                             .b = a,
                             .shape = {100}});
        list.close();
        const auto record = card_.allocate<CompletionRecord>({1});
        queue_.submit(list, {d, a}).wait();
        result("list", d);
        list = card_.create_command_list(placement);
        list.add(Nop{});
        list.add(Command(Nop{}).with_record(record));
        list.close();
        queue_.submit(list).wait();
        line("record", std::to_string(record[0].status) + " " + std::to_string(record[0].sequence) +
                           " " + std::to_string(record[0].list_index));
    }
}

void Program::order() {
    Queue other = card_.create_queue({.priority = Priority::low});
    const Semaphore semaphore = card_.create_semaphore();
    const auto d = card_.allocate<std::uint32_t>({4});
    const Job late = other.submit(semaphore.wait(2));
    const Job last = other.submit(fill(d, 8U));
    queue_.submit(fill(d, 7U)).wait();
    line("blocked", std::to_string(last.done()) + " " + std::to_string(d[3]));
    queue_.submit(semaphore.signal(2));
    last.wait();
    line("after the signal", std::to_string(late.done()) + " " + std::to_string(d[3]));
    line("sequence", std::to_string(last.sequence()));
}

void Program::sharing() {
    const auto memory = card_.allocate_device<std::uint32_t>({1024});
    const FileDescriptor fd = card_.export_memory(memory);
    const auto again = card_.import_memory<std::uint32_t>(fd.get(), Access::read_write);
    const auto d = card_.allocate<std::uint32_t>({1024});
    queue_.submit(fill(memory, 5U));
    queue_.submit(copy(d, again)).wait();
    line("imported", std::to_string(again.size()));
    result("import", d);
    std::vector<std::uint32_t> mine(1000, 3);
    const auto registered = card_.register_memory(std::span(mine));
    queue_.submit(copy(registered, memory.slice(0, 1000))).wait();
    result("registered memory", registered);
}

void Program::failures() {
    const auto host = card_.allocate<std::uint32_t>({1024}, {.access = Access::read});
    const Address nowhere{0x7000'0000'0000};
    std::array<char, 32> hexadecimal{};
    std::snprintf(hexadecimal.data(), hexadecimal.size(), "0x%llx",
                  static_cast<unsigned long long>(host.address()));
    address_ = hexadecimal.data();
    const auto fails = [&](const std::string& name, const Command& command) {
        Queue queue = card_.create_queue();
        const Job good = queue.submit(Nop{});
        const Job bad = queue.submit(command);
        const Job behind = queue.submit(Nop{});
        error(name, [&] { bad.wait(); });
        error(name + ", the job behind", [&] { behind.wait(); });
        line(name + ", the job before", std::to_string(good.done()));
        queue.reset();
        queue.submit(Nop{}).wait();
    };
    fails("write to nowhere", Fill{.dst = nowhere, .bytes = 4});
    fails("read from nowhere", Copy{.dst = nowhere, .src = nowhere, .bytes = 4});
    fails("write without permission", Fill{.dst = host.address(), .bytes = 4});
    fails("beyond the end", Copy{.dst = nowhere, .src = host.address(), .bytes = 1 << 20});
    std::array<std::byte, 64> words{std::byte{0xff}};
    fails("unknown opcode", Command::raw(words));
}

void Program::refusals() {
    error("empty buffer", [&] { static_cast<void>(card_.allocate<int>({0})); });
    error("too much", [&] { static_cast<void>(card_.allocate_device<int>({1ULL << 40})); });
    error("ring", [&] { static_cast<void>(card_.create_queue({.entries = 100})); });
    error("time limit",
          [&] { static_cast<void>(card_.create_queue({.time_limit = std::chrono::hours(1)})); });
    error("import of nothing", [&] { static_cast<void>(card_.import_memory<int>(-1)); });
    const auto small = card_.allocate<float>({4});
    error("operand", [&] { queue_.submit(Fill{.dst = small, .bytes = 64}); });
}

void Program::model(const std::filesystem::path& file) {
    const Model model = Model::load(card_, file);
    const auto image = values(28 * 28, 12);
    const auto logits = card_.allocate<float>({10});
    model.submit(queue_, {image, logits}).wait();
    result("model", logits);
    line("model commands", std::to_string(model.commands().size()));
}

}  // namespace

std::string transcript(const Device& card, const std::filesystem::path& model) {
    Program program(card);
    program.properties();
    program.matrices();
    program.elements();
    program.movement();
    program.images();
    program.lists();
    program.order();
    program.sharing();
    program.failures();
    program.refusals();
    program.model(model);
    return program.text();
}

}  // namespace accel::test
