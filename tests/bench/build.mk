# SPDX-License-Identifier: BSD-2-Clause
$(call host-program,nvme-insn,nvme_insn.c ../model/nvme/admin.c ../model/nvme/io.c ../model/nvme/queues.c ../model/nvme/regs.c)
