// SPDX-License-Identifier: Apache-2.0
//
// Job: waiting, and waiting for several.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <string>
#include <vector>

#include "bindings.hpp"
#include "event_loops.hpp"
#include "objects.hpp"
#include "waits.hpp"

namespace accel::python {

namespace {

void wait_job(const JobObject& self, std::optional<double> timeout) {
    bool finished = false;
    try {
        finished = wait_for(self.job, timeout);
    } catch (...) {
        self.release_queue();
        throw;
    }
    self.release_queue();
    if (!finished) {
        throw_timed_out("job " + std::to_string(self.job.sequence()) + " did not finish", timeout);
    }
}

// The jobs of a sequence. `objects` keeps them, because another thread may change the sequence.
struct Jobs {
    explicit Jobs(const nb::sequence& sequence) : objects(sequence) {
        for (const nb::handle object : objects) {
            if (!nb::isinstance<JobObject>(object)) {
                refuse_type(
                    "a wait for several jobs takes a sequence of Jobs, and one of them is " +
                    type_of(object));
            }
            jobs.push_back(nb::cast<const JobObject&>(object).job);
        }
    }

    void release_queues() const {
        for (const nb::handle object : objects) {
            nb::cast<const JobObject&>(object).release_queue();
        }
    }

    nb::list objects;
    std::vector<accel::Job> jobs;
};

std::size_t wait_any_job(const nb::sequence& sequence, std::optional<double> timeout) {
    const Jobs given(sequence);
    const std::vector<accel::Job>& jobs = given.jobs;
    if (jobs.empty()) {
        refuse("wait_any() needs at least one job");
    }
    std::optional<std::size_t> over;
    const auto wait = [&](accel::Duration slice) {
        over = wait_any(jobs, slice);
        return over.has_value();
    };
    if (!wait_in_slices(wait, timeout)) {
        throw_timed_out("none of " + std::to_string(jobs.size()) + " jobs finished", timeout);
    }
    return *over;
}

void wait_all_jobs(const nb::sequence& sequence, std::optional<double> timeout) {
    const Jobs given(sequence);
    const std::vector<accel::Job>& jobs = given.jobs;
    const auto wait = [&](accel::Duration slice) {
        return wait_all(jobs, slice) == WaitResult::done;
    };
    bool finished = false;
    try {
        finished = wait_in_slices(wait, timeout);
    } catch (...) {
        given.release_queues();
        throw;
    }
    given.release_queues();
    if (!finished) {
        throw_timed_out("not all of " + std::to_string(jobs.size()) + " jobs finished", timeout);
    }
}

}  // namespace

void bind_jobs(nb::module_& module) {
    auto type = nb::class_<JobObject>(
        module, "Job",
        "A submitted command. `await job` waits in asyncio.\n\n"
        "Any thread may use it. It keeps its queue until a wait finds that it is "
        "over. Destroying it neither waits nor cancels.");
    type.def("wait", &wait_job, nb::arg("timeout") = nb::none(),
             "Waits until the job is finished, without the GIL, for at most `timeout` seconds; "
             "None: forever; 0: only checks.\n\n"
             "Raises TimeoutError when the time has passed and the job continues; Error if the "
             "job failed (failure is set), used up its time limit, was canceled by a reset or the "
             "end of its queue, or if the card was reset or is gone (see Error.reason).")
        .def(
            "wait_until",
            [](const JobObject& self, double deadline) { wait_job(self, seconds_until(deadline)); },
            nb::arg("deadline"), "The same as wait() until a point of time.monotonic().")
        .def_prop_ro(
            "done", [](const JobObject& self) { return self.job.done(); },
            "Whether the job is over: finished, failed or canceled. No system call.")
        .def_prop_ro(
            "sequence", [](const JobObject& self) { return self.job.sequence(); },
            "Sequence number in its queue, from 1.")
        .def("__repr__", [](const JobObject& self) {
            return nb::str(("<accel.Job " + std::to_string(self.job.sequence()) +
                            (self.job.done() ? ", over>" : ", pending>"))
                               .c_str());
        });
    bind_completion(type);
    module.def("wait_any", &wait_any_job, nb::arg("jobs"), nb::arg("timeout") = nb::none(),
               nb::sig("def wait_any(jobs: collections.abc.Sequence[Job], timeout: float | None = "
                       "None) -> int"),
               "Waits until one of the jobs is over, and returns its index. They may be of "
               "different queues and devices. Its wait() tells how it ended.\n\n"
               "Raises TimeoutError after `timeout` seconds.");
    module.def(
        "wait_any_until",
        [](const nb::sequence& jobs, double deadline) {
            return wait_any_job(jobs, seconds_until(deadline));
        },
        nb::arg("jobs"), nb::arg("deadline"),
        nb::sig("def wait_any_until(jobs: collections.abc.Sequence[Job], deadline: float) -> int"),
        "The same as wait_any() until a point of time.monotonic().");
    module.def("wait_all", &wait_all_jobs, nb::arg("jobs"), nb::arg("timeout") = nb::none(),
               nb::sig("def wait_all(jobs: collections.abc.Sequence[Job], timeout: float | None = "
                       "None) -> None"),
               "Waits until all jobs are over, also after one of them failed, so that none uses "
               "its buffers any more. Then raises the Error of the first in `jobs` that failed.\n\n"
               "Raises TimeoutError after `timeout` seconds; the jobs continue.");
    module.def(
        "wait_all_until",
        [](const nb::sequence& jobs, double deadline) {
            wait_all_jobs(jobs, seconds_until(deadline));
        },
        nb::arg("jobs"), nb::arg("deadline"),
        nb::sig("def wait_all_until(jobs: collections.abc.Sequence[Job], deadline: float) -> None"),
        "The same as wait_all() until a point of time.monotonic().");
}

}  // namespace accel::python
