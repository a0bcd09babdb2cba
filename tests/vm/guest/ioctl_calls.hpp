// SPDX-License-Identifier: Apache-2.0
//
// Every ioctl of the driver as data: number, structure, which of its fields the driver writes; and
// how to make an argument that succeeds. Tests of the rules that hold for all calls walk over it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "bench.hpp"

namespace bench {

/// A field: its place in the structure.
struct Field {
    std::size_t offset;
    std::size_t bytes;
};

struct Call {
    std::string name;
    unsigned long request;
    std::size_t size;
    std::vector<Field> out;
    std::size_t grown = 0;  // bytes added since the first version of the interface

    [[nodiscard]] std::size_t first() const { return size - grown; }
};

std::ostream& operator<<(std::ostream& out, const Call& call);

/// Every call of accel_uapi.h.
[[nodiscard]] const std::vector<Call>& every_call();

/// The bytes of an argument.
using Argument = std::vector<std::byte>;

template <typename T>
[[nodiscard]] Argument bytes_of(const T& structure) {
    Argument bytes(sizeof(T));
    std::memcpy(bytes.data(), &structure, sizeof(T));
    return bytes;
}

template <typename T>
[[nodiscard]] T structure_of(std::span<const std::byte> bytes) {
    T structure;
    std::memcpy(&structure, bytes.data(), sizeof(T));
    return structure;
}

/// A file with what calls need to succeed.
class Callee {
  public:
    [[nodiscard]] const File& file() const { return file_; }
    [[nodiscard]] const Queue& queue() const { return queue_; }

    /// An argument that succeeds once; for a call that destroys, it makes the object first.
    [[nodiscard]] Argument good_argument(const Call& call);
    /// Calls with an argument in ordinary memory; destroys again what a call made.
    int run(const Call& call, Argument& argument) const;
    /// Destroys what a call that succeeded has made.
    void undo(const Call& call, std::span<const std::byte> argument) const;

  private:
    File file_;
    Queue queue_{file_};
    Buffer shared_{file_, page};
    Descriptor dmabuf_ = shared_.export_dmabuf();
    Mapping own_ = Mapping::anonymous(page);
};

}  // namespace bench
