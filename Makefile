# SPDX-License-Identifier: Apache-2.0
#
# The front door: `make help` lists the targets. CMake (CMakeLists.txt), kbuild (driver/Makefile)
# and the test harness (tests/) do the work; this file puts them in order. Each step prints one line
# and keeps its output in $(BUILD)/logs; V=1 shows that output.

# make splits names at spaces: no rule could build in such a folder, and kbuild cannot either.
ifneq ($(words $(CURDIR)),1)
$(error the path of this folder has a space ($(CURDIR)): move the project to a path without one)
endif

BUILD ?= build
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
DESTDIR ?=
FILTER ?= *
# Arguments for the build and for the VM, e.g. CMAKE_ARGS=-DACCEL_SANITIZE=address
# VM_ARGS='--smp 2 --card memory-size=64M'.
CMAKE_ARGS ?=
VM_ARGS ?=

ifneq ($(shell printf '%s' '$(JOBS)' | grep -cEx '[1-9][0-9]*'),1)
$(error JOBS must be a number, not '$(JOBS)')
endif

# The kernel of the VM; ACCEL_KERNEL selects it. The driver is built for it, or for KDIR. The
# variables get their values when a recipe needs them, as `setup` may have to install the headers.
# A kernel that is not known ends make.
vm_kernel = $(or $(shell ACCEL_KERNEL='$(ACCEL_KERNEL)' tests/vm/kernel.py $1),\
    $(error no kernel: the line above says why))
release = $(eval release := $$(call vm_kernel,--release))$(release)
ifeq ($(origin KDIR),undefined)
KDIR = $(eval KDIR := $$(call vm_kernel,--headers))$(KDIR)
endif
DATA ?= /usr/share/datasets/fashion-mnist
# How often make bench measures everything.
BOOTS ?= 3
# The kernels of test-kernels.
KERNELS ?= 6.1 rt 6.12 sid
# The parts of test-debug-kernel: controls failures failures-dma vm vm-iommu, or short.
# The parts of test-deb: dkms upgrade autopkgtest guide.
PARTS ?=
ifneq ($(words $(BUILD)) $(words $(DATA)),1 1)
$(error BUILD and DATA must be paths without spaces, and not empty)
endif

# The release of /lib/modules/RELEASE/build; of another folder, its own name.
kdir_release = $(notdir $(patsubst %/build,%,$(abspath $(KDIR))))
driver_build = $(abspath $(BUILD))/driver/$(kdir_release)
module = $(BUILD)/driver/$(release)/accel.ko

example = $(BUILD)/libaccel/examples/fashion-mnist/fashion-mnist
model = $(BUILD)/model/fashion-mnist.model
logits = $(BUILD)/model/fashion-mnist.logits
test_data = $(DATA)/t10k-images-idx3-ubyte.gz $(DATA)/t10k-labels-idx1-ubyte.gz
# The contents that `make shell` adds to the VM: programs of the build and of the user (PROGRAM),
# files of the user (FILES, in /root), and models. SHARE is a folder of the host, /host in the VM.
programs = $(wildcard $(example) $(BUILD)/libaccel/examples/hello/hello \
    $(BUILD)/libaccel/examples/demo/demo \
    $(BUILD)/libaccel/examples/stream/stream $(BUILD)/libaccel/examples/onnx/onnx \
    $(BUILD)/tools/accelctl $(BUILD)/tools/lsaccel) $(PROGRAM)
PROGRAM ?=
FILES ?=
SHARE ?= $(BUILD)/share
trained = $(wildcard $(BUILD)/tests/compiler/fashion/*.onnx)
shell_files = $(foreach file,$(FILES),$(if $(findstring :,$(file)),$(file),\
    $(file):/root/$(notdir $(file)))) \
    $(foreach file,$(trained),$(file):/usr/share/accel/$(notdir $(file))) \
    $(abspath $(wildcard $(model) $(logits))) $(test_data)
packaging = driver/packaging

step = tools/setup/step.sh $(BUILD)/logs
# One CMake or ninja at a time works in a folder: `make -j test-unit-card test-sdk` starts two, and
# so do two makes.
locked_step = tools/setup/step.sh --lock $(BUILD)/.lock $(BUILD)/logs
ninja = cmake --build $(BUILD)
test_options = --build $(BUILD) --filter '$(FILTER)' $(if $(V),--verbose) \
    $(addprefix --vm-arg=,$(VM_ARGS))
run_tests = tests/run_tests.py $(test_options)
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
	@echo "V=1 shows the output of the steps."
	@echo "Other settings: BUILD, JOBS, PREFIX, DESTDIR, KDIR, QEMU, DATA."

run: driver $(BUILD)/.runtime $(BUILD)/.kernel $(model) ## Train a network, classify in a VM
	@echo "==> Classifying in a VM: Debian's kernel, the driver, the emulated card"
	@tests/vm/vm.py --module $(module) --program $(example) \
	    --log $(BUILD)/logs/run-console.log \
	    $(addprefix --files ,$(abspath $(model) $(logits)) $(test_data)) $(VM_ARGS) -- \
	    fashion-mnist classify --data $(DATA) --model $(abspath $(model)) \
	    --reference $(abspath $(logits))

test: build $(BUILD)/.kernel ## Run all tests; FILTER=PATTERN as for --gtest_filter
	@tools/setup/packages.sh test
	@$(run_tests)

bench: build $(BUILD)/.kernel $(model) ## Measure stack and peers; BOOTS=1 for a quick look
	@tests/bench.py --build $(BUILD) --boots $(BOOTS) $(if $(V),--verbose)

bench-engines: $(BUILD)/.configured ## Measure the engines against the cores of the machine
	@tools/setup/packages.sh bench
	@$(locked_step)/build.log "Building the measurement" \
	    sh -c 'cmake -S . -B $(BUILD) && $(ninja) --target bench-engines'
	@$(BUILD)/tests/bench/engines/bench-engines --benchmark_counters_tabular=true

shell: driver $(BUILD)/.models $(BUILD)/.kernel ## A prompt in the VM; PROGRAM= and FILES= are added
	@mkdir -p $(SHARE)
	@echo "==> Booting; 'exit' or Ctrl-D ends the VM, Ctrl-] x kills it, Ctrl-] c switches to"
	@echo "    QEMU's monitor and back. Programs are in /usr/bin, models in /usr/share/accel,"
	@echo "    FILES in /root; /host is $(SHARE) of this machine"
	@tests/vm/vm.py --interactive --module $(module) $(VM_ARGS) \
	    --log $(BUILD)/logs/shell-console.log --share $(SHARE) \
	    $(addprefix --program ,$(programs)) $(addprefix --files ,$(shell_files))

##@ Build

setup: ## Install the Debian packages that are missing
	@tools/setup/packages.sh

build: driver $(BUILD)/.configured ## Build everything: card, SDK, examples, tests, driver
	@$(locked_step)/build.log "Building the card, the SDK and the tests" $(ninja) -j $(JOBS)

driver: setup ## Build the driver for the kernel of the VM, or for KDIR=<kernel headers>
	@tools/setup/step.sh --lock $(driver_build)/.lock $(BUILD)/logs/driver.log \
	    "Building the driver for $(kdir_release)" \
	    $(MAKE) -C driver KDIR=$(KDIR) O=$(driver_build)

python: setup ## The wheel and the sdist of the Python package: build/accel-VERSION-….whl
	@$(step)/python.log "Building the Python package" libaccel/python/wheel.sh $(BUILD)
	@ls $(BUILD)/accel-*.whl

# Set if the user names a kernel.
own_kernel = $(filter command line environment,$(origin KDIR))

install: $(BUILD)/.runtime $(if $(own_kernel),driver) ## Install SDK and tools; with KDIR the driver
	@$(step)/install.log "Installing under $(DESTDIR)$(PREFIX)" \
	    env DESTDIR='$(DESTDIR)' cmake --install $(BUILD) --prefix '$(PREFIX)'
	@install -D -m 644 -t '$(DESTDIR)$(PREFIX)/include/accel' include/*.h
	@install -D -m 644 -t '$(DESTDIR)$(PREFIX)/lib/udev/rules.d' $(packaging)/70-accel.rules
	@install -D -m 644 $(packaging)/accel.sysusers \
	    '$(DESTDIR)$(PREFIX)/lib/sysusers.d/accel.conf'
	@install -D -m 644 $(packaging)/accel.modprobe \
	    '$(DESTDIR)$(PREFIX)/lib/modprobe.d/accel.conf'
ifneq ($(own_kernel),)
	@$(step)/install-driver.log "Installing the driver for $(kdir_release)" \
	    $(MAKE) -C driver modules_install KDIR=$(KDIR) O=$(driver_build) \
	    INSTALL_MOD_PATH='$(DESTDIR)'
endif
	@tools/setup/refresh-libraries.sh '$(DESTDIR)' '$(PREFIX)'

deb: setup ## The Debian packages of all parts: build/packages/*.deb
	@tools/setup/packages.sh docs deb
	@$(locked_step)/deb.log "Building the Debian packages" tools/packaging/deb.sh $(BUILD)
	@ls $(BUILD)/packages/*.deb

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
test-c: build ## The C interface: C programs, ctypes, headers, symbols, the installed package
test-compiler: $(BUILD)/.tests-compiler ## The compiler: ONNX's operator suite, real models
test-python: $(BUILD)/.tests-python ## The Python package on the emulated device
test-fuzz: $(BUILD)/.tests-fuzz ## The model compiler on broken files, with sanitizers
test-tools: $(BUILD)/.tools ## lsaccel and accelctl, on machines of files and on a terminal
test-harness: $(BUILD)/.kernel ## The gate itself: faults are planted and must be caught
test-vm: driver $(BUILD)/.tests-vm $(BUILD)/.kernel ## Everything together in a VM
test-vm-python: driver $(BUILD)/.tests-python $(BUILD)/.kernel ## Suite python in the VM
test-vm-iommu: driver $(BUILD)/.tests-vm $(BUILD)/.kernel ## The same behind an IOMMU
test-vm-bounce: driver $(BUILD)/.tests-vm $(BUILD)/.kernel ## Suite vm with bounce buffers
test-perf-gate: build $(BUILD)/.kernel ## What a job costs, compared with what was recorded
test-unit-card test-unit-card-timed test-qtest test-sdk test-c test-compiler test-python \
    test-fuzz test-tools test-harness test-vm test-vm-python test-vm-iommu test-vm-bounce \
    test-perf-gate:
	@$(if $(filter test-vm%,$@),tools/setup/packages.sh test)
	@$(run_tests) $(@:test-%=%)

test-kernels: setup $(BUILD)/.tests-vm ## Suite vm on each of KERNELS='6.1 rt 6.12 sid'
	@tools/setup/packages.sh test kernels
	@tests/kernels.py $(test_options) $(KERNELS)

test-debug-kernel: $(BUILD)/.tests-vm $(BUILD)/.debug-kernel ## Suite vm on a kernel with checkers
	@tools/setup/packages.sh test
	@tests/debug_kernel.py $(test_options) $(PARTS)

test-packages: build deb ## Contents of the packages; a project that uses them or make install
	@$(run_tests) packages

test-deb: deb ## Install, upgrade and remove the packages in a Debian 12 of its own, as root
	@tools/setup/packages.sh test-deb
	@tests/deb.sh $(BUILD) $(PARTS)

test-wheel: python ## Install the wheel into an environment of its own, and run suite python there
	@$(step)/wheel.log "Testing the wheel" tests/python/wheel.sh $(BUILD)

test-python-trixie: ## The wheel and suite python with the Python 3.13 of a Debian 13, as root
	@$(step)/python-trixie.log "Building and testing with Python 3.13" \
	    tests/python/debian13.sh $(BUILD)

model-report: $(BUILD)/.tests-compiler ## Judge ONNX's operator suites; writes the page of operators
	@$(step)/model-report.log "Fetching ONNX's operator suite" tests/compiler/suite/suite.sh
	@echo "==> Judging the models here and in ONNX Runtime"
	@tests/compiler/suite/report.sh $(BUILD)

quantize-report: $(BUILD)/.tests-compiler $(BUILD)/.tools ## Compare quantize with ONNX Runtime's
	@tests/compiler/quantize/compare.sh $(BUILD)

model-minilm: ## Export a sentence encoder by PyTorch for suite python; takes 6 GB meanwhile
	@$(step)/model-minilm.log "Exporting all-MiniLM-L6-v2 by PyTorch" \
	    tests/python/minilm/model.sh

screens: build $(BUILD)/.kernel ## Take the screens of docs/reference/tools.md from a run in the VM
	@tests/tools/screens.py --build $(BUILD)

record-perf-gate: build $(BUILD)/.kernel ## Record the counts that perf-gate compares with
	@tests/bench.py --build $(BUILD) --record

abi: setup ## Record what was added to the headers' binary interface; refuses what breaks it
	@tests/abi.py --record

deb-symbols: $(BUILD)/.runtime ## Record what was added to the symbols of the packages' libraries
	@tools/packaging/symbols.py $(BUILD) --record

check: driver $(BUILD)/.configured ## Prose, layers, formatting, static analysis, sparse
	@tools/setup/packages.sh check
	@tools/check/run.sh $(BUILD) $(KDIR) $(driver_build)-check $(JOBS)

docs: setup ## The reference of the API and the pages of docs/ as HTML: build/docs/html/index.html
	@tools/setup/packages.sh docs
	@$(step)/docs.log "Making the documentation" docs/build.sh $(BUILD)/docs

##@ Clean up

clean: ## Remove what was built
	@tools/setup/clean.sh "$(BUILD)" CMakeCache.txt logs
	@tools/setup/clean.sh "$(BUILD)-python" CMakeCache.txt dist

distclean: clean ## Remove the cached kernel and QEMU headers as well
	@rm -rf -- "$${XDG_CACHE_HOME:-$$HOME/.cache}/accel"

# ---- Files ---------------------------------------------------------------------------------------

# Each of these finds out for itself whether there is something to do.
.PHONY: FORCE help run test bench bench-engines shell setup build driver install deb load unload \
    qemu-tree record-perf-gate abi deb-symbols check docs clean distclean screens python \
    test-unit-card test-unit-card-timed test-qtest test-sdk test-c test-compiler test-python \
    test-fuzz test-tools test-harness test-perf-gate test-vm test-vm-python test-vm-iommu \
    test-vm-bounce test-kernels test-debug-kernel test-packages test-deb test-wheel \
    test-python-trixie model-minilm model-report quantize-report
FORCE:

$(BUILD)/.configured: setup FORCE
	@$(step)/qemu-headers.log "Looking for QEMU's headers" \
	    sh -c 'qemu-device/qemu-headers.sh >$(BUILD)/qemu-headers'
	@$(step)/python-packages.log "Looking for the packages that build the Python package" \
	    sh -c 'tools/setup/python.sh >$(BUILD)/python-interpreter || \
	        : >$(BUILD)/python-interpreter'
	@[ -s $(BUILD)/python-interpreter ] || \
	    echo "note: all but the Python package is built; see $(BUILD)/logs/python-packages.log"
	@$(locked_step)/configure.log "Configuring" cmake -S . -B $(BUILD) -G Ninja \
	    -DACCEL_QEMU_HEADERS="$$(cat $(BUILD)/qemu-headers)" \
	    -DACCEL_PYTHON="$$(cat $(BUILD)/python-interpreter)" $(CMAKE_ARGS)

# Parts of the build, so that a target waits only for its own.
$(BUILD)/.runtime: $(BUILD)/.configured FORCE
	@$(locked_step)/build.log "Building the card, the SDK, its examples and the tools" \
	    $(ninja) -j $(JOBS) --target qemu-device/all libaccel/all tools/all
$(BUILD)/.tools: $(BUILD)/.configured FORCE
	@$(locked_step)/build.log "Building the tools and the examples" \
	    $(ninja) -j $(JOBS) --target tools/all libaccel/examples/all
$(BUILD)/.tests-%: $(BUILD)/.configured FORCE
	@$(locked_step)/build.log "Building the card and the tests of suite '$*'" \
	    $(ninja) -j $(JOBS) --target qemu-device/all tools/all tests/$*/all

# Two ONNX models, trained once.
$(BUILD)/.models: $(BUILD)/.runtime FORCE
	@$(locked_step)/models.log "Building the example models" \
	    $(ninja) -j $(JOBS) --target fashion-files

$(BUILD)/.kernel: setup FORCE
	@$(step)/kernel.log "Looking for the VM's kernel" tests/vm/kernel.py

# From Debian's source package: ten to fifteen minutes on two cores, unless it is in the cache.
$(BUILD)/.debug-kernel: setup FORCE
	@tools/setup/packages.sh debug-kernel
	@$(step)/debug-kernel.log "Looking for the debug kernel, or building it" \
	    tests/vm/kernel.py debug

# The host trains. The same program and data give the same network.
$(model): $(wildcard libaccel/examples/fashion-mnist/*) $(wildcard $(DATA)/*.gz) | $(BUILD)/.runtime
	@mkdir -p $(@D)
	@$(locked_step)/train.log "Training the example network" \
	    $(example) train --data $(DATA) --model $(model) --reference $(logits)
