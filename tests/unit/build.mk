# SPDX-License-Identifier: BSD-2-Clause
$(call test-library,fake-device,fake_device.c)
