// SPDX-License-Identifier: Apache-2.0
//
// A table of all ioctls of the driver: number, structure, and the fields that the driver writes. It
// also makes valid arguments. Tests of rules for all calls iterate over it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "uapi.hpp"

namespace uapi {

/// The position of a field in its structure.
struct Field {
    std::size_t offset;
    std::size_t bytes;
};

struct Call {
    std::string name;
    unsigned long request;
    std::size_t size;
    std::vector<Field> out;
    std::size_t grown = 0;  // bytes added since the first version of the UAPI

    [[nodiscard]] std::size_t first() const { return size - grown; }
};

std::ostream& operator<<(std::ostream& out, const Call& call);

/// All calls of accel_uapi.h.
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

/// A file with the objects that calls need to succeed.
class CallFixture {
  public:
    [[nodiscard]] const File& file() const { return file_; }
    [[nodiscard]] const Queue& queue() const { return queue_; }

    /// An argument with which the call succeeds once. For a call that destroys, it makes the
    /// object.
    [[nodiscard]] Argument valid_argument(const Call& call);
    /// Calls with an argument in ordinary memory, and destroys the object that the call made.
    int run(const Call& call, Argument& argument) const;
    /// Destroys the object that a successful call made.
    void undo(const Call& call, std::span<const std::byte> argument) const;

  private:
    File file_;
    Queue queue_{file_};
    Buffer shared_{file_, page};
    Descriptor dmabuf_ = shared_.export_dmabuf();
    Mapping own_ = Mapping::anonymous(page);
};

}  // namespace uapi
