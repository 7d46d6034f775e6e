# SPDX-License-Identifier: BSD-2-Clause
# Set-up steps: packages, kernel headers, kernel, QEMU, image.

SERIES := $(sort $(wildcard kernel/patches/*.patch))

# build/uapi: headers generated from the patched kernel. uapi.id names the set, and changes only with it.
$(BUILD)/uapi.stamp: $(SERIES) scripts/kernel.sh
	$(Q)mkdir -p $(@D)
	$(Q)scripts/kernel.sh headers
	$(Q)touch $@

$(BUILD)/uapi.id: $(BUILD)/uapi.stamp
	@:
