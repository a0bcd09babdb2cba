// SPDX-License-Identifier: Apache-2.0
//
// fashion-mnist train|classify: trains a small network on the host and runs it on the card.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <filesystem>

#include "classify.hpp"
#include "dataset.hpp"
#include "reference.hpp"
#include "train.hpp"
#include "weights.hpp"

namespace {

constexpr const char* debian_data = "/usr/share/datasets/fashion-mnist";
constexpr double min_accuracy = 0.86;

struct TrainOptions {
    std::filesystem::path data = debian_data;
    std::filesystem::path model;
    std::filesystem::path reference;
    std::size_t epochs = 12;
};

bool train(const TrainOptions& options) {
    const fashion::Dataset training = fashion::load_dataset(options.data, "train");
    const fashion::Dataset test = fashion::load_dataset(options.data, "t10k");
    const auto test_accuracy = [&](const std::vector<float>& logits) {
        return fashion::accuracy(fashion::argmax(logits), test);
    };
    const fashion::MlpWeights weights = fashion::train(
        training, options.epochs,
        [&](std::size_t epoch, double loss, const fashion::MlpWeights& so_far) {
            std::printf("epoch %2zu: loss %.4f, test accuracy %.2f %%\n", epoch, loss,
                        100.0 * test_accuracy(fashion::reference_logits(so_far, test)));
            std::fflush(stdout);
        });
    const std::vector<float> logits = fashion::reference_logits(weights, test);
    fashion::save_weights(weights, options.model);
    if (!options.reference.empty()) {
        fashion::save_logits(logits, options.reference);
    }
    return test_accuracy(logits) >= min_accuracy;
}

int run(int argc, char** argv) {
    CLI::App app("Fashion-MNIST: trained on the host, classified on the card");
    app.require_subcommand(1);

    TrainOptions training;
    CLI::App* train_command =
        app.add_subcommand("train", "train the network and write its weights");
    train_command->add_option("--data", training.data, "directory of the data set")
        ->capture_default_str();
    train_command->add_option("--model", training.model, "file to write the weights to")
        ->required();
    train_command->add_option("--reference", training.reference,
                              "file to write the logits of the test images to");
    train_command->add_option("--epochs", training.epochs, "passes over the training images")
        ->capture_default_str()
        ->check(CLI::Range(1, 1000));

    fashion::ClassifyOptions classifying;
    classifying.data = debian_data;
    CLI::App* classify_command =
        app.add_subcommand("classify", "classify the test images on the card");
    classify_command->add_option("--data", classifying.data, "directory of the data set")
        ->capture_default_str();
    classify_command->add_option("--model", classifying.model, "weights that train wrote")
        ->required();
    classify_command->add_option("--reference", classifying.reference,
                                 "logits that train wrote; computed here if not given");
    classify_command->add_option("--batch", classifying.batch, "images per job")
        ->capture_default_str()
        ->check(CLI::Range(1, 10000));
    classify_command
        ->add_option("--in-flight", classifying.in_flight,
                     "jobs in flight, in two groups: the program fills one while the card computes "
                     "the other")
        ->capture_default_str()
        ->check(CLI::Range(2, 64));
    classify_command
        ->add_option("--device", classifying.device,
                     "device node, PCI address or serial number of the card, or 'emulated': a "
                     "card that this program emulates itself")
        ->capture_default_str();

    CLI11_PARSE(app, argc, argv);
    const bool good = train_command->parsed() ? train(training) : fashion::classify(classifying);
    return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "fashion-mnist: %s\n", error.what());
        return 1;
    }
}
