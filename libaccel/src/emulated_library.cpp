// SPDX-License-Identifier: Apache-2.0
//
// Finding and loading libaccel_emulated.
#include "emulated_library.hpp"

#include <dlfcn.h>

#include <filesystem>
#include <string_view>
#include <system_error>

#include "accel/error.hpp"
#include "emulated_interface.hpp"

namespace accel::detail {

namespace {

constexpr std::string_view prefix = "emulated";

// The path in the folder of the library, or of the program, that contains this code.
std::string beside_this_library() {
    Dl_info info{};
    if (::dladdr(&emulated_library, &info) == 0 || info.dli_fname == nullptr) {
        return {};
    }
    const auto path = std::filesystem::path(info.dli_fname).parent_path() / emulated_library;
    std::error_code ignored;
    return std::filesystem::exists(path, ignored) ? path.string() : std::string();
}

[[noreturn]] void throw_not_loaded(std::string_view why) {
    throw Error(std::errc::no_such_device,
                "cannot open an emulated card: " + std::string(why) +
                    "; install the library libaccel_emulated of the same version as libaccel (" +
                    interface_version + ")");
}

template <typename Function>
Function* find(void* library, const char* symbol) {
    void* const address = ::dlsym(library, symbol);
    if (address == nullptr) {
        throw_not_loaded(std::string(emulated_library) + " has no symbol " + symbol);
    }
    return reinterpret_cast<Function*>(address);
}

EmulatedOpen* load() {
    const std::string beside = beside_this_library();
    // It is never unloaded: the threads of its cards and its handlers of fork() are in it.
    constexpr int flags = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE;
    void* const library = ::dlopen(beside.empty() ? emulated_library : beside.c_str(), flags);
    if (library == nullptr) {
        // The text belongs to this thread.
        const char* const why = ::dlerror();  // NOLINT(concurrency-mt-unsafe)
        throw_not_loaded(why != nullptr ? why : "the library cannot be loaded");
    }
    const std::string_view version = find<EmulatedVersion>(library, emulated_version_symbol)();
    if (version != interface_version) {
        throw_not_loaded(std::string(emulated_library) + " has version " + std::string(version));
    }
    return find<EmulatedOpen>(library, emulated_open_symbol);
}

}  // namespace

bool names_emulated(std::string_view name) noexcept {
    return name.starts_with(prefix) && (name.size() == prefix.size() || name[prefix.size()] == ':');
}

EmulatedCard emulated_card(const std::string& name) {
    static EmulatedOpen* const open = load();
    EmulatedCard card;
    std::string text;
    if (const int error = open(name, card.machine, text); error != 0) {
        throw Error(static_cast<std::errc>(error), text);
    }
    card.path = std::move(text);
    return card;
}

}  // namespace accel::detail
