// SPDX-License-Identifier: Apache-2.0
//
// accelctl validate: runs checks on a card and reports which of them fail.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <iostream>

#include "accel/accel.hpp"
#include "checks.hpp"
#include "commands.hpp"
#include "emulated.hpp"
#include "json.hpp"

namespace accel::tools {

namespace {

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
    bool gone = false;  ///< the card is no longer there
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

Result run(const Check& check, const CheckContext& context) {
    Result result{.name = check.name, .outcome = Outcome::passed, .detail = {}, .seconds = 0};
    const auto start = std::chrono::steady_clock::now();
    try {
        result.detail = check.run(context);
    } catch (const CheckSkipped& skipped) {
        result.outcome = Outcome::skipped;
        result.detail = skipped.what();
    } catch (const CheckFailed& failed) {
        result.outcome = Outcome::failed;
        result.detail = failed.what();
    } catch (const Error& error) {
        // The card is not at fault, and no other check can run either.
        if (exit_of(error.errc()) == Exit::permission) {
            throw;
        }
        result.outcome = Outcome::failed;
        result.detail = error.what();
        result.gone =
            error.errc() == std::errc::no_such_device || exit_of(error.errc()) == Exit::no_card;
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
            throw Failure(Exit::usage, fmt::format("no check has the name '{}'", name),
                          "'accelctl validate --list' lists the checks");
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
    const Color color = result.outcome == Outcome::passed   ? Color::good
                        : result.outcome == Outcome::failed ? Color::bad
                                                            : Color::warning;
    std::cout << fmt::format(
                     "  {}  {:<12} {}\n",
                     terminal.paint(color, fmt::format("{:<7}", outcome_name(result.outcome))),
                     result.name, result.detail)
              << std::flush;
}

// The checks to run, and the sum of their results so far.
class Validation {
  public:
    Validation(const Program& program, std::vector<Check> checks, std::size_t cards)
        : program_(program),
          terminal_(program.terminal()),
          checks_(std::move(checks)),
          total_(static_cast<double>(checks_.size() * cards)) {}

    void run_on(const CheckContext& context) {
        const Card& card = context.card;
        if (!program_.json()) {
            std::cout << terminal_.paint(Color::bold, card.title()) << "\n";
        }
        Json results = Json::array();
        bool gone = false;
        for (const Check& check : checks_) {
            progress_.update(static_cast<double>(done_++) / total_, check.name);
            Result result{.name = check.name,
                          .outcome = Outcome::skipped,
                          .detail = "the card is gone",
                          .seconds = 0};
            if (!gone) {
                result = run(check, context);
                gone = result.gone;
            }
            ++counts_.at(static_cast<std::size_t>(result.outcome));
            if (!program_.json()) {
                print(result, terminal_);
            }
            results.push_back({{"name", result.name},
                               {"result", outcome_name(result.outcome)},
                               {"detail", result.detail},
                               {"seconds", result.seconds}});
        }
        cards_.push_back(
            {{"address", card.address}, {"node", card.name()}, {"checks", std::move(results)}});
    }

    Exit finish() {
        const auto [passed, failed, skipped] = counts_;
        if (program_.json()) {
            program_.print_json(
                "accelctl.validate/1",
                {{"passed", passed}, {"failed", failed}, {"skipped", skipped}, {"cards", cards_}});
        } else {
            std::cout << fmt::format("{} passed, {} failed, {} skipped\n", passed, failed, skipped);
        }
        return failed == 0 ? Exit::ok : Exit::failed;
    }

  private:
    const Program& program_;
    Terminal terminal_;
    std::vector<Check> checks_;
    double total_;
    std::size_t done_ = 0;
    std::array<std::size_t, 3> counts_{};  ///< by Outcome
    Json cards_ = Json::array();
    Progress progress_{"Validating"};
};

Exit validate(const Program& program, const ValidateOptions& options) {
    const std::vector<Check> checks = chosen_checks(options.only);
    if (options.list) {
        for (const Check& check : checks) {
            std::cout << fmt::format("{:<12} {}\n", check.name, check.summary);
        }
        return Exit::ok;
    }
    const SystemRoot root = program.root();
    const std::string name = name_or_environment(root, options.card);
    const std::vector<Card> every =
        names_emulated_card(name) ? emulated_machine(name) : find_cards(root);
    const std::vector<Card> cards = select_cards(root, name);
    if (cards.empty()) {
        throw Failure(Exit::no_card, "no card to validate",
                      "'accelctl doctor' looks for the reason");
    }
    Validation validation(program, checks, cards.size());
    for (const Card& card : cards) {
        require_driver(card);
        // A card that cannot be opened is one error, not one for each check.
        static_cast<void>(open_card(card));
        CheckContext context{
            .root = root, .card = card, .others = {}, .time_limit = options.timeout};
        std::copy_if(
            every.begin(), every.end(), std::back_inserter(context.others), [&](const Card& other) {
                return (other.node || !other.emulated.empty()) && other.address != card.address;
            });
        validation.run_on(context);
    }
    return validation.finish();
}

}  // namespace

void CheckContext::finish(const Job& job, const std::string& what) const {
    const std::chrono::duration<double> limit(time_limit);
    if (job.wait(std::chrono::duration_cast<std::chrono::nanoseconds>(limit)) ==
        WaitResult::timed_out) {
        throw CheckFailed(
            fmt::format("{}: not finished after {:g} s; {}", what, time_limit, stuck_card_hint));
    }
}

std::vector<Check> all_checks() {
    return {
        {"link", "speed, width and errors of the PCI Express link", check_link},
        {"bars", "device memory through BAR4, registers through BAR0", check_bars},
        {"msix", "interrupts that wake sleeping waits", check_interrupts},
        {"dma", "patterns copied to device memory and back", check_dma},
        {"transfer", "write() and read() of device memory through the copy queue", check_transfer},
        {"copy", "COPY and FILL engines", check_copy_fill},
        {"gemm", "GEMM engine against the reference", check_gemm},
        {"elementwise", "ELEMENTWISE engine against the reference", check_elementwise},
        {"conv2d", "CONV2D engine against the reference", check_conv2d},
        {"pool", "POOL engine against the reference", check_pool},
        {"softmax", "SOFTMAX engine against the reference", check_softmax},
        {"reduce", "REDUCE engine against the reference", check_reduce},
        {"transpose", "TRANSPOSE engine against the reference", check_transpose},
        {"gather", "GATHER engine against the reference", check_gather},
        {"attention", "ATTENTION engine against the reference", check_attention},
        {"scatter", "SCATTER engine against the reference", check_scatter},
        {"resize", "RESIZE engine against the reference", check_resize},
        {"gemm-int8", "int8 GEMM against the reference", check_gemm_int8},
        {"semaphores", "two queues that wait for each other's semaphores", check_semaphores},
        {"isolation", "memory of one context, out of reach of another", check_isolation},
        {"p2p", "memory of the other cards over the PCIe bus", check_peers},
    };
}

void add_validate(Program& program) {
    auto [command, options] = add_command<ValidateOptions>(
        program, "validate", "Check every function of the card against a reference", validate);
    command.set_footer(
        "Prints PASSED, FAILED or SKIPPED for each check, and exits with 1 if one failed. Other "
        "users of the card are slowed down, but not disturbed. The check 'isolation' provokes "
        "faults "
        "of its own process; the driver keeps their events and a dump, which name accelctl.");
    add_card(command, options->card, all_cards);
    command.add_option({.name = "--only",
                        .help = "Run only these checks, separated by commas",
                        .value = "CHECK",
                        .comma_separated = true},
                       options->only);
    command.add_option({.name = "--timeout",
                        .help = "Fail a check whose job takes longer (default 30)",
                        .value = "SECONDS",
                        .bounds = Bounds{0.1, 3600}},
                       options->timeout);
    command.add_flag({.name = "--list", .help = "List the checks and exit"}, options->list);
    program.add_json(command);
}

}  // namespace accel::tools
