// SPDX-License-Identifier: Apache-2.0
//
// Sends sixty-four tiles through three stages: a copy to the card, a product with a matrix on the
// card, and a copy back. The stages run alone, in sequence, and overlapped by accel::Pipeline, in
// virtual time.
#include <algorithm>
#include <cmath>

#include "copies.hpp"
#include "report.hpp"

namespace accel::bench {
namespace {

constexpr std::uint64_t tiles = 64;
constexpr std::uint64_t buffers = 4;  // tiles in device memory between two stages
constexpr std::uint32_t rows = 64;
constexpr std::uint32_t problem_size = 1024;
constexpr std::size_t tile_size = std::size_t{rows} * problem_size;  // floats

class Tiles {
  public:
    explicit Tiles(const Device& card)
        : in_(card.allocate<float>({tiles * tile_size})),
          out_(card.allocate<float>({tiles * tile_size})),
          matrix_(card.allocate<float>({problem_size, problem_size})),
          weights_(card.allocate_device<float>({problem_size, problem_size})),
          tiles_(card.allocate_device<float>({buffers * tile_size})),
          products_(card.allocate_device<float>({buffers * tile_size})),
          pipeline_(card,
                    {.inputs = {tile_size * sizeof(float)},
                     .outputs = {tile_size * sizeof(float)},
                     .depth = buffers,
                     .queue = {.spin = never_sleep}},
                    [this](Queue& queue, std::span<const Operand> arguments) {
                        return queue.submit(product(arguments[1], arguments[0]));
                    }) {
        for (int i = 0; i < 3; ++i) {
            queues_.push_back(card.create_queue({.entries = 512, .spin = never_sleep}));
        }
        // Small integers: every sum is exact in any order.
        for (std::size_t i = 0; i < in_.size(); ++i) {
            in_[i] = static_cast<float>(i * 7 % 11) - 5.0F;
        }
        for (std::size_t i = 0; i < matrix_.size(); ++i) {
            matrix_[i] = static_cast<float>(i * 5 % 13) - 6.0F;
        }
        queues_[0].submit(copy(weights_, matrix_)).wait();
    }

    // Runs stage by stage, or all three stages of a tile before the next one; in nanoseconds.
    std::uint64_t alone(unsigned stage) {
        const std::uint64_t start = now_ns();
        Queue& queue = queues_[stage];
        for (std::uint64_t t = 0; t < tiles; ++t) {
            queue.submit(command(stage, t));
        }
        queue.synchronize();
        return now_ns() - start;
    }
    std::uint64_t serial() {
        std::ranges::fill(out_, 0.0F);
        const std::uint64_t start = now_ns();
        for (std::uint64_t t = 0; t < tiles; ++t) {
            for (unsigned stage = 0; stage < 3; ++stage) {
                queues_[0].submit(command(stage, t));
            }
        }
        queues_[0].synchronize();
        return now_ns() - start;
    }
    std::uint64_t pipelined() {
        std::ranges::fill(out_, 0.0F);
        const std::uint64_t start = now_ns();
        for (std::uint64_t t = 0; t < tiles; ++t) {
            pipeline_.submit({in_.slice(t * tile_size, tile_size)},
                             {out_.slice(t * tile_size, tile_size)});
        }
        pipeline_.synchronize();
        return now_ns() - start;
    }

    // Checks some elements of every tile against a product on the CPU.
    [[nodiscard]] bool right() const {
        bool equal = true;
        for (std::uint64_t t = 0; t < tiles; ++t) {
            for (std::uint64_t i = 0; i < 16; ++i) {
                const std::size_t row = (t * 5 + i * 11) % rows;
                const std::size_t column = (t * 131 + i * 677) % problem_size;
                float sum = 0;
                for (std::size_t k = 0; k < problem_size; ++k) {
                    sum += in_[t * tile_size + row * problem_size + k] *
                           matrix_[k * problem_size + column];
                }
                equal &= sum == out_[t * tile_size + row * problem_size + column];
            }
        }
        return equal;
    }

  private:
    [[nodiscard]] Command product(const Operand& result, const Operand& tile) const {
        return Gemm{
            .d = result, .a = tile, .b = weights_, .m = rows, .n = problem_size, .k = problem_size};
    }
    [[nodiscard]] Command command(unsigned stage, std::uint64_t tile) const {
        const auto slot = [&](const Buffer<float>& ring) {
            return ring.slice(tile % buffers * tile_size, tile_size);
        };
        switch (stage) {
            case 0:
                return copy(slot(tiles_), in_.slice(tile * tile_size, tile_size));
            case 1:
                return product(slot(products_), slot(tiles_));
            default:
                return copy(out_.slice(tile * tile_size, tile_size), slot(products_));
        }
    }

    Buffer<float> in_;
    Buffer<float> out_;
    Buffer<float> matrix_;
    Buffer<float> weights_;
    Buffer<float> tiles_;
    Buffer<float> products_;
    Pipeline pipeline_;
    std::vector<Queue> queues_;
};

}  // namespace
}  // namespace accel::bench

int main(int argc, char** argv) {
    using namespace accel::bench;
    return program(argc, argv, [](Report& report) {
        const accel::Device card = accel::Device::open(0);
        Tiles pipeline(card);
        const std::uint64_t serial = pipeline.serial();
        const bool serial_right = pipeline.right();
        const std::uint64_t stages[] = {pipeline.alone(0), pipeline.alone(1), pipeline.alone(2)};
        const auto slowest = static_cast<double>(*std::ranges::max_element(stages));
        const std::uint64_t together = pipeline.pipelined();
        const nlohmann::json more{{"tiles", tiles},
                                  {"tile_bytes", tile_size * sizeof(float)},
                                  {"stages_ns", stages},
                                  {"serial_ns", serial},
                                  {"pipelined_ns", together}};
        report.value("accel.pipeline.serial", static_cast<double>(serial) / slowest,
                     "slowest stage", serial_right, more);
        report.value("accel.pipeline.64", static_cast<double>(together) / slowest, "slowest stage",
                     pipeline.right(), more);
    });
}
