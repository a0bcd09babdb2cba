// SPDX-License-Identifier: Apache-2.0
//
// A program of a user. There is no card where it runs, and the library must report that. An
// emulated device works.
#include <accel/accel.hpp>
#include <iostream>
#include <string_view>

namespace {

bool emulated_device_works() {
    const accel::Device card = accel::Device::open("emulated");
    const auto memory = card.allocate<int>({16});
    accel::Queue queue = card.create_queue();
    queue.submit(accel::fill(memory, 7)).wait();
    return card.info().emulated && memory[15] == 7;
}

}  // namespace

int main() {
    if (!emulated_device_works()) {
        return 1;
    }
    const accel::Command command =
        accel::Fill{.dst = accel::Address{0x1000}, .pattern = 1, .pattern_bytes = 4, .bytes = 64};
    static_cast<void>(command);
    if (!accel::wait_any({}).has_value() && accel::Job().done()) {
        try {
            static_cast<void>(accel::Device::open("/dev/accel-not-there"));
        } catch (const accel::Error& error) {  // thrown by the shared library
            std::cout << error.what() << '\n';
            return error.errc() == std::errc::no_such_file_or_directory &&
                           std::string_view(error.what()).find("accelctl doctor") !=
                               std::string_view::npos
                       ? 0
                       : 1;
        }
    }
    return 1;
}
