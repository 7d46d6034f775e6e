// SPDX-License-Identifier: BSD-2-Clause
#include <endian.h>
#include <errno.h>

#include "devices/nvme/prp.h"

#define PAGE_MASK (UDRV_DMA_PAGE - 1)

uint32_t nvme_prp_list_size(uint32_t max_transfer)
{
	/*
	 * A transfer that begins late in its first page touches one page
	 * more; PRP1 holds the first.
	 */
	uint32_t entries = (max_transfer + UDRV_DMA_PAGE - 1) >> UDRV_DMA_PAGE_SHIFT;
	uint32_t size = 64;

	while (size < entries * sizeof(uint64_t))
		size *= 2;
	return size;
}

int nvme_prp_build_list(const struct udrv_dma *dma, const struct udrv_nvme_seg *seg,
			unsigned int nseg, uint64_t bytes, uint64_t *list, uint64_t list_off,
			uint32_t list_size, struct nvme_sqe *sqe)
{
	uint32_t max = list_size / sizeof(uint64_t);
	uint64_t prp1 = 0, left = bytes;
	uint32_t n = 0;

	for (unsigned int i = 0; i < nseg; i++) {
		uint64_t off = seg[i].off, len = seg[i].len;

		if (!len || len > left || !udrv_dma_valid(dma, off, len) || (off & 3))
			return -EINVAL;
		if ((i > 0 && (off & PAGE_MASK)) || (i + 1 < nseg && ((off + len) & PAGE_MASK)))
			return -EINVAL;
		left -= len;

		while (len) {
			uint64_t piece = UDRV_DMA_PAGE - (off & PAGE_MASK);

			if (n > max)
				return -EMSGSIZE;
			if (n == 0)
				prp1 = udrv_dma_addr(dma, off);
			else
				list[n - 1] = htole64(udrv_dma_addr(dma, off));
			n++;
			if (piece > len)
				piece = len;
			off += piece;
			len -= piece;
		}
	}
	if (left || !n)
		return -EINVAL;

	sqe->prp1 = htole64(prp1);
	if (n == 1)
		sqe->prp2 = 0;
	else if (n == 2)
		sqe->prp2 = list[0];
	else
		sqe->prp2 = htole64(udrv_dma_addr(dma, list_off));
	return 0;
}
