// SPDX-License-Identifier: Apache-2.0
//
// accelctl run --check-only: lists all that is not supported in a model, without a card.
#pragma once

#include "exit.hpp"
#include "models.hpp"

namespace accel::tools {

class Program;

/// Prints the causes, as text or as JSON. Exit::unsupported if there are any.
[[nodiscard]] Exit check_model(const Program& program, const ModelOptions& options);

}  // namespace accel::tools
