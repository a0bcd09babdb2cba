// SPDX-License-Identifier: Apache-2.0
//
// Job: waiting, and waiting for several.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "bindings.hpp"
#include "objects.hpp"

namespace accel::python {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds signal_slice{50};

[[noreturn]] void throw_timed_out(const std::string& what, std::optional<double> timeout) {
    throw Error(std::errc::timed_out, what + " did not finish in " +
                                          std::to_string(timeout.value_or(0)) +
                                          " s: wait again, it continues");
}

void wait_job(const JobObject& self, std::optional<double> timeout) {
    if (!wait_for(self.job, timeout)) {
        throw_timed_out("job " + std::to_string(self.job.sequence()), timeout);
    }
}

std::vector<accel::Job> jobs_of(const std::vector<const JobObject*>& objects) {
    std::vector<accel::Job> jobs;
    jobs.reserve(objects.size());
    for (const JobObject* object : objects) {
        jobs.push_back(object->job);
    }
    return jobs;
}

std::size_t wait_any_job(const std::vector<const JobObject*>& objects,
                         std::optional<double> timeout) {
    if (objects.empty()) {
        refuse("wait_any() needs a job at least");
    }
    const std::vector<accel::Job> jobs = jobs_of(objects);
    const std::chrono::nanoseconds limit = to_duration(timeout).nanoseconds();
    const Clock::time_point start = Clock::now();
    for (;;) {
        const std::chrono::nanoseconds left = timeout ? limit - (Clock::now() - start) : limit;
        std::optional<std::size_t> over;
        {
            const WithoutGil released;
            over = wait_any(jobs, std::min<std::chrono::nanoseconds>(left, signal_slice));
        }
        if (over) {
            return *over;
        }
        if (PyErr_CheckSignals() != 0) {
            throw nb::python_error();
        }
        if (left <= signal_slice) {
            throw_timed_out("none of " + std::to_string(jobs.size()) + " jobs", timeout);
        }
    }
}

void wait_all_jobs(const std::vector<const JobObject*>& objects, std::optional<double> timeout) {
    const Clock::time_point start = Clock::now();
    for (const JobObject* object : objects) {
        std::optional<double> left = timeout;
        if (timeout) {
            left = *timeout - std::chrono::duration<double>(Clock::now() - start).count();
        }
        wait_job(*object, left);
    }
}

}  // namespace

void bind_jobs(nb::module_& module) {
    nb::class_<JobObject>(module, "Job",
                          "A submitted command. `await job` waits in asyncio.\n\n"
                          "Any thread may use it. Destroying it neither waits nor cancels.")
        .def("wait", &wait_job, nb::arg("timeout") = nb::none(),
             "Waits until the job is finished, without the GIL, for at most `timeout` seconds; "
             "None: for ever; 0: only checks.\n\n"
             "Raises TimeoutError when the time has passed and the job continues; Error if the "
             "job failed (failure is set), used up its time limit, was canceled by a reset or the "
             "end of its queue, or if the card was reset or is gone (see Error.reason).")
        .def_prop_ro(
            "done", [](const JobObject& self) { return self.job.done(); },
            "Whether the job is over: finished, failed or canceled. No system call.")
        .def_prop_ro(
            "sequence", [](const JobObject& self) { return self.job.sequence(); },
            "Sequence number in its queue, from 1.")
        .def(
            "__await__",
            [](nb::handle self) {
                return nb::module_::import_("accel._asyncio")
                    .attr("wait")(self)
                    .attr("__await__")();
            },
            nb::sig("def __await__(self) -> collections.abc.Generator[typing.Any, None, None]"))
        .def(
            "_notify",
            [](const JobObject& self, bool on) {
                if (const auto queue = self.queue.lock(); queue && queue->queue) {
                    queue->awaited = true;
                    queue->use([&](accel::Queue& q) { q.notify(on ? self.job : accel::Job()); });
                }
            },
            nb::arg("on"))
        .def_prop_ro("_queue_key",
                     [](const JobObject& self) {
                         return reinterpret_cast<std::uintptr_t>(self.queue.lock().get());
                     })
        .def_prop_ro("_fd",
                     [](const JobObject& self) {
                         const auto queue = self.queue.lock();
                         return queue ? queue->device.fd() : -1;
                     })
        .def("__repr__", [](const JobObject& self) {
            return nb::str(("<accel.Job " + std::to_string(self.job.sequence()) +
                            (self.job.done() ? ", over>" : ", pending>"))
                               .c_str());
        });
    module.def("wait_any", &wait_any_job, nb::arg("jobs"), nb::arg("timeout") = nb::none(),
               "Waits until one of the jobs is over, and returns its index. They may be of "
               "different queues and devices. Its wait() tells how it ended.\n\n"
               "Raises TimeoutError after `timeout` seconds.");
    module.def("wait_all", &wait_all_jobs, nb::arg("jobs"), nb::arg("timeout") = nb::none(),
               "Waits until all jobs are finished. Raises what Job.wait() raises for the first "
               "that failed, and TimeoutError after `timeout` seconds.");
}

}  // namespace accel::python
