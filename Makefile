# SPDX-License-Identifier: BSD-2-Clause
# udrv: `make help` lists the targets. mk/rules.mk says what a component's build.mk may contain.

ifneq ($(words $(CURDIR)),1)
  $(error The path "$(CURDIR)" contains white space, which make cannot handle: move the repository)
endif

MAKEFLAGS += --no-builtin-rules --no-builtin-variables
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

VERSION		:= 0.1.0
SONAME		:= libudrv.so.0

BUILD		?= build
PREFIX		?= /usr/local
DESTDIR		?=
UDRV_CACHE	?= $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/udrv
export BUILD UDRV_CACHE

CC		:= $(if $(filter default undefined,$(origin CC)),gcc,$(CC))
CXX		:= $(if $(filter default undefined,$(origin CXX)),$(if $(findstring clang,$(CC)),clang++,g++),$(CXX))
AR		:= $(if $(filter default undefined,$(origin AR)),ar,$(AR))

# -isystem: the kernel's own headers, newer than the machine's and free of warnings of ours.
override CPPFLAGS += -D_GNU_SOURCE -Iinclude -iquote . -isystem $(BUILD)/uapi/include
override CFLAGS	:= -std=gnu17 -Wall -Wextra -Werror -O2 -g $(CFLAGS)
LDFLAGS		?=
LIBS		?=

include mk/rules.mk
FRAGMENTS := $(sort $(wildcard udrv/*/build.mk devices/*/build.mk tests/*/build.mk))
include $(FRAGMENTS)
include mk/library.mk
include mk/setup.mk
include mk/check.mk

.PHONY: all
all: library programs headers-alone ## library, programs and header checks (no kernel, no tests)

.PHONY: programs
programs: $(GUEST_PROGRAMS) $(GUEST_TOOLS) $(GUEST_TESTS) $(HOST_PROGRAMS)

$(foreach flavour,$(FLAVOURS),$(eval $(call compile-rule,$(flavour))))

# Objects depend on the flags that they were built with.
FLAGS_NOW := $(CC) $(CPPFLAGS) $(CFLAGS) $(foreach f,$(FLAVOURS),$f: $(FLAGS_$f))
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(FLAGS_NOW)' | cmp -s - $@ || printf '%s\n' '$(FLAGS_NOW)' > $@

.PHONY: FORCE
FORCE:

-include $(ALL_OBJECTS:.o=.d)

.PHONY: clean
clean: ## remove build/ (the cache in $UDRV_CACHE stays)
	rm -rf $(BUILD)

.PHONY: help
help: ## this list
	@echo 'usage: make TARGET [VARIABLE=value ...]'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(filter-out $(FRAGMENTS),$(filter Makefile mk/%.mk,$(MAKEFILE_LIST)))
	@echo
	@cat mk/help.txt
