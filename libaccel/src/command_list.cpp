// SPDX-License-Identifier: Apache-2.0
//
// The public CommandList.
#include "accel/command_list.hpp"

#include <utility>

#include "list_impl.hpp"

namespace accel {

CommandList::CommandList(std::shared_ptr<detail::ListImpl> impl) noexcept
    : impl_(std::move(impl)) {}
CommandList::CommandList(CommandList&&) noexcept = default;
CommandList& CommandList::operator=(CommandList&&) noexcept = default;
CommandList::~CommandList() = default;

CommandList& CommandList::add(const Command& command) {
    detail::ListAccess::impl(*this)->add(command);
    return *this;
}

CommandList& CommandList::name_argument(std::uint32_t argument, std::string name) {
    detail::ListAccess::impl(*this)->name_argument(argument, std::move(name));
    return *this;
}

void CommandList::close() {
    detail::ListAccess::impl(*this)->close();
}

bool CommandList::closed() const {
    return detail::ListAccess::impl(*this)->closed();
}

std::size_t CommandList::size() const {
    return detail::ListAccess::impl(*this)->size();
}

std::uint32_t CommandList::arguments() const {
    return detail::ListAccess::impl(*this)->arguments();
}

}  // namespace accel
