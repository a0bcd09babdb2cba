// SPDX-License-Identifier: Apache-2.0
#include "ir/elementwise_folding.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <span>

#include "ir/broadcast_operand.hpp"
#include "numerics/elementwise.hpp"
#include "numerics/math.hpp"

namespace accel::compiler {

namespace {

// An operand, its neighbors and their numbers stay in the cache of the processor.
constexpr std::int64_t piece = 1 << 12;

template <typename Number>
class ElementwiseFolding {
  public:
    ElementwiseFolding(const op::Elementwise& operation, const std::vector<Constant>& operands,
                       const Value& result)
        : x_(operation), type_(result.type) {
        operands_.reserve(operands.size());
        for (const Constant& operand : operands) {
            operands_.emplace_back(*operand, result.dims);
        }
        const std::int64_t count = std::min(piece, elements(result.dims));
        for (auto& numbers : numbers_) {
            numbers.resize(static_cast<std::size_t>(count));
        }
    }

    void read(std::size_t first, std::span<std::byte> to) {
        const std::size_t size = size_of(type_);
        const auto begin = static_cast<std::int64_t>(first / size);
        const auto count = static_cast<std::int64_t>(to.size() / size);
        for (std::int64_t done = 0; done < count; done += piece) {
            const auto n = static_cast<std::size_t>(std::min(piece, count - done));
            compute(begin + done, n);
            write_numbers(type_, std::span<const Number>(numbers_[0]).first(n),
                          to.subspan(static_cast<std::size_t>(done) * size, n * size));
        }
        for (const auto& operand : operands_) {
            operand.evict(begin, count);
        }
    }

  private:
    // An operation does not read the operands that it has not.
    void compute(std::int64_t first, std::size_t n) {
        for (std::size_t i = 0; i < operands_.size(); ++i) {
            operands_[i].read(first, std::span(numbers_.at(i)).first(n));
        }
        card::apply_elementwise(static_cast<std::uint8_t>(x_.op), numbers_[0].data(),
                                numbers_[1].data(), numbers_[2].data(), n);
        card::apply_unary(
            numbers_[0].data(), n,
            {static_cast<std::uint8_t>(x_.activation), std::bit_cast<std::uint32_t>(x_.alpha),
             std::bit_cast<std::uint32_t>(x_.beta)});
    }

    op::Elementwise x_;
    DataType type_;
    std::vector<BroadcastOperand<Number>> operands_;
    std::array<std::vector<Number>, 3> numbers_;
};

template <typename Number>
PartReader reader(const op::Elementwise& operation, const std::vector<Constant>& operands,
                  const Value& result) {
    return [folding = std::make_shared<ElementwiseFolding<Number>>(operation, operands, result)](
               std::size_t first, std::span<std::byte> to) { folding->read(first, to); };
}

}  // namespace

PartReader read_elementwise(const op::Elementwise& operation, const std::vector<Constant>& operands,
                            const Value& result) {
    const bool integers = is_integer(operands[0]->type) &&
                          !(operation.op == ElementwiseOp::identity && !is_integer(result.type));
    return integers ? reader<std::int64_t>(operation, operands, result)
                    : reader<float>(operation, operands, result);
}

}  // namespace accel::compiler
