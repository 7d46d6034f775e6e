# SPDX-License-Identifier: GPL-2.0-or-later
# All programs of the guest are one executable under several names (hard links): see app.h.

UDRV_SOURCES := main.c app.c json.c client.c luo.c sha256.c sha256_ni.c \
	../init/main.c ../init/custody.c ../init/late.c ../init/mounts.c ../init/takeover.c \
	../agent/main.c ../agent/bind.c ../agent/config.c ../agent/custody.c ../agent/custody_init.c ../agent/custody_fdstore.c ../agent/fdstore.c ../agent/notify.c ../agent/device.c ../agent/lease.c \
	../agent/directory.c ../agent/check.c ../agent/holder.c ../agent/restore.c ../agent/takeover.c ../agent/fallen.c ../agent/ended.c ../agent/update.c ../agent/prepare.c ../agent/commit.c \
	../agent/worker.c ../agent/backoff.c ../agent/policy.c ../agent/policy_name.c ../agent/rescue.c ../agent/report.c ../agent/payload.c \
	../host/main.c ../host/command.c ../host/irq.c ../host/irq_lines.c ../host/lease.c ../host/stop.c ../host/driver.c \
	../host/nvme.c ../host/nvme_status.c ../host/mana.c ../host/mana_status.c \
	../host/nic.c ../host/nic_frame.c ../host/nic_report.c \
	../host/tap.c ../host/tap_if.c ../host/tap_ring.c ../host/tap_rx.c ../host/tap_tx.c ../host/tap_vnet.c \
	../host/config.c ../host/verify.c ../host/verify_block.c ../host/verify_control.c ../host/verify_done.c \
	../host/verify_issue.c ../host/verify_report.c ../host/verify_resume.c \
	../cli/main.c ../cli/inspect.c ../cli/log_page.c ../cli/print.c ../cli/control.c ../cli/report.c ../cli/status.c ../cli/update.c ../cli/verify.c

TAKEOVER_LD := udrv/init/takeover.ld
comma := ,
$(call guest-program,udrv,$(UDRV_SOURCES),-Wl$(comma)-T$(comma)$(TAKEOVER_LD))
$(BUILD)/bin/udrv: $(TAKEOVER_LD)
STEP_WRAPS := $(addprefix -Wl$(comma)--wrap=,nvme_admin_start nvme_timeout_aborted \
	luo_retrieve custody_keep_fd custody_keep_handle udrv_handle_bind udrv_handle_attach \
	device_start_host device_give_part device_mounted mounts_other)
$(call step-program,udrv_step,$(UDRV_SOURCES) ../../tests/vm/guest/step_hook.c ../../tests/vm/guest/crash_hook.c,$(STEP_WRAPS))

UDRV_NAMES := $(addprefix $(BUILD)/bin/,udrv-init udrv-agent udrv-host udrvctl)
GUEST_PROGRAMS := $(filter-out $(BUILD)/bin/udrv,$(GUEST_PROGRAMS)) $(UDRV_NAMES)

$(UDRV_NAMES): $(BUILD)/bin/udrv
	$(call quiet,LN,$@)
	$(Q)ln -f $< $@
