# SPDX-License-Identifier: BSD-2-Clause
#
# What a component's build.mk may say
# ===================================
# The top-level Makefile includes every <component>/build.mk. A fragment only declares; source names are
# relative to its own directory. Each function goes on a line of its own:
#
#   $(call library-sources,state.c dma.c)
#	C files that become part of libudrv (libudrv.a, libudrv.so.0). What the .so exports is decided by
#	udrv/lib/libudrv.map alone.
#
#   $(call guest-program,udrv-init,main.c custody.c[,LIBS])
#	A program linked statically with libudrv, liburing, libfdt and json-c: build/bin/udrv-init. It goes
#	into the image. LIBS (-l…) come in front of the usual ones.
#
#   $(call tool,udrvctl,main.c list.c[,LIBS])
#	The same, but linked dynamically, for what needs a library without an archive (-lpci). It goes into
#	the image with the closure of its shared libraries.
#
#   $(call guest-test,luo_probe,luo_probe.c[,LIBS])
#	A static program for tests inside a guest, build/tests/guest/luo_probe. Not in the image: a test
#	hands it to its guest.
#
#   $(call step-program,udrv_step,main.c agent.c[,LIBS])
#	As a guest-program, but for tests in a guest, like a guest-test: built with UDRV_STEP_HOOK, so that
#	it can end itself after a given store.
#
#   $(call host-program,mana-model,main.c gdma.c[,LIBS])
#	A program for the machine that runs the tests, never in the image: build/tests/mana-model.
#
#   $(call test-library,nvme-model,ctrl.c prp.c)
#	Code that several unit tests share, built with the sanitizers. Only links where it is asked for.
#
#   $(call unit-test,test_state,test_state.c[,TEST-LIBRARIES[,LIBS]])
#	A check(3) program linked with libudrv, everything under ASan and UBSan: build/asan/bin/test_state.
#	main() ends with `return suite_run(suite)` (tests/unit/suite.h, test library `support`). The
#	runner takes the results from check's own TAP log.
#
#   $(call man-pages,udrvctl.8 udrv_device.3)
#   $(call units,udrv-agent.service.in)
#	Installed by `make install`.
#
# Flags of a directory: CPPFLAGS_<dir> and CFLAGS_<dir>, for example  CPPFLAGS_udrv/agent := -DFOO
# Include paths: <udrv/…> is include/udrv, and "devices/nvme/queue.h" is relative to the top of the
# repository. <linux/…> is generated from the kernel that we build (`make headers`), not the machine's.

here = $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))

# ---- flavours: obj (guest, static), pic (shared library), asan (unit tests) ----------------------

FLAVOURS	:= obj pic asan step
FLAGS_obj	:= -ffunction-sections
FLAGS_step	:= -DUDRV_STEP_HOOK
FLAGS_pic	:= -fPIC
FLAGS_asan	:= -DUDRV_STEP_HOOK -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all

STATIC_LIBS	:= -ljson-c -lfdt -luring

# $(call objects,FLAVOUR,SOURCES): sources are relative to the fragment
sources = $(patsubst $(CURDIR)/%,%,$(abspath $(addprefix $(here)/,$1)))
objects = $(patsubst %.c,$(BUILD)/$1/%.o,$(call sources,$2))

LIBRARY_OBJ	:=
GUEST_PROGRAMS	:=
GUEST_TOOLS	:=
GUEST_TESTS	:=
HOST_PROGRAMS	:=
UNIT_TESTS	:=
MAN_PAGES	:=
UNITS		:=
ALL_OBJECTS	:=

library-sources = $(eval LIBRARY_OBJ += $(patsubst %.c,%.o,$(call sources,$1)))

guest-program = $(eval $(call program-rules,$(strip $1),$(call objects,obj,$2),$(strip $3),bin,-static))\
	$(eval GUEST_PROGRAMS += $(BUILD)/bin/$(strip $1))
tool = $(eval $(call program-rules,$(strip $1),$(call objects,obj,$2),$(strip $3),bin,))\
	$(eval GUEST_TOOLS += $(BUILD)/bin/$(strip $1))
guest-test = $(eval $(call program-rules,$(strip $1),$(call objects,obj,$2),$(strip $3),tests/guest,-static))\
	$(eval GUEST_TESTS += $(BUILD)/tests/guest/$(strip $1))
host-program = $(eval $(call program-rules,$(strip $1),$(call objects,obj,$2),$(strip $3),tests,))\
	$(eval HOST_PROGRAMS += $(BUILD)/tests/$(strip $1))

# $1 name, $2 objects, $3 libraries, $4 directory under build/, $5 link flags
define program-rules
ALL_OBJECTS += $2
$(BUILD)/$4/$1: $2 $(BUILD)/lib/libudrv.a
	$$(call quiet,LD,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) $5 -o $$@ $2 $(BUILD)/lib/libudrv.a $3 $(STATIC_LIBS) $$(LIBS)
endef

step-program = $(eval $(call step-program-rules,$(strip $1),$(call objects,step,$2),$(strip $3)))\
	$(eval GUEST_TESTS += $(BUILD)/tests/guest/$(strip $1))
define step-program-rules
ALL_OBJECTS += $2
$(BUILD)/tests/guest/$1: $2 $(BUILD)/step/lib/libudrv.a
	$$(call quiet,LD,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) -static -o $$@ $2 $(BUILD)/step/lib/libudrv.a $3 $(STATIC_LIBS) $$(LIBS)
endef

test-library = $(eval $(call test-library-rules,$(strip $1),$(call objects,asan,$2)))
define test-library-rules
ALL_OBJECTS += $2
$(BUILD)/asan/lib/lib$1.a: $2
	$$(archive)
endef

unit-test = $(eval $(call unit-test-rules,$(strip $1),$(call objects,asan,$2),$(patsubst %,$(BUILD)/asan/lib/lib%.a,$3),$(strip $4)))
define unit-test-rules
ALL_OBJECTS += $2
UNIT_TESTS += $(BUILD)/asan/bin/$1
$(BUILD)/asan/bin/$1: $2 $3 $(BUILD)/asan/lib/libudrv.a
	$$(call quiet,LD,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CFLAGS) $$(FLAGS_asan) $$(LDFLAGS) -o $$@ $2 $3 $(BUILD)/asan/lib/libudrv.a $4 \
		$$$$(pkg-config --libs check) $(STATIC_LIBS) $$(LIBS)
endef

man-pages = $(eval MAN_PAGES += $(addprefix $(here)/,$1))
units = $(eval UNITS += $(addprefix $(here)/,$1))

# ---- recipes that the rules share -------------------------------------------------------------

ifeq ($(V),1)
  Q :=
  quiet :=
else
  Q := @
  quiet = @printf '  %-7s %s\n' $1 $2
endif

define archive
$(call quiet,AR,$@)
$(Q)mkdir -p $(@D)
$(Q)rm -f $@
$(Q)$(AR) rcsD $@ $^
endef

define compile-rule
$(BUILD)/$1/%.o: %.c $(BUILD)/flags $(BUILD)/uapi.id
	$$(call quiet,CC,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CPPFLAGS) $$(CPPFLAGS_$$(patsubst %/,%,$$(dir $$<))) $$(CFLAGS) $$(FLAGS_$1) \
		$$(CFLAGS_$$(patsubst %/,%,$$(dir $$<))) -MMD -MP -c -o $$@ $$<
endef
