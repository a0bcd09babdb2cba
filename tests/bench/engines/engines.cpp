// SPDX-License-Identifier: Apache-2.0
//
// Benchmark of the emulated engines on one CPU core: each command passes through the SDK and the
// emulated card, in one process. `share` is the rate relative to the peak of the CPU core: its
// fused multiply-adds for GEMM and CONV2D, its memory bandwidth for the other commands.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "accel/accel.hpp"
#include "device_lookup.hpp"
#include "fake_driver.hpp"
#include "peak.hpp"

namespace accel::bench {
namespace {

using Clock = std::chrono::steady_clock;

// The card that ACCEL_DEVICE names, or the machine of the emulated device without the library
// around it.
Device open_card() {
    if (const char* const name = std::getenv("ACCEL_DEVICE"); name != nullptr && *name != '\0') {
        return Device::open();
    }
    const auto driver = std::make_shared<fake::Driver>(
        std::vector<fake::CardOptions>{{.memory = std::uint64_t{1} << 30}});
    return detail::DeviceAccess::make(detail::open_device(driver, "/dev/accel0"));
}

// A card with memory for large tensors. All benchmarks share it, since they run one after the
// other.
struct Machine {
    Device device = open_card();
    Queue queue = device.create_queue();
};

Machine& machine() {
    static Machine one;
    return one;
}

template <typename T>
Buffer<T> tensor(std::uint64_t elements) {
    auto buffer = machine().device.allocate<T>({elements}, {.placement = Placement::device_mapped});
    for (std::uint64_t i = 0; i < elements; ++i) {
        buffer.data()[i] = static_cast<T>(i % 13);
    }
    return buffer;
}

// Times a command of `macs` multiply-adds, or of `bytes` read and written.
void time(benchmark::State& state, const Command& command, double macs, double bytes) {
    while (state.KeepRunning()) {
        machine().queue.submit(command).wait();
    }
    const auto runs = static_cast<double>(state.iterations());
    using benchmark::Counter;
    if (macs > 0) {
        state.counters["MAC/s"] = Counter(runs * macs, Counter::kIsRate);
        state.counters["share"] = Counter(runs * macs / peak_macs(), Counter::kIsRate);
    } else {
        state.counters["B/s"] = Counter(runs * bytes, Counter::kIsRate);
        state.counters["share"] = Counter(runs * bytes / peak_bytes(), Counter::kIsRate);
    }
}

template <typename T, typename Result>
void gemm(benchmark::State& state) {
    const auto n = static_cast<std::uint32_t>(state.range(0));
    const std::uint64_t elements = std::uint64_t{n} * n;
    const auto a = tensor<T>(elements);
    const auto b = tensor<T>(elements);
    const auto d = tensor<Result>(elements);
    constexpr bool bytes = sizeof(T) == 1;
    time(state,
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

void conv2d(benchmark::State& state) {
    const auto side = static_cast<std::uint32_t>(state.range(0));
    const auto channels = static_cast<std::uint32_t>(state.range(1));
    const auto pixels = std::uint64_t{side} * side;
    const auto source = tensor<float>(pixels * channels);
    const auto weights = tensor<float>(std::uint64_t{9} * channels * channels);
    const auto d = tensor<float>(pixels * channels);
    const ImageLayout images{.height = side, .width = side, .channels = channels};
    time(state,
         Conv2d{.dst = d,
                .src = source,
                .weights = weights,
                .src_layout = images,
                .dst_layout = images,
                .window = {.height = 3, .width = 3, .pad_top = 1, .pad_left = 1}},
         static_cast<double>(pixels) * 9 * channels * channels, 0);
}

void elementwise(benchmark::State& state) {
    const auto n = static_cast<std::uint64_t>(state.range(0));
    const auto a = tensor<float>(n);
    const auto b = tensor<float>(n);
    const auto d = tensor<float>(n);
    time(state, Elementwise{.op = ElementwiseOp::add, .dst = d, .a = a, .b = b, .shape = {n}}, 0,
         static_cast<double>(3 * n * sizeof(float)));
}

void sigmoid(benchmark::State& state) {
    const auto n = static_cast<std::uint64_t>(state.range(0));
    const auto a = tensor<float>(n);
    const auto d = tensor<float>(n);
    time(state,
         Elementwise{.op = ElementwiseOp::identity,
                     .dst = d,
                     .a = a,
                     .shape = {n},
                     .activation = UnaryOp::sigmoid},
         0, static_cast<double>(2 * n * sizeof(float)));
}

void softmax(benchmark::State& state) {
    const auto n = static_cast<std::uint32_t>(state.range(0));
    const auto a = tensor<float>(std::uint64_t{n} * n);
    const auto d = tensor<float>(std::uint64_t{n} * n);
    time(state, Softmax{.dst = d, .src = a, .outer = n, .n = n}, 0,
         static_cast<double>(2 * sizeof(float)) * n * n);
}

void transpose(benchmark::State& state) {
    const auto n = static_cast<std::uint32_t>(state.range(0));
    const auto a = tensor<float>(std::uint64_t{n} * n);
    const auto d = tensor<float>(std::uint64_t{n} * n);
    time(state,
         Transpose{
             .dst = d, .src = a, .shape = {n, n}, .src_strides = {1, static_cast<std::int32_t>(n)}},
         0, static_cast<double>(2 * sizeof(float)) * n * n);
}

void pool(benchmark::State& state) {
    const auto side = static_cast<std::uint32_t>(state.range(0));
    constexpr std::uint32_t channels = 32;
    const auto a = tensor<float>(std::uint64_t{side} * side * channels);
    const auto d = tensor<float>(std::uint64_t{side} * side / 4 * channels);
    time(state,
         Pool{.op = PoolOp::max,
              .dst = d,
              .src = a,
              .src_layout = {.height = side, .width = side, .channels = channels},
              .dst_layout = {.height = side / 2, .width = side / 2, .channels = channels},
              .window = {.height = 2, .width = 2, .stride_y = 2, .stride_x = 2}},
         0, static_cast<double>(sizeof(float)) * side * side * channels * 5 / 4);
}

}  // namespace
}  // namespace accel::bench

int main(int argc, char** argv) {
    using namespace accel::bench;
    benchmark::RegisterBenchmark("GEMM/f32", gemm<float, float>)
        ->UseRealTime()
        ->Arg(256)
        ->Arg(1024);
    benchmark::RegisterBenchmark("GEMM/u8", gemm<std::uint8_t, std::int32_t>)
        ->UseRealTime()
        ->Arg(256)
        ->Arg(1024);
    benchmark::RegisterBenchmark("CONV2D/f32", conv2d)
        ->UseRealTime()
        ->Args({56, 64})
        ->Args({14, 256});
    benchmark::RegisterBenchmark("ELEMENTWISE/add", elementwise)
        ->UseRealTime()
        ->Arg(1 << 14)
        ->Arg(1 << 22);
    benchmark::RegisterBenchmark("ELEMENTWISE/sigmoid", sigmoid)->UseRealTime()->Arg(1 << 20);
    benchmark::RegisterBenchmark("SOFTMAX", softmax)->UseRealTime()->Arg(1024);
    benchmark::RegisterBenchmark("TRANSPOSE", transpose)->UseRealTime()->Arg(1024);
    benchmark::RegisterBenchmark("POOL/max", pool)->UseRealTime()->Arg(112);
    benchmark::AddCustomContext("peak multiply-adds per second", std::to_string(peak_macs()));
    benchmark::AddCustomContext("peak bytes per second", std::to_string(peak_bytes()));
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
        return 2;
    }
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
