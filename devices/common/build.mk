# SPDX-License-Identifier: BSD-2-Clause
$(call library-sources,facts_read.c facts_write.c stop_dma.c vectors.c wait.c)
