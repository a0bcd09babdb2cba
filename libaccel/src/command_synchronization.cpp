// SPDX-License-Identifier: Apache-2.0
//
// Checks and encoding of Nop, Wait and Signal.
#include "encoder.hpp"

namespace accel {

namespace {

using detail::Encoder;

void encode_semaphore(Command& command, const char* type, std::uint8_t opcode, const Operand& word,
                      std::uint64_t value, Access access) {
    Encoder encoder(command, type, opcode);
    encoder.raw().semaphore.address = encoder.use("word", word, 8, access, 8);
    encoder.raw().semaphore.value = value;
    encoder.finish();
}

}  // namespace

Command::Command(const Nop& /*nop*/) {
    Encoder(*this, "Nop", ACCEL_OP_NOP).finish();
}

Command::Command(const Wait& wait) {
    encode_semaphore(*this, "Wait", ACCEL_OP_WAIT, wait.word, wait.value, Access::read);
}

Command::Command(const Signal& signal) {
    encode_semaphore(*this, "Signal", ACCEL_OP_SIGNAL, signal.word, signal.value, Access::write);
}

}  // namespace accel
