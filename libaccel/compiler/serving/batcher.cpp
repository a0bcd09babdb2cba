// SPDX-License-Identifier: Apache-2.0
//
// The public Batcher.
#include <accel/batcher.hpp>

#include <new>
#include <utility>

#include "serving/batcher_impl.hpp"

namespace accel {

namespace {

compiler::BatcherImpl& opened(const std::shared_ptr<compiler::BatcherImpl>& impl) {
    if (!impl) {
        throw Error(std::errc::invalid_argument,
                    "this Batcher was moved from: use the object that it was moved to");
    }
    if (impl->in_child()) {
        detail::throw_in_child();
    }
    return *impl;
}

}  // namespace

std::vector<TensorData> InferenceRequest::get() {
    wait();
    if (!outputs_) {
        return {};
    }
    return std::exchange(*outputs_, {});
}

Batcher::Batcher(const Device& device, const std::filesystem::path& file,
                 const BatcherOptions& options)
    : impl_(std::make_shared<compiler::BatcherImpl>(device, file, options)) {}

Batcher::Batcher(Batcher&&) noexcept = default;

Batcher& Batcher::operator=(Batcher&& other) noexcept {
    if (this != &other) {
        close();
        impl_ = std::move(other.impl_);
    }
    return *this;
}

Batcher::~Batcher() {
    close();
}

void Batcher::close() noexcept {
    if (impl_ && impl_->in_child()) {
        // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): kept forever
        static_cast<void>(new (std::nothrow)
                              std::shared_ptr<compiler::BatcherImpl>(std::move(impl_)));
    } else if (impl_) {
        impl_->close();
        impl_.reset();
    }
}

std::span<const TensorInfo> Batcher::inputs() const {
    return opened(impl_).models().single().inputs();
}

std::span<const TensorInfo> Batcher::outputs() const {
    return opened(impl_).models().single().outputs();
}

InferenceRequest Batcher::submit(std::vector<TensorData> inputs) {
    return *opened(impl_).submit(std::move(inputs), true);
}

std::optional<InferenceRequest> Batcher::try_submit(std::vector<TensorData> inputs) {
    return opened(impl_).submit(std::move(inputs), false);
}

BatcherStats Batcher::stats() const {
    return opened(impl_).stats();
}

}  // namespace accel
