// SPDX-License-Identifier: Apache-2.0
//
// The public Device and PciAddress.
#include "accel/device.hpp"

#include <array>
#include <charconv>
#include <utility>

#include "device_impl.hpp"
#include "device_lookup.hpp"
#include "list_impl.hpp"
#include "memory.hpp"
#include "queue_impl.hpp"

namespace accel {

std::string PciAddress::to_string() const {
    const auto digits = [](std::uint32_t value, std::size_t width) {
        std::array<char, 8> text{};
        const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value, 16);
        std::string number(text.data(), end);
        return number.insert(0, width > number.size() ? width - number.size() : 0, '0');
    };
    return digits(domain, 4) + ":" + digits(bus, 2) + ":" + digits(device, 2) + "." +
           digits(function, 1);
}

Device::Device(std::shared_ptr<detail::DeviceImpl> impl) noexcept : impl_(std::move(impl)) {}
Device::Device(Device&&) noexcept = default;
Device& Device::operator=(Device&&) noexcept = default;
Device::~Device() = default;

Device Device::open() {
    return Device(detail::open_default_device());
}

Device Device::open(unsigned index) {
    return Device(detail::open_device(index));
}

Device Device::open(std::string_view name) {
    return Device(detail::open_device(name));
}

std::vector<DeviceEntry> Device::list() {
    return detail::list_devices();
}

Device Device::alias() const {
    return Device(impl_);
}

DeviceInfo Device::info() const {
    return detail::DeviceAccess::impl(*this)->query();
}

std::optional<DeviceEnd> Device::ended() const {
    return detail::DeviceAccess::impl(*this)->ended();
}

int Device::fd() const {
    const detail::DeviceImpl& device = *detail::DeviceAccess::impl(*this);
    device.check_process();
    return device.fd();
}

detail::Allocation Device::allocate_bytes(const Shape& shape, std::size_t element_size,
                                          const BufferOptions& options) const {
    std::uint64_t bytes = 0;
    if (__builtin_mul_overflow(shape.elements(), element_size, &bytes)) {
        detail::throw_too_large();
    }
    return detail::allocate(detail::DeviceAccess::impl(*this), shape.empty() ? 0 : bytes, options);
}

FileDescriptor Device::export_bytes(const detail::Allocation& memory) const {
    return detail::export_memory(memory);
}

detail::Allocation Device::import_bytes(int fd, Access access) const {
    return detail::import_memory(impl_, fd, access);
}

detail::Allocation Device::register_bytes(const void* memory, std::uint64_t bytes, bool is_const,
                                          Access access) const {
    if (is_const && access != Access::read) {
        detail::throw_invalid(
            "const memory cannot be registered for writing: pass Access::read, or memory that is "
            "not "
            "const");
    }
    // The card only writes memory that the caller passed as non-const.
    return detail::register_memory(
        detail::DeviceAccess::impl(*this),
        const_cast<void*>(memory),  // NOLINT(cppcoreguidelines-pro-type-const-cast)
        bytes, access);
}

Queue Device::create_queue(const QueueOptions& options) const {
    return detail::QueueAccess::make(
        std::make_shared<detail::QueueImpl>(detail::DeviceAccess::impl(*this), options));
}

CommandList Device::create_command_list(Placement placement) const {
    return detail::ListAccess::make(
        detail::ListImpl::create(detail::DeviceAccess::impl(*this), placement));
}

Semaphore Device::create_semaphore(std::uint64_t value) const {
    auto word = allocate<std::uint64_t>({1});
    word[0] = value;
    return Semaphore(std::move(word));
}

}  // namespace accel
