// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The directory: a memfd at token 0 of the session, holding a flattened device tree. It tells the
 * next agent which handles there are and under which tokens, and carries the record of the update
 * for its report.
 *
 * / {	compatible = "udrv,directory-v1";
 *	cycle = <u64>;			kexecs since the cold boot, this one included
 *	handles {
 *		nvme0 { bdf; driver; policy = <u32>; noiommu; base-token = <u64>; fds = <u32>; };
 *	};
 *	update {
 *		from-kernel; to-kernel; tsc-reboot = <u64>;
 *		phases { load { start-ns; duration-ns; }; };
 *	};
 * };
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <libfdt.h>
#include <linux/memfd.h>

#include <udrv/proto.h>

#include "udrv/agent/agent.h"
#include "udrv/common/app.h"
#include "udrv/common/json.h"

#define COMPATIBLE	"udrv,directory-v1"
#define COMPATIBLE_STEM "udrv,directory-v"

uint64_t directory_token(unsigned int i)
{
	return (uint64_t)(i + 1) * 16;
}

static int write_handle(void *fdt, int parent, const struct udrv_handle *h, uint64_t base)
{
	uint32_t mask = 0;
	int node;

	for (unsigned int i = 0; i < UDRV_HANDLE_FDS; i++)
		if (h->fd[i] >= 0 && i != UDRV_FD_IOMMU)
			mask |= 1u << i;
	node = fdt_add_subnode(fdt, parent, h->name);
	if (node < 0)
		return node;
	return fdt_setprop_string(fdt, node, "bdf", h->bdf)			  ?:
		       fdt_setprop_string(fdt, node, "driver", h->driver)	  ?:
		       fdt_setprop_u32(fdt, node, "policy", h->policy)		  ?:
		       (h->noiommu ? fdt_setprop_empty(fdt, node, "noiommu") : 0) ?:
		       fdt_setprop_u64(fdt, node, "base-token", base)		  ?:
		       fdt_setprop_u32(fdt, node, "fds", mask);
}

static int write_update(void *fdt, const char *to_kernel, const struct directory_phase *phases,
			unsigned int nphases)
{
	struct utsname un;
	int node, err;

	uname(&un);
	node = fdt_add_subnode(fdt, 0, "update");
	if (node < 0)
		return node;
	err = fdt_setprop_string(fdt, node, "from-kernel", un.release)	    ?:
		      fdt_setprop_string(fdt, node, "to-kernel", to_kernel) ?:
		      fdt_setprop_u64(fdt, node, "tsc-reboot", 0);
	if (err)
		return err;
	node = fdt_add_subnode(fdt, node, "phases");
	/* libfdt puts a new subnode in front of its siblings. */
	for (unsigned int i = nphases; i-- > 0 && !err;) {
		int p = node < 0 ? node : fdt_add_subnode(fdt, node, phases[i].name);

		if (p < 0)
			return p;
		err = fdt_setprop_u64(fdt, p, "start-ns", phases[i].start_ns) ?:
			      fdt_setprop_u64(fdt, p, "duration-ns", phases[i].duration_ns);
	}
	return err;
}

static int write_tree(void *fdt, const struct agent *a, const char *to_kernel,
		      const struct directory_phase *phases, unsigned int nphases)
{
	int node, err;

	err = fdt_create_empty_tree(fdt, DIRECTORY_SIZE)		   ?:
		      fdt_setprop_string(fdt, 0, "compatible", COMPATIBLE) ?:
		      fdt_setprop_u64(fdt, 0, "cycle", to_kernel ? a->cycle + 1 : 0);
	if (err || !to_kernel)
		return err;
	node = fdt_add_subnode(fdt, 0, "handles");
	if (node < 0)
		return node;
	for (unsigned int i = a->ndev; i-- > 0 && !err;)
		if (a->dev[i].h.fd[UDRV_FD_VFIO] >= 0 && a->dev[i].h.policy == UDRV_KEEP)
			err = write_handle(fdt, node, &a->dev[i].h, directory_token(i));
	return err ?: write_update(fdt, to_kernel, phases, nphases);
}

int directory_write(const struct agent *a, const char *to_kernel,
		    const struct directory_phase *phases, unsigned int nphases, void **ret_map)
{
	int fd, err;
	void *map;

	/* MFD_EXEC: Linux 7.3 gives a memfd back with write seals if it had the EXEC seal. */
	fd = memfd_create("udrv-directory", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, DIRECTORY_SIZE) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
		err = -errno;
		goto close;
	}
	map = mmap(NULL, DIRECTORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		err = -errno;
		goto close;
	}
	err = write_tree(map, a, to_kernel, phases, nphases);
	if (err) {
		app_err("cannot write the directory: %s", fdt_strerror(err));
		err = -ENOSPC;
	}
	if (err || !ret_map)
		munmap(map, DIRECTORY_SIZE);
	else
		*ret_map = map;
	if (!err)
		return fd;
close:
	close(fd);
	return err;
}

void directory_stamp(void *map)
{
	fdt_setprop_inplace_u64(map, fdt_path_offset(map, "/update"), "tsc-reboot", app_tsc());
}

int directory_read(int memfd, void **ret)
{
	const char *compat;
	struct stat st;
	void *fdt;

	if (fstat(memfd, &st))
		return -errno;
	if (st.st_size < (off_t)FDT_V17_SIZE || st.st_size > 1 << 20)
		return -EBADMSG;
	fdt = malloc((size_t)st.st_size);
	if (!fdt)
		return -ENOMEM;
	if (pread(memfd, fdt, (size_t)st.st_size, 0) != st.st_size ||
	    fdt_check_full(fdt, (size_t)st.st_size)) {
		free(fdt);
		return -EBADMSG;
	}
	compat = fdt_stringlist_get(fdt, 0, "compatible", 0, NULL);
	if (!compat || strcmp(compat, COMPATIBLE)) {
		bool ours = compat && !strncmp(compat, COMPATIBLE_STEM, strlen(COMPATIBLE_STEM));

		app_err("directory of format '%s', this agent knows " COMPATIBLE,
			compat ? compat : "?");
		free(fdt);
		return ours ? -EPROTONOSUPPORT : -EBADMSG;
	}
	*ret = fdt;
	return 0;
}

static uint64_t get_u64(const void *fdt, int node, const char *name)
{
	int len;
	const void *p = fdt_getprop(fdt, node, name, &len);

	return p && len == 8 ? fdt64_ld(p) : 0;
}

static uint32_t get_u32(const void *fdt, int node, const char *name)
{
	int len;
	const void *p = fdt_getprop(fdt, node, name, &len);

	return p && len == 4 ? fdt32_ld(p) : 0;
}

static const char *get_str(const void *fdt, int node, const char *name)
{
	const char *s = fdt_stringlist_get(fdt, node, name, 0, NULL);

	return s ? s : "";
}

uint64_t directory_cycle(const void *fdt)
{
	return get_u64(fdt, 0, "cycle");
}

uint64_t directory_tsc_reboot(const void *fdt)
{
	int node = fdt_path_offset(fdt, "/update");

	return node < 0 ? 0 : get_u64(fdt, node, "tsc-reboot");
}

int directory_handles(const void *fdt,
		      int (*fn)(void *ctx, const struct udrv_handle *h, uint64_t base,
				uint32_t mask),
		      void *ctx)
{
	int handles = fdt_path_offset(fdt, "/handles");
	int node, err;

	if (handles < 0)
		return 0;
	fdt_for_each_subnode(node, fdt, handles)
	{
		struct udrv_handle h = UDRV_HANDLE_INIT;
		const char *name = fdt_get_name(fdt, node, NULL);
		const char *bdf = get_str(fdt, node, "bdf");
		const char *driver = get_str(fdt, node, "driver");
		uint32_t mask = get_u32(fdt, node, "fds");

		if (!name || !udrv_name_valid(name) || !udrv_bdf_valid(bdf) ||
		    !udrv_name_valid(driver) || strlen(driver) >= sizeof(h.driver) ||
		    mask >> UDRV_HANDLE_FDS || get_u32(fdt, node, "policy") > UDRV_DETACH) {
			app_err("directory: entry '%s' makes no sense: its device is left to the kernel to quiesce",
				name ? name : "?");
			continue;
		}
		strcpy(h.name, name);
		strcpy(h.bdf, bdf);
		strcpy(h.driver, driver);
		h.policy = get_u32(fdt, node, "policy");
		h.noiommu = fdt_getprop(fdt, node, "noiommu", NULL);
		err = fn(ctx, &h, get_u64(fdt, node, "base-token"), mask);
		if (err)
			return err;
	}
	return 0;
}

struct json_object *directory_report(const void *fdt)
{
	struct json_object *o, *phases;
	int update = fdt ? fdt_path_offset(fdt, "/update") : -1;
	int parent, node;

	if (update < 0)
		return NULL;
	o = json_object_new_object();
	json_set_u64(o, "cycle", directory_cycle(fdt));
	json_set_str(o, "from_kernel", get_str(fdt, update, "from-kernel"));
	json_set_str(o, "to_kernel", get_str(fdt, update, "to-kernel"));
	json_set_u64(o, "tsc_reboot", get_u64(fdt, update, "tsc-reboot"));
	phases = json_object_new_array();
	parent = fdt_subnode_offset(fdt, update, "phases");
	if (parent >= 0) {
		fdt_for_each_subnode(node, fdt, parent)
		{
			struct json_object *p = json_object_new_object();

			json_set_str(p, "name", fdt_get_name(fdt, node, NULL));
			json_set_u64(p, "start_us", get_u64(fdt, node, "start-ns") / 1000);
			json_set_u64(p, "duration_us", get_u64(fdt, node, "duration-ns") / 1000);
			json_object_array_add(phases, p);
		}
	}
	json_set(o, "phases", phases);
	return o;
}
