# SPDX-License-Identifier: BSD-2-Clause
# Unit tests of what agent, init, host and udrvctl consist of.
APPS_COMMON := ../../udrv/common/app.c ../../udrv/common/json.c
$(call unit-test,test_update_check,test_update_check.c ../../udrv/agent/check.c $(APPS_COMMON),support)
$(call unit-test,test_directory,test_directory.c ../../udrv/agent/directory.c ../../udrv/agent/policy_name.c \
	$(APPS_COMMON),support)
$(call unit-test,test_policy,test_policy.c ../../udrv/agent/policy.c ../../udrv/agent/policy_name.c \
	../../udrv/agent/directory.c $(APPS_COMMON),support)
RESTORE_WRAPS := -Wl,--wrap=udrv_handle_bind -Wl,--wrap=udrv_handle_attach
RESTORE := restore_fixture.c $(addprefix ../../udrv/agent/,restore.c takeover.c fallen.c lease.c directory.c policy_name.c) \
	$(APPS_COMMON)
$(call unit-test,test_restore,test_restore.c $(RESTORE),support,$(RESTORE_WRAPS))
$(call unit-test,test_next_agent,test_next_agent.c $(RESTORE),support,$(RESTORE_WRAPS))
SHA256 := ../../udrv/common/sha256.c ../../udrv/common/sha256_ni.c
$(call unit-test,test_sha256,test_sha256.c $(SHA256),support)
$(call unit-test,test_payload,test_payload.c ../../udrv/agent/payload.c $(SHA256),support)
$(call unit-test,test_holder,test_holder.c ../../udrv/agent/holder.c $(APPS_COMMON),support)
$(call unit-test,test_backoff,test_backoff.c ../../udrv/agent/backoff.c,support)
DEVICE_WRAPS := -Wl,--wrap=app_fork -Wl,--wrap=memfd_create -Wl,--wrap=pidfd_open -Wl,--wrap=udrv_handle_quiesce -Wl,--wrap=udrv_handle_create -Wl,--wrap=app_write_file
DEVICE := device_fixture.c $(addprefix ../../udrv/agent/,device.c lease.c backoff.c ended.c) $(APPS_COMMON)
$(call unit-test,test_device,test_device.c $(DEVICE),support,$(DEVICE_WRAPS))
$(call unit-test,test_device_lease,test_device_lease.c $(DEVICE),support,$(DEVICE_WRAPS))
$(call unit-test,test_ended,test_ended.c ../../udrv/agent/ended.c,support)
WORKER_WRAPS := -Wl,--wrap=recv
$(call unit-test,test_worker,test_worker.c ../../udrv/agent/worker.c,support,$(WORKER_WRAPS))
$(call unit-test,test_custody,test_custody.c handle_fixture.c ../../udrv/init/custody.c $(APPS_COMMON),support)
$(call unit-test,test_takeover,test_takeover.c ../../udrv/init/takeover.c $(APPS_COMMON),support)
LATE_WRAPS := -Wl,--wrap=app_cmdline -Wl,--wrap=mkdir -Wl,--wrap=mount
$(call unit-test,test_late,test_late.c ../../udrv/init/late.c $(APPS_COMMON),support,$(LATE_WRAPS))
FDSTORE_WRAPS := -Wl,--wrap=kill
FDSTORE := fake_systemd.c handle_fixture.c ../../udrv/agent/custody_fdstore.c ../../udrv/agent/fdstore.c ../../udrv/agent/notify.c $(APPS_COMMON)
$(call unit-test,test_fdstore,test_fdstore.c $(FDSTORE),support,$(FDSTORE_WRAPS))
$(call unit-test,test_custody_fdstore,test_custody_fdstore.c $(FDSTORE),support,$(FDSTORE_WRAPS))
$(call unit-test,test_verify_block,test_verify_block.c ../../udrv/host/verify_block.c,support)
VERIFY := $(addprefix ../../udrv/host/,verify_block.c verify_control.c verify_done.c verify_report.c verify_resume.c)
$(call unit-test,test_verify,test_verify.c $(VERIFY) $(APPS_COMMON),fake-device support)
LUO_WRAPS := -Wl,--wrap=ioctl
$(call unit-test,test_luo,test_luo.c ../../udrv/common/luo.c,support,$(LUO_WRAPS))
LISTEN_WRAPS := -Wl,--wrap=mkdir -Wl,--wrap=udrv_proto_listen
$(call unit-test,test_host_listen,test_host_listen.c ../../udrv/host/command.c ../../udrv/common/client.c $(APPS_COMMON),support,$(LISTEN_WRAPS))
TELL_WRAPS := -Wl,--wrap=udrv_proto_connect
$(call unit-test,test_client,test_client.c ../../udrv/common/client.c $(APPS_COMMON),support)
$(call unit-test,test_tell_agent,test_tell_agent.c ../../udrv/host/lease.c ../../udrv/common/client.c $(APPS_COMMON),support,$(TELL_WRAPS))
RESUME_WRAPS := -Wl,--wrap=udrv_handle_memory -Wl,--wrap=udrv_handle_identify -Wl,--wrap=udrv_handle_complete
$(call unit-test,test_host_resume,test_host_resume.c ../../udrv/host/main.c $(APPS_COMMON),fake-device support,$(RESUME_WRAPS))
CONFIG_WRAPS := -Wl,--wrap=app_cmdline
DEVICES_WRAPS := -Wl,--wrap=app_cmdline -Wl,--wrap=app_read_file -Wl,--wrap=opendir
$(call unit-test,test_devices,test_devices.c ../../udrv/agent/config.c ../../udrv/agent/policy_name.c \
	$(APPS_COMMON),support,$(DEVICES_WRAPS))
$(call unit-test,test_config,test_config.c ../../udrv/host/config.c $(APPS_COMMON),support,$(CONFIG_WRAPS))
$(call unit-test,test_irq_lines,test_irq_lines.c ../../udrv/host/irq_lines.c,support)
$(call unit-test,test_nic_frame,test_nic_frame.c ../../udrv/host/nic_frame.c,net-model net-sample support)
$(call unit-test,test_nic,test_nic.c ../../udrv/host/nic_frame.c ../../udrv/host/nic_report.c $(APPS_COMMON),\
	mana-fixture mana-model net-model fake-device support)
$(call unit-test,test_mana_host,test_mana_host.c ../../udrv/host/mana.c $(APPS_COMMON),\
	mana-fixture mana-model net-model fake-device support)
$(call unit-test,test_nvme_host,test_nvme_host.c ../../udrv/host/nvme.c $(APPS_COMMON),\
	nvme-fixture nvme-model fake-device support)
$(call unit-test,test_tap_if,test_tap_if.c ../../udrv/host/tap_if.c,support)
$(call unit-test,test_tap_vnet,test_tap_vnet.c ../../udrv/host/tap_vnet.c,net-model net-sample support)
$(call unit-test,test_tap_ring,test_tap_ring.c ../../udrv/host/tap_ring.c,support)
TAP := tap_fixture.c ../../udrv/host/tap_rx.c ../../udrv/host/tap_tx.c ../../udrv/host/tap_ring.c ../../udrv/host/tap_vnet.c $(APPS_COMMON)
$(call unit-test,test_tap,test_tap.c $(TAP),mana-fixture mana-model net-model fake-device support)
$(call unit-test,test_tap_life,test_tap_life.c $(TAP),mana-fixture mana-model net-model fake-device support)
