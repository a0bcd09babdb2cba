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
        const TensorStorage computed = state_->computation();
        state_->source = computed.state_->source;
        state_->first = computed.state_->first;
        state_->writable = computed.state_->writable;
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
    state_->sliced = {};
    return state_->writable;
}

TensorStorage TensorStorage::part(std::size_t first, std::size_t bytes) const {
    const std::byte* const start = data();
    return state_ ? TensorStorage(state_->source, {start + first, bytes}) : TensorStorage();
}

void TensorStorage::forget() noexcept {
    constexpr unsigned limit = 2;
    if (state_ && state_->computation && state_->source && state_->forgotten < limit) {
        ++state_->forgotten;
        state_->source = nullptr;
        state_->first = nullptr;
        state_->writable = nullptr;
    }
}

void TensorStorage::release() const noexcept {
    if (state_ && state_->computation && state_->source) {
        state_->source = nullptr;
        state_->first = nullptr;
        state_->writable = nullptr;
    }
}

void TensorStorage::move_away(Computation computation) const {
    constexpr std::size_t few = 1 << 12;
    if (!state_ || state_->size < few || (state_->source && state_->source->in_file())) {
        return;
    }
    if (!state_->computation) {
        state_->computation = std::move(computation);
        state_->depth = 1;
    }
    release();
}

void TensorStorage::evict() const noexcept {
    if (state_ && state_->source) {
        state_->source->evict({state_->first, state_->size});
    }
}

}  // namespace accel::compiler
