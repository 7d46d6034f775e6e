# SPDX-License-Identifier: BSD-2-Clause
$(call test-library,fake-device,fake_device.c crash.c)
$(call unit-test,test_state,test_state.c,fake-device)
$(call test-library,nvme-fixture,nvme_fixture.c)
$(call unit-test,test_nvme_io,test_nvme_io.c,nvme-fixture nvme-model fake-device)
