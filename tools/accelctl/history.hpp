// SPDX-License-Identifier: Apache-2.0
//
// The recent utilization of each card, as graphs for the free rows of a screen.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "json.hpp"
#include "terminal.hpp"

namespace accel::tools {

class History {
  public:
    /// Adds a snapshot (accelctl.top/1).
    void add(const Json& document);

    /// Graphs of both engines of each card, in at most `rows` lines of `columns`; the newest
    /// snapshot is at the right. Empty if the rows are too few to read anything from them.
    [[nodiscard]] std::vector<std::string> render(int rows, int columns,
                                                  const Terminal& terminal) const;

  private:
    struct Series {
        std::string title;
        std::deque<double> values;  ///< 0 to 1, the oldest first
    };
    std::map<std::string, Series> series_;  ///< by the card's address and the engine
};

}  // namespace accel::tools
