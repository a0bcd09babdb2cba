// SPDX-License-Identifier: Apache-2.0
#include "runtime/shape_cache.hpp"

#include <algorithm>
#include <utility>

#include "ir/error.hpp"

namespace accel::compiler {

namespace {

bool has_shapes(const CompiledModel& model, std::span<const Dims> shapes) {
    return std::ranges::equal(model.inputs, shapes, {}, &TensorInfo::shape);
}

Error canceled_error() {
    return {std::errc::operation_canceled, "the shape was not compiled: the request was canceled, "
                                           "or its model was destroyed"};
}

// Completes a request that was dropped before its turn.
class Pending {
  public:
    explicit Pending(Request request) : request_(std::move(request)) {}
    Pending(const Pending&) = delete;
    Pending& operator=(const Pending&) = delete;
    Pending(Pending&&) = default;
    Pending& operator=(Pending&&) = default;
    ~Pending() {
        if (request_ != Request()) {
            detail::complete(request_, canceled_error());
        }
    }
    [[nodiscard]] const Request& request() const { return request_; }

  private:
    Request request_;
};

}  // namespace

ShapeCache::ShapeCache(InputShapes inputs, std::unique_ptr<ShapeSource> source,
                       std::size_t max_shapes)
    : inputs_(std::move(inputs)), max_shapes_(max_shapes), source_(std::move(source)) {
    if (max_shapes_ == 0) {
        throw Error(std::errc::invalid_argument,
                    "LoadOptions::max_shapes is 0: a model needs room for at least 1 shape");
    }
}

void ShapeCache::check_process() const {
    if (forks_ != detail::fork_count) {
        detail::throw_in_child();
    }
}

void ShapeCache::add(Compiled shape) {
    const std::lock_guard lock(mutex_);
    entries_.push_back({std::move(shape), true});
}

ShapeCache::Compiled ShapeCache::add(std::span<const Dims> shapes, std::ostream* log) {
    const std::lock_guard compiling(compile_mutex_);
    Compiled shape = find_compiled(shapes);
    if (!shape) {
        shape = source_->compile(shapes, log);
        add(shape);
    }
    return shape;
}

ShapeCache::Compiled ShapeCache::find_compiled(std::span<const Dims> shapes) {
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find_if(
        entries_, [&](const Entry& entry) { return has_shapes(*entry.shape, shapes); });
    if (found == entries_.end()) {
        return nullptr;
    }
    entries_.splice(entries_.begin(), entries_, found);
    return found->shape;
}

ShapeCache::Compiled ShapeCache::find(std::span<const Dims> shapes) {
    check_process();
    if (Compiled found = find_compiled(shapes)) {
        return found;
    }
    inputs_.check(shapes);
    if (!source_) {
        refuse_unknown(shapes);
    }
    const std::lock_guard compiling(compile_mutex_);
    Compiled shape = find_compiled(shapes);  // another thread may have compiled it meanwhile
    if (!shape) {
        shape = compile(shapes);
        keep(shape);
    }
    return shape;
}

ShapeCache::Compiled ShapeCache::compile(std::span<const Dims> shapes) {
    try {
        return source_->compile(shapes, nullptr);
    } catch (const Error& error) {
        if (error.errc() != std::errc::no_space_on_device) {
            throw;
        }
    }
    drop_unused();
    return source_->compile(shapes, nullptr);
}

void ShapeCache::keep(const Compiled& shape) {
    std::list<Entry> dropped;  // ends without the lock
    const std::lock_guard lock(mutex_);
    entries_.push_front({shape, false});
    auto others = std::ranges::count(entries_, false, &Entry::stays);
    for (auto entry = entries_.end(); others > static_cast<std::ptrdiff_t>(max_shapes_);) {
        --entry;
        if (!entry->stays) {
            const auto oldest = entry++;
            dropped.splice(dropped.end(), entries_, oldest);
            --others;
        }
    }
}

void ShapeCache::drop_unused() {
    const std::lock_guard lock(mutex_);
    std::erase_if(entries_, [](const Entry& entry) { return !entry.stays; });
}

std::vector<ShapeCache::Compiled> ShapeCache::all() const {
    const std::lock_guard lock(mutex_);
    std::vector<Compiled> result;
    for (const Entry& entry : entries_) {
        result.push_back(entry.shape);
    }
    return result;
}

void ShapeCache::refuse_unknown(std::span<const Dims> shapes) const {
    std::string known;
    for (const Compiled& shape : all()) {
        std::vector<Dims> dims;
        for (const TensorInfo& input : shape->inputs) {
            dims.push_back(input.shape);
        }
        known += (known.empty() ? "" : "; or ") + describe_shapes(inputs_.inputs(), dims);
    }
    refuse("the compiled model has no commands for " + describe_shapes(inputs_.inputs(), shapes),
           "give one of its shapes, or compile the model again with this one; it has " + known);
}

Request ShapeCache::prepare(std::vector<Dims> shapes, std::shared_ptr<Compiled> made) {
    check_process();
    inputs_.check(shapes);
    Pending pending(detail::make_request(weak_from_this()));
    const Request request = pending.request();
    const std::lock_guard lock(mutex_);
    if (!loop_) {
        loop_ = EventLoop::with_thread();
    }
    waiting_.push_back(request);
    // The loop ends before the cache does: a reference to the cache could be the last, and would
    // then end the cache, its memory on the card with it, on the thread of the loop.
    loop_->post([this, pending = std::move(pending), shapes = std::move(shapes),
                 made = std::move(made)] { prepare_now(pending.request(), shapes, *made); });
    return request;
}

void ShapeCache::prepare_now(const Request& request, std::span<const Dims> shapes,
                             Compiled& made) {
    {
        const std::lock_guard lock(mutex_);
        if (std::erase(waiting_, request) == 0) {
            return;  // canceled
        }
    }
    try {
        made = find(shapes);
        detail::complete(request, JobResult());
    } catch (const Error& error) {
        detail::complete(request, error);
    } catch (const std::exception& error) {
        detail::complete(request, Error(std::errc::not_enough_memory, error.what()));
    }
}

bool ShapeCache::cancel(const Request& request) {
    {
        const std::lock_guard lock(mutex_);
        if (std::erase(waiting_, request) == 0) {
            return false;
        }
    }
    detail::complete(request, canceled_error());
    return true;
}

bool ShapeCache::completes_on_this_thread() const noexcept {
    const std::lock_guard lock(mutex_);
    return loop_ && loop_->on_this_thread();
}

}  // namespace accel::compiler
