// SPDX-License-Identifier: Apache-2.0
#include "reference_models.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

namespace accel::test {

std::filesystem::path made_folder(const std::string& script) {
    std::string name;
    FILE* const pipe = popen((script + " 2>/dev/null").c_str(), "r");
    for (int c = pipe != nullptr ? std::fgetc(pipe) : EOF; c != EOF && c != '\n';
         c = std::fgetc(pipe)) {
        name.push_back(static_cast<char>(c));
    }
    return pipe != nullptr && pclose(pipe) == 0 ? std::filesystem::path(name)
                                                : std::filesystem::path();
}

const std::filesystem::path& data_folder() {
    static const std::filesystem::path folder = made_folder(MODEL_DATA);
    return folder;
}

std::vector<std::byte> data_file(const std::string& name) {
    std::ifstream in(data_folder() / name, std::ios::binary);
    std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
    const auto* first = reinterpret_cast<const std::byte*>(bytes.data());
    return {first, first + bytes.size()};
}

std::vector<float> floats(const std::vector<std::byte>& bytes) {
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
    return values;
}

void Distance::add(const std::vector<float>& got, const std::vector<float>& expected) {
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t k = 0; k < got.size(); ++k) {
        const double error = std::fabs(static_cast<double>(got[k]) - expected[k]);
        const double allowed = 1e-5 + 1e-4 * std::fabs(expected[k]);
        worst = std::max(worst, error / allowed);
        beyond += error <= allowed ? 0 : 1;  // NaN is beyond
        ++values;
        furthest = std::max(furthest, error);
    }
}

std::string Distance::text() const {
    std::ostringstream out;
    out << "the largest difference from ONNX Runtime is " << furthest << ", " << beyond << " of "
        << values << " values beyond 1e-5 + 1e-4 relative (" << worst << " times)";
    return out.str();
}

}  // namespace accel::test
