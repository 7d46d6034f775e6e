# SPDX-License-Identifier: BSD-2-Clause
$(call test-library,nvme-model,nvme/admin.c nvme/io.c nvme/queues.c nvme/regs.c)
