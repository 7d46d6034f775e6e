# SPDX-License-Identifier: BSD-2-Clause
$(call test-library,support,suite.c open_fds.c fake_log.c)
$(call test-library,fake-device,fake_device.c crash.c)
$(call unit-test,test_crc32c,test_crc32c.c,support)
$(call unit-test,test_dma,test_dma.c,fake-device support)
$(call unit-test,test_loop,test_loop.c,support)
PROTO_WRAPS := -Wl,--wrap=recvmsg
$(call unit-test,test_proto,test_proto.c,support,$(PROTO_WRAPS))

$(call test-library,state-fixture,state_fixture.c)
$(call unit-test,test_state,test_state.c,state-fixture fake-device support)
$(call unit-test,test_state_damage,test_state_damage.c,state-fixture support)
READER_WRAPS := -Wl,--wrap=udrv_crc32c
$(call unit-test,test_state_reader,test_state_reader.c,state-fixture support,$(READER_WRAPS))

MOCK_VFIO_WRAPS := -Wl,--wrap=ioctl -Wl,--wrap=open -Wl,--wrap=udrv_cdev_open
$(call test-library,handle-fixture,handle_fixture.c mock_vfio.c)
$(call unit-test,test_handle,test_handle.c,handle-fixture support,$(MOCK_VFIO_WRAPS))
$(call unit-test,test_vfio,test_vfio.c,handle-fixture support,$(MOCK_VFIO_WRAPS))
$(call unit-test,test_cdev,test_cdev.c,support)

NVME_FIXTURE := nvme-fixture nvme-model fake-device support
$(call test-library,nvme-fixture,nvme_fixture.c nvme_one.c nvme_workload.c)
$(call unit-test,test_nvme_admin,test_nvme_admin.c,$(NVME_FIXTURE))
$(call unit-test,test_nvme_aer,test_nvme_aer.c,$(NVME_FIXTURE))
$(call unit-test,test_nvme_damage,test_nvme_damage.c,$(NVME_FIXTURE))
$(call unit-test,test_nvme_io,test_nvme_io.c,$(NVME_FIXTURE))
$(call unit-test,test_nvme_prp,test_nvme_prp.c,support)
$(call unit-test,test_nvme_record,test_nvme_record.c,$(NVME_FIXTURE))
$(call unit-test,test_nvme_reset,test_nvme_reset.c,$(NVME_FIXTURE))
$(call unit-test,test_nvme_resume,test_nvme_resume.c,$(NVME_FIXTURE))
$(call unit-test,test_nvme_resume_steps,test_nvme_resume_steps.c,$(NVME_FIXTURE))
START_WRAPS := -Wl,--wrap=wait_now_ns
$(call unit-test,test_nvme_start,test_nvme_start.c,$(NVME_FIXTURE),$(START_WRAPS))

MANA_FIXTURE := mana-fixture mana-model net-model fake-device support
$(call test-library,mana-fixture,mana_fixture.c)
$(call unit-test,test_mana_start,test_mana_start.c,$(MANA_FIXTURE))
$(call unit-test,test_mana_io,test_mana_io.c,$(MANA_FIXTURE) net-sample)
$(call unit-test,test_mana_resume,test_mana_resume.c,$(MANA_FIXTURE))
$(call unit-test,test_mana_recovery,test_mana_recovery.c,$(MANA_FIXTURE))
$(call unit-test,test_mana_damage,test_mana_damage.c,$(MANA_FIXTURE))
$(call unit-test,test_mana_wqe,test_mana_wqe.c,support)
$(call unit-test,test_mana_reset,test_mana_reset.c,$(MANA_FIXTURE))
$(call unit-test,test_mana_irq,test_mana_irq.c,$(MANA_FIXTURE))
