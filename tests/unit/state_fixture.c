// SPDX-License-Identifier: BSD-2-Clause
#include <check.h>
#include <errno.h>
#include <libfdt.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/state_fixture.h"

int memfd;
uint8_t *raw;
struct fake_log flog;

void state_setup(void)
{
	fake_log_init(&flog);
	memfd = memfd_create("state", MFD_CLOEXEC);
	ck_assert_int_ge(memfd, 0);
	ck_assert_int_eq(ftruncate(memfd, SIZE), 0);
	raw = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	ck_assert_ptr_ne(raw, MAP_FAILED);
}

void state_teardown(void)
{
	munmap(raw, SIZE);
	close(memfd);
}

int commit_value(struct udrv_state *st, uint64_t value)
{
	void *fdt = udrv_state_edit(st);

	if (!fdt || fdt_setprop_u64(fdt, 0, "value", value) ||
	    fdt_setprop_u64(fdt, 0, "again", value))
		return -EIO;
	return udrv_state_commit(st);
}

uint64_t value_of(const struct udrv_state *st)
{
	uint64_t value = UINT64_MAX, again = UINT64_MAX;

	udrv_fdt_u64(udrv_state_fdt(st), 0, "value", &value);
	udrv_fdt_u64(udrv_state_fdt(st), 0, "again", &again);
	ck_assert_uint_eq(value, again);
	return value;
}

void make_state(void)
{
	struct udrv_state *st;
	void *mem;

	ck_assert_int_eq(udrv_state_format(memfd, &flog.log, &st), 0);
	ck_assert_int_eq(commit_value(st, 1), 0);
	ck_assert_ptr_nonnull(udrv_state_edit(st));
	ck_assert_int_eq(udrv_state_area_add(st, "one", 100, &mem), 0);
	memset(mem, 0x11, 100);
	ck_assert_int_eq(udrv_state_area_add(st, "two", 4096, &mem), 0);
	memset(mem, 0x22, 4096);
	ck_assert_int_eq(fdt_setprop_u64(udrv_state_editing(st), 0, "value", 2), 0);
	ck_assert_int_eq(fdt_setprop_u64(udrv_state_editing(st), 0, "again", 2), 0);
	ck_assert_int_eq(udrv_state_commit(st), 0);
	udrv_state_set_lifecycle(st, UDRV_READY);
	udrv_state_close(st);
}

int open_close(void)
{
	struct udrv_state *st;
	int err = udrv_state_open(memfd, UDRV_STATE_RDONLY, &flog.log, &st);

	if (!err)
		udrv_state_close(st);
	return err;
}
