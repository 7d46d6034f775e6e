# SPDX-License-Identifier: BSD-2-Clause
$(call test-library,fake-device,fake_device.c crash.c)
$(call unit-test,test_dma,test_dma.c,fake-device)
MOCK_VFIO_WRAPS := -Wl,--wrap=ioctl -Wl,--wrap=open -Wl,--wrap=udrv_cdev_open
$(call unit-test,test_handle,test_handle.c mock_vfio.c,fake-device,$(MOCK_VFIO_WRAPS))
$(call unit-test,test_loop,test_loop.c)
$(call unit-test,test_proto,test_proto.c)
$(call unit-test,test_state,test_state.c,fake-device)
$(call test-library,nvme-fixture,nvme_fixture.c nvme_workload.c)
$(call unit-test,test_nvme_io,test_nvme_io.c,nvme-fixture nvme-model fake-device)
$(call unit-test,test_nvme_resume,test_nvme_resume.c,nvme-fixture nvme-model fake-device)
$(call unit-test,test_nvme_prp,test_nvme_prp.c)
$(call unit-test,test_nvme_ctrl,test_nvme_ctrl.c,nvme-fixture nvme-model fake-device)
$(call unit-test,test_nvme_aer,test_nvme_aer.c,nvme-fixture nvme-model fake-device)
