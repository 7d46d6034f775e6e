# SPDX-License-Identifier: GPL-2.0-or-later
# Programs that VM tests hand to their guests
$(call guest-test,plain_kexec,guest/plain_kexec.c)
$(call guest-test,kexec_load,guest/kexec_load.c)
$(call guest-test,forge_identity,guest/forge_identity.c)
$(call guest-test,attach_namespace,guest/attach_namespace.c)
$(call guest-test,crowd,guest/crowd.c)
$(call guest-test,hold_liveupdate,guest/hold_liveupdate.c)
$(call guest-test,break_device,guest/break_device.c)
$(call guest-test,upstream_pieces,guest/upstream_pieces.c)
$(call guest-test,live_update_guards,$(addprefix guest/guards/,main.c refusals.c igb.c try.c hold.c freeze.c kexec.c incoming.c unclaimed.c \
	adoption.c finish.c lost.c device.c nvme.c memory.c session.c sysfs.c tap.c))
$(call guest-test,allocation_failures,$(addprefix guest/allocations/,main.c faults.c fail.c leave.c take.c) \
	$(addprefix guest/guards/,kexec.c device.c nvme.c memory.c session.c sysfs.c tap.c))

# The series' selftest, as it is in the kernel's tree
GUEST_TESTS += $(BUILD)/tests/guest/luo_vfio_pci
$(BUILD)/tests/guest/luo_vfio_pci: $(SERIES) scripts/kernel.sh $(BUILD)/uapi.id
	$(call quiet,LD,$@)
	$(Q)scripts/kernel.sh selftest $@
