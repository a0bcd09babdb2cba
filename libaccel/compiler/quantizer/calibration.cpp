// SPDX-License-Identifier: Apache-2.0
#include "quantizer/calibration.hpp"

#include <onnx.pb.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "frontend/onnx_import.hpp"
#include "ir/error.hpp"
#include "quantizer/temporary_file.hpp"
#include "runtime/compile.hpp"

namespace accel::compiler {

namespace {

constexpr std::size_t outputs_at_once = 32;  // below the limit of a command list
constexpr std::size_t bins = 4096;

// Replaces the outputs of a model by some of its activations, and restores them at its end.
class ProbedOutputs {
  public:
    ProbedOutputs(onnx::ModelProto& model, std::span<const std::string> outputs)
        : graph_(*model.mutable_graph()) {
        kept_.Swap(graph_.mutable_output());
        for (const std::string& name : outputs) {
            graph_.add_output()->set_name(name);
        }
    }
    ProbedOutputs(const ProbedOutputs&) = delete;
    ProbedOutputs& operator=(const ProbedOutputs&) = delete;
    ProbedOutputs(ProbedOutputs&&) = delete;
    ProbedOutputs& operator=(ProbedOutputs&&) = delete;
    ~ProbedOutputs() { kept_.Swap(graph_.mutable_output()); }

  private:
    onnx::GraphProto& graph_;
    google::protobuf::RepeatedPtrField<onnx::ValueInfoProto> kept_;
};

std::span<const float> floats(const TensorData& data) {
    return {reinterpret_cast<const float*>(data.bytes.data()), data.bytes.size() / sizeof(float)};
}

void widen(Range& range, std::span<const float> values, const std::string& name) {
    for (const float x : values) {
        if (!std::isfinite(x)) {
            refuse("activation '" + name + "' is not finite with this calibration data",
                   "is the data scaled as the model "
                   "expects?");
        }
        range.low = std::min(range.low, x);
        range.high = std::max(range.high, x);
    }
}

// Counts values in equal parts of a range.
class Histogram {
  public:
    explicit Histogram(const Range& range)
        : range_(range), step_((range.high - range.low) / static_cast<float>(bins)) {}

    void add(std::span<const float> values) {
        for (const float x : values) {
            const float at = step_ > 0 ? (x - range_.low) / step_ : 0;
            ++counts_[static_cast<std::size_t>(std::clamp(at, 0.0F, static_cast<float>(bins - 1)))];
        }
        total_ += values.size();
    }

    // The range without the values at both ends that the percentile leaves out.
    [[nodiscard]] Range range_of(double percentile) const {
        const double outliers = static_cast<double>(total_) * (100 - percentile) / 100 / 2;
        std::size_t first = 0;
        std::size_t last = bins;
        for (double n = 0;
             first + 1 < last && n + static_cast<double>(counts_[first]) <= outliers;) {
            n += static_cast<double>(counts_[first++]);
        }
        for (double n = 0;
             last > first + 1 && n + static_cast<double>(counts_[last - 1]) <= outliers;) {
            n += static_cast<double>(counts_[--last]);
        }
        return {range_.low + step_ * static_cast<float>(first),
                last == bins ? range_.high : range_.low + step_ * static_cast<float>(last)};
    }

  private:
    Range range_;
    float step_;
    std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>(bins);
    std::uint64_t total_ = 0;
};

}  // namespace

std::map<std::string, Range> calibrate(const Device& device, ParsedModel& model,
                                       const std::string& name,
                                       const std::vector<std::string>& wanted, CalibrationData data,
                                       const QuantizeOptions& options) {
    if (!(options.percentile > 50 && options.percentile <= 100)) {
        refuse("QuantizeOptions::percentile is " + std::to_string(options.percentile),
               "it must be above 50 and at most 100");
    }
    const bool saturate = options.percentile < 100;
    const std::size_t models = (wanted.size() + outputs_at_once - 1) / outputs_at_once;
    const auto runs = static_cast<double>(models * data.size() * (saturate ? 2 : 1));
    double done = 0;
    const auto step = [&] {
        if (++done; options.progress) {
            options.progress(done / runs);
        }
    };
    Queue queue = device.create_queue();
    std::map<std::string, Range> ranges;
    for (std::size_t first = 0; first < wanted.size(); first += outputs_at_once) {
        const auto names =
            std::span(wanted).subspan(first, std::min(outputs_at_once, wanted.size() - first));
        const ProbedOutputs probed(model.proto, names);
        const Model net =
            compile(device, import_onnx(model.proto, model.weights, name, options.load));
        for (std::size_t i = 0; i < names.size(); ++i) {
            if (net.outputs()[i].type != DataType::f32) {
                refuse("activation '" + names[i] + "' is not f32",
                       "is the model quantized already?");
            }
        }
        for (const auto& inputs : data) {
            const auto values = net.run(queue, inputs);
            for (std::size_t i = 0; i < names.size(); ++i) {
                widen(ranges[names[i]], floats(values[i]), names[i]);
            }
            step();
        }
        if (!saturate) {
            continue;
        }
        std::vector<Histogram> histograms;
        for (const std::string& one : names) {
            histograms.emplace_back(ranges.at(one));
        }
        for (const auto& inputs : data) {
            const auto values = net.run(queue, inputs);
            for (std::size_t i = 0; i < names.size(); ++i) {
                histograms[i].add(floats(values[i]));
            }
            step();
        }
        for (std::size_t i = 0; i < names.size(); ++i) {
            ranges[names[i]] = histograms[i].range_of(options.percentile);
        }
    }
    return ranges;
}

namespace {

constexpr std::size_t max_noise_file = std::size_t{1} << 30;

// The power of the outputs of a model, and that of their difference to those of another.
class NoiseMeter {
  public:
    explicit NoiseMeter(const std::vector<TensorInfo>& outputs)
        : outputs_(outputs), signal_(outputs.size()), difference_(outputs.size()) {}

    void write(const std::vector<TensorData>& values, TemporaryFile& file) const {
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (is_measured(outputs_[i])) {
                file.write(values[i].bytes);
            }
        }
    }

    // `written`: the same outputs of the other model, as write() wrote them.
    void compare(std::span<const std::byte> written, const std::vector<TensorData>& values) {
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (!is_measured(outputs_[i])) {
                continue;
            }
            const auto y = floats(values[i]);
            for (std::size_t k = 0; k < y.size(); ++k) {
                float x = 0;
                std::memcpy(&x, written.data() + k * sizeof x, sizeof x);
                const double d = static_cast<double>(x) - y[k];
                signal_[i] += static_cast<double>(x) * x;
                difference_[i] += d * d;
            }
            written = written.subspan(y.size_bytes());
        }
    }

    [[nodiscard]] std::vector<OutputNoise> noise() const {
        std::vector<OutputNoise> result;
        for (std::size_t i = 0; i < outputs_.size(); ++i) {
            if (is_measured(outputs_[i])) {
                result.push_back(
                    {outputs_[i].name, difference_[i] == 0
                                           ? std::numeric_limits<double>::infinity()
                                           : 10 * std::log10(signal_[i] / difference_[i])});
            }
        }
        return result;
    }

  private:
    static bool is_measured(const TensorInfo& output) { return output.type == DataType::f32; }

    std::vector<TensorInfo> outputs_;
    std::vector<double> signal_;
    std::vector<double> difference_;
};

}  // namespace

std::vector<OutputNoise> measure_noise(const Device& device, ParsedModel& before,
                                       ParsedModel& after, const std::string& name,
                                       CalibrationData data, const QuantizeTask& task) {
    const auto load = [&](ParsedModel& model) {
        return compile(device, import_onnx(model.proto, model.weights, name, task.options.load));
    };
    std::optional<NoiseMeter> meter;
    Queue queue = device.create_queue();
    while (!data.empty()) {
        TemporaryFile file(task.result);
        std::vector<std::size_t> starts;  // in the file, of the outputs of each run
        {
            const Model model = load(before);
            if (!meter) {
                meter.emplace(
                    std::vector<TensorInfo>(model.outputs().begin(), model.outputs().end()));
            }
            while (starts.size() < data.size() && file.size() < max_noise_file) {
                const auto values = model.run(queue, data[starts.size()]);
                starts.push_back(file.size());
                meter->write(values, file);
            }
        }
        const Bytes written = file.map();
        const Model model = load(after);
        for (std::size_t i = 0; i < starts.size(); ++i) {
            const auto rest = written->bytes().subspan(starts[i]);
            meter->compare(rest, model.run(queue, data[i]));
            written->evict(rest);
        }
        data = data.subspan(starts.size());
    }
    return meter ? meter->noise() : std::vector<OutputNoise>();
}

std::map<std::string, double> measure_node_noise(const Device& device, ParsedModel& before,
                                                 ParsedModel& after, const std::string& name,
                                                 const std::vector<std::string>& wanted,
                                                 CalibrationData data, const QuantizeTask& task) {
    std::map<std::string, double> result;
    for (std::size_t first = 0; first < wanted.size(); first += outputs_at_once) {
        const auto names =
            std::span(wanted).subspan(first, std::min(outputs_at_once, wanted.size() - first));
        const ProbedOutputs probed_before(before.proto, names);
        const ProbedOutputs probed_after(after.proto, names);
        for (const OutputNoise& noise : measure_noise(device, before, after, name, data, task)) {
            result[noise.output] = noise.signal_to_noise;
        }
        if (task.options.progress) {
            task.options.progress(static_cast<double>(first + names.size()) /
                                  static_cast<double>(wanted.size()));
        }
    }
    return result;
}

}  // namespace accel::compiler
