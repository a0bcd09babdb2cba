// SPDX-License-Identifier: Apache-2.0
//
// A recorded list: its commands, what they require of the arguments of a call, and the memory that
// the card reads it from.
#pragma once

#include <accel_hw.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "accel/command_list.hpp"
#include "command_access.hpp"
#include "device_impl.hpp"
#include "list_nesting.hpp"
#include "tracked_object.hpp"

namespace accel::detail {

class ListImpl final : public TrackedObject {
  public:
    [[nodiscard]] static std::shared_ptr<ListImpl> create(const std::shared_ptr<DeviceImpl>& device,
                                                          Placement placement) {
        return {new ListImpl(device, placement), Retire{}};
    }

    void add(const Command& command);
    void name_argument(std::uint32_t argument, std::string name);
    void close();

    [[nodiscard]] bool closed() const noexcept { return memory_.owner != nullptr; }
    [[nodiscard]] std::uint32_t size() const noexcept {
        return static_cast<std::uint32_t>(commands_.size());
    }
    [[nodiscard]] std::uint32_t arguments() const noexcept {
        return static_cast<std::uint32_t>(requirements_.size());
    }

    [[nodiscard]] const std::shared_ptr<DeviceImpl>& device() const noexcept { return device_; }

    /// Device address of the closed list.
    [[nodiscard]] std::uint64_t address() const noexcept { return memory_.address; }

    /// The combined requirements of all uses of argument `index`.
    [[nodiscard]] const CommandAccess::Use& requirement(std::uint32_t index) const {
        return requirements_[index];
    }
    [[nodiscard]] OperandName argument_name(std::uint32_t index) const noexcept {
        return {index, names_};
    }

  private:
    ListImpl(std::shared_ptr<DeviceImpl> device, Placement placement)
        : TrackedObject(queue_slots_of(device)),
          device_(std::move(device)),
          placement_(placement) {}

    void check_number(std::uint32_t argument) const;
    void check_control(const accel_command& raw) const;

    std::shared_ptr<DeviceImpl> device_;
    Placement placement_;
    std::vector<accel_command> commands_;
    std::vector<std::byte> params_;  // parameter blocks; in memory they follow the commands
    std::vector<std::uint32_t> with_params_;        // indices of the commands that have a block
    std::vector<CommandAccess::Use> requirements_;  // by argument
    std::vector<std::string> names_;  // by argument, of those that have one; else empty
    std::vector<std::shared_ptr<const void>> owners_;
    ListNesting nesting_;
    Allocation memory_;
};

struct ListAccess {
    static CommandList make(std::shared_ptr<ListImpl> impl) { return CommandList(std::move(impl)); }
    static const std::shared_ptr<ListImpl>& impl(const CommandList& list) {
        if (!list.impl_) {
            throw_moved_from("CommandList");
        }
        return list.impl_;
    }
};

}  // namespace accel::detail
