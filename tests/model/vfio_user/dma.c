// SPDX-License-Identifier: BSD-2-Clause
/* Guest memory: a bounded table of mappings, sorted by address, without overlaps. */
#include <errno.h>
#include <string.h>

#include "tests/model/vfio_user/internal.h"

/* Index of the first mapping that ends behind @addr. */
static unsigned int find(const struct vfio_user *vu, uint64_t addr)
{
	unsigned int lo = 0, hi = vu->nmaps;

	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;

		if (vu->map[mid].addr + (vu->map[mid].size - 1) < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void drop(struct vfio_user *vu, unsigned int first, unsigned int n)
{
	for (unsigned int i = first; i < first + n; i++) {
		if (vu->map[i].file)
			vu_file_put(vu->map[i].file);
	}
	memmove(&vu->map[first], &vu->map[first + n], (vu->nmaps - first - n) * sizeof(vu->map[0]));
	vu->nmaps -= n;
}

int vu_dma_map(struct vfio_user *vu, struct message *msg)
{
	struct vfio_user_dma_map req;
	unsigned int i;
	struct file *file = NULL;

	if (msg->in_len != sizeof(req) || msg->nfds > 1)
		return -EINVAL;
	memcpy(&req, msg->in, sizeof(req));
	if (!req.size || req.addr + (req.size - 1) < req.addr ||
	    req.flags & ~(VFIO_USER_MAP_READ | VFIO_USER_MAP_WRITE))
		return -EINVAL;
	i = find(vu, req.addr);
	if (i < vu->nmaps && vu->map[i].addr <= req.addr + (req.size - 1))
		return -EEXIST;
	if (vu->nmaps == vu->opts.max_maps) {
		vu_log(vu, "more than %u mappings of guest memory", vu->opts.max_maps);
		return -ENOSPC;
	}
	if (msg->nfds)
		file = vu_file_get(vu, &req, msg->fds[0]);

	vu->opts.ops->pause(vu->opts.ctx);
	memmove(&vu->map[i + 1], &vu->map[i], (vu->nmaps - i) * sizeof(vu->map[0]));
	vu->map[i] = (struct map){
		.addr = req.addr, .size = req.size, .flags = req.flags, .file = file
	};
	if (file)
		vu->map[i].mem = file->mem + req.offset;
	if (file && !file->writable)
		vu->map[i].flags &= ~VFIO_USER_MAP_WRITE;
	vu->nmaps++;
	vu->opts.ops->resume(vu->opts.ctx);
	return 0;
}

int vu_dma_unmap(struct vfio_user *vu, struct message *msg)
{
	struct vfio_user_dma_unmap req;
	unsigned int first, n = 0;
	uint64_t last;

	if (msg->in_len < sizeof(req) || msg->nfds)
		return -EINVAL;
	memcpy(&req, msg->in, sizeof(req));
	if (req.flags & ~VFIO_USER_UNMAP_ALL)
		return -EINVAL;
	if (req.flags & VFIO_USER_UNMAP_ALL) {
		vu_dma_clear(vu);
	} else {
		last = req.addr + (req.size - 1);
		if (!req.size || last < req.addr)
			return -EINVAL;
		first = find(vu, req.addr);
		while (first + n < vu->nmaps && vu->map[first + n].addr <= last) {
			const struct map *m = &vu->map[first + n];

			if (m->addr < req.addr || m->addr + (m->size - 1) > last)
				return -EINVAL;
			n++;
		}
		if (!n)
			return -ENOENT;
		vu->opts.ops->pause(vu->opts.ctx);
		drop(vu, first, n);
		vu->opts.ops->resume(vu->opts.ctx);
	}
	memcpy(msg->out, &req, sizeof(req));
	msg->out_len = sizeof(req);
	return 0;
}

void vu_dma_clear(struct vfio_user *vu)
{
	vu->opts.ops->pause(vu->opts.ctx);
	drop(vu, 0, vu->nmaps);
	vu->opts.ops->resume(vu->opts.ctx);
}

void *vfio_user_dma(struct vfio_user *vu, uint64_t addr, size_t *len, bool write)
{
	uint32_t need = write ? VFIO_USER_MAP_WRITE : VFIO_USER_MAP_READ;
	const struct map *m;
	unsigned int i;

	if (atomic_load(&vu->removed) || !(vu->config.data[4] & 4))
		return NULL;
	i = find(vu, addr);
	if (i == vu->nmaps)
		return NULL;
	m = &vu->map[i];
	if (m->addr > addr || !m->mem || !(m->flags & need))
		return NULL;
	if (*len > m->size - (addr - m->addr))
		*len = m->size - (addr - m->addr);
	return m->mem + (addr - m->addr);
}
