// SPDX-License-Identifier: Apache-2.0
#include "ir/tensor_storage.hpp"

#include <algorithm>
#include <utility>

namespace accel::compiler {

TensorStorage::TensorStorage(std::size_t bytes) {
    if (bytes != 0) {
        const auto source = ByteSource::allocate(bytes);
        state_ = std::make_shared<State>(State{.size = bytes,
                                               .source = source,
                                               .first = source->writable(),
                                               .writable = source->writable()});
    }
}

TensorStorage::TensorStorage(std::vector<std::byte> bytes) {
    if (!bytes.empty()) {
        const auto source = ByteSource::own(std::move(bytes));
        state_ = std::make_shared<State>(State{.size = source->bytes().size(),
                                               .source = source,
                                               .first = source->writable(),
                                               .writable = source->writable()});
    }
}

TensorStorage::TensorStorage(Bytes source, std::span<const std::byte> part) {
    if (!part.empty()) {
        state_ = std::make_shared<State>(
            State{.size = part.size(), .source = std::move(source), .first = part.data()});
    }
}

TensorStorage::TensorStorage(std::size_t bytes, Computation computation, unsigned depth) {
    if (bytes != 0) {
        state_ = std::make_shared<State>(
            State{.size = bytes, .computation = std::move(computation), .depth = depth});
    }
}

const std::byte* TensorStorage::data() const {
    if (!state_) {
        return nullptr;
    }
    if (!state_->source) {
        const TensorStorage computed = compute();
        state_->source = computed.state_->source;
        state_->first = computed.state_->first;
        state_->writable = computed.state_->writable;
        state_->computation = nullptr;  // and with it the operands
    }
    return state_->first;
}

std::byte* TensorStorage::data() {
    if (!state_) {
        return nullptr;
    }
    if (state_->writable == nullptr || state_.use_count() != 1 || state_->source.use_count() != 1) {
        TensorStorage copy(size());
        std::copy_n(std::as_const(*this).data(), size(), copy.state_->writable);
        *this = std::move(copy);
    }
    state_->permuted = {};
    return state_->writable;
}

TensorStorage TensorStorage::part(std::size_t first, std::size_t bytes) const {
    const std::byte* const start = data();
    return state_ ? TensorStorage(state_->source, {start + first, bytes}) : TensorStorage();
}

TensorStorage TensorStorage::compute() const {
    TensorStorage all(size());
    state_->computation()(0, {all.state_->writable, size()});
    return all;
}

bool TensorStorage::compute_again() const {
    constexpr unsigned limit = 2;
    if (depth() == 0 || state_->computed == limit) {
        return false;
    }
    ++state_->computed;
    return true;
}

PartReader TensorStorage::reader() const {
    if (compute_again()) {
        return state_->computation();
    }
    return [storage = *this](std::size_t first, std::span<std::byte> to) {
        std::copy_n(storage.data() + first, to.size(), to.data());
    };
}

TensorStorage TensorStorage::whole() const {
    if (compute_again()) {
        return compute();
    }
    static_cast<void>(data());
    return *this;
}

void TensorStorage::evict_in_steps(std::size_t first, std::size_t bytes) const noexcept {
    constexpr std::size_t step = std::size_t{1} << 22;
    const std::size_t end = first + bytes;
    if (first / step != end / step || end == size()) {
        const std::size_t start = first / step * step;
        evict(start, end - start);
    }
}

void TensorStorage::evict(std::size_t first, std::size_t bytes) const noexcept {
    if (state_ && state_->source) {
        state_->source->evict({state_->first + first, bytes});
    }
}

}  // namespace accel::compiler
