// SPDX-License-Identifier: Apache-2.0
//
// The sentences: one for each status of the card and each errno of the driver's contract.
#include "accel/error.hpp"

#include <cerrno>
#include <utility>

#include "errors.hpp"

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
                   "parameters 16, records 32, command lists 64";
        case CardStatus::bad_size:
            return "a size overflows the address space or passes a limit of the card: check the "
                   "extents, and the length of a list against DeviceInfo::list_commands";
        case CardStatus::bad_argument:
            return "the list uses an argument that the call does not give: pass as many as "
                   "CommandList::arguments() says";
        case CardStatus::nested_call:
            return "a list calls a list: record the inner commands into the outer list";
        case CardStatus::bad_doorbell:
            return "the queue's tail ran ahead of its ring: something else wrote to the queue's "
                   "memory; look for stray writes";
        case CardStatus::fault_unmapped:
            return "no memory is mapped at this address: it was freed before the job ran, or an "
                   "offset or extent passes the end of a buffer";
        case CardStatus::fault_read:
            return "the card may not read at this address: make the buffer with Access::read or "
                   "Access::read_write";
        case CardStatus::fault_write:
            return "the card may not write at this address: make the buffer with Access::write or "
                   "Access::read_write";
        case CardStatus::fault_table:
            return "the driver's page table is malformed: report it as a bug of the driver";
        case CardStatus::bus_error:
            return "the bus refused an access of the card: look for PCIe errors in the kernel log";
        case CardStatus::aborted:
            return "the queue was stopped by an administrator (accelctl reset --queue), or reset "
                   "or "
                   "destroyed while the command ran: reset it and submit again";
        case CardStatus::busy:
            return "the card still uses the object";
        case CardStatus::exists:
            return "the card already has an object of that number: report it as a bug of the "
                   "driver";
        case CardStatus::not_found:
            return "the card has no object of that number: report it as a bug of the driver";
        case CardStatus::internal:
            return "the card failed: reset it, and look in the kernel log";
        case CardStatus::bad_index:
            return "a tensor of indices names an element that its source does not have: check the "
                   "indices";
    }
    return "the card reported a status that this library does not know: update libaccel";
}

std::string_view explain(std::errc error) noexcept {
    switch (static_cast<int>(error)) {
        case ENOTTY:
            return "the driver does not know this call: it is older than this library, or the file "
                   "is no node of it; update the driver";
        case EFAULT:
            return "memory that was passed is not accessible: check the pointer and its length, "
                   "and "
                   "that it is writable where the card writes";
        case E2BIG:
            return "the driver is older than this library and does not know a field that is set: "
                   "update the driver";
        case EINVAL:
            return "a value is out of range: check it against Device::info()";
        case EOPNOTSUPP:
            return "this driver or card does not have that feature: see DeviceInfo::features and "
                   "DeviceInfo::capabilities";
        case ENOENT:
            return "the driver has no such object: it was destroyed meanwhile";
        case ENOMEM:
            return "the host is out of memory: free some, or ask for less";
        case ENOSPC:
            return "the card is out of device memory, contexts or queues: free some, or see who "
                   "else has the card open (fuser -v on its node)";
        case EDQUOT:
            return "the limit on locked memory is reached: raise it (ulimit -l, or LimitMEMLOCK= "
                   "of "
                   "a systemd unit), or register less at a time";
        case EPERM:
            return "a capability is missing: run the program with the rights it needs";
        case EACCES:
            return "this user may not open the node: join the group that owns it (ls -l on the "
                   "node "
                   "shows it)";
        case EBUSY:
            return "something that uses the object must end first";
        case ETIMEDOUT:
            return "the deadline passed; the job goes on";
        case EINTR:
            return "a signal arrived: call again";
        case EIO:
            return "the queue stopped at a command that failed: Queue::reset() starts it afresh";
        case ECANCELED:
            return "the queue was reset or destroyed before the job was finished: submit it again";
        case ESTALE:
            return "the card was reset since it was opened: open the device again and make its "
                   "buffers and queues anew";
        case ENODEV:
            return "the card is gone: it was removed or fell off the bus; look in the kernel log "
                   "and at lspci";
        default:
            return "the system call failed in a way that the driver's contract does not have";
    }
}

Error::Error(std::errc error, const std::string& what)
    : std::system_error(std::make_error_code(error), what),
      card_(std::make_shared<const std::optional<CardFailure>>()) {}

Error::Error(std::errc error, const std::string& what, const CardFailure& failure)
    : std::system_error(std::make_error_code(error), what),
      card_(std::make_shared<const std::optional<CardFailure>>(failure)) {}

// The details are shared and never null: a copy costs a count, and so does a move, which leaves
// them.
Error::Error(const Error&) noexcept = default;
// NOLINTNEXTLINE(performance-move-constructor-init)
Error::Error(Error&& other) noexcept : Error(std::as_const(other)) {}
Error& Error::operator=(const Error&) noexcept = default;
Error& Error::operator=(Error&& other) noexcept {
    return *this = std::as_const(other);
}
Error::~Error() = default;

const std::optional<CardFailure>& Error::card() const noexcept {
    return *card_;
}

CardStatus Error::status() const noexcept {
    return *card_ ? (*card_)->status : CardStatus::ok;
}

namespace detail {

void throw_errno(int error, const std::string& what) {
    const auto code = static_cast<std::errc>(error);
    throw Error(code, what + ": " + std::string(explain(code)));
}

void throw_invalid(const std::string& what) {
    throw Error(std::errc::invalid_argument, what);
}

void throw_moved_from(const char* type) {
    throw_invalid(std::string("this ") + type + " was moved from: use the one it was moved to");
}

std::string hex(std::uint64_t value) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    do {
        text.insert(text.begin(), digits[value & 15]);
        value >>= 4;
    } while (value != 0);
    return "0x" + text;
}

std::string describe(const CardFailure& failure) {
    std::string text = "command " + std::to_string(failure.sequence);
    if (failure.list_index) {
        text += ", at place " + std::to_string(*failure.list_index) + " of its list";
    }
    text += " (opcode " + hex(failure.opcode) + ")";
    switch (failure.status) {
        case CardStatus::fault_unmapped:
        case CardStatus::fault_read:
        case CardStatus::fault_write:
        case CardStatus::fault_table:
        case CardStatus::bus_error:
            text += ", at address " + hex(failure.address);
            break;
        default:
            break;
    }
    return text + ": " + std::string(explain(failure.status));
}

void throw_failed(std::uint64_t sequence, const CardFailure& failure) {
    std::string text = "job " + std::to_string(sequence);
    if (failure.sequence == sequence) {
        text += " failed at " + describe(failure);
    } else {
        text += " was not run, because its queue stopped at " + describe(failure);
    }
    throw Error(std::errc::io_error, text + ". Queue::reset() starts the queue afresh", failure);
}

void throw_bad_rank(std::size_t rank) {
    throw_invalid("a shape has at most " + std::to_string(max_rank) + " dimensions, not " +
                  std::to_string(rank));
}

void throw_too_large() {
    throw_invalid("the size does not fit 64 bits");
}

void throw_not_mapped() {
    throw_invalid(
        "the buffer lies in device memory and has no CPU mapping: use upload() and "
        "download(), or allocate it with Placement::device_mapped");
}

void throw_bad_slice(std::uint64_t first, std::uint64_t count, std::uint64_t size) {
    throw_invalid("a slice of " + std::to_string(count) + " elements from " +
                  std::to_string(first) + " passes the end of a buffer of " + std::to_string(size));
}

void throw_bad_length(std::uint64_t given, std::uint64_t size) {
    throw_invalid(std::to_string(given) + " elements were given for a buffer of " +
                  std::to_string(size));
}

}  // namespace detail

}  // namespace accel
