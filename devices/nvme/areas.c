// SPDX-License-Identifier: BSD-2-Clause
/*
 * The state's areas (state.h) and how large they are. They are made once, for the geometry that the
 * first start asked for, and limit every later one.
 */
#include <errno.h>

#include "devices/nvme/ctrl.h"
#include "devices/nvme/prp.h"

#define DEFAULT_DEPTH	 64u
#define DEFAULT_TRANSFER (128u << 10)

/* Area "dma-book" at its default capacity, which is in the same memfd (udrv/dma.h). */
#define BOOK_SIZE (128u * 32 + 64)

int nvme_opts_default(const struct udrv_nvme_opts *opts, struct udrv_nvme_opts *ret)
{
	struct udrv_nvme_opts o = { .size = sizeof(o) };

	if (opts) {
		if (opts->size < sizeof(opts->size))
			return -EINVAL;
		memcpy(&o, opts, opts->size < sizeof(o) ? opts->size : sizeof(o));
	}
	if (!o.io_queues)
		o.io_queues = 1;
	if (!o.depth)
		o.depth = DEFAULT_DEPTH;
	if (!o.max_transfer)
		o.max_transfer = DEFAULT_TRANSFER;
	if (!o.timeout_ms)
		o.timeout_ms = NVME_TIMEOUT_MS;
	if (o.io_queues > UDRV_NVME_MAX_QUEUES || o.depth > NVME_MAX_DEPTH || o.max_transfer < 4096)
		return -EINVAL;
	if (o.max_transfer > NVME_MAX_TRANSFER)
		o.max_transfer = NVME_MAX_TRANSFER;
	*ret = o;
	return 0;
}

static uint32_t ring_entries(unsigned int depth)
{
	uint32_t n = 2;

	while (n < depth + 1 + NVME_RESERVE)
		n *= 2;
	return n;
}

static uint64_t queue_memory(uint32_t entries, unsigned int slots, uint32_t list_size)
{
	uint64_t lists = ((uint64_t)slots * list_size + 4095) & ~(uint64_t)4095;

	return nvme_sq_bytes(entries) + nvme_cq_bytes(entries) + lists;
}

int udrv_nvme_requirements(const struct udrv_nvme_opts *opts, uint64_t *state_size,
			   uint64_t *dma_size)
{
	struct udrv_nvme_opts o;
	size_t areas;
	int err;

	err = nvme_opts_default(opts, &o);
	if (err)
		return err;
	areas = BOOK_SIZE + sizeof(struct nvme_ctrl_state) +
		nvme_queue_state_size(NVME_ADMIN_SLOTS) +
		o.io_queues * nvme_queue_state_size(o.depth + NVME_RESERVE);
	*state_size = udrv_state_size(areas, 4);
	*dma_size = queue_memory(NVME_ADMIN_ENTRIES, NVME_ADMIN_SLOTS, 4096) +
		    o.io_queues * queue_memory(ring_entries(o.depth), o.depth + NVME_RESERVE,
					       nvme_prp_list_size(o.max_transfer));
	return 0;
}

int nvme_areas_find(struct udrv_nvme *ctrl)
{
	struct nvme_ctrl_state *state;
	size_t size, admin_size, io_size;
	uint32_t n, slots;

	state = udrv_state_area(ctrl->st, NVME_AREA_CTRL, &size);
	if (!state)
		return -ENOENT;
	n = udrv_load32(&state->io_capacity);
	slots = udrv_load32(&state->slot_capacity);
	if (size < sizeof(*state) || !udrv_state_area(ctrl->st, NVME_AREA_ADMIN, &admin_size) ||
	    admin_size < nvme_queue_state_size(NVME_ADMIN_SLOTS) ||
	    !udrv_state_area(ctrl->st, NVME_AREA_IO, &io_size) || !n || n > UDRV_NVME_MAX_QUEUES ||
	    slots <= NVME_RESERVE || slots > NVME_MAX_DEPTH + NVME_RESERVE ||
	    io_size < n * nvme_queue_state_size(slots)) {
		nvme_err(ctrl,
			 "saved state: areas are missing or too small: format the state anew");
		return -EBADMSG;
	}
	ctrl->state = state;
	return 0;
}

int nvme_areas_make(struct udrv_nvme *ctrl, unsigned int io_queues, unsigned int depth)
{
	struct nvme_ctrl_state *state;
	void *admin, *io;
	int err;

	if (!udrv_state_edit(ctrl->st))
		return -EROFS;
	err = udrv_state_area_add(ctrl->st, NVME_AREA_CTRL, sizeof(*state), (void **)&state);
	if (!err)
		err = udrv_state_area_add(ctrl->st, NVME_AREA_ADMIN,
					  nvme_queue_state_size(NVME_ADMIN_SLOTS), &admin);
	if (!err)
		err = udrv_state_area_add(ctrl->st, NVME_AREA_IO,
					  io_queues * nvme_queue_state_size(depth + NVME_RESERVE),
					  &io);
	if (err) {
		nvme_err(ctrl,
			 "the state has no room for %u I/O queues of depth %u (error %d): "
			 "make it as large as udrv_nvme_requirements() says",
			 io_queues, depth, err);
		return err;
	}
	udrv_store32(&state->io_capacity, io_queues);
	udrv_store32(&state->slot_capacity, depth + NVME_RESERVE);
	err = udrv_state_commit(ctrl->st);
	return err ? err : nvme_areas_find(ctrl);
}

struct nvme_queue_state *nvme_admin_state(const struct udrv_nvme *ctrl)
{
	return udrv_state_area(ctrl->st, NVME_AREA_ADMIN, NULL);
}

struct nvme_queue_state *nvme_io_state(const struct udrv_nvme *ctrl, unsigned int i)
{
	uint8_t *io = udrv_state_area(ctrl->st, NVME_AREA_IO, NULL);

	/* clang-format off */
	return (struct nvme_queue_state *)
		(io + i * nvme_queue_state_size(udrv_load32(&ctrl->state->slot_capacity)));
	/* clang-format on */
}
