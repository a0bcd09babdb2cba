// SPDX-License-Identifier: Apache-2.0
//
// The public Error, and a sentence for each status of the card and each errno of the driver.
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
                   "the "
                   "inner list into the outer list";
        case CardStatus::bad_doorbell:
            return "the tail of the queue is ahead of its ring: something else wrote to the memory "
                   "of "
                   "the queue; look for stray writes in the program";
        case CardStatus::fault_unmapped:
            return "no memory is mapped at this address: it was freed before the job ran, or an "
                   "offset or size ends past the buffer; check both";
        case CardStatus::fault_read:
            return "the card may not read at this address: allocate the buffer with Access::read "
                   "or "
                   "Access::read_write";
        case CardStatus::fault_write:
            return "the card may not write at this address: allocate the buffer with Access::write "
                   "or "
                   "Access::read_write";
        case CardStatus::fault_table:
            return "the driver's page table is malformed: report it as a bug of the driver";
        case CardStatus::bus_error:
            return "an access of the card failed on the bus: look for PCIe errors in the kernel "
                   "log";
        case CardStatus::aborted:
            return "the queue was stopped by an administrator (accelctl reset --queue), or was "
                   "reset "
                   "or destroyed while the command ran: reset it and submit again";
        case CardStatus::busy:
            return "the card still uses the object: report it as a bug of the driver";
        case CardStatus::exists:
            return "the card already has an object with this number: report it as a bug of the "
                   "driver";
        case CardStatus::not_found:
            return "the card has no object with this number: report it as a bug of the driver";
        case CardStatus::internal:
            return "the card had an internal error: reset it (accelctl reset), and look in the "
                   "kernel "
                   "log";
        case CardStatus::bad_index:
            return "an element of an index tensor is out of range of its source: check the indices";
    }
    return "the card reported a status that this library does not know: update libaccel";
}

std::string_view explain(std::errc error) noexcept {
    switch (static_cast<int>(error)) {
        case ENOTTY:
            return "the driver does not have this call: it is older than this library, or the file "
                   "is "
                   "not one of its device nodes; update the driver";
        case EFAULT:
            return "the memory is not accessible: check the pointer and its length, and that it is "
                   "writable where the card writes";
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
            return "the card is out of device memory, contexts or queues: free some, or find the "
                   "other "
                   "programs that have the card open (fuser -v on its device node)";
        case EDQUOT:
            return "the limit on locked memory is reached: raise it (ulimit -l, or LimitMEMLOCK= "
                   "of a "
                   "systemd unit), or register less at a time";
        case EPERM:
            return "the process lacks a capability that this call needs: run it with more "
                   "privileges";
        case EACCES:
            return "this user may not open the device node: join the group that owns it (ls -l on "
                   "the "
                   "node shows the group)";
        case EBUSY:
            return "the object is in use: end its users first, then try again";
        case ETIMEDOUT:
            return "the deadline passed, and the job continues: wait again";
        case EINTR:
            return "a signal interrupted the call: call again";
        case EIO:
            return "the queue stopped at a command that failed: restart it with Queue::reset()";
        case ECANCELED:
            return "the queue was reset or destroyed before the job was finished: submit it again";
        case ESTALE:
            return "the card was reset since it was opened: open the device again, and create its "
                   "buffers and queues again";
        case ENODEV:
            return "the card is gone: it was removed or its link failed; look in the kernel log "
                   "and at "
                   "lspci";
        default:
            return "the system call failed with an unexpected errno: report it as a bug of the "
                   "driver";
    }
}

Error::Error(std::errc error, const std::string& what)
    : std::system_error(std::make_error_code(error), what),
      card_(std::make_shared<const std::optional<CardFailure>>()) {}

Error::Error(std::errc error, const std::string& what, const CardFailure& failure)
    : std::system_error(std::make_error_code(error), what),
      card_(std::make_shared<const std::optional<CardFailure>>(failure)) {}

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
    return *card_;
}

CardStatus Error::status() const noexcept {
    return *card_ ? (*card_)->status : CardStatus::ok;
}

}  // namespace accel
