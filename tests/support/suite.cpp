// SPDX-License-Identifier: Apache-2.0
//
// Loads and runs models, and compares their outputs.
#include "suite.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstring>
#include <optional>
#include <sstream>
#include <string_view>

#include "frontend/file_io.hpp"
#include "frontend/onnx_file.hpp"
#include "ir/tensor.hpp"
#include "value_file.hpp"

namespace accel::test {

namespace {

namespace fs = std::filesystem;

// The tensors of a data set, those of sequences and optionals among them. Throws if the card does
// not have their data types.
std::vector<TensorData> tensors(const fs::path& set, const std::string& kind) {
    std::vector<TensorData> all;
    for (int i = 0;; ++i) {
        const fs::path file = set / (kind + "_" + std::to_string(i) + ".pb");
        if (!fs::exists(file)) {
            return all;
        }
        for (TensorData& one : read_value_file(file)) {
            all.push_back(std::move(one));
        }
    }
}

// The absolute tolerance of Outcome::loosely.
constexpr float loose = 1e-5F;

// Empty if they agree within the relative tolerance of the suite, and an absolute one.
std::string difference(const TensorData& got, const TensorData& expected, const SuiteOptions& suite,
                       float absolute) {
    // The suite's files store bf16 as u16.
    const bool bits = got.type == DataType::bf16 && expected.type == DataType::u16;
    if ((got.type != expected.type && !bits) || got.shape != expected.shape) {
        return std::string(compiler::to_string(got.type)) + compiler::to_string(got.shape) +
               ", expected " + std::string(compiler::to_string(expected.type)) +
               compiler::to_string(expected.shape);
    }
    compiler::Tensor a(got.type, got.shape);
    compiler::Tensor b(got.type, got.shape);  // of the same size
    a.data = got.bytes;
    b.data = expected.bytes;
    if (compiler::is_integer(got.type)) {
        const auto near = [&](std::int64_t x, std::int64_t y) {
            return x == y || (x < y ? y - x : x - y) <= suite.steps;
        };
        return std::ranges::equal(a.integers(), b.integers(), near) ? "" : "integers differ";
    }
    // The suite truncates bf16, or rounds after each step of a formula that the card computes in
    // f32: two units in the last place.
    const float relative = got.type == DataType::bf16 ? 0x1p-6F : suite.relative;
    const auto x = a.floats();
    const auto y = b.floats();
    for (std::size_t i = 0; i < x.size(); ++i) {
        const bool same = x[i] == y[i] || (std::isnan(x[i]) && std::isnan(y[i])) ||
                          (std::isfinite(y[i]) &&
                           std::fabs(x[i] - y[i]) <= absolute + relative * std::fabs(y[i]));
        if (!same) {
            std::ostringstream text;  // with exponents
            text << "element " << i << " is " << x[i] << ", expected " << y[i];
            return text.str();
        }
    }
    return "";
}

// Whether a model computes random numbers. Those of the files are of another generator, so only
// types and shapes can be compared.
bool is_random(const fs::path& file) {
    const auto bytes = compiler::read_file(file);
    const std::string_view text(reinterpret_cast<const char*>(bytes->bytes().data()),
                                bytes->bytes().size());
    return std::ranges::any_of(
               std::array{"Bernoulli", "Multinomial", "RandomNormal", "RandomUniform",
                          "test_training_dropout"},
               [&](const char* name) { return text.find(name) != std::string_view::npos; }) &&
           text.find("zero_ratio") == std::string_view::npos;
}

// The message of an error without the name of the file.
std::string cause(const Error& error, const fs::path& file) {
    std::string text = error.what();
    const std::string name = file.string() + ": ";
    if (text.starts_with(name)) {
        text.erase(0, name.size());
    }
    return text;
}

}  // namespace

namespace {

// A model for these inputs. Inputs that determine shapes are constants of the model.
struct Loaded {
    Model net;
    std::vector<TensorData> inputs;  // without the constants
};
Loaded load(const Device& device, const fs::path& file, std::vector<TensorData> inputs,
            const SuiteOptions& suite) {
    const std::vector<TensorInfo> ports = Model::describe_inputs(file);
    LoadOptions options{.allow_narrowing = true, .host_fallback = suite.host_fallback};
    for (std::size_t i = 0; i < ports.size() && i < inputs.size(); ++i) {
        options.shapes[ports[i].name] = inputs[i].shape;
        // The suite's files store bf16 as u16.
        inputs[i].type = ports[i].type == DataType::bf16 ? DataType::bf16 : inputs[i].type;
        if (suite.folded) {
            options.constant_inputs[ports[i].name] = inputs[i];
        }
    }
    std::optional<Model> net;
    while (!net) {
        try {
            net = Model::load(device, file, options);
        } catch (const ConstantInputRequired& unknown) {
            const auto port = std::ranges::find(ports, unknown.input(), &TensorInfo::name);
            const auto i = static_cast<std::size_t>(port - ports.begin());
            if (i >= inputs.size() || options.constant_inputs.contains(unknown.input())) {
                throw;
            }
            options.constant_inputs[unknown.input()] = inputs[i];
        }
    }
    std::vector<TensorData> left;
    for (std::size_t i = 0; i < ports.size() && i < inputs.size(); ++i) {
        if (!options.constant_inputs.contains(ports[i].name)) {
            left.push_back(std::move(inputs[i]));
        }
    }
    return {std::move(*net), std::move(left)};
}

// Empty if all outputs agree.
std::string compare(const std::vector<TensorData>& got, const std::vector<TensorData>& expected,
                    const SuiteOptions& suite, float absolute) {
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const std::string what = i < got.size() ? difference(got[i], expected[i], suite, absolute)
                                                : std::string("is not there");
        if (!what.empty()) {
            return "output " + std::to_string(i) + ": " + what;
        }
    }
    return "";
}

// The expected tensors with other values, where types and sizes agree.
std::vector<TensorData> with_values_of(const std::vector<TensorData>& got,
                                       std::vector<TensorData> expected) {
    for (std::size_t i = 0; i < std::min(got.size(), expected.size()); ++i) {
        if (got[i].type == expected[i].type && got[i].bytes.size() == expected[i].bytes.size()) {
            expected[i].bytes = got[i].bytes;
        }
    }
    return expected;
}

}  // namespace

namespace {

// The files of one run. If the card lacks the data type of a file, or the file has no tensor,
// loading the model fails as well, and with the better message.
struct Files {
    std::vector<TensorData> inputs;
    std::vector<TensorData> expected;
    std::optional<Error> unreadable;
};
Files read_files(const fs::path& data) {
    Files files;
    try {
        files.inputs = tensors(data, "input");
        files.expected = tensors(data, "output");
    } catch (const Error& error) {
        files.unreadable = error;
    }
    return files;
}

// The outcome of one data set. Passes if all outputs agree, exactly or loosely.
Verdict judge_set(const Device& device, Queue& queue, const fs::path& file, const fs::path& data,
                  const SuiteOptions& suite) {
    std::optional<Loaded> loaded;
    Files files = read_files(data);
    try {
        loaded = load(device, file, std::move(files.inputs), suite);
        if (files.unreadable) {
            return {"", Outcome::unsupported,
                    "a file of the test has no tensor that the card supports: " +
                        cause(*files.unreadable, file)};
        }
    } catch (const Error& error) {
        const bool refused = error.errc() == std::errc::invalid_argument;
        return {"", refused ? Outcome::unsupported : Outcome::wrong, cause(error, file)};
    } catch (const std::exception& error) {
        return {"", Outcome::wrong, error.what()};
    }
    // A model that compiles must run.
    try {
        if (!suite.saved.empty()) {
            loaded->net.save(suite.saved);
            loaded->net = Model::load(device, suite.saved);
        }
        const auto got = loaded->net.run(queue, loaded->inputs);
        if (is_random(file)) {
            files.expected = with_values_of(got, std::move(files.expected));
        }
        const std::string what =
            compare(got, files.expected, suite, std::max(loose, suite.absolute));
        if (!what.empty()) {
            return {"", Outcome::wrong, what};
        }
        const std::string distance = compare(got, files.expected, suite, suite.absolute);
        return {"", distance.empty() ? Outcome::passed : Outcome::loosely, distance};
    } catch (const Error& error) {
        // With host fallback, a run may refuse what the compiler could not see.
        const bool refused = suite.host_fallback && error.errc() == std::errc::invalid_argument;
        return {"", refused ? Outcome::unsupported : Outcome::wrong, error.what()};
    } catch (const std::exception& error) {
        return {"", Outcome::wrong, error.what()};
    }
}

}  // namespace

Verdict judge(const Device& device, Queue& queue, const fs::path& folder,
              const SuiteOptions& suite) {
    const std::string name = folder.parent_path().filename() / folder.filename();
    if (folder == fs::path(suite_folder) / "node/test_adam_multiple") {
        return {name, Outcome::unsupported,
                "the expected results have an epsilon that the node does not have"};
    }
    Verdict verdict{name, Outcome::wrong, "there is nothing to compare with"};
    for (int set = 0;; ++set) {
        const fs::path data = folder / ("test_data_set_" + std::to_string(set));
        if (!fs::exists(data)) {
            return verdict;
        }
        Verdict one = judge_set(device, queue, folder / "model.onnx", data, suite);
        if (set == 0 || one.outcome != Outcome::passed) {
            verdict = {name, one.outcome, std::move(one.detail)};
        }
        if (one.outcome == Outcome::unsupported || one.outcome == Outcome::wrong) {
            return verdict;
        }
    }
}

namespace {

// The operator that an error names, or its text up to the first colon.
std::string reason(const std::string& detail) {
    const bool operator_named =
        !detail.empty() && std::isupper(static_cast<unsigned char>(detail[0])) != 0;
    return detail.substr(0, detail.find_first_of(operator_named ? " :" : ":"));
}

}  // namespace

std::string summary(const std::vector<Verdict>& verdicts) {
    std::map<Outcome, int> counts;
    std::map<std::string, int> missing;
    std::string wrong;
    for (const Verdict& verdict : verdicts) {
        ++counts[verdict.outcome];
        if (verdict.outcome == Outcome::unsupported) {
            ++missing[reason(verdict.detail)];
        } else if (verdict.outcome == Outcome::wrong) {
            wrong += "wrong: " + verdict.name + ": " + verdict.detail + "\n";
        }
    }
    std::string text = wrong + "not supported, by operator or type:\n";
    for (const auto& [name, count] : missing) {
        text += "  " + std::to_string(count) + " " + name + "\n";
    }
    return text + std::to_string(counts[Outcome::passed]) + " passed, " +
           std::to_string(counts[Outcome::unsupported]) + " not supported, " +
           std::to_string(counts[Outcome::wrong]) + " wrong\n";
}

}  // namespace accel::test
