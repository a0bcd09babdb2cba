// SPDX-License-Identifier: Apache-2.0
//
// Queue, Batch, CommandList and Semaphore.
#include <nanobind/nanobind.h>
#include <nanobind/stl/chrono.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings.hpp"
#include "casters.hpp"
#include "context_manager.hpp"
#include "objects.hpp"
#include "waits.hpp"

namespace accel::python {

namespace {

// A command, or a closed list with the arguments of its call.
struct Submission {
    const accel::Command* command = nullptr;
    std::shared_ptr<const accel::CommandList> list;
    std::vector<Operand> arguments;
    Pins pins;
};

Submission to_submission(const nb::object& work, const nb::args& arguments) {
    Submission result;
    if (nb::isinstance<CommandObject>(work)) {
        if (!arguments.empty()) {
            refuse("a command has no arguments: only a CommandList has");
        }
        const auto& object = *nb::inst_ptr<CommandObject>(work);
        result.command = &object.command;
        result.pins = object.pins;
        return result;
    }
    if (!nb::isinstance<ListObject>(work)) {
        refuse_type("submit() takes a Command of accel.commands, or a CommandList, not " +
                    type_of(work));
    }
    auto& object = *nb::inst_ptr<ListObject>(work);
    result.list = object.checked();
    result.pins = object.pins;
    for (const nb::handle argument : arguments) {
        OperandArgument operand;
        if (!to_operand(argument, operand)) {
            refuse_type("an argument of a call is a Buffer or an Address, not " +
                        type_of(argument));
        }
        result.arguments.push_back(operand.operand(result.pins));
    }
    return result;
}

std::optional<accel::Job> try_once(accel::Queue& queue, const Submission& work) {
    return work.command != nullptr ? queue.try_submit(*work.command)
                                   : queue.try_submit(*work.list, work.arguments);
}

JobObject submit(const QueueObject& self, const nb::object& work, const nb::args& arguments) {
    const auto state = self.checked();
    Submission submission = to_submission(work, arguments);
    auto job = state->use([&](accel::Queue& queue) { return try_once(queue, submission); });
    if (!job) {
        // The ring is full.
        job = with_room(*state, 0, [&](accel::Queue& queue) {
            return submission.command != nullptr
                       ? queue.submit(*submission.command)
                       : queue.submit(*submission.list, submission.arguments);
        });
    }
    state->submitted(*job, std::move(submission.pins));
    return {*job, state};
}

std::optional<JobObject> try_submit(const QueueObject& self, const nb::object& work,
                                    const nb::args& arguments) {
    const auto state = self.checked();
    Submission submission = to_submission(work, arguments);
    const auto job = state->use([&](accel::Queue& queue) { return try_once(queue, submission); });
    if (!job) {
        return std::nullopt;
    }
    state->submitted(*job, std::move(submission.pins));
    return JobObject{*job, state};
}

void close_queue(QueueObject& self) {
    if (const auto state = std::exchange(self.state, nullptr)) {
        state->close();
    }
}

void add_to_batch(BatchObject& self, const nb::object& work, const nb::args& arguments) {
    const auto batch = self.checked();
    Submission submission = to_submission(work, arguments);
    with_room(*self.queue, batch->size(), [&](accel::Queue&) {
        if (submission.command != nullptr) {
            batch->add(*submission.command);
        } else {
            batch->add(*submission.list, submission.arguments);
        }
        return true;
    });
    self.pins.insert(self.pins.end(), submission.pins.begin(), submission.pins.end());
}

JobObject submit_batch(BatchObject& self) {
    const auto batch = self.checked();
    const accel::Job job = self.queue->use([&](accel::Queue&) { return batch->submit(); });
    self.queue->submitted(job, std::move(self.pins));
    self.batch.reset();
    return {job, self.queue};
}

// Takes the commands of a batch back, unless it was submitted.
void end_batch(BatchObject& self) {
    auto batch = std::exchange(self.batch, nullptr);
    const WithoutGil released;
    const std::scoped_lock lock(self.queue->mutex);
    batch.reset();
}

void bind_stats(nb::module_& module) {
    nb::class_<QueueStats>(module, "QueueStats",
                           "Counters that the card keeps since the queue was created.")
        .def_ro("completed", &QueueStats::completed)
        .def_ro("commands", &QueueStats::commands)
        .def_ro("doorbells", &QueueStats::doorbells)
        .def_ro("interrupts", &QueueStats::interrupts)
        .def_ro("dma_busy_ticks", &QueueStats::dma_busy_ticks)
        .def_ro("compute_busy_ticks", &QueueStats::compute_busy_ticks)
        .def_ro("host_bytes_read", &QueueStats::host_bytes_read)
        .def_ro("host_bytes_written", &QueueStats::host_bytes_written)
        .def_ro("device_bytes_read", &QueueStats::device_bytes_read)
        .def_ro("device_bytes_written", &QueueStats::device_bytes_written)
        .def("__repr__", [](const QueueStats& self) {
            return "<accel.QueueStats " + std::to_string(self.completed) + " completed, " +
                   std::to_string(self.commands) + " commands, " + std::to_string(self.doorbells) +
                   " doorbells>";
        });
}

namespace {

void release_list(ListObject& self) {
    self.list.reset();
    self.pins.clear();
}

}  // namespace

void bind_list(nb::module_& module) {
    auto type = nb::class_<ListObject>(
        module, "CommandList",
        "Recorded commands that run as one. Device.create_command_list() makes "
        "one. An address that changes from call to call is recorded as "
        "Argument(i) and passed to Queue.submit().");
    type.def(
            "add",
            [](ListObject& self, const CommandObject& command) -> ListObject& {
                self.checked()->add(command.command);
                self.pins.insert(self.pins.end(), command.pins.begin(), command.pins.end());
                return self;
            },
            nb::arg("command"), nb::rv_policy::none, "Appends a command, and returns the list.")
        .def(
            "name_argument",
            [](ListObject& self, std::uint32_t argument, std::string name) -> ListObject& {
                self.checked()->name_argument(argument, std::move(name));
                return self;
            },
            nb::arg("argument"), nb::arg("name"), nb::rv_policy::none,
            "Names Argument(argument) for the errors of a submission, and returns the list.")
        .def(
            "close", [](ListObject& self) { self.checked()->close(); },
            "Ends the recording: the list can be submitted, and nothing can be added.")
        .def("release", &release_list,
             "Releases the list and its buffers. Unfinished jobs keep both.")
        .def_prop_ro("closed", [](ListObject& self) { return self.checked()->closed(); })
        .def_prop_ro(
            "arguments", [](ListObject& self) { return self.checked()->arguments(); },
            "Number of arguments of a call.")
        .def("__len__", [](ListObject& self) { return self.checked()->size(); });
    bind_context(type, &release_list);
}

void bind_batch(nb::module_& module) {
    auto type = nb::class_<BatchObject>(
        module, "Batch",
        "Commands that are published together, with one doorbell write at "
        "most. A batch that ends without submit() takes its commands back.");
    type.def("add", &add_to_batch, nb::arg("work"), nb::arg("arguments"),
             nb::sig("def add(self, work: Command | CommandList, *arguments: Buffer | Address) -> "
                     "None"),
             "Appends a command, or a call of a list.")
        .def("submit", &submit_batch, "Publishes all commands. The job is the last of them.")
        .def("__len__", [](BatchObject& self) { return self.checked()->size(); });
    bind_context(type, &end_batch);
}

void bind_semaphore(nb::module_& module) {
    nb::class_<SemaphoreObject>(module, "Semaphore",
                                "A 64-bit counter in host memory that orders queues and the host. "
                                "Device.create_semaphore() makes one.")
        .def(
            "wait",
            [](const SemaphoreObject& self, std::uint64_t value) {
                return CommandObject{accel::Command(self.semaphore.wait(value)), {}};
            },
            nb::arg("value"), "The command that holds a queue until the value is reached.")
        .def(
            "signal",
            [](const SemaphoreObject& self, std::uint64_t value) {
                return CommandObject{accel::Command(self.semaphore.signal(value)), {}};
            },
            nb::arg("value"), "The command that sets the value.")
        .def(
            "set", [](SemaphoreObject& self, std::uint64_t value) { self.semaphore.set(value); },
            nb::arg("value"), "Sets the value from the host.")
        .def_prop_ro("value", [](const SemaphoreObject& self) { return self.semaphore.value(); });
}

void bind_queue_properties(nb::class_<QueueObject>& queue) {
    queue
        .def_prop_ro("entries",
                     [](const QueueObject& self) {
                         return self.checked()->use([](accel::Queue& q) { return q.entries(); });
                     })
        .def_prop_ro("id",
                     [](const QueueObject& self) {
                         return self.checked()->use([](accel::Queue& q) { return q.id(); });
                     })
        .def_prop_ro(
            "pending",
            [](const QueueObject& self) {
                return self.checked()->use([](accel::Queue& q) { return q.pending(); });
            },
            "Number of submitted commands that are not finished.")
        .def_prop_ro(
            "doorbells",
            [](const QueueObject& self) {
                return self.checked()->use([](accel::Queue& q) { return q.doorbells(); });
            },
            "Number of doorbell writes by this object.");
}

}  // namespace

void bind_queues(nb::module_& module) {
    bind_stats(module);
    bind_list(module);
    bind_batch(module);
    bind_semaphore(module);
    auto queue = nb::class_<QueueObject>(
        module, "Queue",
        "A hardware queue. Its commands run in order, and concurrently with "
        "those of other queues. Device.create_queue() makes one.\n\n"
        "Any thread may use it; submissions are serialized. When it is closed, or when nothing "
        "uses it or its jobs any more, jobs that are not finished are canceled.");
    bind_queue_properties(queue);
    queue
        .def("submit", &submit, nb::arg("work"), nb::arg("arguments"),
             nb::sig("def submit(self, work: Command | CommandList, *arguments: Buffer | Address) "
                     "-> Job"),
             "Submits a command, or a call of a closed list with an argument for each "
             "Argument(i). No system call; waits without the GIL when the ring is full.")
        .def("try_submit", &try_submit, nb::arg("work"), nb::arg("arguments"),
             nb::sig("def try_submit(self, work: Command | CommandList, *arguments: Buffer | "
                     "Address) -> Job | None"),
             "The same, but returns None when the ring is full.")
        .def(
            "batch",
            [](const QueueObject& self) {
                const auto state = self.checked();
                return BatchObject{state,
                                   state->use([](accel::Queue& q) {
                                       return std::make_shared<accel::Batch>(q.batch());
                                   }),
                                   {}};
            },
            "Opens a batch. The queue accepts nothing else until the batch ends.")
        .def(
            "synchronize",
            [](const QueueObject& self) {
                // A copy, because another thread may submit meanwhile.
                const accel::Job last = self.checked()->last;
                wait_for(last, std::nullopt);
            },
            "Waits, without the GIL, until all submitted jobs are finished. Raises like "
            "Job.wait().")
        .def(
            "reset",
            [](const QueueObject& self) {
                const auto state = self.checked();
                state->use_without_gil([](accel::Queue& q) { q.reset(); });
                state->last = accel::Job();
                state->older = accel::Job();
            },
            "Cancels unfinished jobs and restarts the queue, also after an error.")
        .def(
            "ring_doorbell",
            [](const QueueObject& self) {
                self.checked()->use([](accel::Queue& q) { q.ring_doorbell(); });
            },
            "Makes the card check at once the semaphore that the queue waits for.")
        .def(
            "stats",
            [](const QueueObject& self) {
                return self.checked()->use_without_gil([](accel::Queue& q) { return q.stats(); });
            },
            "The card's counters. A system call.")
        .def(
            "failure",
            [](const QueueObject& self) {
                return self.checked()->use_without_gil([](accel::Queue& q) { return q.failure(); });
            },
            "The failure that stopped the queue, or None. A system call.")
        .def_prop_ro("closed", [](const QueueObject& self) { return self.state == nullptr; })
        .def("close", &close_queue, "Destroys the queue, which cancels unfinished jobs.");
    bind_context(queue, &close_queue);
}

}  // namespace accel::python
