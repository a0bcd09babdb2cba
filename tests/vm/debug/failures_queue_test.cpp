// SPDX-License-Identifier: Apache-2.0
//
// Failures in the creation of queues and in all ways to wait for a job.
#include <liburing.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <cstring>

#include "commands.hpp"
#include "failures.hpp"
#include "io_uring.hpp"

namespace {

using uapi::Operation;

class CreateQueue : public Operation {
  public:
    int attempt() override {
        argument_ = {};
        argument_.entries = 256;
        return file_.call(ACCEL_IOCTL_QUEUE_CREATE, argument_);
    }
    void undo() override {
        accel_queue_destroy destroy{};
        destroy.handle = argument_.handle;
        uapi::require(file_.call(ACCEL_IOCTL_QUEUE_DESTROY, destroy), "QUEUE_DESTROY");
    }

  private:
    uapi::File file_;
    uapi::Buffer first_{file_, uapi::page};
    accel_queue_create argument_{};
};

/// The operations below have a queue.
class OnQueue : public Operation {
  protected:
    [[nodiscard]] const uapi::File& file() const { return file_; }
    [[nodiscard]] uapi::Queue& queue() { return queue_; }
    void finish_job() { uapi::require(queue_.wait(queue_.submit(uapi::nop())), "QUEUE_WAIT"); }

  private:
    uapi::File file_;
    uapi::Queue queue_{file_};
};

class ResetQueue : public OnQueue {
  public:
    int attempt() override { return queue().reset(); }
    void undo() override { finish_job(); }
};

class WaitForFinishedJob : public OnQueue {
  public:
    WaitForFinishedJob() { finish_job(); }
    int attempt() override {
        return queue().wait_until(queue().tail(), uapi::deadline_in(uapi::time_limit));
    }
};

class WaitUntilDeadline : public OnQueue {
  public:
    int attempt() override {
        const int error = queue().wait_until(queue().tail() + 1,
                                             uapi::deadline_in(std::chrono::milliseconds(20)));
        return error == ETIMEDOUT ? 0 : error == 0 ? EIO : error;
    }
};

class WaitAsleep : public OnQueue {
  public:
    void prepare() override { sequence_ = queue().submit(uapi::nop()); }
    int attempt() override {
        return queue().wait_until(sequence_, uapi::deadline_in(uapi::time_limit));
    }

  private:
    std::uint64_t sequence_ = 0;
};

class SetEventfd : public OnQueue {
  public:
    int attempt() override { return set(event_.get()); }
    void undo() override { uapi::require(set(-1), "QUEUE_EVENTFD"); }

  private:
    [[nodiscard]] int set(int fd) {
        accel_queue_eventfd argument{};
        argument.handle = queue().handle();
        argument.fd = fd;
        return file().call(ACCEL_IOCTL_QUEUE_EVENTFD, argument);
    }
    uapi::Descriptor event_{::eventfd(0, EFD_CLOEXEC)};
};

class Poll : public OnQueue {
  public:
    void prepare() override {
        uapi::require(queue().notify(queue().tail() + 1), "QUEUE_NOTIFY");
        queue().submit(uapi::nop());
    }
    int attempt() override {
        pollfd entry{.fd = file().fd(), .events = POLLIN, .revents = 0};
        const auto limit = std::chrono::milliseconds(uapi::time_limit).count();
        const int ready = ::poll(&entry, 1, static_cast<int>(limit));
        return ready < 0 ? errno : (entry.revents & POLLIN) != 0 ? 0 : ETIMEDOUT;
    }
};

/// A wait in io_uring. The job is published before or after the wait.
class UringWait : public OnQueue {
  public:
    explicit UringWait(bool job_first) : job_first_(job_first) {}

    void prepare() override {
        if (io_uring_sq_ready(ring_.get()) == 0) {
            ring_.wait_for(file(), queue().handle(), queue().tail() + 1);
        }
        if (job_first_) {
            queue().submit(uapi::nop());
        }
    }
    int attempt() override {
        const int submitted = io_uring_submit(ring_.get());
        return submitted < 0 ? -submitted : 0;
    }
    int finish(int error) override {
        if (!job_first_) {
            queue().submit(uapi::nop());
        }
        // An entry that the kernel did not take waits for the next attempt; its job is done then.
        if (io_uring_sq_ready(ring_.get()) != 0) {
            return error != 0 ? error : EAGAIN;
        }
        const int result = ring_.results(1).begin()->second;
        return result < 0 ? -result : 0;
    }

  private:
    bool job_first_;
    uapi::IoUring ring_;
};

}  // namespace

namespace uapi {

INSTANTIATE_TEST_SUITE_P(
    Queue, Failure,
    testing::Values(failure_case<CreateQueue>("create a queue"),
                    failure_case<ResetQueue>("reset a queue"),
                    failure_case<WaitForFinishedJob>("wait for a finished job"),
                    failure_case<WaitUntilDeadline>("wait until the deadline"),
                    failure_case<WaitAsleep>("wait for a running job"),
                    failure_case<SetEventfd>("set an eventfd"), failure_case<Poll>("poll"),
                    in_uring(failure_case<UringWait>("io_uring: wait for a later job", false)),
                    in_uring(failure_case<UringWait>("io_uring: wait for a running job", true))),
    test_name);

}  // namespace uapi
