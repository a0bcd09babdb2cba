// SPDX-License-Identifier: Apache-2.0
//
// Reads the device coredump of a card: "key: value" lines below "[section]" headings.
#include "coredump.hpp"

#include <filesystem>
#include <sstream>

#include "uapi.hpp"

namespace uapi {

namespace {

std::filesystem::path file(const Card& card) {
    return card.folder() / "devcoredump" / "data";
}

}  // namespace

Coredump::Coredump(const Card& card) {
    await("a coredump", [&] { return std::filesystem::exists(file(card)); });
    text_ = read_file(file(card));
    std::istringstream lines(text_);
    std::string section;
    for (std::string line; std::getline(lines, line);) {
        const std::size_t colon = line.find(": ");
        if (line.starts_with('[') && line.ends_with(']')) {
            section = line.substr(1, line.size() - 2);
            sections_[section];
        } else if (colon != std::string::npos) {
            sections_[section][line.substr(0, colon)] = line.substr(colon + 2);
        }
    }
}

void Coredump::discard(const Card& card) {
    if (std::filesystem::exists(file(card))) {
        require(write_file(file(card), "1"), "devcoredump/data");
        await("the end of the coredump", [&] { return !std::filesystem::exists(file(card)); });
    }
}

std::string Coredump::value(const std::string& section, const std::string& key) const {
    const auto keys = sections_.find(section);
    if (keys == sections_.end()) {
        return {};
    }
    const auto found = keys->second.find(key);
    return found == keys->second.end() ? std::string() : found->second;
}

bool Coredump::has(const std::string& section) const {
    return sections_.contains(section);
}

}  // namespace uapi
