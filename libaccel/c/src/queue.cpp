// SPDX-License-Identifier: Apache-2.0
//
// Queues and jobs of the C interface.
#include <accel/transfer.hpp>

#include <cerrno>
#include <chrono>

#include "handles.hpp"
#include "structure.hpp"

using accel::c::fail;
using accel::c::free_handle;
using accel::c::guarded;
using accel::c::make_handle;
using accel::c::read_options;
using accel::c::required;
using accel::c::submit_job;
using accel::c::write_structure;

namespace {

using std::chrono::nanoseconds;

accel::QueueOptions to_options(const accel_queue_options_t& from) {
    accel::QueueOptions options;
    if (from.priority < ACCEL_QUEUE_PRIORITY_LOW || from.priority > ACCEL_QUEUE_PRIORITY_URGENT) {
        accel::c::throw_invalid("the priority is " + std::to_string(from.priority) +
                                ": use one of ACCEL_QUEUE_PRIORITY_*");
    }
    // ACCEL_QUEUE_PRIORITY_NORMAL is 0, so that 0 is the default.
    options.priority = static_cast<accel::Priority>(
        from.priority + static_cast<std::int32_t>(accel::Priority::normal));
    if (from.entries != 0) {
        options.entries = from.entries;
    }
    if (from.spin_ns != 0) {
        options.spin = nanoseconds(std::max<std::int64_t>(from.spin_ns, 0));
    }
    options.time_limit = nanoseconds(
        static_cast<std::int64_t>(std::min<std::uint64_t>(from.time_limit_ns, INT64_MAX)));
    return options;
}

int timed_out(accel_error_t* error) {
    return fail(error, ETIMEDOUT,
                "the timeout passed before the job was over: wait again, or with a longer timeout");
}

}  // namespace

int accel_queue_create(const accel_device_t* device, const accel_queue_options_t* options,
                       accel_queue_t** out, accel_error_t* error) {
    return make_handle(out, error, [&] {
        const accel::Device& card = required(device, "device").device;
        return accel_queue_t{card.create_queue(to_options(read_options(options, "options"))),
                             card.alias()};
    });
}

int accel_queue_submit(accel_queue_t* queue, const accel_command_t* command, accel_job_t** job,
                       accel_error_t* error) {
    return submit_job(job, error, [&] {
        return required(queue, "queue").queue.submit(required(command, "command").command);
    });
}

int accel_queue_try_submit(accel_queue_t* queue, const accel_command_t* command, accel_job_t** job,
                           accel_error_t* error) {
    bool full = false;
    const int code = submit_job(job, error, [&] {
        const auto submitted =
            required(queue, "queue").queue.try_submit(required(command, "command").command);
        full = !submitted;
        return submitted.value_or(accel::Job());
    });
    if (code == 0 && full) {
        if (job != nullptr) {
            free_handle(*job);
            *job = nullptr;
        }
        return fail(error, EAGAIN, "the ring is full: wait for a job, or make a larger ring");
    }
    return code;
}

int accel_queue_submit_batch(accel_queue_t* queue, const accel_command_t* const* commands,
                             std::size_t count, accel_job_t** job, accel_error_t* error) {
    return submit_job(job, error, [&] {
        accel::Batch batch = required(queue, "queue").queue.batch();
        if (count > 0) {
            static_cast<void>(required(commands, "commands"));
        }
        accel::c::check_count<accel_command_t*>(count, "count");
        for (const accel_command_t* const command : std::span(commands, count)) {
            batch.add(required(command, "commands[]").command);
        }
        return batch.submit();
    });
}

int accel_queue_submit_list(accel_queue_t* queue, const accel_command_list_t* list,
                            const accel_operand_t* arguments, std::size_t count, accel_job_t** job,
                            accel_error_t* error) {
    return submit_job(job, error, [&] {
        const auto operands = accel::c::to_operands(arguments, count);
        return required(queue, "queue")
            .queue.submit(required(list, "list").list, std::span<const accel::Operand>(operands));
    });
}

int accel_queue_upload(accel_queue_t* queue, const accel_buffer_t* dst, std::uint64_t offset,
                       const void* src, std::uint64_t bytes, accel_error_t* error) {
    return guarded(error, [&] {
        auto& to = required(queue, "queue");
        const auto part = required(dst, "dst").buffer.slice(offset, bytes);
        if (bytes > 0) {
            const auto* const from = &required(static_cast<const std::byte*>(src), "src");
            accel::upload(to.device, to.queue, part, std::span(from, bytes));
        }
        return 0;
    });
}

int accel_queue_download(accel_queue_t* queue, void* dst, const accel_buffer_t* src,
                         std::uint64_t offset, std::uint64_t bytes, accel_error_t* error) {
    return guarded(error, [&] {
        auto& from = required(queue, "queue");
        const auto part = required(src, "src").buffer.slice(offset, bytes);
        if (bytes > 0) {
            auto* const to = &required(static_cast<std::byte*>(dst), "dst");
            accel::download(from.device, from.queue, std::span(to, bytes), part);
        }
        return 0;
    });
}

int accel_queue_synchronize(accel_queue_t* queue, accel_error_t* error) {
    return guarded(error, [&] {
        required(queue, "queue").queue.synchronize();
        return 0;
    });
}

int accel_queue_reset(accel_queue_t* queue, accel_error_t* error) {
    return guarded(error, [&] {
        required(queue, "queue").queue.reset();
        return 0;
    });
}

int accel_queue_notify(accel_queue_t* queue, const accel_job_t* job, accel_error_t* error) {
    return guarded(error, [&] {
        required(queue, "queue").queue.notify(required(job, "job").job);
        return 0;
    });
}

int accel_queue_ring_doorbell(accel_queue_t* queue, accel_error_t* error) {
    return guarded(error, [&] {
        required(queue, "queue").queue.ring_doorbell();
        return 0;
    });
}

int accel_queue_counters(const accel_queue_t* queue, accel_queue_counters_t* out,
                         accel_error_t* error) {
    return guarded(error, [&] {
        const accel::QueueStats from = required(queue, "queue").queue.stats();
        accel_queue_counters_t counters{};
        counters.completed = from.completed;
        counters.commands = from.commands;
        counters.doorbells = from.doorbells;
        counters.interrupts = from.interrupts;
        counters.dma_busy_ticks = from.dma_busy_ticks;
        counters.compute_busy_ticks = from.compute_busy_ticks;
        counters.host_bytes_read = from.host_bytes_read;
        counters.host_bytes_written = from.host_bytes_written;
        counters.device_bytes_read = from.device_bytes_read;
        counters.device_bytes_written = from.device_bytes_written;
        write_structure(out, counters, "out");
        return 0;
    });
}

std::uint32_t accel_queue_pending(const accel_queue_t* queue) {
    return accel::c::number_or_zero([&] { return queue != nullptr ? queue->queue.pending() : 0; });
}

void accel_queue_destroy(accel_queue_t* queue) {
    free_handle(queue);
}

int accel_job_wait(const accel_job_t* job, std::int64_t timeout_ns, accel_error_t* error) {
    return guarded(error, [&] {
        const auto result = required(job, "job").job.wait(nanoseconds(timeout_ns));
        return result == accel::WaitResult::done ? 0 : timed_out(error);
    });
}

int accel_job_done(const accel_job_t* job) {
    return job == nullptr || job->job.done() ? 1 : 0;
}

std::uint64_t accel_job_sequence(const accel_job_t* job) {
    return job != nullptr ? job->job.sequence() : 0;
}

int accel_job_wait_any(const accel_job_t* const* jobs, std::size_t count, std::int64_t timeout_ns,
                       std::size_t* out, accel_error_t* error) {
    return guarded(error, [&] {
        static_cast<void>(required(out, "out"));
        static_cast<void>(required(jobs, "jobs"));
        if (count == 0) {
            accel::c::throw_invalid("there is no job to wait for: pass at least one");
        }
        accel::c::check_count<accel::Job>(count, "count");
        std::vector<accel::Job> all;
        all.reserve(count);
        for (const accel_job_t* const job : std::span(jobs, count)) {
            all.push_back(required(job, "jobs[]").job);
        }
        const auto index = accel::wait_any(all, nanoseconds(timeout_ns));
        if (!index) {
            return timed_out(error);
        }
        *out = *index;
        return 0;
    });
}

void accel_job_free(accel_job_t* job) {
    free_handle(job);
}
