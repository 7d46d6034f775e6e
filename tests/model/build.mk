# SPDX-License-Identifier: BSD-2-Clause
$(call test-library,nvme-model,nvme/admin.c nvme/io.c nvme/queues.c nvme/regs.c)

# What is inside of frames, and what is at the other end of a NIC's wire
NET_MODEL := net/csum.c net/echo.c net/frame.c net/lso.c net/none.c net/rss.c net/rx.c net/tap.c net/tx.c
$(call test-library,net-model,$(NET_MODEL))
