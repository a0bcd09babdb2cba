// SPDX-License-Identifier: Apache-2.0
//
// The public Error, and a sentence for each status of the card, each reason of the driver and each
// errno.
#include "accel/error.hpp"

#include <cerrno>
#include <utility>

namespace accel {

std::string_view explain(CardStatus status) noexcept {
    switch (status) {
        case CardStatus::ok:
            return "the command succeeded";
        case CardStatus::bad_opcode:
            return "the card does not know this command: compare the card's version and features "
                   "with what the program needs";
        case CardStatus::bad_field:
            return "a field of the command has a value that the card does not know, or a reserved "
                   "bit is set: check the command's options";
        case CardStatus::bad_alignment:
            return "an address or stride is not aligned: f32 operands need 4 bytes, semaphores 8, "
                   "parameters 16, completion records 32, command lists 64; check slices and "
                   "strides";
        case CardStatus::bad_size:
            return "a size overflows the address space or passes a limit of the card: check the "
                   "dimensions, and the length of a list against DeviceInfo::max_list_commands";
        case CardStatus::bad_argument:
            return "the list uses an argument that the call does not have: pass "
                   "CommandList::arguments() arguments";
        case CardStatus::nested_call:
            return "a list calls a list, which the card does not support: record the commands of "
                   "the inner list into the outer list";
        case CardStatus::bad_doorbell:
            return "the tail of the queue is ahead of its ring: something else wrote to the memory "
                   "of the queue; look for stray writes in the program";
        case CardStatus::fault_unmapped:
            return "no memory is mapped at this address: it was freed before the job ran, or an "
                   "offset or size ends past the buffer; check both";
        case CardStatus::fault_read:
            return "the card may not read at this address: allocate the buffer with Access::read "
                   "or Access::read_write";
        case CardStatus::fault_write:
            return "the card may not write at this address: allocate the buffer with Access::write "
                   "or Access::read_write";
        case CardStatus::fault_table:
            return "the driver's page table is malformed: report it as a bug of the driver";
        case CardStatus::bus_error:
            return "an access of the card failed on the bus: look for PCIe errors in the kernel "
                   "log";
        case CardStatus::aborted:
            return "the queue was stopped by an administrator (accelctl reset --queue), or was "
                   "reset or destroyed while the command ran: reset it and submit again";
        case CardStatus::busy:
            return "the card still uses the object: report it as a bug of the driver";
        case CardStatus::exists:
            return "the card already has an object with this number: report it as a bug of the "
                   "driver";
        case CardStatus::not_found:
            return "the card has no object with this number: report it as a bug of the driver";
        case CardStatus::internal:
            return "the card had an internal error: reset it (accelctl reset), and look in the "
                   "kernel log";
        case CardStatus::bad_index:
            return "an element of an index tensor is out of range of the axis that it indexes: "
                   "check the "
                   "indices";
        case CardStatus::time_limit:
            return "the command used all device time of its limit: split the work into shorter "
                   "commands or lists, or raise the limit (QueueOptions::time_limit, and "
                   "time_limit_ms of the card in sysfs)";
        case CardStatus::no_progress:
            return "the command made no progress, so the driver stopped its queue: submit it "
                   "again, and if that fails too, report it with the device coredump (accelctl "
                   "coredump)";
        case CardStatus::step_limit:
            return "the list executed more commands than the card permits "
                   "(DeviceInfo::max_list_steps): a loop does not end, or makes too many passes; "
                   "check its condition and its count, or call the list several times";
    }
    return "the card reported a status that this library does not know: update libaccel";
}

std::string_view explain(std::errc error) noexcept {
    switch (static_cast<int>(error)) {
        case ENOTTY:
            return "the driver does not have this call: it is older than this library, or the file "
                   "is not one of its device nodes; update the driver";
        case EFAULT:
            return "the memory is not accessible: check the pointer and its length, and that it is "
                   "writable where the card writes; the card cannot write to a shared mapping of "
                   "a file on a disk";
        case E2BIG:
            return "the driver is older than this library and does not have an option that is set: "
                   "update the driver";
        case EINVAL:
            return "a value is out of range: check it against Device::info()";
        case EOPNOTSUPP:
            return "this driver or card does not have the feature: check DeviceInfo::features and "
                   "DeviceInfo::capabilities";
        case ENOENT:
            return "the driver has no such object: it was destroyed before; check its lifetime";
        case ENOMEM:
            return "the host is out of memory: free some, or request less";
        case ENOSPC:
            return "the card is out of device memory, contexts or queues: free some, or close "
                   "another program that uses the card (accelctl top lists them)";
        case EBADF:
            return "the file descriptor is not open: it was closed before, or its number is wrong";
        case EDQUOT:
            return "a limit of this user is used up: locked memory (raise it with ulimit -l, or "
                   "LimitMEMLOCK= of a systemd unit), or the card's quota of contexts, queues, "
                   "device memory or host memory (raise it in quota/ of the card in sysfs)";
        case EPERM:
            return "the process lacks a capability that this call needs: run it with more "
                   "privileges";
        case EACCES:
            return "this user may not open the device node: join the group that owns it (ls -l on "
                   "the node shows the group)";
        case EBUSY:
            return "the object is in use: end its users first, then try again";
        case ETIMEDOUT:
            return "the deadline passed, and the job continues: wait again";
        case EINTR:
            return "a signal interrupted the call: call again";
        case EMFILE:
            return "this process has too many open files: close some, or raise its limit "
                   "(ulimit -n, or LimitNOFILE= of a systemd unit)";
        case ENFILE:
            return "all processes together have too many open files: end some programs, or raise "
                   "the limit (sysctl fs.file-max)";
        case EISDIR:
            return "the path is a folder: give the device node of a card, such as /dev/accel0";
        case EAGAIN:
            return "the card is still resetting: open it again in a few seconds; accelctl doctor "
                   "shows its state";
        case ETIME:
            return "the queue stopped, because its command used up the time limit or made no "
                   "progress: restart it with Queue::reset()";
        case EIO:
            return "the card failed, or did not answer the driver: accelctl events shows what "
                   "happened; open the device again if it was reset, else restart the queue with "
                   "Queue::reset()";
        case ECANCELED:
            return "the queue was reset or destroyed before the job was finished: submit it again";
        case ESTALE:
            return "the card was reset since it was opened: open the device again, and create its "
                   "buffers and queues again";
        case ENODEV:
            return "the card is gone: it was removed or its link failed; accelctl doctor "
                   "looks for it, and the kernel log has the reason";
        case ENOTRECOVERABLE:
            return "the card failed, and no reset by the driver helped: an administrator must "
                   "reset it (accelctl reset), bind its driver again, or power the machine off; "
                   "accelctl doctor shows the steps";
        default:
            return "the operating system refused the call for a reason that this library does not "
                   "know: look in the kernel log";
    }
}

std::string_view explain(Reason reason) noexcept {
    switch (reason) {
        case Reason::none:
            return "no reason is known: look in the kernel log";
        case Reason::error:
            return "a command of the queue failed: restart the queue with Queue::reset()";
        case Reason::time_limit:
            return "a command of the queue used up its time limit: split the work, or raise the "
                   "limit (QueueOptions::time_limit), and restart the queue with Queue::reset()";
        case Reason::no_progress:
            return "the queue made no progress, so the driver stopped it: restart it with "
                   "Queue::reset(), and if it happens again, report it with the device coredump";
        case Reason::stopped:
            return "an administrator stopped the queue: restart it with Queue::reset()";
        case Reason::reset:
            return "an administrator reset the card: open the device again, and create its buffers "
                   "and queues again";
        case Reason::recovery:
            return "the card did not work any more, so the driver reset it: open the device again, "
                   "and create its buffers and queues again; accelctl events shows the cause";
        case Reason::link_error:
            return "the PCI Express link reported an error that may have lost data, so the card "
                   "was reset: open the device again, create its buffers and queues again, and "
                   "check the slot if it happens again";
        case Reason::suspend:
            return "the machine was suspended, and the card lost its state: open the device again, "
                   "and create its buffers and queues again";
        case Reason::removed:
            return "the card is gone: it was removed, or its driver was unbound; accelctl doctor "
                   "looks for it";
        case Reason::wedged:
            return "the card failed, and no reset by the driver helped: an administrator must "
                   "reset it (accelctl reset) or bind its driver again; accelctl doctor shows the "
                   "steps";
    }
    return "the driver reported a reason that this library does not know: update libaccel";
}

std::string_view to_string(Reason reason) noexcept {
    switch (reason) {
        case Reason::none:
            return "none";
        case Reason::error:
            return "error";
        case Reason::time_limit:
            return "time_limit";
        case Reason::no_progress:
            return "no_progress";
        case Reason::stopped:
            return "stopped";
        case Reason::reset:
            return "reset";
        case Reason::recovery:
            return "recovery";
        case Reason::link_error:
            return "link_error";
        case Reason::suspend:
            return "suspend";
        case Reason::removed:
            return "removed";
        case Reason::wedged:
            return "wedged";
    }
    return "unknown";
}

struct Error::Details {
    std::optional<CardFailure> failure;
    Reason reason = Reason::none;
};

Error::Error(std::errc error, const std::string& what) : Error(error, what, Reason::none) {}

Error::Error(std::errc error, const std::string& what, const CardFailure& failure)
    : std::system_error(std::make_error_code(error), what),
      details_(std::make_shared<const Details>(Details{failure, failure.reason})) {}

Error::Error(std::errc error, const std::string& what, Reason reason)
    : std::system_error(std::make_error_code(error), what),
      details_(std::make_shared<const Details>(Details{std::nullopt, reason})) {}

// The details are shared and never null. A copy or a move only increments a reference count; a
// moved-from Error keeps its details.
Error::Error(const Error&) noexcept = default;
// NOLINTNEXTLINE(performance-move-constructor-init)
Error::Error(Error&& other) noexcept : Error(std::as_const(other)) {}
Error& Error::operator=(const Error&) noexcept = default;
Error& Error::operator=(Error&& other) noexcept {
    return *this = std::as_const(other);
}
Error::~Error() = default;

const std::optional<CardFailure>& Error::failure() const noexcept {
    return details_->failure;
}

CardStatus Error::status() const noexcept {
    return details_->failure ? details_->failure->status : CardStatus::ok;
}

Reason Error::reason() const noexcept {
    return details_->reason;
}

}  // namespace accel
