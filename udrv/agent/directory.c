// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The directory: a memfd at token 0 of the session, holding a flattened device tree. It tells the
 * next agent which handles there are and under which tokens, and carries the record of the update
 * for its report.
 *
 * / {	compatible = "udrv,directory-v1";
 *	cycle = <u64>;			kexecs since the cold boot, this one included
 *	handles {
 *		nvme0 { bdf; driver; policy = <u32>; noiommu; ioas-id = <u32>;
 *			base-token = <u64>; fds = <u32>; };
 *	};
 *	settings {
 *		nvme1 { bdf; policy; restart-limit; restart-max-ms; detached; base-token; fds; };
 *	};
 *	update {
 *		from-kernel; to-kernel; tsc-reboot = <u64>;
 *		phases { load { start-ns; duration-ns; }; };
 *		decisions { nvme0 = "keep"; nvme1 = "reset"; };
 *		outcomes { nvme0 { start; error; }; };
 *		phases-after { retrieve-nvme0 { start-ns; duration-ns; }; };
 *	};
 * };
 *
 * handles lists what is kept, in full; settings every device, the tokens being those of consumers'
 * memory that outlives a handle. outcomes and phases-after are written after the kexec, for agents
 * that come later.
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

#define VERSION		1
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
		if (h->fd[i] >= 0)
			mask |= 1u << i;
	node = fdt_add_subnode(fdt, parent, h->name);
	if (node < 0)
		return node;
	return fdt_setprop_string(fdt, node, "bdf", h->bdf)			  ?:
		       fdt_setprop_string(fdt, node, "driver", h->driver)	  ?:
		       fdt_setprop_u32(fdt, node, "policy", h->policy)		  ?:
		       (h->noiommu ? fdt_setprop_empty(fdt, node, "noiommu") : 0) ?:
		       fdt_setprop_u32(fdt, node, "ioas-id", h->ioas_id)	  ?:
		       fdt_setprop_u64(fdt, node, "base-token", base)		  ?:
		       fdt_setprop_u32(fdt, node, "fds", mask);
}

static int write_setting(void *fdt, int parent, const struct agent *a, unsigned int i, bool leaving)
{
	const struct agent_device *d = &a->dev[i];
	const int *fd = leaving ? rescue_find(a, d->h.name) : NULL;
	bool detached = leaving ? d->h.policy == UDRV_DETACH : d->state == DEV_DETACHED;
	uint32_t mask = 0;
	int node;

	for (unsigned int e = 0; fd && e < UDRV_HANDLE_EXTRA; e++)
		if (fd[e] >= 0)
			mask |= 1u << (UDRV_FD_EXTRA + e);
	node = fdt_add_subnode(fdt, parent, d->h.name);
	if (node < 0)
		return node;
	/* clang-format off */
	return fdt_setprop_string(fdt, node, "bdf", d->h.bdf) ?:
	       fdt_setprop_u32(fdt, node, "policy", d->h.policy) ?:
	       fdt_setprop_u32(fdt, node, "restart-limit", d->backoff.limit) ?:
	       fdt_setprop_u32(fdt, node, "restart-max-ms",
			       (uint32_t)(d->backoff.max_ns / 1000000)) ?:
	       (detached ? fdt_setprop_empty(fdt, node, "detached") : 0) ?:
	       (mask ? fdt_setprop_u64(fdt, node, "base-token", directory_token(i)) : 0) ?:
	       (mask ? fdt_setprop_u32(fdt, node, "fds", mask) : 0);
	/* clang-format on */
}

static int write_settings(void *fdt, const struct agent *a, bool leaving)
{
	int node = fdt_subnode_offset(fdt, 0, "settings");
	int err = 0;

	if (node >= 0)
		err = fdt_del_node(fdt, node);
	if (err)
		return err;
	node = fdt_add_subnode(fdt, 0, "settings");
	if (node < 0)
		return node;
	for (unsigned int i = a->ndev; i-- > 0 && !err;)
		if (a->dev[i].h.bdf[0])
			err = write_setting(fdt, node, a, i, leaving);
	return err;
}

static int write_decisions(void *fdt, int update, const struct agent *a)
{
	int node, err = 0;

	node = fdt_add_subnode(fdt, update, "decisions");
	if (node < 0)
		return node;
	for (unsigned int i = a->ndev; i-- > 0 && !err;) {
		const struct agent_device *d = &a->dev[i];

		err = fdt_setprop_string(fdt, node, d->h.name,
					 d->state == DEV_FAILED ? "failed" :
								  policy_name(d->h.policy));
	}
	return err;
}

static int write_outcomes(void *fdt, const struct agent *a)
{
	int update = fdt_subnode_offset(fdt, 0, "update");
	int node, err = 0;

	if (update < 0 || !a->ready)
		return 0;
	/* What became of it at the time; later starts are other stories. */
	if (fdt_subnode_offset(fdt, update, "outcomes") >= 0)
		return 0;
	node = fdt_add_subnode(fdt, update, "outcomes");
	if (node < 0)
		return node;
	for (unsigned int i = a->ndev; i-- > 0 && !err;) {
		const struct agent_device *d = &a->dev[i];
		int n = fdt_add_subnode(fdt, node, d->h.name);

		if (n < 0)
			return n;
		/* clang-format off */
		err = fdt_setprop_string(fdt, n, "start", d->state == DEV_RUNNING ?
					 d->start : device_state_name(d->state)) ?:
		      (d->error[0] ? fdt_setprop_string(fdt, n, "error", d->error) : 0);
		/* clang-format on */
	}
	return err;
}

static int write_phases(void *fdt, int update, const char *name,
			const struct directory_phase *phases, unsigned int nphases)
{
	int node = fdt_add_subnode(fdt, update, name);
	int err = 0;

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

/* Once, like the outcomes: who comes later has not seen them. */
static int write_phases_after(void *fdt, const struct directory_phase *phases, unsigned int nphases)
{
	int update = fdt_subnode_offset(fdt, 0, "update");

	if (update < 0 || !nphases || fdt_subnode_offset(fdt, update, "phases-after") >= 0)
		return 0;
	return write_phases(fdt, update, "phases-after", phases, nphases);
}

static int write_update(void *fdt, const struct agent *a, const char *to_kernel,
			const struct directory_phase *phases, unsigned int nphases)
{
	struct utsname un;
	int node, err;

	uname(&un);
	node = fdt_add_subnode(fdt, 0, "update");
	if (node < 0)
		return node;
	err = fdt_setprop_string(fdt, node, "from-kernel", un.release)	    ?:
		      fdt_setprop_string(fdt, node, "to-kernel", to_kernel) ?:
		      fdt_setprop_u64(fdt, node, "tsc-reboot", 0)	    ?:
		      write_decisions(fdt, node, a);
	return err ?: write_phases(fdt, node, "phases", phases, nphases);
}

static int write_tree(void *fdt, const struct agent *a, const char *to_kernel,
		      const struct directory_phase *phases, unsigned int nphases)
{
	int node, err;

	err = fdt_create_empty_tree(fdt, DIRECTORY_SIZE)			     ?:
		      fdt_setprop_string(fdt, 0, "compatible", COMPATIBLE)	     ?:
		      fdt_setprop_u64(fdt, 0, "cycle", to_kernel ? a->cycle + 1 : 0) ?:
		      write_settings(fdt, a, to_kernel);
	if (err || !to_kernel)
		return err;
	node = fdt_add_subnode(fdt, 0, "handles");
	if (node < 0)
		return node;
	for (unsigned int i = a->ndev; i-- > 0 && !err;)
		if (a->dev[i].h.fd[UDRV_FD_VFIO] >= 0 && a->dev[i].h.policy == UDRV_KEEP)
			err = write_handle(fdt, node, &a->dev[i].h, directory_token(i));
	return err ?: write_update(fdt, a, to_kernel, phases, nphases);
}

/* Where trees are written. */
static uint8_t scratch[DIRECTORY_SIZE] __attribute__((aligned(8)));

/*
 * A memfd of no more than the tree takes: the next kernel restores it, and its PID 1 reads it, page
 * by page inside the blackout.
 */
static int directory_memfd(void **ret_map)
{
	size_t len, size;
	int fd, err;
	void *map;

	err = fdt_pack(scratch);
	if (err) {
		app_err("cannot write the directory: %s", fdt_strerror(err));
		return -ENOSPC;
	}
	len = fdt_totalsize(scratch);
	size = (len + 4095) & ~(size_t)4095;
	/* MFD_EXEC: Linux 7.3 gives a memfd back with write seals if it had the EXEC seal. */
	fd = memfd_create("udrv-directory", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		goto close;
	map = mmap(NULL, DIRECTORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		goto close;
	memcpy(map, scratch, len);
	*ret_map = map;
	return fd;
close:
	err = -errno;
	close(fd);
	return err;
}

int directory_write(const struct agent *a, const char *to_kernel,
		    const struct directory_phase *phases, unsigned int nphases, void **ret_map)
{
	void *map;
	int fd, err;

	err = write_tree(scratch, a, to_kernel, phases, nphases);
	if (err) {
		app_err("cannot write the directory: %s", fdt_strerror(err));
		return -ENOSPC;
	}
	fd = directory_memfd(&map);
	if (fd < 0)
		return fd;
	if (ret_map)
		*ret_map = map;
	else
		munmap(map, DIRECTORY_SIZE);
	return fd;
}

int directory_refresh(const struct agent *a, const struct directory_phase *phases,
		      unsigned int nphases, void **ret)
{
	void *map;
	int fd, err;

	if (a->fdt)
		err = fdt_open_into(a->fdt, scratch, DIRECTORY_SIZE) ?:
			      write_settings(scratch, a, false)	     ?:
			      write_outcomes(scratch, a)	     ?:
			      write_phases_after(scratch, phases, nphases);
	else
		err = write_tree(scratch, a, NULL, NULL, 0);
	if (err) {
		app_err("cannot write the directory: %s", fdt_strerror(err));
		return -ENOSPC;
	}
	fd = directory_memfd(&map);
	if (fd < 0)
		return fd;
	munmap(map, DIRECTORY_SIZE);
	err = directory_read(fd, ret);
	if (!err)
		return fd;
	close(fd);
	return err;
}

void directory_stamp(void *map)
{
	fdt_setprop_inplace_u64(map, fdt_path_offset(map, "/update"), "tsc-reboot", app_tsc());
}

/* Ours and the one before are read; what is only added does not change the number. */
static int directory_version(const void *fdt)
{
	const char *compat = fdt_stringlist_get(fdt, 0, "compatible", 0, NULL);
	size_t stem = strlen(COMPATIBLE_STEM);
	unsigned long version;
	char *end;

	if (!compat || strncmp(compat, COMPATIBLE_STEM, stem)) {
		app_err("directory of format '%s', this agent knows " COMPATIBLE,
			compat ? compat : "?");
		return -EBADMSG;
	}
	version = strtoul(compat + stem, &end, 10);
	if (*end || end == compat + stem)
		return -EBADMSG;
	if (version == VERSION || version + 1 == VERSION)
		return 0;
	app_err("directory of format '%s', this agent knows " COMPATIBLE " and the one before",
		compat);
	return -EPROTONOSUPPORT;
}

int directory_read_into(int memfd, void *buf, size_t size)
{
	ssize_t len = pread(memfd, buf, size, 0);

	if (len < 0)
		return -errno;
	if (len < (ssize_t)FDT_V17_SIZE || fdt_check_full(buf, (size_t)len))
		return -EBADMSG;
	return directory_version(buf);
}

int directory_read(int memfd, void **ret)
{
	struct stat st;
	void *fdt;
	int err;

	if (fstat(memfd, &st))
		return -errno;
	if (st.st_size < (off_t)FDT_V17_SIZE || st.st_size > 1 << 20)
		return -EBADMSG;
	fdt = malloc((size_t)st.st_size);
	if (!fdt)
		return -ENOMEM;
	err = directory_read_into(memfd, fdt, (size_t)st.st_size);
	if (err) {
		free(fdt);
		return err;
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
	fdt_for_each_subnode(node, fdt, handles) {
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
		h.ioas_id = get_u32(fdt, node, "ioas-id");
		err = fn(ctx, &h, get_u64(fdt, node, "base-token"), mask);
		if (err)
			return err;
	}
	return 0;
}

int directory_settings(const void *fdt, void (*fn)(void *ctx, const struct policy_settings *s),
		       void *ctx)
{
	int parent = fdt_path_offset(fdt, "/settings");
	int node;

	if (parent < 0)
		return 0;
	fdt_for_each_subnode(node, fdt, parent) {
		const char *name = fdt_get_name(fdt, node, NULL);
		const char *bdf = get_str(fdt, node, "bdf");
		struct policy_settings s = {
			.policy = get_u32(fdt, node, "policy"),
			.restart_limit = get_u32(fdt, node, "restart-limit"),
			.restart_max_ms = get_u32(fdt, node, "restart-max-ms"),
			.detached = fdt_getprop(fdt, node, "detached", NULL),
			.base = get_u64(fdt, node, "base-token"),
			.mask = get_u32(fdt, node, "fds"),
		};

		if (!name || !udrv_name_valid(name) || !udrv_bdf_valid(bdf) ||
		    s.policy > UDRV_DETACH) {
			app_err("directory: settings of '%s' make no sense: the defaults are used",
				name ? name : "?");
			continue;
		}
		strcpy(s.name, name);
		strcpy(s.bdf, bdf);
		fn(ctx, &s);
	}
	return 0;
}

struct json_object *directory_phase_json(const struct directory_phase *phase)
{
	struct json_object *o = json_object_new_object();

	json_set_str(o, "name", phase->name);
	json_set_u64(o, "start_us", phase->start_ns / 1000);
	json_set_u64(o, "duration_us", phase->duration_ns / 1000);
	return o;
}

static struct json_object *phases_json(const void *fdt, int update, const char *name)
{
	struct json_object *phases = json_object_new_array();
	int parent = fdt_subnode_offset(fdt, update, name);
	int node;

	if (parent < 0)
		return phases;
	fdt_for_each_subnode(node, fdt, parent) {
		const struct directory_phase phase = {
			.name = fdt_get_name(fdt, node, NULL),
			.start_ns = get_u64(fdt, node, "start-ns"),
			.duration_ns = get_u64(fdt, node, "duration-ns"),
		};

		json_object_array_add(phases, directory_phase_json(&phase));
	}
	return phases;
}

/* {"nvme0": {"decision", "start", "error"}} */
static struct json_object *outcomes_json(const void *fdt, int update)
{
	struct json_object *all = json_object_new_object();
	int decisions = fdt_subnode_offset(fdt, update, "decisions");
	int outcomes = fdt_subnode_offset(fdt, update, "outcomes");
	int prop;

	if (decisions < 0)
		return all;
	fdt_for_each_property_offset(prop, fdt, decisions) {
		struct json_object *o = json_object_new_object();
		const char *name = NULL;
		int node;

		fdt_getprop_by_offset(fdt, prop, &name, NULL);
		if (!name)
			continue;
		json_set_str(o, "decision", get_str(fdt, decisions, name));
		node = outcomes < 0 ? outcomes : fdt_subnode_offset(fdt, outcomes, name);
		if (node >= 0) {
			json_set_str(o, "start", get_str(fdt, node, "start"));
			if (fdt_getprop(fdt, node, "error", NULL))
				json_set_str(o, "error", get_str(fdt, node, "error"));
		}
		json_set(all, name, o);
	}
	return all;
}

struct json_object *directory_report(const void *fdt)
{
	struct json_object *o;
	int update = fdt ? fdt_path_offset(fdt, "/update") : -1;

	if (update < 0)
		return NULL;
	o = json_object_new_object();
	json_set_u64(o, "cycle", directory_cycle(fdt));
	json_set_str(o, "from_kernel", get_str(fdt, update, "from-kernel"));
	json_set_str(o, "to_kernel", get_str(fdt, update, "to-kernel"));
	json_set_u64(o, "tsc_reboot", get_u64(fdt, update, "tsc-reboot"));
	json_set(o, "phases", phases_json(fdt, update, "phases"));
	json_set(o, "phases_after", phases_json(fdt, update, "phases-after"));
	json_set(o, "outcomes", outcomes_json(fdt, update));
	return o;
}
