# SPDX-License-Identifier: BSD-2-Clause
$(call library-sources,adapter.c areas.c close.c cq.c eq.c event.c facts.c gdma.c hwc.c irq.c queue.c regs.c reset.c resume.c rss.c rx.c setup.c smc.c stats.c tx.c vport.c wqe.c)
