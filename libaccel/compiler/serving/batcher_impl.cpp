// SPDX-License-Identifier: Apache-2.0
#include "serving/batcher_impl.hpp"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "ir/tensor.hpp"

namespace accel::compiler {

namespace {

Error invalid(const std::string& what) {
    return {std::errc::invalid_argument, what};
}

Error closed_error() {
    return {std::errc::operation_canceled,
            "the request was canceled, because its Batcher was destroyed: wait for the requests "
            "before"};
}

// Checks the options before the model is loaded.
std::vector<std::size_t> sizes_of(const BatcherOptions& options) {
    const auto check = [](std::size_t value, const char* name) {
        if (value == 0) {
            throw invalid(std::string("BatcherOptions::") + name + " is 0: it must be at least 1");
        }
    };
    check(options.max_batch, "max_batch");
    check(options.max_waiting, "max_waiting");
    check(options.in_flight, "in_flight");
    std::vector<std::size_t> sizes = options.batch_sizes;
    for (const std::size_t size : sizes) {
        if (size == 0 || size > options.max_batch) {
            throw invalid("BatcherOptions::batch_sizes has " + std::to_string(size) +
                          ", and a size is from 1 to BatcherOptions::max_batch, which is " +
                          std::to_string(options.max_batch));
        }
    }
    for (std::size_t size = 1; options.batch_sizes.empty() && size < options.max_batch; size *= 2) {
        sizes.push_back(size);
    }
    sizes.push_back(options.max_batch);
    return sizes;
}

}  // namespace

BatcherImpl::BatcherImpl(const Device& device, const std::filesystem::path& file,
                         const BatcherOptions& options)
    : options_(options), models_(device, file, options.load, sizes_of(options)) {
    for (std::size_t i = 0; i < options.in_flight; ++i) {
        slots_.push_back(make_slot(device));
        free_.push_back(&slots_.back());
    }
    stats_.weights = models_.weights();
    requests_.emplace(loop_, device,
                      RequestQueueOptions{.queue = options.queue, .in_flight = options.in_flight});
}

BatcherImpl::Slot BatcherImpl::make_slot(const Device& device) const {
    Slot slot;
    for (const auto& tensors : {models_.single().inputs(), models_.single().outputs()}) {
        for (const TensorInfo& tensor : tensors) {
            slot.bytes.push_back(tensor.bytes());
            slot.buffers.push_back(device.allocate<std::byte>(
                {std::max<std::uint64_t>(tensor.bytes() * options_.max_batch, 1)}));
        }
    }
    return slot;
}

void BatcherImpl::check_inputs(const std::vector<TensorData>& inputs) const {
    const std::span<const TensorInfo> expected = models_.single().inputs();
    if (inputs.size() != expected.size()) {
        throw invalid("a request of this Batcher has " + std::to_string(expected.size()) +
                      " inputs, not " + std::to_string(inputs.size()));
    }
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        const TensorInfo& info = expected[i];
        const TensorData& given = inputs[i];
        const std::string name = "input '" + info.name + "' of a request is ";
        if (given.type != info.type || given.shape != info.shape) {
            throw invalid(name + std::string(to_string(info.type)) + to_string(info.shape) +
                          ", not " + std::string(to_string(given.type)) + to_string(given.shape));
        }
        if (given.bytes.size() != info.bytes()) {
            throw invalid(name + std::to_string(info.bytes()) + " bytes, not " +
                          std::to_string(given.bytes.size()));
        }
    }
}

std::optional<InferenceRequest> BatcherImpl::submit(std::vector<TensorData> inputs, bool block) {
    check_inputs(inputs);
    Item item{.request = detail::make_request(weak_from_this()),
              .inputs = std::move(inputs),
              .outputs = std::make_shared<std::vector<TensorData>>(),
              .due = Clock::now() + std::min(options_.max_delay.nanoseconds(),
                                             std::chrono::nanoseconds(std::chrono::hours(24)))};
    InferenceRequest request(item.request, item.outputs);
    {
        std::unique_lock lock(mutex_);
        if (waiting_.size() >= options_.max_waiting) {
            if (!block) {
                return std::nullopt;
            }
            if (loop_.on_this_thread()) {
                throw Error(std::errc::resource_deadlock_would_occur,
                            "this thread completes the requests of the Batcher, so it cannot wait "
                            "for room: use try_submit(), or call from another thread");
            }
            has_room_.wait(lock,
                           [this] { return waiting_.size() < options_.max_waiting || closed_; });
        }
        if (closed_) {
            detail::complete(item.request, closed_error());
            return request;
        }
        waiting_.push_back(std::move(item));
    }
    start_batches();
    return request;
}

// The requests of the next batch, if one is due. A request that runs alone comes first.
BatcherImpl::Items BatcherImpl::take_batch() {
    Items items;
    if (waiting_.empty() || free_.empty() || closed_) {
        return items;
    }
    if (waiting_.front().alone) {
        items.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
    } else if (waiting_.size() >= options_.max_batch || waiting_.front().due <= Clock::now()) {
        const auto count =
            static_cast<std::ptrdiff_t>(std::min(waiting_.size(), options_.max_batch));
        items.assign(std::move_iterator(waiting_.begin()),
                     std::move_iterator(waiting_.begin() + count));
        waiting_.erase(waiting_.begin(), waiting_.begin() + count);
    }
    return items;
}

void BatcherImpl::arm_timer() {
    if (waiting_.empty() || free_.empty() || closed_) {
        return;  // the end of a batch looks again
    }
    const Clock::time_point due = waiting_.front().due;
    if (timer_ && *timer_ <= due) {
        return;
    }
    timer_ = due;
    loop_.post_after(due - Clock::now(), [self = shared_from_this(), due] {
        {
            const std::lock_guard lock(self->mutex_);
            if (self->timer_ == due) {
                self->timer_.reset();
            }
        }
        self->start_batches();
    });
}

void BatcherImpl::start_batches() {
    for (;;) {
        Items items;
        Slot* slot = nullptr;
        {
            const std::lock_guard lock(mutex_);
            items = take_batch();
            if (items.empty()) {
                arm_timer();
                return;
            }
            slot = free_.back();
            free_.pop_back();
            has_room_.notify_all();
        }
        start(*slot, std::move(items));
    }
}

void BatcherImpl::start(Slot& slot, Items items) {
    const std::size_t inputs = models_.single().inputs().size();
    const BatchSizes::Sized& sized = models_.fitting(items.size());
    for (std::size_t i = 0; i < sized.size; ++i) {
        // The rest of the batch repeats its first request: old values could be bad ones.
        const Item& item = items[i < items.size() ? i : 0];
        for (std::size_t input = 0; input < inputs; ++input) {
            std::ranges::copy(item.inputs[input].bytes,
                              slot.buffers[input].begin() + i * slot.bytes[input]);
        }
    }
    std::vector<Operand> arguments;
    for (std::size_t i = 0; i < slot.buffers.size(); ++i) {
        arguments.emplace_back(
            slot.buffers[i].slice(0, std::max<std::uint64_t>(slot.bytes[i] * sized.size, 1)));
    }
    const auto shared = std::make_shared<Items>(std::move(items));
    Request batch;
    {
        const std::lock_guard lock(mutex_);
        if (requests_) {
            batch = requests_->submit(
                [&sized, arguments](Queue& queue) { return sized.model.submit(queue, arguments); });
        }
    }
    if (batch == Request()) {
        end_batch(slot, *shared, closed_error());
        return;
    }
    batch.then(loop_, [self = shared_from_this(), &slot, shared](const JobResult& result) {
        self->end_batch(slot, *shared, result);
        self->start_batches();
    });
}

void BatcherImpl::end_batch(Slot& slot, Items& items, const JobResult& result) {
    // A failure of the card's command can be that of one request.
    const bool again = result.error() && result.error()->failure() && items.size() > 1;
    bool closed = false;
    if (result.ok()) {
        fetch_outputs(slot, items);
    }
    {
        const std::lock_guard lock(mutex_);
        free_.push_back(&slot);
        closed = closed_;
        if (result.ok()) {
            stats_.requests += items.size();
            ++stats_.batches;
        }
        if (again && !closed_) {
            for (Item& item : items) {
                item.alone = true;
            }
            waiting_.insert(waiting_.begin(), std::move_iterator(items.begin()),
                            std::move_iterator(items.end()));
            return;
        }
    }
    for (const Item& item : items) {
        detail::complete(item.request, closed && !result.ok() ? JobResult(closed_error()) : result);
    }
}

void BatcherImpl::fetch_outputs(const Slot& slot, Items& items) const {
    const std::size_t inputs = models_.single().inputs().size();
    const std::span<const TensorInfo> outputs = models_.single().outputs();
    for (std::size_t i = 0; i < items.size(); ++i) {
        for (std::size_t output = 0; output < outputs.size(); ++output) {
            const std::uint64_t bytes = slot.bytes[inputs + output];
            const auto of_request = slot.buffers[inputs + output].span().subspan(i * bytes, bytes);
            items[i].outputs->push_back({outputs[output].type,
                                         outputs[output].shape,
                                         {of_request.begin(), of_request.end()}});
        }
    }
}

bool BatcherImpl::cancel(const Request& request) {
    const std::lock_guard lock(mutex_);
    const auto item =
        std::ranges::find_if(waiting_, [&](const Item& i) { return i.request == request; });
    if (item == waiting_.end() || item->alone) {
        return false;
    }
    waiting_.erase(item);
    has_room_.notify_all();
    detail::complete(request, Error(std::errc::operation_canceled,
                                    "the request was canceled before a card had it"));
    return true;
}

bool BatcherImpl::completes_on_this_thread() const noexcept {
    return loop_.on_this_thread();
}

BatcherStats BatcherImpl::stats() const {
    const std::lock_guard lock(mutex_);
    return stats_;
}

void BatcherImpl::close() noexcept {
    std::optional<RequestQueue> requests;
    std::deque<Item> items;
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
        items = std::exchange(waiting_, {});
        requests.swap(requests_);
        has_room_.notify_all();
    }
    for (const Item& item : items) {
        detail::complete(item.request, closed_error());
    }
    requests.reset();  // ends the batches; the loop tells their requests
    loop_ = EventLoop();
}

}  // namespace accel::compiler
