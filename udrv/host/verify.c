// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The verifying workload. At most one command is in flight per block of namespace 1, so that what a
 * read must return is known exactly; the other namespaces read as zeroes and serve to have commands
 * of known latency.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <udrv/device.h>
#include <udrv/dma.h>

#include "udrv/common/app.h"
#include "udrv/host/host.h"
#include "udrv/host/verify.h"

#define DMA_TAG 0x796669726576ull /* "verify" */

static struct verify the_workload = { .stop_sock = -1, .cycle_opened = UINT64_MAX };

static int map_memory(struct host *h, struct verify *v)
{
	struct stat st;
	void *map;

	if (fstat(h->handle.fd[UDRV_FD_EXTRA], &st))
		return -errno;
	if ((uint64_t)st.st_size < sizeof(*v->m))
		return -EBADMSG;
	/* All of it, so that the kernel may map the large folio that it is. */
	map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		   h->handle.fd[UDRV_FD_EXTRA], 0);
	if (map == MAP_FAILED)
		return -errno;
	v->m = map;
	return 0;
}

static int open_memory(struct host *h, struct verify *v)
{
	int err;

	err = v->m ? 0 : map_memory(h, v);
	if (err)
		return err;
	if (memcmp(v->m->h.magic, VERIFY_MAGIC, sizeof(v->m->h.magic))) {
		memset(v->m, 0, sizeof(*v->m));
		memcpy(v->m->h.magic, VERIFY_MAGIC, sizeof(v->m->h.magic));
	}
	return 0;
}

static int open_buffers(struct host *h, struct verify *v)
{
	struct udrv_dma *dma = udrv_device_dma(h->dev);
	uint64_t size = (uint64_t)VERIFY_OPS_MAX * VERIFY_BLOCK, found;
	int err;

	err = udrv_dma_find(dma, DMA_TAG, &v->dma_off, &found);
	if (!err)
		return found >= size ? 0 : -EBADMSG;
	return udrv_dma_alloc(dma, size, VERIFY_BLOCK, 0, DMA_TAG, &v->dma_off);
}

static int open_all(struct host *h, struct verify *v)
{
	int err;

	err = open_memory(h, v);
	if (!err)
		err = open_buffers(h, v);
	if (err)
		app_err("verify: cannot open its memory: %s", app_errname(err));
	return err;
}

static int verify_open(struct host *h, bool resumed)
{
	struct verify *v = &the_workload;
	struct verify_config c;
	char list[256], why[192] = "";
	int err;

	if (h->handle.fd[UDRV_FD_EXTRA] < 0)
		return 0;
	err = open_all(h, v);
	if (err)
		return err;
	v->random = app_tsc() | 1;
	h->priv = v;
	if (v->m->h.mode != VERIFY_IDLE || resumed)
		return verify_resume(h, v);
	if (!config_verify_at_boot(list, sizeof(list)))
		return 0;
	err = config_verify(list, &c, why, sizeof(why));
	if (!err)
		err = verify_start(h, &c, why, sizeof(why));
	if (err)
		app_err("udrv.verify=%s: %s", list, why[0] ? why : strerror(-err));
	return 0;
}

static struct json_object *verify_status(struct host *h)
{
	return verify_json(h);
}

const struct consumer_ops verify_consumer = {
	.name = "verify",
	.open = verify_open,
	.issue = verify_issue,
	.status = verify_status,
	.command = verify_command,
	.gone = verify_gone,
};
