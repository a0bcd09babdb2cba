// SPDX-License-Identifier: Apache-2.0
//
// The queues, semaphores and buffers of a pipeline.
//
// Item n uses the device memory of slot n mod depth. Three semaphores count the items that a stage
// has finished; they are in device memory, so that no WAIT is behind the copies on the link. Each
// stage waits for the one before it, and, before it overwrites a slot, for the one after it. A
// queue that stops at an error therefore leaves the others waiting on the card. So the host waits
// for all three stages of an item, and resets all queues after a failure. For the same reason no
// submission may block in a full ring: the rings hold all items that may be unfinished.
#include "accel/pipeline.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "deadline.hpp"
#include "throw_error.hpp"

namespace accel {

namespace {

using detail::Deadline;

constexpr std::size_t stages = 3;
constexpr std::array<const char*, stages> stage_names{"upload", "computation", "download"};

Duration time_left(Deadline deadline) {
    if (deadline == detail::no_deadline) {
        return Duration::forever();
    }
    return std::chrono::nanoseconds(std::max<Deadline>(deadline - detail::now(), 0));
}

Error in_stage(const Error& error, std::uint64_t item, std::size_t stage) {
    const std::string what = std::string("the ") + stage_names[stage] + " of item " +
                             std::to_string(item) + " of the pipeline failed: " + error.what() +
                             " (in a pipeline: Pipeline::reset())";
    return error.failure() ? Error(error.errc(), what, *error.failure())
                           : Error(error.errc(), what, error.reason());
}

}  // namespace

struct Pipeline::Impl {
    Impl(const Device& device, PipelineOptions pipeline_options, Compute function)
        : card(device.alias()), options(std::move(pipeline_options)), compute(std::move(function)) {
        if (options.depth == 0 || options.commands == 0) {
            detail::throw_invalid(std::string("PipelineOptions::") +
                                  (options.depth == 0 ? "depth" : "commands") +
                                  " is 0: it must be at least 1");
        }
        check_room();
        const std::size_t most = options.depth * items_per_slot;
        // Besides the copies or the commands of an item: two waits and a signal.
        const std::array<std::size_t, stages> commands{options.inputs.size(), options.commands,
                                                       options.outputs.size()};
        for (const std::size_t count : commands) {
            QueueOptions with_room = options.queue;
            with_room.entries = static_cast<std::uint32_t>(
                std::bit_ceil(std::max<std::size_t>(most * (count + 3), 4)));
            queues.push_back(card.create_queue(with_room));
        }
        for (std::size_t slot = 0; slot < options.depth; ++slot) {
            slots.push_back({allocate(options.inputs), allocate(options.outputs)});
        }
        make_semaphores();
    }

    // The rings hold the commands of all unfinished items.
    void check_room() const {
        const std::size_t longest = std::max(
            {options.inputs.size(), options.outputs.size(), std::size_t{options.commands}});
        const std::size_t room = card.info().max_ring_entries;
        if (options.depth > room / (items_per_slot * (longest + 3))) {
            detail::throw_invalid("PipelineOptions::depth is " + std::to_string(options.depth) +
                                  ", and an item has up to " + std::to_string(longest) +
                                  " commands in a queue: the rings of the card have room for " +
                                  std::to_string(room) +
                                  " commands; choose a smaller depth or fewer commands");
        }
    }

    struct Slot {
        std::vector<Buffer<std::byte>> inputs;
        std::vector<Buffer<std::byte>> outputs;
    };
    using StageJobs = std::array<Job, stages>;

    std::vector<Buffer<std::byte>> allocate(const std::vector<std::uint64_t>& sizes) const {
        std::vector<Buffer<std::byte>> buffers;
        buffers.reserve(sizes.size());
        for (const std::uint64_t size : sizes) {
            buffers.push_back(card.allocate_device<std::byte>({size}));
        }
        return buffers;
    }

    void make_semaphores() {
        // A new one is zero. The old one may still be in use by jobs that were canceled.
        finished = card.allocate_device<std::uint64_t>({stages});
    }
    [[nodiscard]] Wait wait_for(std::size_t stage, std::uint64_t count) const {
        return {.word = finished.slice(stage, 1), .value = count};
    }
    [[nodiscard]] Signal signal(std::size_t stage, std::uint64_t count) const {
        return {.word = finished.slice(stage, 1), .value = count};
    }

    void check_works() const {
        if (failure) {
            throw Error(*failure);
        }
    }

    void submit_item(std::span<const Operand> inputs, std::span<const Operand> outputs);
    Job submit_computation(const Slot& slot, std::uint64_t count);
    WaitResult wait(std::uint64_t item, Deadline deadline);
    void stop(const Error& error);

    Device card;
    PipelineOptions options;
    Compute compute;
    std::vector<Queue> queues;       // by stage
    Buffer<std::uint64_t> finished;  // by stage: the number of its items since the last reset
    std::vector<Slot> slots;
    std::uint64_t newest = 0;
    std::uint64_t base = 0;      // the newest item before the last reset
    std::uint64_t oldest = 1;    // the item of jobs.front()
    std::deque<StageJobs> jobs;  // of the items that nobody saw finished
    std::optional<Error> failure;
};

void Pipeline::Impl::submit_item(std::span<const Operand> inputs,
                                 std::span<const Operand> outputs) {
    const std::uint64_t count = newest - base + 1;  // with this item, since the last reset
    const bool reuses = count > options.depth;
    const std::uint64_t freed = count - options.depth;
    const Slot& slot = slots[count % options.depth];
    bool began = false;
    try {
        Batch upload = queues[0].batch();
        if (reuses) {
            upload.add(wait_for(1, freed));
        }
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            upload.add(Copy{.dst = slot.inputs[i], .src = inputs[i], .bytes = options.inputs[i]});
        }
        upload.add(signal(0, count));

        Batch download = queues[2].batch();
        download.add(wait_for(1, count));
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            download.add(
                Copy{.dst = outputs[i], .src = slot.outputs[i], .bytes = options.outputs[i]});
        }
        download.add(signal(2, count));

        began = true;
        const Job computed = submit_computation(slot, count);
        jobs.push_back({upload.submit(), computed, download.submit()});
    } catch (...) {
        // The computation of the item may have begun to wait: only a reset removes it. A batch that
        // is not submitted has removed itself.
        if (began) {
            stop(Error(std::errc::operation_canceled,
                       "the pipeline stopped at item " + std::to_string(newest + 1) +
                           ", whose function threw an exception: call Pipeline::reset()"));
        }
        throw;
    }
    ++newest;
}

Job Pipeline::Impl::submit_computation(const Slot& slot, std::uint64_t count) {
    Queue& queue = queues[1];
    Job last_wait = queue.submit(wait_for(0, count));
    if (count > options.depth) {
        last_wait = queue.submit(wait_for(2, count - options.depth));
    }
    std::vector<Operand> arguments(slot.inputs.begin(), slot.inputs.end());
    arguments.insert(arguments.end(), slot.outputs.begin(), slot.outputs.end());
    compute(queue, arguments);
    Job last = queue.submit(signal(1, count));
    if (const auto used = last.sequence() - last_wait.sequence() - 1; used > options.commands) {
        detail::throw_invalid("the function of a pipeline submitted " + std::to_string(used) +
                              " commands for an item, and PipelineOptions::commands is " +
                              std::to_string(options.commands) + ": raise it");
    }
    return last;
}

WaitResult Pipeline::Impl::wait(std::uint64_t item, Deadline deadline) {
    if (item < oldest) {
        return WaitResult::done;
    }
    check_works();
    if (item > newest) {
        detail::throw_invalid("the pipeline has no item " + std::to_string(item) +
                              ": the newest is " + std::to_string(newest));
    }
    StageJobs& of_item = jobs[item - oldest];
    std::vector<Job> left(of_item.begin(), of_item.end());
    std::vector<std::size_t> stage_of{0, 1, 2};
    while (!left.empty()) {
        const auto over = wait_any(left, time_left(deadline));
        if (!over) {
            return WaitResult::timed_out;
        }
        try {
            left[*over].wait();
        } catch (const Error& error) {
            stop(in_stage(error, item, stage_of[*over]));
            throw Error(*failure);
        }
        left.erase(left.begin() + static_cast<std::ptrdiff_t>(*over));
        stage_of.erase(stage_of.begin() + static_cast<std::ptrdiff_t>(*over));
    }
    jobs.erase(jobs.begin(), jobs.begin() + static_cast<std::ptrdiff_t>(item - oldest + 1));
    oldest = item + 1;
    return WaitResult::done;
}

void Pipeline::Impl::stop(const Error& error) {
    failure = error;
    for (Queue& queue : queues) {
        try {
            queue.reset();
        } catch (const Error&) {
            // The card is gone or was reset, so it uses no buffer any more.
        }
    }
    jobs.clear();
}

namespace {

template <typename Impl>
Impl& opened(const std::unique_ptr<Impl>& impl) {
    if (!impl) {
        detail::throw_moved_from("Pipeline");
    }
    return *impl;
}

void check_count(const char* what, std::size_t given, std::size_t expected) {
    if (given != expected) {
        detail::throw_invalid("an item of this pipeline has " + std::to_string(expected) + " " +
                              what + ", not " + std::to_string(given) +
                              ": pass one for each size in PipelineOptions::" + what);
    }
}

}  // namespace

Pipeline::Pipeline(const Device& device, const PipelineOptions& options, Compute compute)
    : impl_(std::make_unique<Impl>(device, options, std::move(compute))) {}
Pipeline::Pipeline(Pipeline&&) noexcept = default;
Pipeline& Pipeline::operator=(Pipeline&&) noexcept = default;
Pipeline::~Pipeline() = default;

std::uint64_t Pipeline::submit(std::span<const Operand> inputs, std::span<const Operand> outputs) {
    Impl& impl = opened(impl_);
    impl.check_works();
    check_count("inputs", inputs.size(), impl.options.inputs.size());
    check_count("outputs", outputs.size(), impl.options.outputs.size());
    if (const std::size_t most = impl.options.depth * items_per_slot; impl.jobs.size() >= most) {
        static_cast<void>(impl.wait(impl.oldest, detail::no_deadline));
    }
    impl.submit_item(inputs, outputs);
    return impl.newest;
}

bool Pipeline::done(std::uint64_t item) const {
    const Impl& impl = opened(impl_);
    if (item < impl.oldest || impl.failure) {
        return true;
    }
    if (item > impl.newest) {
        return false;
    }
    const auto& jobs = impl.jobs[item - impl.oldest];
    return std::ranges::all_of(jobs, [](const Job& job) { return job.done(); });
}

void Pipeline::wait(std::uint64_t item) {
    static_cast<void>(opened(impl_).wait(item, detail::no_deadline));
}

WaitResult Pipeline::wait(std::uint64_t item, Duration timeout) {
    return opened(impl_).wait(item, detail::deadline_after(timeout));
}

void Pipeline::synchronize() {
    Impl& impl = opened(impl_);
    impl.check_works();
    static_cast<void>(impl.wait(impl.newest, detail::no_deadline));
}

void Pipeline::reset() {
    Impl& impl = opened(impl_);
    for (Queue& queue : impl.queues) {
        queue.reset();
    }
    impl.make_semaphores();
    impl.jobs.clear();
    impl.base = impl.newest;
    impl.oldest = impl.newest + 1;
    impl.failure.reset();
}

}  // namespace accel
