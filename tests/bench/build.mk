# SPDX-License-Identifier: BSD-2-Clause
$(call host-program,nvme-insn,nvme_insn.c insn.c ../model/nvme/admin.c ../model/nvme/io.c ../model/nvme/queues.c ../model/nvme/regs.c)
$(call host-program,mana-insn,mana_insn.c insn.c $(addprefix ../model/mana/,bnic.c dma.c doorbell.c \
	event.c fault.c gdma.c hwc.c model.c object.c queue.c region.c regs.c rx.c stats.c steer.c tx.c \
	wqe.c) \
	$(addprefix ../model/net/,csum.c frame.c lso.c rss.c rx.c tx.c))
# Programs that `make bench` hands to its guests
$(call guest-test,bench_nvme,$(addprefix guest/,bench.c nvme_main.c nvme_udrv.c nvme_uring.c))
$(call guest-test,bench_mana,$(addprefix guest/,bench.c mana_main.c mana_udrv.c mana_packet.c mana_scale.c))
