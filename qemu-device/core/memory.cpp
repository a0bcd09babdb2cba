// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Access to context memory, piece by piece.
//
// When the MMU reads a page-table entry it checks that the mapped run is inside device memory, so a
// Target needs no further check.
#include "memory.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "ordering.hpp"

namespace accel::card {

namespace {

// The most elements of a scatter, or rows, in one piece.
constexpr std::uint64_t piece_packets = 1024;

}  // namespace

void Memory::count_now() {
    accesses_ = 0;
    const std::uint64_t read = std::exchange(bytes_read_, 0);
    const std::uint64_t written = std::exchange(bytes_written_, 0);
    counters_.traffic.memory_read.add(read);
    counters_.traffic.memory_written.add(written);
    traffic_.memory_read.add(read);
    traffic_.memory_written.add(written);
}

void Memory::count_device(std::uint64_t read, std::uint64_t written) {
    bytes_read_ += read;
    bytes_written_ += written;
    if (checkpoint_ == nullptr || ++accesses_ == accesses_for_each_count) {
        count_now();
    }
    if (timing_ != nullptr) {
        timing_->memory(read + written);
    }
}

bool Memory::fetch(const Target& target, void* to) {
    if (target.device) {
        count_device(target.bytes, 0);
        move_payload(to, device_.data() + target.address, target.bytes);
        return true;
    }
    traffic_.host_read.add(target.bytes);
    return bus_.read(target.address, to, target.bytes);
}

bool Memory::store(const Target& target, const void* from) {
    if (target.device) {
        count_device(0, target.bytes);
        move_payload(device_.data() + target.address, from, target.bytes);
        return true;
    }
    traffic_.host_written.add(target.bytes);
    return bus_.write(target.address, from, target.bytes);
}

bool Memory::move(const Target& to, const Target& from, std::span<std::uint8_t> bounce) {
    // Device memory serves as the buffer: bytes are copied twice only between host addresses.
    if (from.device) {
        count_device(from.bytes, 0);
        return store(to, device_.data() + from.address);
    }
    if (to.device) {
        count_device(0, to.bytes);
        return fetch(from, device_.data() + to.address);
    }
    return fetch(from, bounce.data()) && store(to, bounce.data());
}

template <typename Visit>
Status Memory::for_each_run(std::uint64_t address, std::uint64_t bytes, Access access,
                            Visit&& visit) {
    while (bytes > 0) {
        if (Status status = check(); status != ACCEL_OK) {
            return status;
        }
        const Context::AccessGuard guard(context_, lane_);
        const std::uint64_t now = std::min(bytes, piece_bytes);
        if (Status status = visit_piece(guard, address, now, access, visit); status != ACCEL_OK) {
            return status;
        }
        address += now;
        bytes -= now;
    }
    return ACCEL_OK;
}

template <typename Visit>
Status Memory::visit_piece(const Context::AccessGuard& guard, std::uint64_t address,
                           std::uint64_t bytes, Access access, Visit& visit) {
    while (bytes > 0) {
        Target target{};
        if (Status status = context_.translate(guard, address, access, bytes, recent_, target);
            status != ACCEL_OK) {
            return failed(status, address);
        }
        if (!visit(target)) {
            return failed(ACCEL_BUS_ERROR, address);
        }
        address += target.bytes;
        bytes -= target.bytes;
    }
    return ACCEL_OK;
}

template <typename Visit>
Status Memory::for_each_row(std::uint64_t address, std::uint64_t stride, std::uint64_t rows,
                            std::uint64_t bytes, Access access, Visit&& visit) {
    if (bytes == 0) {
        return ACCEL_OK;
    }
    // The timing model settles after each row.
    const std::uint64_t in_piece =
        timing_ != nullptr ? 1 : std::min(piece_packets, piece_bytes / bytes);
    if (in_piece <= 1) {
        for (; rows > 0; --rows, address += stride) {
            if (Status status = for_each_run(address, bytes, access, visit); status != ACCEL_OK) {
                return status;
            }
        }
        return ACCEL_OK;
    }
    while (rows > 0) {
        if (Status status = check(); status != ACCEL_OK) {
            return status;
        }
        const Context::AccessGuard guard(context_, lane_);
        for (std::uint64_t left = std::min(rows, in_piece); left > 0;
             --left, --rows, address += stride) {
            if (Status status = visit_piece(guard, address, bytes, access, visit);
                status != ACCEL_OK) {
                return status;
            }
        }
    }
    return ACCEL_OK;
}

Status Memory::read(std::uint64_t address, void* to, std::uint64_t bytes) {
    auto* out = static_cast<std::uint8_t*>(to);
    return for_each_run(address, bytes, Access::read, [&](const Target& target) {
        const bool ok = fetch(target, out);
        out += target.bytes;
        return ok;
    });
}

Status Memory::write(std::uint64_t address, const void* from, std::uint64_t bytes) {
    const auto* in = static_cast<const std::uint8_t*>(from);
    return for_each_run(address, bytes, Access::write, [&](const Target& target) {
        const bool ok = store(target, in);
        in += target.bytes;
        return ok;
    });
}

// Host and card communicate through words. With a timing model a word is therefore read or written
// at the moment when the request reaches the host, not at the moment when it is made.

Status Memory::read_word(std::uint64_t address, std::uint64_t& value) {
    const Blocking blocking(timing_);
    if (timing_ != nullptr) {
        timing_->settle(ACCEL_TIMING_LINK);
    }
    return for_each_run(address, sizeof value, Access::read, [&](const Target& target) {
        if (target.device) {
            count_device(sizeof value, 0);
            value = load_word(device_.data() + target.address);
            return true;
        }
        traffic_.host_read.add(sizeof value);
        return bus_.read_word(target.address, value);
    });
}

Status Memory::write_word(std::uint64_t address, std::uint64_t value) {
    if (timing_ != nullptr) {
        timing_->settle(ACCEL_TIMING_LINK);
    }
    return for_each_run(address, sizeof value, Access::write, [&](const Target& target) {
        if (target.device) {
            count_device(0, sizeof value);
            store_word(device_.data() + target.address, value);
            return true;
        }
        traffic_.host_written.add(sizeof value);
        return bus_.write_word(target.address, value);
    });
}

Status Memory::read_rows(std::uint64_t address, std::uint64_t stride, std::uint64_t rows,
                         std::uint64_t bytes, void* to) {
    if (stride == bytes) {
        return read(address, to, rows * bytes);
    }
    auto* out = static_cast<std::uint8_t*>(to);
    return for_each_row(address, stride, rows, bytes, Access::read, [&](const Target& target) {
        const bool ok = fetch(target, out);
        out += target.bytes;
        return ok;
    });
}

Status Memory::write_rows(std::uint64_t address, std::uint64_t stride, std::uint64_t rows,
                          std::uint64_t bytes, const void* from) {
    if (stride == bytes) {
        return write(address, from, rows * bytes);
    }
    const auto* in = static_cast<const std::uint8_t*>(from);
    return for_each_row(address, stride, rows, bytes, Access::write, [&](const Target& target) {
        const bool ok = store(target, in);
        in += target.bytes;
        return ok;
    });
}

namespace {

template <typename T>
void pack_strided(const std::uint8_t* in, std::uint64_t step, std::uint64_t count,
                  std::uint8_t* out) {
    for (std::uint64_t i = 0; i < count; ++i) {
        std::memcpy(out + i * sizeof(T), in + i * step, sizeof(T));
    }
}

// Copies elements that are `step` bytes apart, so that they become dense.
void pack_strided(const std::uint8_t* in, std::uint64_t step, std::uint64_t count, unsigned size,
                  std::uint8_t* out) {
    switch (size) {
        case 1:
            return pack_strided<std::uint8_t>(in, step, count, out);
        case 2:
            return pack_strided<std::uint16_t>(in, step, count, out);
        case 4:
            return pack_strided<std::uint32_t>(in, step, count, out);
        default:
            return pack_strided<std::uint64_t>(in, step, count, out);
    }
}

// The number of elements, from `address` on, that start before its page ends.
std::uint64_t elements_in_page(std::uint64_t address, std::uint64_t stride_bytes,
                               std::uint64_t count) {
    if (stride_bytes == 0) {
        return count;
    }
    const std::uint64_t room = ACCEL_PAGE_SIZE - address % ACCEL_PAGE_SIZE;
    return std::min(count, (room + stride_bytes - 1) / stride_bytes);
}

}  // namespace

Status Memory::gather(std::uint64_t address, std::uint64_t stride, std::uint64_t count,
                      unsigned size, void* to) {
    auto* out = static_cast<std::uint8_t*>(to);
    if (stride == 1) {
        return read(address, out, count * size);
    }
    if (stride == 0 && count > 0) {
        if (Status status = read(address, out, size); status != ACCEL_OK) {
            return status;
        }
        // Each copy is as long as all before it.
        const std::uint64_t bytes = count * size;
        for (std::uint64_t done = size; done < bytes; done *= 2) {
            std::memcpy(out + done, out, std::min(done, bytes - done));
        }
        return ACCEL_OK;
    }
    const std::uint64_t step = stride * size;
    std::array<std::uint8_t, ACCEL_PAGE_SIZE> page;
    while (count > 0) {
        const std::uint64_t here = elements_in_page(address, step, count);
        if (Status status = read(address, page.data(), (here - 1) * step + size);
            status != ACCEL_OK) {
            return status;
        }
        pack_strided(page.data(), step, here, size, out);
        out += here * size;
        address += here * step;
        count -= here;
    }
    return ACCEL_OK;
}

Status Memory::scatter(std::uint64_t address, std::uint64_t stride, std::uint64_t count,
                       unsigned size, const void* from) {
    const auto* in = static_cast<const std::uint8_t*>(from);
    if (stride == 1) {
        return write(address, in, count * size);
    }
    const std::uint64_t step = stride * size;
    while (count > 0) {
        if (Status status = check(); status != ACCEL_OK) {
            return status;
        }
        // Each element is a packet of its own, so a piece has fewer of them than its bytes permit.
        const std::uint64_t here = std::min(elements_in_page(address, step, count), piece_packets);
        const Context::AccessGuard guard(context_, lane_);
        Target target{};
        const std::uint64_t span = (here - 1) * step + size;
        if (Status status =
                context_.translate(guard, address, Access::write, span, recent_, target);
            status != ACCEL_OK) {
            return failed(status, address);
        }
        target.bytes = size;
        for (std::uint64_t i = 0; i < here; ++i, target.address += step, in += size) {
            if (!store(target, in)) {
                return failed(ACCEL_BUS_ERROR, address + i * step);
            }
        }
        address += here * step;
        count -= here;
    }
    return ACCEL_OK;
}

Status Memory::copy(std::uint64_t to, std::uint64_t from, std::uint64_t bytes,
                    std::span<std::uint8_t> bounce) {
    while (bytes > 0) {
        if (Status status = check(); status != ACCEL_OK) {
            return status;
        }
        const Context::AccessGuard guard(context_, lane_);
        std::uint64_t left = std::min<std::uint64_t>(bytes, piece_bytes);
        bytes -= left;
        while (left > 0) {
            Target source{};
            Target sink{};
            if (Status status =
                    context_.translate(guard, from, Access::read, left, recent_, source);
                status != ACCEL_OK) {
                return failed(status, from);
            }
            if (Status status =
                    context_.translate(guard, to, Access::write, source.bytes, recent_, sink);
                status != ACCEL_OK) {
                return failed(status, to);
            }
            source.bytes = sink.bytes;
            if (!move(sink, source, bounce)) {
                return failed(ACCEL_BUS_ERROR, from);
            }
            to += sink.bytes;
            from += sink.bytes;
            left -= sink.bytes;
        }
    }
    return ACCEL_OK;
}

}  // namespace accel::card
