/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical Region Pages (Base 2.0, 4.1.1): where a command's data lies, page by page.
 */
#ifndef DEVICES_NVME_PRP_H
#define DEVICES_NVME_PRP_H

#include <stdint.h>

#include <udrv/dma.h>
#include <udrv/nvme.h>
#include <udrv/nvme_spec.h>

/*
 * Bytes of PRP list that a transfer of @max_transfer bytes at the worst
 * alignment needs: a power of two.
 */
uint32_t nvme_prp_list_size(uint32_t max_transfer);

/*
 * Fill PRP1 and PRP2 of @sqe. @list (at pool offset @list_off, @list_size bytes, not across a page)
 * belongs to the command until it has completed.
 * 0; -EINVAL: a segment is empty, not in the pool, misaligned, or the sum is not @bytes; -EMSGSIZE:
 * @list is too small.
 */
int nvme_prp_build_list(const struct udrv_dma *dma, const struct udrv_nvme_seg *seg,
			unsigned int nseg, uint64_t bytes, uint64_t *list, uint64_t list_off,
			uint32_t list_size, struct nvme_sqe *sqe);

static inline int nvme_prp_build(const struct udrv_dma *dma, const struct udrv_nvme_seg *seg,
				 unsigned int nseg, uint64_t bytes, uint64_t *list,
				 uint64_t list_off, uint32_t list_size, struct nvme_sqe *sqe)
{
	/* One page, the common case. */
	if (nseg == 1 && seg->len == bytes &&
	    (seg->off & (UDRV_DMA_PAGE - 1)) + bytes <= UDRV_DMA_PAGE && bytes &&
	    seg->off < dma->size && !(seg->off & 3)) {
		sqe->prp1 = htole64(udrv_dma_addr(dma, seg->off));
		sqe->prp2 = 0;
		return 0;
	}
	return nvme_prp_build_list(dma, seg, nseg, bytes, list, list_off, list_size, sqe);
}

#endif
