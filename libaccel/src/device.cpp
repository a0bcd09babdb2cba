// SPDX-License-Identifier: Apache-2.0
//
// Opening a card and asking what it is.
#include "accel/device.hpp"

#include <accel_hw.h>
#include <accel_uapi.h>

#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include "device_impl.hpp"
#include "list_impl.hpp"
#include "memory.hpp"
#include "queue_impl.hpp"

namespace accel {

namespace detail {

namespace {

std::string open_problem(int error, const std::string& path) {
    switch (error) {
        case ENOENT:
        case ENXIO:
            return "there is no " + path +
                   ": see that the module accel is loaded (lsmod) and that the card is on the bus "
                   "(lspci -d 1234:acc1)";
        case ENOSPC:
            return "cannot open " + path +
                   ": all contexts of the card are taken; close another program that has it open "
                   "(fuser -v on the node)";
        default:
            return "cannot open " + path + ": " +
                   std::string(explain(static_cast<std::errc>(error)));
    }
}

DeviceInfo to_info(const accel_info& raw, const std::string& path) {
    DeviceInfo info;
    info.path = path;
    info.pci = {raw.pci_domain, raw.pci_bus, raw.pci_device, raw.pci_function};
    info.serial = raw.serial;
    info.hardware_version = raw.hw_version;
    info.firmware = raw.firmware;
    info.features = raw.features;
    info.capabilities = raw.capabilities;
    info.memory_size = raw.memory_size;
    info.memory_free = raw.memory_free;
    info.queues = raw.queues;
    info.contexts = raw.contexts;
    info.ring_entries = raw.ring_entries;
    info.list_commands = raw.list_commands;
    info.address_bits = raw.va_bits;
    info.compute_engines = raw.engines >> 8 & 0xff;
    info.dma_engines = raw.engines & 0xff;
    info.clock_hz = raw.clock_hz;
    info.vectors = raw.vectors;
    if (raw.numa_node >= 0) {
        info.numa_node = raw.numa_node;
    }
    info.generation = raw.generation;
    info.locked = raw.locked;
    if (raw.locked_limit != std::numeric_limits<std::uint64_t>::max()) {
        info.locked_limit = raw.locked_limit;
    }
    return info;
}

template <typename T>
std::optional<T> parse(std::string_view text, int base) {
    T value{};
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value, base);
    if (text.empty() || error != std::errc{} || stop != end) {
        return std::nullopt;
    }
    return value;
}

// [domain:]bus:device.function, all hexadecimal.
std::optional<PciAddress> parse_pci(std::string_view text) {
    const std::size_t dot = text.rfind('.');
    const std::size_t colon = text.rfind(':', dot);
    if (dot == std::string_view::npos || colon == std::string_view::npos || dot < colon) {
        return std::nullopt;
    }
    std::string_view domain = "0";
    std::string_view bus = text.substr(0, colon);
    if (const std::size_t first = bus.find(':'); first != std::string_view::npos) {
        domain = bus.substr(0, first);
        bus = bus.substr(first + 1);
    }
    const auto d = parse<std::uint32_t>(domain, 16);
    const auto b = parse<std::uint32_t>(bus, 16);
    const auto s = parse<std::uint32_t>(text.substr(colon + 1, dot - colon - 1), 16);
    const auto f = parse<std::uint32_t>(text.substr(dot + 1), 16);
    if (!d || !b || !s || !f) {
        return std::nullopt;
    }
    return PciAddress{*d, *b, *s, *f};
}

std::optional<std::uint64_t> parse_serial(std::string_view text) {
    if (text.starts_with("0x") || text.starts_with("0X")) {
        return parse<std::uint64_t>(text.substr(2), 16);
    }
    return parse<std::uint64_t>(text, 10);
}

// The first card that `matches`. One that cannot be opened may be the one that is meant, so it is
// named in the error.
template <typename Predicate>
std::shared_ptr<DeviceImpl> find_device(const std::shared_ptr<Kernel>& kernel,
                                        std::string_view name, Predicate matches) {
    std::string problems;
    for (const std::string& path : kernel->nodes()) {
        try {
            auto device = std::make_shared<DeviceImpl>(kernel, path);
            if (matches(device->limits())) {
                return device;
            }
        } catch (const Error& error) {
            problems += "; " + std::string(error.what());
        }
    }
    throw Error(std::errc::no_such_device, "no card that can be opened is called " +
                                               std::string(name) +
                                               ": Device::list() has those there are" + problems);
}

}  // namespace

DeviceImpl::DeviceImpl(std::shared_ptr<Kernel> kernel, std::string path)
    : kernel_(std::move(kernel)), path_(std::move(path)), fd_(kernel_->open(path_)) {
    if (fd_ < 0) {
        throw Error(static_cast<std::errc>(-fd_), open_problem(-fd_, path_));
    }
    try {
        limits_ = query();
        if (limits_.hardware_version >> 16 != ACCEL_VERSION_MAJOR) {
            throw Error(std::errc::operation_not_supported,
                        "the card at " + path_ + " has version " +
                            std::to_string(limits_.hardware_version >> 16) +
                            " of the hardware interface and this library knows version " +
                            std::to_string(ACCEL_VERSION_MAJOR) + ": update libaccel");
        }
        lanes_.set_count(limits_.queues);
    } catch (...) {
        kernel_->close(fd_);
        throw;
    }
}

DeviceImpl::~DeviceImpl() {
    kernel_->close(fd_);
}

DeviceInfo DeviceImpl::query() const {
    accel_info raw = {};
    call(ACCEL_IOCTL_INFO, raw, "cannot ask what the card is");
    return to_info(raw, path_);
}

Mapping::Mapping(const DeviceImpl& device, std::uint64_t offset, std::uint64_t bytes,
                 const char* what)
    : kernel_(&device.kernel()), bytes_(bytes) {
    if (const int error = -kernel_->mmap(device.fd(), offset, bytes, &data_); error != 0) {
        data_ = nullptr;
        throw_errno(error, std::string(what) + " of " + device.path());
    }
}

Mapping::Mapping(Mapping&& other) noexcept
    : kernel_(other.kernel_), data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
    std::swap(kernel_, other.kernel_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
}

Mapping::~Mapping() {
    if (data_ != nullptr) {
        kernel_->munmap(data_, bytes_);
    }
}

std::shared_ptr<DeviceImpl> open_device(const std::shared_ptr<Kernel>& kernel,
                                        std::string_view name) {
    if (name.starts_with('/')) {
        return std::make_shared<DeviceImpl>(kernel, std::string(name));
    }
    if (const auto pci = parse_pci(name)) {
        return find_device(kernel, name, [&](const DeviceInfo& info) { return info.pci == *pci; });
    }
    if (const auto serial = parse_serial(name)) {
        return find_device(kernel, name,
                           [&](const DeviceInfo& info) { return info.serial == *serial; });
    }
    throw_invalid("\"" + std::string(name) +
                  "\" is no path (/dev/accel0), PCI address (0000:01:00.0) or serial number "
                  "(decimal or 0x...)");
}

std::vector<DeviceEntry> list_devices(const std::shared_ptr<Kernel>& kernel) {
    std::vector<DeviceEntry> entries;
    for (std::string& path : kernel->nodes()) {
        DeviceEntry entry;
        try {
            entry.info = DeviceImpl(kernel, path).limits();
        } catch (const Error& error) {
            entry.problem = error.what();
        }
        entry.path = std::move(path);
        entries.push_back(std::move(entry));
    }
    return entries;
}

}  // namespace detail

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

Device Device::open(unsigned index) {
    return open("/dev/accel" + std::to_string(index));
}

Device Device::open(std::string_view name) {
    return Device(detail::open_device(detail::linux_kernel(), name));
}

std::vector<DeviceEntry> Device::list() {
    return detail::list_devices(detail::linux_kernel());
}

Device Device::alias() const {
    return Device(impl_);
}

DeviceInfo Device::info() const {
    return detail::DeviceAccess::impl(*this)->query();
}

int Device::fd() const {
    return detail::DeviceAccess::impl(*this)->fd();
}

detail::Allocation Device::allocate_bytes(const Shape& shape, std::size_t element,
                                          const BufferOptions& options) const {
    std::uint64_t bytes = 0;
    if (__builtin_mul_overflow(shape.elements(), element, &bytes)) {
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
        detail::throw_invalid("memory that is const can be registered with Access::read only");
    }
    // The card writes it only if the caller gave it to us as non-const.
    return detail::register_user(
        detail::DeviceAccess::impl(*this),
        const_cast<void*>(memory),  // NOLINT(cppcoreguidelines-pro-type-const-cast)
        bytes, access);
}

Queue Device::create_queue(const QueueOptions& options) const {
    return detail::QueueAccess::wrap(
        detail::QueueImpl::create(detail::DeviceAccess::impl(*this), options));
}

CommandList Device::create_list(Placement placement) const {
    return detail::ListAccess::wrap(
        detail::ListImpl::create(detail::DeviceAccess::impl(*this), placement));
}

Semaphore Device::create_semaphore(std::uint64_t value) const {
    auto word = allocate<std::uint64_t>({1});
    word[0] = value;
    return Semaphore(std::move(word));
}

}  // namespace accel
