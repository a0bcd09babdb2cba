// SPDX-License-Identifier: Apache-2.0
//
// Benchmark of the emulated engines: each command passes through the SDK and the emulated card, in
// one process, on one CPU core and then on all. `share` is the rate relative to the peak of the
// cores: their fused multiply-adds for GEMM and CONV2D, and the memory bandwidth of one core for
// the other commands. `speed-up` is relative to one core.
#include <benchmark/benchmark.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "accel/accel.hpp"
#include "device_lookup.hpp"
#include "fake_driver.hpp"
#include "peak.hpp"

namespace accel::bench {
namespace {

using Clock = std::chrono::steady_clock;

// The cores that this thread may use. The engines of a card have those that the thread that makes
// the card may use.
class Cores {
  public:
    Cores() { (void)sched_getaffinity(0, sizeof set_, &set_); }
    [[nodiscard]] int count() const { return CPU_COUNT(&set_); }
    [[nodiscard]] Cores first() const {
        Cores one(*this);
        CPU_ZERO(&one.set_);
        for (std::size_t i = 0; one.count() == 0; ++i) {
            if (CPU_ISSET(i, &set_)) {
                CPU_SET(i, &one.set_);
            }
        }
        return one;
    }
    void use() const { (void)sched_setaffinity(0, sizeof set_, &set_); }

  private:
    cpu_set_t set_{};
};

// The card that ACCEL_DEVICE names, or the machine of the emulated device without the library
// around it. Emulated cards whose names differ are different cards, so the one on one core has
// another serial number.
Device open_card(bool one_core) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): no thread changes the environment
    const char* const given = std::getenv("ACCEL_DEVICE");
    if (given != nullptr && *given != '\0') {
        std::string name = given;
        if (one_core && name.starts_with("emulated")) {
            name += (name.find(':') == std::string::npos ? ":" : ",") + std::string("serial=1001");
        }
        return Device::open(name);
    }
    const auto driver = std::make_shared<fake::Driver>(
        std::vector<fake::CardOptions>{{.memory = std::uint64_t{1} << 30}});
    return detail::DeviceAccess::make(detail::open_device(driver, "/dev/accel0"));
}

Device open_card_on(const Cores& cores) {
    const Cores all;
    cores.use();
    Device device = open_card(cores.count() < all.count());
    all.use();
    return device;
}

// A card with memory for large tensors. All benchmarks on the same cores share it, since they run
// one after the other.
struct Machine {
    explicit Machine(const Cores& engine_cores)
        : cores(engine_cores.count()),
          device(open_card_on(engine_cores)),
          queue(device.create_queue()) {}

    int cores;
    Device device;
    Queue queue;
};

// A benchmark, and the seconds that a command took on one core, for each set of arguments.
struct Case {
    Machine& machine;
    std::map<std::vector<std::int64_t>, double>& on_one_core;
};

template <typename T>
Buffer<T> tensor(Case& on, std::uint64_t elements) {
    auto buffer =
        on.machine.device.allocate<T>({elements}, {.placement = Placement::device_mapped});
    for (std::uint64_t i = 0; i < elements; ++i) {
        buffer.data()[i] = static_cast<T>(i % 13);
    }
    return buffer;
}

// Times a command of `macs` multiply-adds, or of `bytes` read and written.
void time(benchmark::State& state, Case& on, std::vector<std::int64_t> arguments,
          const Command& command, double macs, double bytes) {
    const auto start = Clock::now();
    while (state.KeepRunning()) {
        on.machine.queue.submit(command).wait();
    }
    const auto runs = static_cast<double>(state.iterations());
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count() / runs;
    using benchmark::Counter;
    if (macs > 0) {
        state.counters["MAC/s"] = Counter(runs * macs, Counter::kIsRate);
        state.counters["share"] =
            Counter(runs * macs / peak_macs() / on.machine.cores, Counter::kIsRate);
    } else {
        state.counters["B/s"] = Counter(runs * bytes, Counter::kIsRate);
        state.counters["share"] = Counter(runs * bytes / peak_bytes(), Counter::kIsRate);
    }
    double& on_one_core = on.on_one_core[std::move(arguments)];
    on_one_core = on.machine.cores == 1 ? seconds : on_one_core;
    state.counters["speed-up"] = on_one_core / seconds;
}

// The product of two matrices of short rows of results, which sums many products each.
void long_sums(benchmark::State& state, Case& on) {
    constexpr std::uint32_t side = 64;
    const auto k = static_cast<std::uint32_t>(state.range(1));
    const auto a = tensor<float>(on, std::uint64_t{side} * k);
    const auto b = tensor<float>(on, std::uint64_t{side} * k);
    const auto d = tensor<float>(on, std::uint64_t{side} * side);
    time(state, on, {k}, Gemm{.d = d, .a = a, .b = b, .m = side, .n = side, .k = k},
         static_cast<double>(side) * side * k, 0);
}

template <typename T, typename Result>
void gemm(benchmark::State& state, Case& on) {
    const auto n = static_cast<std::uint32_t>(state.range(1));
    const std::uint64_t elements = std::uint64_t{n} * n;
    const auto a = tensor<T>(on, elements);
    const auto b = tensor<T>(on, elements);
    const auto d = tensor<Result>(on, elements);
    constexpr bool bytes = sizeof(T) == 1;
    time(state, on, {n},
         Gemm{.d = d,
              .a = a,
              .b = b,
              .m = n,
              .n = n,
              .k = n,
              .format = {.a_type = bytes ? DataType::u8 : DataType::f32,
                         .b_type = bytes ? DataType::u8 : DataType::f32,
                         .result_type = bytes ? DataType::i32 : DataType::f32}},
         static_cast<double>(elements) * n, 0);
}

void conv2d(benchmark::State& state, Case& on) {
    const auto side = static_cast<std::uint32_t>(state.range(1));
    const auto channels = static_cast<std::uint32_t>(state.range(2));
    const auto pixels = std::uint64_t{side} * side;
    const auto source = tensor<float>(on, pixels * channels);
    const auto weights = tensor<float>(on, std::uint64_t{9} * channels * channels);
    const auto d = tensor<float>(on, pixels * channels);
    const ImageLayout images{.height = side, .width = side, .channels = channels};
    time(state, on, {side, channels},
         Conv2d{.dst = d,
                .src = source,
                .weights = weights,
                .src_layout = images,
                .dst_layout = images,
                .window = {.height = 3, .width = 3, .pad_top = 1, .pad_left = 1}},
         static_cast<double>(pixels) * 9 * channels * channels, 0);
}

void elementwise(benchmark::State& state, Case& on) {
    const auto n = static_cast<std::uint64_t>(state.range(1));
    const auto a = tensor<float>(on, n);
    const auto b = tensor<float>(on, n);
    const auto d = tensor<float>(on, n);
    time(state, on, {state.range(1)},
         Elementwise{.op = ElementwiseOp::add, .dst = d, .a = a, .b = b, .shape = {n}}, 0,
         static_cast<double>(3 * n * sizeof(float)));
}

void sigmoid(benchmark::State& state, Case& on) {
    const auto n = static_cast<std::uint64_t>(state.range(1));
    const auto a = tensor<float>(on, n);
    const auto d = tensor<float>(on, n);
    time(state, on, {state.range(1)},
         Elementwise{.op = ElementwiseOp::identity,
                     .dst = d,
                     .a = a,
                     .shape = {n},
                     .activation = UnaryOp::sigmoid},
         0, static_cast<double>(2 * n * sizeof(float)));
}

void softmax(benchmark::State& state, Case& on) {
    const auto n = static_cast<std::uint32_t>(state.range(1));
    const std::uint32_t outer = (1U << 20) / n;
    const auto a = tensor<float>(on, std::uint64_t{n} * outer);
    const auto d = tensor<float>(on, std::uint64_t{n} * outer);
    time(state, on, {n}, Softmax{.dst = d, .src = a, .outer = outer, .n = n}, 0,
         static_cast<double>(2 * sizeof(float)) * n * outer);
}

// The sums of the rows of a matrix, and of its columns.
template <bool rows>
void reduce(benchmark::State& state, Case& on) {
    const auto n = static_cast<std::uint32_t>(state.range(1));
    const std::uint32_t outer = (1U << 20) / n;
    const auto a = tensor<float>(on, std::uint64_t{n} * outer);
    const auto d = tensor<float>(on, outer);
    time(state, on, {n},
         Reduce{.op = ReduceOp::sum,
                .dst = d,
                .src = a,
                .outer = rows ? outer : 1,
                .n = n,
                .inner = rows ? 1 : outer},
         0, static_cast<double>(sizeof(float)) * n * outer);
}

void transpose(benchmark::State& state, Case& on) {
    const auto n = static_cast<std::uint32_t>(state.range(1));
    const auto a = tensor<float>(on, std::uint64_t{n} * n);
    const auto d = tensor<float>(on, std::uint64_t{n} * n);
    time(state, on, {n},
         Transpose{
             .dst = d, .src = a, .shape = {n, n}, .src_strides = {1, static_cast<std::int32_t>(n)}},
         0, static_cast<double>(2 * sizeof(float)) * n * n);
}

void pool(benchmark::State& state, Case& on) {
    const auto side = static_cast<std::uint32_t>(state.range(1));
    constexpr std::uint32_t channels = 32;
    const auto a = tensor<float>(on, std::uint64_t{side} * side * channels);
    const auto d = tensor<float>(on, std::uint64_t{side} * side / 4 * channels);
    time(state, on, {side},
         Pool{.op = PoolOp::max,
              .dst = d,
              .src = a,
              .src_layout = {.height = side, .width = side, .channels = channels},
              .dst_layout = {.height = side / 2, .width = side / 2, .channels = channels},
              .window = {.height = 2, .width = 2, .stride_y = 2, .stride_x = 2}},
         0, static_cast<double>(sizeof(float)) * side * side * channels * 5 / 4);
}

Machine& machine(bool one_core) {
    static Machine on_one{Cores().first()};
    static Machine on_all{Cores()};
    return one_core ? on_one : on_all;
}

// The first argument of a benchmark is the number of cores.
template <void (*function)(benchmark::State&, Case&)>
void run(benchmark::State& state) {
    static std::map<std::vector<std::int64_t>, double> on_one_core;
    Case on{.machine = machine(state.range(0) == 1), .on_one_core = on_one_core};
    function(state, on);
}

// Registers a benchmark, for each set of arguments on one core and then on all.
template <void (*function)(benchmark::State&, Case&)>
void add(const char* name, const std::vector<std::vector<std::int64_t>>& arguments) {
#ifndef __clang_analyzer__  // it takes what the library owns for a leak
    auto* const registered = benchmark::RegisterBenchmark(name, run<function>);
    std::vector<std::string> names(arguments.front().size() + 1);
    names.front() = "cores";
    registered->UseRealTime()->ArgNames(names);
    for (std::vector<std::int64_t> each : arguments) {
        each.insert(each.begin(), 1);
        registered->Args(each);
        each.front() = Cores().count();
        registered->Args(each);
    }
#else
    static_cast<void>(name);
    static_cast<void>(arguments);
#endif
}

}  // namespace
}  // namespace accel::bench

int main(int argc, char** argv) {
    using namespace accel::bench;
    add<gemm<float, float>>("GEMM/f32", {{256}, {1024}});
    add<long_sums>("GEMM/f32/long", {{1 << 16}});
    add<gemm<std::uint8_t, std::int32_t>>("GEMM/u8", {{256}, {1024}});
    add<conv2d>("CONV2D/f32", {{56, 64}, {14, 256}});
    add<elementwise>("ELEMENTWISE/add", {{1 << 14}, {1 << 22}});
    add<sigmoid>("ELEMENTWISE/sigmoid", {{1 << 20}});
    add<softmax>("SOFTMAX", {{16}, {1024}});
    add<reduce<true>>("REDUCE/rows", {{16}, {1024}});
    add<reduce<false>>("REDUCE/columns", {{16}, {1024}});
    add<transpose>("TRANSPOSE", {{1024}});
    add<pool>("POOL/max", {{112}});
    benchmark::AddCustomContext("peak multiply-adds per second of a core",
                                std::to_string(peak_macs()));
    benchmark::AddCustomContext("peak bytes per second of a core", std::to_string(peak_bytes()));
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
        return 2;
    }
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
