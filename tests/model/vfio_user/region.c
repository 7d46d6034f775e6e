// SPDX-License-Identifier: BSD-2-Clause
/* Regions: what they are, and accesses to them by message. */
#include <errno.h>
#include <string.h>

#include <linux/vfio.h>

#include "tests/model/vfio_user/internal.h"

static uint64_t region_size(const struct vfio_user *vu, uint32_t region)
{
	if (region < VFIO_USER_BARS)
		return vu->opts.bar[region].size;
	return region == REGION_CONFIG ? VFIO_USER_CONFIG_SIZE : 0;
}

/*
 * The capability goes into the answer once the asker has room for it; before, it learns how much
 * it needs.
 */
static void sparse_mmap(const struct vfio_user_bar *bar, struct message *msg,
			struct vfio_region_info *info, uint32_t room)
{
	struct vfio_region_info_cap_sparse_mmap cap = {
		.header = { .id = VFIO_REGION_INFO_CAP_SPARSE_MMAP, .version = 1 },
		.nr_areas = bar->nareas,
	};
	uint8_t *p = msg->out + sizeof(*info);

	info->argsz = (uint32_t)(sizeof(*info) + sizeof(cap) +
				 bar->nareas * sizeof(struct vfio_region_sparse_mmap_area));
	info->flags |= VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS;
	info->cap_offset = sizeof(*info);
	if (room < info->argsz)
		return;
	memcpy(p, &cap, sizeof(cap));
	p += sizeof(cap);
	for (unsigned int i = 0; i < bar->nareas; i++) {
		struct vfio_region_sparse_mmap_area area = { .offset = bar->area[i].offset,
							     .size = bar->area[i].size };

		memcpy(p, &area, sizeof(area));
		p += sizeof(area);
	}
	msg->out_len = info->argsz;
	msg->out_fd = bar->fd;
}

int vu_region_info(struct vfio_user *vu, struct message *msg)
{
	struct vfio_region_info info;
	uint32_t room;

	if (msg->in_len < sizeof(info))
		return -EINVAL;
	memcpy(&info, msg->in, sizeof(info));
	if (info.index >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;
	room = info.argsz;
	info = (struct vfio_region_info){ .argsz = sizeof(info), .index = info.index };
	info.size = region_size(vu, info.index);
	if (info.size)
		info.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	msg->out_len = sizeof(info);
	if (info.index < VFIO_USER_BARS && info.size && vu->opts.bar[info.index].nareas)
		sparse_mmap(&vu->opts.bar[info.index], msg, &info, room);
	memcpy(msg->out, &info, sizeof(info));
	return 0;
}

static int check_access(struct vfio_user *vu, const struct message *msg,
			struct vfio_user_region_access *req)
{
	uint64_t size;

	if (msg->in_len < sizeof(*req))
		return -EINVAL;
	memcpy(req, msg->in, sizeof(*req));
	size = region_size(vu, req->region);
	if (!req->count || req->count > MAX_MESSAGE - sizeof(*req) || req->offset > size ||
	    req->count > size - req->offset)
		return -EINVAL;
	if (req->region != REGION_CONFIG &&
	    (req->count > 8 || req->count & (req->count - 1) || req->offset & (req->count - 1)))
		return -EINVAL;
	return 0;
}

int vu_region_read(struct vfio_user *vu, struct message *msg)
{
	struct vfio_user_region_access req;
	int err = check_access(vu, msg, &req);
	uint64_t val;

	if (err)
		return err;
	memcpy(msg->out, &req, sizeof(req));
	if (req.region == REGION_CONFIG) {
		vu_config_read(vu, req.offset, msg->out + sizeof(req), req.count);
	} else {
		val = UINT64_MAX;
		if (!atomic_load(&vu->removed))
			val = vu->opts.ops->bar_read(vu->opts.ctx, req.region, req.offset,
						     req.count);
		memcpy(msg->out + sizeof(req), &val, req.count);
	}
	msg->out_len = sizeof(req) + req.count;
	return 0;
}

int vu_region_write(struct vfio_user *vu, struct message *msg)
{
	struct vfio_user_region_access req;
	int err = check_access(vu, msg, &req);
	uint64_t val = 0;

	if (err)
		return err;
	if (msg->in_len != sizeof(req) + req.count)
		return -EINVAL;
	memcpy(msg->out, &req, sizeof(req));
	msg->out_len = sizeof(req);
	if (req.region == REGION_CONFIG) {
		vu_config_write(vu, req.offset, msg->in + sizeof(req), req.count);
		return 0;
	}
	memcpy(&val, msg->in + sizeof(req), req.count);
	if (!atomic_load(&vu->removed))
		vu->opts.ops->bar_write(vu->opts.ctx, req.region, req.offset, val, req.count);
	return 0;
}
