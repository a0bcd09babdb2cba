# SPDX-License-Identifier: Apache-2.0
#
# The front door: `make help` lists what there is. The work itself is CMake's (CMakeLists.txt), kbuild's
# (driver/Makefile) and the test harness's (tests/); this file puts them in order. Every step says in a line what it
# does and keeps its output in $(BUILD)/logs; V=1 shows it.

BUILD ?= build
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
DESTDIR ?=
FILTER ?= *
# Arguments for the build and for the VM, e.g. CMAKE_ARGS=-DACCEL_SANITIZE=address VM_ARGS='--smp 2 --card memory-size=64M'.
CMAKE_ARGS ?=
VM_ARGS ?=

# The kernel of the VM; ACCEL_KERNEL selects it. The driver is built for it unless KDIR says otherwise.
vm_kernel = ACCEL_KERNEL='$(ACCEL_KERNEL)' tests/vm/kernel.py
release = $(shell $(vm_kernel) --release)
KDIR ?= $(shell $(vm_kernel) --headers)
# How often make bench measures everything.
BOOTS ?= 3
# The kernels of test-kernels.
KERNELS ?= 6.1 rt 6.12 sid
kdir_release = $(notdir $(patsubst %/,%,$(dir $(abspath $(KDIR)))))
module = $(BUILD)/driver/$(release)/accel.ko

DATA ?= /usr/share/datasets/fashion-mnist
example = $(BUILD)/libaccel/examples/fashion-mnist/fashion-mnist
model = $(BUILD)/model/fashion-mnist.model
logits = $(BUILD)/model/fashion-mnist.logits

step = tools/setup/step.sh $(BUILD)/logs
# Ninja does not expect company in its folder, and `make -j test-unit-card test-sdk` would send it some.
ninja = flock $(BUILD)/.lock cmake --build $(BUILD)
export ACCEL_PCI_SO = $(abspath $(BUILD)/qemu-device/accel-pci.so)

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.SUFFIXES:
.DELETE_ON_ERROR:

##@ Start here

help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } \
	    /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	    /^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "V=1 shows what the steps print. BUILD, JOBS, PREFIX, DESTDIR, KDIR, QEMU, DATA can be set as well."

run: driver $(BUILD)/.runtime $(BUILD)/.kernel $(model) ## Build all, train a network, and classify with the card in a VM
	@echo "==> Classifying in a VM: Debian's kernel, the driver, the emulated card"
	@tests/vm/vm.py --module $(module) --program $(example) --log $(BUILD)/logs/run-console.log \
	    --files $(abspath $(model)) --files $(abspath $(logits)) \
	    --files $(DATA)/t10k-images-idx3-ubyte.gz --files $(DATA)/t10k-labels-idx1-ubyte.gz $(VM_ARGS) -- \
	    fashion-mnist classify --data $(DATA) --model $(abspath $(model)) --reference $(abspath $(logits))

test: build $(BUILD)/.kernel ## Run all tests; FILTER=PATTERN as for --gtest_filter
	@tools/setup/packages.sh test
	@tests/run_tests.py --build $(BUILD) --filter '$(FILTER)' $(if $(V),--verbose) $(addprefix --vm-arg=,$(VM_ARGS))

bench: build $(BUILD)/.kernel $(model) ## Measure the stack and its peers against the goals; BOOTS=1 for a quick look
	@tests/bench.py --build $(BUILD) --boots $(BOOTS) $(if $(V),--verbose)

bench-engines: $(BUILD)/.configured ## Measure the emulated engines against one core of this machine
	@tools/setup/packages.sh bench
	@cmake -S . -B $(BUILD) >/dev/null
	@$(ninja) --target bench-engines >/dev/null
	@$(BUILD)/tests/bench/engines/bench-engines --benchmark_counters_tabular=true

shell: driver $(BUILD)/.runtime $(BUILD)/.kernel ## A prompt in the VM, with /dev/accel0 and the programs built here
	@echo "==> Booting; 'exit' or Ctrl-D ends the VM, Ctrl-] x kills it"
	@tests/vm/vm.py --interactive --module $(module) --log $(BUILD)/logs/shell-console.log $(VM_ARGS) \
	    $(addprefix --program ,$(wildcard $(example) $(BUILD)/libaccel/examples/hello/hello $(BUILD)/tools/accelctl \
	        $(BUILD)/tools/lsaccel)) $(addprefix --files ,$(abspath $(wildcard $(model) $(logits)))) \
	    --files $(DATA)/t10k-images-idx3-ubyte.gz --files $(DATA)/t10k-labels-idx1-ubyte.gz

##@ Build

setup: ## Install the Debian packages that are missing
	@tools/setup/packages.sh

build: driver $(BUILD)/.configured ## Build everything: card, SDK, examples, tests, driver
	@$(step)/build.log "Building the card, the SDK and the tests" $(ninja) -j $(JOBS)

driver: setup ## Build the driver for the kernel of the VM, or for KDIR=<kernel headers>
	@$(step)/driver.log "Building the driver for $(kdir_release)" \
	    $(MAKE) -C driver KDIR=$(KDIR) O=$(abspath $(BUILD))/driver/$(kdir_release)

install: build ## Install SDK, headers and udev rules under PREFIX, and the driver if KDIR is given
	@$(step)/install.log "Installing under $(DESTDIR)$(PREFIX)" \
	    env DESTDIR=$(DESTDIR) cmake --install $(BUILD) --prefix $(PREFIX)
	@install -D -m 644 -t $(DESTDIR)$(PREFIX)/include/accel include/*.h
	@install -D -m 644 driver/packaging/70-accel.rules $(DESTDIR)$(PREFIX)/lib/udev/rules.d/70-accel.rules
	@install -D -m 644 driver/packaging/accel.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/accel.conf
	@install -D -m 644 driver/packaging/accel.modprobe $(DESTDIR)$(PREFIX)/lib/modprobe.d/accel.conf
ifneq ($(filter command line environment,$(origin KDIR)),)
	@$(step)/install-driver.log "Installing the driver for $(kdir_release)" $(MAKE) -C driver modules_install \
	    KDIR=$(KDIR) O=$(abspath $(BUILD))/driver/$(kdir_release) INSTALL_MOD_PATH=$(DESTDIR)
endif

deb: ## Pack the driver for DKMS, with its rules for udev: build/accel-dkms_VERSION_all.deb
	@$(step)/deb.log "Packing the driver for DKMS" sh -c 'driver/packaging/deb.sh $(BUILD) >$(BUILD)/deb.name'
	@cat $(BUILD)/deb.name

load: ## Load the driver into the kernel of this machine
	@tools/setup/module.sh load $(BUILD)/driver/$(shell uname -r)/accel.ko

unload: ## Unload it
	@tools/setup/module.sh unload

qemu-tree: setup ## Build the card inside QEMU's own source tree, as an alternative to Debian's QEMU
	@$(step)/qemu-tree.log "Building QEMU with the card in its tree" qemu-device/qemu-tree.sh

##@ Test

test-unit-card: $(BUILD)/.tests-card ## The card's core alone
test-unit-card-timed: $(BUILD)/.tests-card ## The same in virtual time, with the timing model
test-qtest: $(BUILD)/.tests-qtest ## The card in QEMU, without a guest
test-sdk: $(BUILD)/.tests-sdk ## The SDK, without a kernel
test-compiler: $(BUILD)/.tests-compiler ## The model compiler: ONNX's operator suite, and real models against ONNX Runtime
test-fuzz: $(BUILD)/.tests-fuzz ## The model compiler on broken files, with sanitizers
test-tools: $(BUILD)/.tools ## lsaccel and accelctl, on machines of files and on a terminal
test-harness: $(BUILD)/.kernel ## The gate itself: faults are planted and must be caught
test-vm: driver $(BUILD)/.tests-vm $(BUILD)/.kernel ## Everything together in a VM
test-vm-iommu: driver $(BUILD)/.tests-vm $(BUILD)/.kernel ## The same behind an IOMMU
test-perf-gate: build $(BUILD)/.kernel ## What a job costs, compared with what was recorded
test-unit-card test-unit-card-timed test-qtest test-sdk test-compiler test-fuzz test-tools test-harness test-vm test-vm-iommu test-perf-gate:
	@$(if $(filter test-vm test-vm-iommu,$@),tools/setup/packages.sh test)
	@tests/run_tests.py --build $(BUILD) --filter '$(FILTER)' $(if $(V),--verbose) $(addprefix --vm-arg=,$(VM_ARGS)) \
	    $(@:test-%=%)

test-kernels: setup $(BUILD)/.tests-vm ## The driver on each of KERNELS='6.1 rt 6.12 sid': builds, and passes suite vm
	@tools/setup/packages.sh test kernels
	@tests/kernels.py --build $(BUILD) --filter '$(FILTER)' $(if $(V),--verbose) $(addprefix --vm-arg=,$(VM_ARGS)) \
	    $(KERNELS)

test-deb: ## Install that package in a Debian 12 of its own, as root: builds, fails, goes
	@tools/setup/packages.sh deb
	@tests/deb.sh $(BUILD)

screens: build $(BUILD)/.kernel ## Take the screens in docs/tools.md anew, from a run in the VM
	@tests/tools/screens.py --build $(BUILD)

record-perf-gate: build $(BUILD)/.kernel ## Record what suite perf-gate compares with: instructions, calls, ... a job
	@tests/bench.py --build $(BUILD) --record

abi: setup ## Record what was added to the headers' binary interface; refuses what breaks it
	@tests/abi.py --record

check: driver $(BUILD)/.configured ## Formatting, static analysis, sparse, warnings
	@tools/setup/packages.sh check
	@tools/setup/check.sh $(BUILD) $(KDIR) $(abspath $(BUILD))/driver/$(kdir_release)-check $(JOBS)

##@ Clean up

clean: ## Remove what was built
	@rm -rf $(BUILD)

distclean: clean ## Remove the cached kernel and QEMU headers as well
	@rm -rf $${XDG_CACHE_HOME:-$$HOME/.cache}/accel

# ---- Files ----------------------------------------------------------------------------------------------------------

# Phony in effect: each of these finds out for itself whether there is something to do, and does so in no time.
.PHONY: FORCE help run test bench bench-engines shell setup build driver install deb load unload qemu-tree record-perf-gate abi check clean \
    distclean screens test-tools test-unit-card test-unit-card-timed test-perf-gate test-qtest test-sdk test-compiler test-fuzz test-harness test-vm test-vm-iommu test-kernels test-deb
FORCE:

$(BUILD)/.configured: setup FORCE
	@$(step)/qemu-headers.log "Looking for QEMU's headers" sh -c 'qemu-device/qemu-headers.sh >$(BUILD)/qemu-headers'
	@$(step)/configure.log "Configuring" cmake -S . -B $(BUILD) -G Ninja \
	    -DACCEL_QEMU_HEADERS="$$(cat $(BUILD)/qemu-headers)" $(CMAKE_ARGS)

# Parts of the build, for those who wait for them: what runs, or the tests of one suite with the card.
$(BUILD)/.runtime: $(BUILD)/.configured FORCE
	@$(step)/build.log "Building the card, the SDK, its examples and the tools" \
	    $(ninja) -j $(JOBS) --target qemu-device/all libaccel/all tools/all
$(BUILD)/.tools: $(BUILD)/.configured FORCE
	@$(step)/build.log "Building the tools" $(ninja) -j $(JOBS) --target tools/all
$(BUILD)/.tests-%: $(BUILD)/.configured FORCE
	@$(step)/build.log "Building the card and the tests of suite '$*'" \
	    $(ninja) -j $(JOBS) --target qemu-device/all tools/all tests/$*/all

$(BUILD)/.kernel: setup FORCE
	@$(step)/kernel.log "Looking for the VM's kernel" tests/vm/kernel.py

# Training is a matter of the host, and its result the same for the same program and data.
$(model): $(wildcard libaccel/examples/fashion-mnist/*) $(wildcard $(DATA)/*.gz) | $(BUILD)/.runtime
	@mkdir -p $(@D)
	@$(step)/train.log "Training the example network" \
	    $(example) train --data $(DATA) --model $(model) --reference $(logits)
