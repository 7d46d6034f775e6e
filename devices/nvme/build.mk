# SPDX-License-Identifier: BSD-2-Clause
$(call library-sources,admin.c aer.c areas.c complete.c ctrl.c facts.c identify.c inspect.c irq.c log.c ns.c prp.c queue.c regs.c resume.c setup.c submit.c timeout.c)
