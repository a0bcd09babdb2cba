// SPDX-License-Identifier: Apache-2.0
//
// Request, and functions of Python that submit jobs.
#include "requests.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <memory>
#include <string>
#include <utility>

#include "bindings.hpp"
#include "errors.hpp"
#include "waits.hpp"

namespace accel::python {

namespace {

// Lends a queue of the card to a function.
class Loan {
  public:
    Loan(LentQueues& queues, std::size_t card, accel::Queue& queue) : queues_(queues) {
        while (queues.by_card.size() <= card) {
            queues.by_card.push_back(std::make_shared<QueueState>());
        }
        state_ = queues.by_card[card];
        state_->queue = &queue;
        queues.user = std::this_thread::get_id();
    }
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    Loan(Loan&&) = delete;
    Loan& operator=(Loan&&) = delete;
    ~Loan() {
        queues_.user = std::thread::id();
        // Another thread to which the function gave the queue may still submit.
        const WithoutGil released;
        const std::scoped_lock lock(state_->mutex);
        state_->queue = nullptr;
    }

    [[nodiscard]] const std::shared_ptr<QueueState>& state() const { return state_; }

  private:
    LentQueues& queues_;
    std::shared_ptr<QueueState> state_;
};

}  // namespace

void LentQueues::check_caller() const {
    if (user.load() == std::this_thread::get_id()) {
        throw Error(std::errc::resource_deadlock_would_occur,
                    "a function of a request calls the object that runs it: call it after the "
                    "function has returned");
    }
}

Work::Work(nb::object function, std::shared_ptr<LentQueues> queues,
           std::shared_ptr<WorkFailure> failure)
    : function_(std::move(function)), queues_(std::move(queues)), failure_(std::move(failure)) {
    queues_->work.insert(this);
}

Work::~Work() {
    const WithGil gil;
    queues_->work.erase(this);
    function_.reset();
    queues_.reset();
    failure_.reset();
}

accel::Job Work::run(accel::Queue& queue, std::size_t card, const Call& call) {
    if (abandoned_) {
        throw Error(std::errc::operation_canceled, "the call of submit() was interrupted");
    }
    const WithGil gil;
    try {
        const Loan loan(*queues_, card, queue);
        const nb::object result = call(function_, QueueObject{loan.state()});
        if (!nb::isinstance<JobObject>(result)) {
            const std::string text = "the function of a request must return a Job, not " +
                                     nb::cast<std::string>(result.type().attr("__name__"));
            throw Error(std::errc::invalid_argument, text);
        }
        return nb::inst_ptr<JobObject>(result)->job;
    } catch (const nb::python_error& exception) {
        failure_->exception = nb::borrow(exception.value());
        throw to_error(exception);
    }
}

void wait_for_request(const RequestObject& object, std::optional<double> timeout) {
    bool finished = false;
    try {
        finished = wait_in_slices(
            [&](accel::Duration slice) { return object.request.wait(slice) == WaitResult::done; },
            object.request.done() ? std::optional(0.0) : timeout);
    } catch (const Error&) {
        if (object.request.done()) {
            object.owner.reset();
            if (object.failure && object.failure->exception.is_valid()) {
                const nb::handle exception = object.failure->exception;
                PyErr_SetObject(exception.type().ptr(), exception.ptr());
                throw nb::python_error();
            }
        }
        throw;
    }
    if (!finished) {
        throw_timed_out("the request did not finish", timeout);
    }
    object.owner.reset();
}

void bind_requests(nb::module_& module) {
    auto type = nb::class_<RequestObject>(
        module, "Request", nb::is_weak_referenceable(),
        "Work that a RequestQueue, a DeviceGroup or a Batcher accepted. `await request` waits in "
        "asyncio.\n\nAny thread may use it. It keeps the object that accepted it until a wait "
        "finds that it is over. Destroying it neither waits nor cancels.");
    type.def("__repr__",
             [](nb::handle self) {
                 const bool done = nb::inst_ptr<RequestObject>(self)->request.done();
                 return "<accel." + type_of(self) + (done ? ", over>" : ", not over>");
             })
        .def_prop_ro(
            "done", [](const RequestObject& self) { return self.request.done(); },
            "Whether it is over: finished, failed or canceled.")
        .def("wait", &wait_for_request, nb::arg("timeout") = nb::none(),
             "Waits until the request is over, without the GIL, for at most `timeout` seconds.\n\n"
             "Raises the Error of its job, what its function raised, ECANCELED after cancel() or "
             "the end of the object that accepted it, TimeoutError, and EDEADLK on the thread that "
             "completes it.")
        .def(
            "wait_until",
            [](const RequestObject& self, double deadline) {
                wait_for_request(self, seconds_until(deadline));
            },
            nb::arg("deadline"), "The same as wait() until a point of time.monotonic().")
        .def(
            "cancel",
            [](const RequestObject& self) {
                const accel::Request request = self.request;
                const WithoutGil released;
                return request.cancel();
            },
            "Takes the request back. True: none of it runs or ran on a card, and no other request "
            "is affected. False: a card has it, or it is over; nothing changes.");
    bind_completion(type);
}

}  // namespace accel::python
