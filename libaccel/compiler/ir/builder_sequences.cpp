// SPDX-License-Identifier: Apache-2.0
//
// Sequences and optionals: values that exist only while a model is imported.
#include "ir/builder.hpp"

namespace accel::compiler {

ValueId Builder::sequence(std::vector<ValueId> elements) {
    const ValueId id = add_constant(std::make_shared<Tensor>(DataType::boolean, Dims{0}));
    sequences_[id] = std::move(elements);
    return id;
}

ValueId Builder::empty_optional() {
    const ValueId id = add_constant(std::make_shared<Tensor>(DataType::boolean, Dims{0}));
    empty_optionals_.insert(id);
    return id;
}

const std::vector<ValueId>* Builder::sequence_elements(ValueId id) const {
    const auto found = sequences_.find(id);
    return found == sequences_.end() ? nullptr : &found->second;
}

bool Builder::is_empty_optional(ValueId id) const {
    return empty_optionals_.contains(id);
}

void Builder::require_tensor(ValueId id, std::string_view what) const {
    if (sequence_elements(id) != nullptr) {
        refuse(std::string(what) + " is a sequence, and it must be a tensor",
               "read its elements with SequenceAt or ConcatFromSequence");
    }
    if (is_empty_optional(id)) {
        refuse(std::string(what) + " is an optional without an element",
               "ask OptionalHasElement before");
    }
}

}  // namespace accel::compiler
