// SPDX-License-Identifier: Apache-2.0
#include "ir/byte_source.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <new>
#include <system_error>

namespace accel::compiler {

namespace {

// The heap keeps freed memory, up to megabytes a piece. Sources of this size bypass it.
constexpr std::size_t large = std::size_t{1} << 18;

}  // namespace

std::shared_ptr<ByteSource> ByteSource::allocate(std::size_t bytes) {
    std::shared_ptr<ByteSource> source(new ByteSource);
    if (bytes < large) {
        source->owned_.resize(bytes);
        source->writable_ = source->owned_.data();
    } else {
        void* const memory =
            mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) {
            throw std::bad_alloc();
        }
        source->anonymous_ = bytes;
        source->writable_ = static_cast<std::byte*>(memory);
    }
    source->bytes_ = {source->writable_, bytes};
    return source;
}

std::shared_ptr<ByteSource> ByteSource::map(int fd, std::size_t bytes) {
    std::shared_ptr<ByteSource> source(new ByteSource);
    if (bytes == 0) {
        return source;
    }
    void* const memory = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (memory == MAP_FAILED) {
        throw std::system_error(errno, std::generic_category());
    }
    source->file_ = bytes;
    source->bytes_ = {static_cast<const std::byte*>(memory), bytes};
    return source;
}

std::shared_ptr<ByteSource> ByteSource::own(std::vector<std::byte> bytes) {
    std::shared_ptr<ByteSource> source(new ByteSource);
    source->owned_ = std::move(bytes);
    source->writable_ = source->owned_.data();
    source->bytes_ = source->owned_;
    return source;
}

std::shared_ptr<ByteSource> ByteSource::borrow(std::span<const std::byte> bytes) {
    std::shared_ptr<ByteSource> source(new ByteSource);
    source->bytes_ = bytes;
    source->borrowed_ = true;
    return source;
}

ByteSource::~ByteSource() {
    if (anonymous_ + file_ != 0) {
        munmap(const_cast<std::byte*>(bytes_.data()), anonymous_ + file_);
    }
}

void ByteSource::evict(std::span<const std::byte> part) const noexcept {
    if (file_ == 0 || part.empty()) {
        return;
    }
    // Whole pages, with those at the edges: another reader of these reads them again.
    static const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
    const auto base = reinterpret_cast<std::uintptr_t>(bytes_.data());
    const auto first = reinterpret_cast<std::uintptr_t>(part.data()) / page * page;
    const auto last = reinterpret_cast<std::uintptr_t>(part.data()) + part.size();
    if (first >= base && last <= base + bytes_.size()) {
        auto* const start = const_cast<std::byte*>(bytes_.data()) + (first - base);
        static_cast<void>(madvise(start, last - first, MADV_DONTNEED));
    }
}

}  // namespace accel::compiler
