// SPDX-License-Identifier: Apache-2.0
#include "ir/constant_cache.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>

#include "ir/constant_folding.hpp"

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
    const std::string text = key.take();
    Constant found = base_ ? base_->find_equal(text, constant) : nullptr;
    if (!found) {
        found = find_equal(text, constant);
    }
    if (!found) {
        equal_[text].push_back(constant);
        return constant;
    }
    return found;
}

Constant ConstantCache::find_equal(const std::string& key, const Constant& constant) const {
    const auto candidates = equal_.find(key);
    if (candidates == equal_.end()) {
        return nullptr;
    }
    const TensorStorage& data = constant->data;
    for (const Constant& other : candidates->second) {
        if (other->data.identity() == data.identity()) {
            return other;
        }
        const bool equal = std::memcmp(std::as_const(other->data).data(), data.data(),
                                       data.size()) == 0;
        other->data.release();
        if (equal) {
            data.evict();
            other->data.evict();
            return other;
        }
    }
    return nullptr;
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
    for (const Constant& operand : operands) {
        key.add(operand->data.identity());
        key.add(operand->type);
        key.add(operand->dims);
    }
    const std::string text = foldable ? key.take() : std::string();
    if (base_ && foldable) {
        if (const auto found = base_->results_.find(text);
            found != base_->results_.end() && found->second.constant) {
            from_base_ = found->second.constant;
            return from_base_;
        }
    }
    Result& known = results_[text];
    if (!foldable) {
        known.constant = nullptr;
    } else if (known.operands.empty()) {
        known.operands = operands;
    }
    return known.constant;
}

Constant ConstantCache::fold(const Operation& operation, const std::vector<Constant>& operands,
                             const Value& result) {
    Constant& known = this->result(operation, operands, result);
    if (!known) {
        known = fold_constant(operation, operands, result);
    }
    return known;
}

void ConstantCache::release() const noexcept {
    for (const auto& [key, constants] : equal_) {
        for (const Constant& constant : constants) {
            constant->data.release();
        }
    }
    for (const auto& [key, made] : results_) {
        if (made.constant) {
            made.constant->data.release();
        }
    }
}

}  // namespace accel::compiler
