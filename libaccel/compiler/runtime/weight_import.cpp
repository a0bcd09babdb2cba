// SPDX-License-Identifier: Apache-2.0
#include "runtime/weight_import.hpp"

#include <accel/transfer.hpp>

#include "ir/error.hpp"
#include "runtime/weights_trailer.hpp"

namespace accel::compiler {

void import_weights(CompiledModel& model, int descriptor) {
    model.weights = model.device.import_memory<std::byte>(descriptor);
    WeightsTrailer found;
    // The size of a dma-buf is a multiple of the page size.
    if (model.weights.size() >= trailer_offset(model) + sizeof found) {
        Queue queue = model.device.create_queue();
        download(model.device, queue, std::as_writable_bytes(std::span(&found, 1)),
                 model.weights.slice(trailer_offset(model), sizeof found));
    }
    if (found != trailer_of(model)) {
        refuse("the imported weights are not those of this model as it is compiled here",
               "load the "
               "same file with the same options as the process that exports them");
    }
}

}  // namespace accel::compiler
