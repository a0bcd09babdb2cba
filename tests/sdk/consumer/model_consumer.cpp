// SPDX-License-Identifier: Apache-2.0
//
// A user's program that loads a model. There is no card where it runs, and the library must report
// that.
#include <accel/model.hpp>
#include <cstring>

int main() {
    try {
        const accel::Device card = accel::Device::open(0);
        const accel::Model net = accel::Model::load(card, "/nowhere/model.onnx");
        return 1;
    } catch (const accel::Error& error) {
        return std::strlen(error.what()) > 0 ? 0 : 1;
    }
}
