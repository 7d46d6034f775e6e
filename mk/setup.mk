# SPDX-License-Identifier: BSD-2-Clause
# Set-up steps: packages, kernel headers, kernel, QEMU, image. The scripts do nothing where nothing is to be done.

SERIES		:= $(sort $(wildcard kernel/patches/*.patch))
KCONFIG		?=
IMAGE		:= $(BUILD)/image/initramfs

.PHONY: setup
setup: $(BUILD)/uapi.stamp qemu ## packages, kernel source and headers, QEMU (UPDATE=1: look for newer ones)
	$(Q)scripts/packages.sh build unit kernel image vm

# build/uapi: headers generated from the patched kernel. uapi.id names the set, and changes only with it.
# A switch of UDRV_CACHE shows as a dangling link.
ifeq ($(wildcard $(BUILD)/uapi/include/linux),)
$(BUILD)/uapi.stamp: FORCE
endif
$(BUILD)/uapi.stamp: $(SERIES) scripts/kernel.sh $(if $(UPDATE),FORCE)
	$(Q)mkdir -p $(@D)
	$(Q)scripts/packages.sh build unit
	$(Q)scripts/kernel.sh headers
	$(Q)touch $@

$(BUILD)/uapi.id: $(BUILD)/uapi.stamp
	@:

.PHONY: qemu
qemu: ## a QEMU that is new enough, as build/qemu/qemu-system-x86_64
	$(Q)scripts/qemu.sh

.PHONY: kernel
kernel: ## the paravisor kernel, as build/kernel/bzImage (KCONFIG=debug: build/kernel-debug/bzImage)
	$(Q)scripts/kernel.sh build $(KCONFIG)

.PHONY: kernel-debug
kernel-debug:
	$(Q)scripts/kernel.sh build debug

.PHONY: debian-kernel
debian-kernel: ## Debian 12's cloud kernel, whose mana driver judges the device model, as build/debian-kernel
	$(Q)scripts/debian-kernel.sh

.PHONY: systemd
systemd: ## Debian sid's systemd, to be PID 1 of a guest, as build/systemd
	$(Q)scripts/systemd.sh

.PHONY: kernel-tree
kernel-tree: ## build/kernel-tree: an editable git tree with the series as commits
	$(Q)scripts/kernel.sh tree

.PHONY: kernel-patches
kernel-patches: ## write the commits of build/kernel-tree back to kernel/patches
	$(Q)scripts/kernel.sh patches

.PHONY: image
image: $(IMAGE) ## the paravisor's initramfs, build/image/initramfs

$(IMAGE): $(GUEST_PROGRAMS) $(GUEST_TOOLS) scripts/image.sh scripts/mkimage.py
	$(call quiet,IMAGE,$@)
	$(Q)scripts/image.sh $(GUEST_PROGRAMS) $(GUEST_TOOLS)
