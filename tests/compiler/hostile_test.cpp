// SPDX-License-Identifier: Apache-2.0
//
// Files that are cut off, changed in places, or made up: every stage up to the plan either works or
// throws Error. Built with sanitizers this is the compiler's fuzzer: deterministic, in seconds.
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "fuse.hpp"
#include "layout.hpp"
#include "onnx_reader.hpp"
#include "plan.hpp"
#include "suite.hpp"

namespace accel::test {
namespace {

std::vector<std::byte> read(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
    const auto* const first = reinterpret_cast<const std::byte*>(bytes.data());
    return {first, first + bytes.size()};
}

// Whether it was compiled. Nothing but Error may come out.
bool compile(std::span<const std::byte> bytes) {
    try {
        model::Program program = model::read_onnx(bytes, "hostile.onnx", {});
        model::fuse(program, nullptr);
        model::Steps steps = model::lay_out(program, nullptr);
        static_cast<void>(model::plan(steps, nullptr));
        return true;
    } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find(' '), std::string::npos) << "a sentence";
        return false;
    }
}

class HostileFile : public ::testing::Test {
  protected:
    // Small ones, of all operators.
    static std::vector<std::vector<std::byte>> models() {
        std::vector<std::vector<std::byte>> all;
        for (const auto& folder : find_models(suite_folder)) {
            auto bytes = read(folder / "model.onnx");
            if (bytes.size() < 4000) {
                all.push_back(std::move(bytes));
            }
        }
        return all;
    }
    std::mt19937_64 random{11};
};

TEST_F(HostileFile, CutOffAnywhereIsAnErrorOrAModel) {
    for (const auto& bytes : models()) {
        for (int i = 0; i < 6; ++i) {
            static_cast<void>(compile(std::span(bytes).first(random() % bytes.size())));
        }
    }
}

TEST_F(HostileFile, ChangedBytesAreAnErrorOrAModel) {
    int compiled = 0;
    for (const auto& original : models()) {
        for (int round = 0; round < 25; ++round) {
            auto bytes = original;
            for (std::uint64_t changes = 1 + random() % 4; changes > 0; --changes) {
                bytes[random() % bytes.size()] = static_cast<std::byte>(random());
            }
            compiled += compile(bytes) ? 1 : 0;
        }
    }
    EXPECT_GT(compiled, 1000) << "most changes leave a model";
}

TEST_F(HostileFile, AHugeTensorIsRefusedBeforeItIsAllocated) {
    // ConstantOfShape of a shape that is far too large, and a weight that says so of itself.
    const auto refused = [](const std::string& text) {
        return !compile(std::as_bytes(std::span(text)));
    };
    EXPECT_TRUE(refused(""));
    EXPECT_TRUE(refused("this is no model"));
    EXPECT_TRUE(refused(std::string(5000, '\xff')));
}

}  // namespace
}  // namespace accel::test
