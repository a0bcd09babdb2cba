// SPDX-License-Identifier: Apache-2.0
#include "ir/constant_cache.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <type_traits>

namespace accel::compiler {

namespace {

// A text that is equal for equal values, and for these only: it has each number by its bits, so
// that -0 differs from 0 and NaN equals itself.
class Key {
  public:
    template <typename T>
    requires(std::is_arithmetic_v<T> || std::is_enum_v<T> ||
             std::is_pointer_v<T>) void add(const T& value) {
        std::array<char, sizeof value> bytes;
        std::memcpy(bytes.data(), &value, sizeof value);
        text_.append(bytes.data(), bytes.size());
    }
    template <typename T>
    void add(const std::vector<T>& values) {
        add(values.size());
        for (const T& value : values) {
            add(value);
        }
    }
    void add(std::span<const std::byte> bytes) {
        text_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }

    void add(const op::Elementwise& x) {
        add(x.op);
        add(x.activation);
        add(x.alpha);
        add(x.beta);
    }
    void add(const op::Reduce& x) {
        add(x.op);
        add(x.axis);
    }
    void add(const op::Gather& x) {
        add(x.axis);
        add(x.elements);
    }
    void add(const op::Scatter& x) {
        add(x.axis);
        add(x.elements);
        add(x.op);
    }
    void add(const op::Concat& x) { add(x.axis); }
    void add(const op::Pad& x) {
        add(x.before);
        add(x.step);
        add(x.value);
    }
    void add(const op::Permute& x) { add(x.axes); }
    void add(const op::Slice& x) {
        add(x.start);
        add(x.step);
    }
    void add(const op::Broadcast&) {}
    void add(const op::Reshape&) {}

    // By their identities, not by their elements.
    void add(const std::vector<Constant>& operands) {
        for (const Constant& operand : operands) {
            add(operand->data.identity());
            add(operand->type);
            add(operand->dims);
        }
    }
    void add(std::string_view text) {
        add(text.size());
        text_ += text;
    }

    [[nodiscard]] std::string take() { return std::move(text_); }

  private:
    std::string text_;
};

template <typename T>
concept Foldable = requires(Key& key, const T& operation) {
    key.add(operation);
};

}  // namespace

Constant ConstantCache::share(Constant constant) {
    const TensorStorage& data = constant->data;
    if (data.depth() != 0) {
        return constant;
    }
    constexpr std::size_t sample = 64;
    Key key;
    if (data.size() == 0) {
        return constant;
    }
    key.add(constant->type);
    key.add(constant->dims);
    for (const std::size_t at : {std::size_t{0}, data.size() / 2, data.size() - data.size() / 16}) {
        key.add(std::span(data.data() + at, std::min(sample, data.size() - at)));
    }
    std::vector<Constant>& candidates = equal_[key.take()];
    const auto found = std::ranges::find_if(candidates, [&](const Constant& other) {
        return other->data.identity() == data.identity() ||
               std::memcmp(other->data.data(), data.data(), data.size()) == 0;
    });
    if (found != candidates.end()) {
        data.evict();
        (*found)->data.evict();
        return *found;
    }
    candidates.push_back(constant);
    return constant;
}

Constant& ConstantCache::result(const Operation& operation, const std::vector<Constant>& operands,
                                const Value& result) {
    Key key;
    key.add(operation.index());
    const bool foldable = std::visit(
        [&](const auto& x) {
            if constexpr (Foldable<std::decay_t<decltype(x)>>) {
                key.add(x);
                return true;
            }
            return false;
        },
        operation);
    key.add(result.type);
    key.add(result.dims);
    key.add(operands);
    Result& known = results_[foldable ? key.take() : std::string()];
    if (!foldable) {
        known.constant = nullptr;
    } else if (known.operands.empty()) {
        known.operands = operands;
    }
    return known.constant;
}

Constant& ConstantCache::derived(std::string_view what, const std::vector<std::int64_t>& numbers,
                                 const std::vector<Constant>& operands) {
    Key key;
    key.add(what);
    key.add(numbers);
    key.add(operands);
    Result& known = derived_[key.take()];
    if (known.operands.empty()) {
        known.operands = operands;
    }
    return known.constant;
}

}  // namespace accel::compiler
