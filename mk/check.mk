# SPDX-License-Identifier: BSD-2-Clause
# Test suites and long runs.

SUITES	:= unit smoke vm kernel model fuzz systemd
# All tests: what smoke runs is part of vm.
ALL_SUITES := unit kernel vm model fuzz
SUITE	?=
T	?=
CYCLES	?=
DISK	?=
QEMU_EXTRA ?=
ACCEL	?= auto
export CYCLES DISK QEMU_EXTRA ACCEL

ifneq ($(filter-out $(SUITES),$(SUITE)),)
  $(error SUITE=$(SUITE): the suites are $(SUITES))
endif

# What a suite consists of, as scripts/check.py wants it, and what must be there before it can run. Fragments
# may add to it:  TESTS_unit += unit=tap:tests/foo/bar.sh
# Unit tests called test_…_fuzz read FUZZ_SECONDS and are a suite of their own.
FUZZ_TESTS	:= $(filter %_fuzz,$(UNIT_TESTS))
MODEL_TESTS	:= $(filter-out $(FUZZ_TESTS),\
	$(foreach t,net_ vfio_user mana_model_,$(filter $(BUILD)/asan/bin/test_$t%,$(UNIT_TESTS))))
TESTS_unit	+= $(patsubst %,unit=check:%,$(filter-out $(FUZZ_TESTS),$(UNIT_TESTS))) $(foreach d,tests/vm tests/bench,$(if $(wildcard $d/test_*.py),unit=python:$d))
NEEDS_unit	:= packages-unit library headers-alone $(BUILD)/bin/udrv $(UNIT_TESTS)
VM_RUN		:= $(wildcard tests/vm/run.py)
VM_SUITE	= $(if $(VM_RUN),'$1=counted:python3 $(VM_RUN) --suite $1')
VM_NEEDS	:= packages-vm kernel image qemu $(GUEST_TESTS) $(HOST_PROGRAMS)
TESTS_smoke	+= $(call VM_SUITE,smoke)
NEEDS_smoke	:= $(VM_NEEDS)
TESTS_vm	+= vm=tap:tests/setup/qemu.sh $(call VM_SUITE,vm)
NEEDS_vm	:= $(VM_NEEDS)
# Compiling each patch takes long, and machines leave much of the processors idle.
BESIDE_kernel	+= kernel=tap:tests/setup/series.sh
TESTS_kernel	+= $(call VM_SUITE,kernel)
NEEDS_kernel	:= $(VM_NEEDS) kernel-debug
# Only when asked for: a debug kernel takes minutes to boot systemd three times.
TESTS_systemd	+= $(call VM_SUITE,systemd)
NEEDS_systemd	:= $(VM_NEEDS) kernel-debug systemd
# With all suites, the model's own tests are among the unit tests.
TESTS_model	+= $(if $(SUITE),$(MODEL_TESTS:%=model=check:%)) $(call VM_SUITE,model)
NEEDS_model	:= packages-unit packages-model $(MODEL_TESTS) $(VM_NEEDS) $(HOST_PROGRAMS) kernel-debug debian-kernel
TESTS_fuzz	+= $(FUZZ_TESTS:%=fuzz=check:%)
NEEDS_fuzz	:= packages-unit $(FUZZ_TESTS)

RUN_SUITES := $(if $(SUITE),$(SUITE),$(foreach s,$(ALL_SUITES),$(if $(TESTS_$s),$s)))

.PHONY: packages-unit packages-vm packages-model packages-bench
packages-unit packages-vm packages-model packages-bench: packages-%:
	$(Q)scripts/packages.sh build $*

# Programs for tests find QEMU in PATH, and where things are in the environment.
export PATH := $(abspath $(BUILD))/qemu:$(PATH)
export UDRV_BUILD := $(abspath $(BUILD))

.PHONY: check
check: $(foreach s,$(RUN_SUITES),$(NEEDS_$s)) ## all tests, or SUITE=unit|smoke|vm|kernel|model|fuzz|systemd, or one: T=name
	$(if $(foreach s,$(RUN_SUITES),$(TESTS_$s)),,$(call later,check SUITE=$(SUITE)))
	$(Q)scripts/check.py --logs $(BUILD)/check $(if $(T),--test '$(T)') \
		$(foreach b,$(foreach s,$(RUN_SUITES),$(BESIDE_$s)),--beside $b) $(foreach s,$(RUN_SUITES),$(TESTS_$s))

.PHONY: unit-programs
unit-programs: $(UNIT_TESTS)

# A recipe line for a target whose subject is not there yet
later = $(Q)echo 'make $1: not there yet; it comes with a later issue' >&2; exit 1

.PHONY: demo
demo: $(VM_NEEDS) ## verified I/O and network traffic through several kexec updates, with a timeline and a verdict (CYCLES=, DISK=)
	$(if $(wildcard tests/vm/demo.py),,$(call later,demo))
	$(Q)python3 tests/vm/demo.py

# Whether valgrind's headers are there: what counts instructions is built again when they have come.
$(BUILD)/valgrind: FORCE | $(if $(filter bench,$(MAKECMDGOALS)),packages-bench)
	@mkdir -p $(@D)
	@ls /usr/include/valgrind/callgrind.h 2>/dev/null | cmp -s - $@ || ls /usr/include/valgrind/callgrind.h > $@ 2>/dev/null || :
$(BUILD)/obj/tests/bench/nvme_insn.o $(BUILD)/obj/tests/bench/mana_insn.o: $(BUILD)/valgrind

.PHONY: bench
bench: packages-bench $(VM_NEEDS) ## side-by-side measurements (PART=instructions|nvme|mana|blackout, ROUNDS=n)
	$(Q)python3 tests/bench/run.py $(PART:%=--part %) $(ROUNDS:%=--rounds %)

.PHONY: soak
soak: $(VM_NEEDS) ## CYCLES=n (default 50) updates with crashes, aborts and fall-backs in random order (SEED=)
	$(Q)CYCLES=$(or $(CYCLES),50) SEED=$(SEED) python3 tests/vm/soak.py

.PHONY: fuzz
fuzz: $(NEEDS_fuzz) ## fuzz what reads foreign data, SECONDS=n (default 60) for each of it
	$(Q)FUZZ_SECONDS=$(or $(SECONDS),60) scripts/check.py --logs $(BUILD)/fuzz $(TESTS_fuzz)

.PHONY: model
model: $(BUILD)/tests/mana-model ## the MANA device model, build/tests/mana-model
