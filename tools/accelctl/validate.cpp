// SPDX-License-Identifier: Apache-2.0
//
// accelctl validate: does the card do what it should?
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>

#include "accel/accel.hpp"
#include "checks.hpp"
#include "commands.hpp"

namespace accel::tools {

namespace {

using Json = nlohmann::ordered_json;

struct ValidateOptions {
    std::string card;
    std::vector<std::string> only;
    bool list = false;
    double timeout = 30;
};

enum class Outcome : std::uint8_t { passed, failed, skipped };

struct Result {
    std::string name;
    Outcome outcome = Outcome::passed;
    std::string detail;
    double seconds = 0;
};

const char* outcome_name(Outcome outcome) {
    switch (outcome) {
        case Outcome::passed:
            return "PASSED";
        case Outcome::failed:
            return "FAILED";
        case Outcome::skipped:
            break;
    }
    return "SKIPPED";
}

Result run(const Check& check, const Bench& bench) {
    Result result{.name = check.name, .outcome = Outcome::passed, .detail = {}, .seconds = 0};
    const auto start = std::chrono::steady_clock::now();
    try {
        result.detail = check.run(bench);
    } catch (const Skip& skip) {
        result.outcome = Outcome::skipped;
        result.detail = skip.what();
    } catch (const Wrong& wrong) {
        result.outcome = Outcome::failed;
        result.detail = wrong.what();
    } catch (const Error& error) {
        // Not the card's fault: no check can be done, and that is for who called to know.
        if (exit_of(error.errc()) == Exit::permission) {
            throw;
        }
        result.outcome = Outcome::failed;
        result.detail = error.what();
    }
    result.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return result;
}

std::vector<Check> chosen_checks(const std::vector<std::string>& only) {
    std::vector<Check> checks = all_checks();
    for (const std::string& name : only) {
        if (std::none_of(checks.begin(), checks.end(),
                         [&](const Check& check) { return check.name == name; })) {
            throw Failure(Exit::usage, fmt::format("there is no check '{}'", name),
                          "'accelctl validate --list' has those there are");
        }
    }
    if (!only.empty()) {
        std::erase_if(checks, [&](const Check& check) {
            return std::find(only.begin(), only.end(), check.name) == only.end();
        });
    }
    return checks;
}

void print(const Result& result, const Terminal& terminal) {
    const Colour colour = result.outcome == Outcome::passed   ? Colour::good
                          : result.outcome == Outcome::failed ? Colour::bad
                                                              : Colour::warning;
    std::cout << fmt::format(
                     "  {}  {:<12} {}\n",
                     terminal.paint(colour, fmt::format("{:<7}", outcome_name(result.outcome))),
                     result.name, result.detail)
              << std::flush;
}

Exit validate(const Program& program, const ValidateOptions& options) {
    const std::vector<Check> checks = chosen_checks(options.only);
    if (options.list) {
        for (const Check& check : checks) {
            std::cout << fmt::format("{:<12} {}\n", check.name, check.what);
        }
        return Exit::ok;
    }
    const Root root = program.root();
    const std::vector<Card> every = find_cards(root);
    const std::vector<Card> cards = select_cards(root, options.card);
    if (cards.empty()) {
        throw Failure(Exit::no_card, "there is no card to validate",
                      "'accelctl doctor' looks for the reason");
    }
    const Terminal terminal = program.terminal();
    Json document{{"passed", 0}, {"failed", 0}, {"skipped", 0}, {"cards", Json::array()}};
    std::size_t failed = 0;
    std::size_t counts[3] = {};
    Progress progress("Validating");
    std::size_t done = 0;
    for (const Card& card : cards) {
        if (!card.node) {
            throw Failure(Exit::no_card, card.address + " has no driver",
                          "'accelctl doctor' looks for the reason");
        }
        Bench bench{.root = root, .card = card, .others = {}, .patience = options.timeout};
        std::copy_if(every.begin(), every.end(), std::back_inserter(bench.others),
                     [&](const Card& other) { return other.node && other.node != card.node; });
        if (!program.json()) {
            std::cout << terminal.paint(Colour::bold, card.name()) << " " << card.address << "\n";
        }
        Json results = Json::array();
        for (const Check& check : checks) {
            progress.update(
                static_cast<double>(done++) / static_cast<double>(checks.size() * cards.size()),
                check.name);
            const Result result = run(check, bench);
            failed += result.outcome == Outcome::failed ? 1 : 0;
            ++counts[static_cast<std::size_t>(result.outcome)];
            if (!program.json()) {
                print(result, terminal);
            }
            results.push_back({{"name", result.name},
                               {"result", outcome_name(result.outcome)},
                               {"detail", result.detail},
                               {"seconds", result.seconds}});
        }
        document["cards"].push_back(
            {{"address", card.address}, {"node", card.name()}, {"checks", std::move(results)}});
    }
    if (program.json()) {
        document["passed"] = counts[0];
        document["failed"] = counts[1];
        document["skipped"] = counts[2];
        program.print_json("accelctl.validate/1", document);
    } else {
        std::cout << fmt::format("{} passed, {} failed, {} skipped\n", counts[0], counts[1],
                                 counts[2]);
    }
    return failed == 0 ? Exit::ok : Exit::failed;
}

}  // namespace

void Bench::finish(const Job& job, const std::string& what) const {
    const std::chrono::duration<double> limit(patience);
    if (job.wait(std::chrono::duration_cast<std::chrono::nanoseconds>(limit)) ==
        WaitResult::timed_out) {
        throw Wrong(
            fmt::format("{}: not finished after {:g} s; 'accelctl top' shows what the card "
                        "does, 'accelctl reset' ends it",
                        what, patience));
    }
}

std::vector<Check> all_checks() {
    return {
        {"link", "speed, width and errors of the PCI Express link", check_link},
        {"bars", "device memory through BAR4, registers through BAR0", check_bars},
        {"msix", "each sleeping wait is ended by an interrupt that arrives", check_interrupts},
        {"dma", "patterns to device memory and back", check_dma},
        {"transfer", "write() and read() of device memory by the driver's DMA", check_transfer},
        {"copy", "COPY and FILL engines", check_copy_fill},
        {"gemm", "GEMM engine against the reference", check_gemm},
        {"elementwise", "ELEMENTWISE engine against the reference", check_elementwise},
        {"conv2d", "CONV2D engine against the reference", check_conv2d},
        {"pool", "POOL engine against the reference", check_pool},
        {"softmax", "SOFTMAX engine against the reference", check_softmax},
        {"reduce", "REDUCE engine against the reference", check_reduce},
        {"transpose", "TRANSPOSE engine against the reference", check_transpose},
        {"gather", "GATHER engine against the reference", check_gather},
        {"resize", "RESIZE engine against the reference", check_resize},
        {"bytes", "GEMM of bytes against the reference", check_bytes},
        {"semaphores", "two queues that wait for each other", check_semaphores},
        {"isolation", "two contexts do not reach each other's memory", check_isolation},
        {"p2p", "memory of the other cards over the bus", check_peers},
    };
}

void add_validate(Program& program) {
    auto [command, options] = add_command<ValidateOptions>(
        program, "validate", "Try everything the card can do, against a reference", validate);
    command->footer(
        "Prints PASSED, FAILED or SKIPPED for each check and ends with 1 if one "
        "failed. Other users of the card are not disturbed, only slowed down.");
    add_card(*command, options->card, "otherwise all cards");
    command->add_option("--only", options->only, "Only these checks")
        ->delimiter(',')
        ->type_name("CHECK");
    command->add_option("--timeout", options->timeout, "What takes longer has failed (30)")
        ->check(CLI::Range(0.1, 3600.0))
        ->type_name("SECONDS");
    command->add_flag("--list", options->list, "List the checks and end");
    program.add_json(*command);
}

}  // namespace accel::tools
