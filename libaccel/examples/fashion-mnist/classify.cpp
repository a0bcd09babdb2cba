// SPDX-License-Identifier: Apache-2.0
//
// Two groups of jobs take turns: the program fills one while the card computes the other.
#include "classify.hpp"

#include <accel/accel.hpp>
#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>
#include <vector>

#include "dataset.hpp"
#include "network.hpp"
#include "reference.hpp"
#include "syscalls.hpp"
#include "weights.hpp"

namespace fashion {

namespace {

constexpr double min_accuracy = 0.86;

// The results that the card must compute, to the bit.
struct Expected {
    std::vector<float> logits;
    std::vector<float> probabilities;
    std::vector<std::uint32_t> predictions;
};

Expected expect(const ClassifyOptions& options, const Dataset& data, const MlpWeights& weights) {
    Expected expected;
    expected.logits = options.reference.empty() ? reference_logits(weights, data)
                                                : load_logits(options.reference, data.size());
    expected.probabilities = reference_softmax(expected.logits);
    expected.predictions = argmax(expected.probabilities);
    return expected;
}

// The results and the costs of one pass over all images.
struct Pass {
    std::size_t jobs = 0;
    std::size_t correct = 0;
    std::size_t logits_differ = 0;
    std::size_t probabilities_differ = 0;
    std::size_t predictions_differ = 0;
    double seconds = 0.0;
    std::uint64_t doorbells = 0;
    std::uint64_t interrupts = 0;
    std::optional<std::uint64_t> syscalls;
};

std::size_t count_different(std::span<const float> a, std::span<const float> b) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        count += std::bit_cast<std::uint32_t>(a[i]) != std::bit_cast<std::uint32_t>(b[i]) ? 1 : 0;
    }
    return count;
}

class Classifier {
  public:
    Classifier(const ClassifyOptions& options, const Dataset& data, const Expected& expected,
               const MlpWeights& weights)
        : data_(data),
          expected_(expected),
          card_(accel::Device::open(options.device)),
          queue_(card_.create_queue()),
          network_(card_, queue_, weights, options.batch) {
        for (Group& group : groups_) {
            for (std::size_t i = 0; i < options.in_flight / 2; ++i) {
                group.buffers.push_back(network_.make_buffers());
            }
        }
    }

    [[nodiscard]] const accel::Device& card() const noexcept { return card_; }

    /// Classifies all images. `spin` is how long each wait polls before it sleeps.
    Pass run(std::chrono::nanoseconds spin) {
        queue_.set_spin(spin);
        Pass pass;
        pass.jobs = (data_.size() + network_.batch() - 1) / network_.batch();
        const accel::QueueStats before = queue_.stats();
        const auto start = std::chrono::steady_clock::now();
        syscalls_.start();
        // The program fills one group while the card computes the other.
        std::size_t next = 0;
        for (std::size_t turn = 0; next < pass.jobs || pending(); ++turn) {
            Group& group = groups_[turn % groups_.size()];
            collect(group, pass);
            next += launch(group, next, pass.jobs);
        }
        pass.syscalls = syscalls_.stop();
        pass.seconds =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        const accel::QueueStats after = queue_.stats();
        pass.doorbells = after.doorbells - before.doorbells;
        pass.interrupts = after.interrupts - before.interrupts;
        return pass;
    }

    [[nodiscard]] const std::string& syscalls_problem() const { return syscalls_.problem(); }

  private:
    // Jobs that are published together: at most one doorbell write, and one wait.
    struct Group {
        std::vector<JobBuffers> buffers;
        accel::Job last = {};
        std::size_t first = 0;  // index of the first job
        std::size_t jobs = 0;   // number of jobs in flight
    };

    // The images of a job. The last job may have fewer than the others; its other rows are unused.
    [[nodiscard]] std::size_t first_image(std::size_t job) const { return job * network_.batch(); }
    [[nodiscard]] std::size_t image_count(std::size_t job) const {
        return std::min(network_.batch(), data_.size() - first_image(job));
    }

    [[nodiscard]] bool pending() const {
        return std::any_of(groups_.begin(), groups_.end(),
                           [](const Group& group) { return group.jobs != 0; });
    }

    // Fills a group with the jobs from `first` on and submits it. Returns the number of jobs.
    std::size_t launch(Group& group, std::size_t first, std::size_t end) {
        group.first = first;
        group.jobs = std::min(group.buffers.size(), end - first);
        if (group.jobs == 0) {
            return 0;
        }
        accel::Batch batch = queue_.batch();
        for (std::size_t i = 0; i < group.jobs; ++i) {
            JobBuffers& buffers = group.buffers[i];
            decode(std::span(data_.images)
                       .subspan(first_image(first + i) * pixels, image_count(first + i) * pixels),
                   buffers.images.span());
            network_.add(batch, buffers);
        }
        group.last = batch.submit();
        return group.jobs;
    }

    // Waits for a group and checks its results.
    void collect(Group& group, Pass& pass) const {
        group.last.wait();
        for (std::size_t i = 0; i < group.jobs; ++i) {
            check(group.buffers[i], first_image(group.first + i), image_count(group.first + i),
                  pass);
        }
        group.jobs = 0;
    }

    void check(const JobBuffers& buffers, std::size_t first, std::size_t count, Pass& pass) const {
        const auto rows = [&](std::span<const float> values, std::size_t from) {
            return values.subspan(from * classes, count * classes);
        };
        pass.logits_differ +=
            count_different(rows(buffers.logits.span(), 0), rows(expected_.logits, first));
        pass.probabilities_differ += count_different(rows(buffers.probabilities.span(), 0),
                                                     rows(expected_.probabilities, first));
        for (std::size_t i = 0; i < count; ++i) {
            const std::uint32_t found = buffers.predictions[i];
            pass.correct += found == data_.labels[first + i] ? 1 : 0;
            pass.predictions_differ += found != expected_.predictions[first + i] ? 1 : 0;
        }
    }

    const Dataset& data_;
    const Expected& expected_;
    accel::Device card_;
    accel::Queue queue_;
    Network network_;
    std::array<Group, 2> groups_;
    SyscallCounter syscalls_;
};

void print_row(const char* name, const Pass& pass, const Dataset& data) {
    const auto jobs = static_cast<double>(pass.jobs);
    std::printf("  %-10s", name);
    if (pass.syscalls) {
        std::printf(" %12.2f", static_cast<double>(*pass.syscalls) / jobs);
    } else {
        std::printf(" %12s", "not counted");
    }
    std::printf(" %16.2f %14.2f %12.0f\n", static_cast<double>(pass.doorbells) / jobs,
                static_cast<double>(pass.interrupts) / jobs,
                static_cast<double>(data.size()) / pass.seconds);
}

bool report(const char* name, const Pass& pass, const Dataset& data) {
    const double found = static_cast<double>(pass.correct) / static_cast<double>(data.size());
    std::printf(
        "%s: accuracy %.2f %% over %zu images; against plain C++ %zu predictions, %zu "
        "logits and %zu probabilities differ\n",
        name, 100.0 * found, data.size(), pass.predictions_differ, pass.logits_differ,
        pass.probabilities_differ);
    return found >= min_accuracy && pass.predictions_differ == 0 && pass.logits_differ == 0 &&
           pass.probabilities_differ == 0;
}

}  // namespace

bool classify(const ClassifyOptions& options) {
    const Dataset data = load_dataset(options.data, "t10k");
    const MlpWeights weights = load_weights(options.model);
    const Expected expected = expect(options, data, weights);
    Classifier classifier(options, data, expected, weights);
    const accel::DeviceInfo info = classifier.card().info();
    std::printf("%s at %s: %zu images, %zu per job, %zu jobs in flight\n", info.path.c_str(),
                info.pci.to_string().c_str(), data.size(), options.batch,
                options.in_flight / 2 * 2);

    // The first pass is a warm-up: it has page faults, and it allocates.
    const Pass warm_up = classifier.run(accel::default_spin);
    const Pass polling = classifier.run(accel::never_sleep);
    const Pass sleeping = classifier.run(std::chrono::nanoseconds::zero());

    bool good = report("warm-up", warm_up, data);
    good = report("polling", polling, data) && good;
    good = report("sleeping", sleeping, data) && good;

    std::printf("\n  per job    system calls  doorbell writes     interrupts     images/s\n");
    print_row("polling", polling, data);
    print_row("sleeping", sleeping, data);
    if (!classifier.syscalls_problem().empty()) {
        std::printf("system calls were not counted: %s\n", classifier.syscalls_problem().c_str());
    }
    return good;
}

}  // namespace fashion
