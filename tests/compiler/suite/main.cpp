// SPDX-License-Identifier: Apache-2.0
//
// Judges the models of ONNX's operator suite on an emulated device, for the report and for people.
// It writes one line of JSON for each model: {"name", "outcome", "detail"}. With --operators it
// writes the table of operators instead: {"name", "opsets": [[first, last], ...]}.
#include <accel/device.hpp>
#include <accel/queue.hpp>

#include <nlohmann/json.hpp>

#include <cstring>
#include <exception>
#include <iostream>
#include <limits>

#include "frontend/operator_table.hpp"
#include "suite.hpp"

namespace {

using nlohmann::ordered_json;

constexpr const char* usage =
    "usage: onnx-suite [--host-fallback] [--folded] FOLDER...\n"
    "       onnx-suite --operators\n"
    "\n"
    "Judges all models below the folders on an emulated device.\n"
    "  --host-fallback  the host computes nodes whose inputs are unknown at load\n"
    "  --folded         all inputs are constants\n"
    "  --operators      lists the operators that the compiler supports\n";

const char* text(accel::test::Outcome outcome) {
    switch (outcome) {
        case accel::test::Outcome::passed:
            return "passed";
        case accel::test::Outcome::loosely:
            return "loosely";
        case accel::test::Outcome::unsupported:
            return "refused";
        case accel::test::Outcome::wrong:
            break;
    }
    return "wrong";
}

void print(const ordered_json& line) {
    // A text of a file may be no UTF-8.
    std::cout << line.dump(-1, ' ', false, ordered_json::error_handler_t::replace) << std::endl;
}

void list_operators() {
    for (const auto& [name, variants] : accel::compiler::operators().all()) {
        ordered_json ranges = ordered_json::array();
        for (const accel::compiler::Operator& one : variants) {
            const bool open = one.opsets.last == std::numeric_limits<std::int64_t>::max();
            ranges.push_back(
                {one.opsets.first, open ? ordered_json() : ordered_json(one.opsets.last)});
        }
        print({{"name", name}, {"opsets", std::move(ranges)}});
    }
}

void judge_all(const std::vector<const char*>& folders, const accel::test::SuiteOptions& options) {
    const accel::Device device = accel::Device::open("emulated");
    accel::Queue queue = device.create_queue();
    for (const char* const folder : folders) {
        for (const auto& model : accel::test::find_models(folder)) {
            const accel::test::Verdict verdict = accel::test::judge(device, queue, model, options);
            print({{"name", verdict.name},
                   {"outcome", text(verdict.outcome)},
                   {"detail", verdict.detail}});
            if (queue.failure()) {
                queue.reset();
            }
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    try {
        accel::test::SuiteOptions options;
        std::vector<const char*> folders;
        for (int i = 1; i < argc; ++i) {
            if (std::strcmp(argv[i], "--operators") == 0) {
                list_operators();
                return 0;
            }
            if (std::strcmp(argv[i], "--host-fallback") == 0) {
                options.host_fallback = true;
            } else if (std::strcmp(argv[i], "--folded") == 0) {
                options.folded = true;
            } else {
                folders.push_back(argv[i]);
            }
        }
        if (folders.empty() || folders[0][0] == '-') {
            std::cerr << usage;
            return 2;
        }
        judge_all(folders, options);
        return 0;
    } catch (const std::exception& error) {
        std::cerr << "onnx-suite: " << error.what() << '\n';
        return 1;
    }
}
