# SPDX-License-Identifier: BSD-2-Clause
$(call test-library,fake-device,fake_device.c)
$(call test-library,nvme-fixture,nvme_fixture.c)
$(call unit-test,test_nvme_io,test_nvme_io.c,nvme-fixture nvme-model fake-device)
