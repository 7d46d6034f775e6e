// SPDX-License-Identifier: BSD-2-Clause
/*
 * Handshake, regions, configuration space, resets, and a peer that does not keep to the protocol.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "tests/model/vfio_user/client.h"
#include "tests/unit/suite.h"

#define CONFIG VFIO_PCI_CONFIG_REGION_INDEX

static struct client c;

static void set_up(void)
{
	struct vfio_user_opts opts = client_opts(&c);

	memset(&c, 0, sizeof(c));
	client_start(&c, &opts, true);
}

static void tear_down(void)
{
	client_stop(&c);
}

static uint32_t config(unsigned int off, uint32_t width)
{
	uint32_t val = 0;

	ck_assert_int_eq(client_read(&c, CONFIG, off, &val, width), 0);
	return val;
}

static void set_config(unsigned int off, uint32_t val, uint32_t width)
{
	ck_assert_int_eq(client_write(&c, CONFIG, off, &val, width), 0);
}

static unsigned int capability(uint8_t id)
{
	unsigned int at = config(PCI_CAPABILITY_LIST, 1);

	while (at && config(at, 1) != id)
		at = config(at + 1, 1);
	ck_assert_uint_ne(at, 0);
	return at;
}

START_TEST(describes_itself)
{
	uint32_t info[4] = { sizeof(info) };
	struct vfio_region_info region = { .argsz = sizeof(region), .index = 0 };
	struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = VFIO_PCI_MSIX_IRQ_INDEX };
	size_t len = sizeof(info);

	ck_assert_int_eq(client_call(&c, VFIO_USER_DEVICE_GET_INFO, info, sizeof(info), NULL, 0,
				     info, &len, NULL),
			 0);
	ck_assert_uint_eq(len, sizeof(info));
	ck_assert_uint_eq(info[1], VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI);
	ck_assert_uint_eq(info[2], VFIO_PCI_NUM_REGIONS);
	ck_assert_uint_eq(info[3], VFIO_PCI_NUM_IRQS);
	len = sizeof(region);
	ck_assert_int_eq(client_call(&c, VFIO_USER_DEVICE_GET_REGION_INFO, &region, sizeof(region),
				     NULL, 0, &region, &len, NULL),
			 0);
	ck_assert_uint_eq(region.size, CLIENT_BAR0_SIZE);
	ck_assert_uint_eq(region.flags, VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE);
	len = sizeof(irq);
	ck_assert_int_eq(client_call(&c, VFIO_USER_DEVICE_GET_IRQ_INFO, &irq, sizeof(irq), NULL, 0,
				     &irq, &len, NULL),
			 0);
	ck_assert_uint_eq(irq.count, CLIENT_VECTORS);
	ck_assert_uint_eq(irq.flags, VFIO_IRQ_INFO_EVENTFD);
}

START_TEST(reads_and_writes_a_bar)
{
	uint64_t val = 0x1122334455667788, got = 0;

	ck_assert_int_eq(client_write(&c, 0, 0x10, &val, 8), 0);
	ck_assert_int_eq(client_read(&c, 0, 0x10, &got, 8), 0);
	ck_assert_uint_eq(got, val);
	got = 0;
	ck_assert_int_eq(client_read(&c, 0, 0x14, &got, 2), 0);
	ck_assert_uint_eq(got, 0x3344);
}

static const struct {
	uint32_t region;
	uint64_t off;
	uint32_t count;
} wrong[] = {
	{ 0, CLIENT_BAR0_SIZE, 4 },
	{ 0, CLIENT_BAR0_SIZE - 4, 8 },
	{ 0, 2, 4 },
	{ 0, 0, 3 },
	{ 0, 0, 16 },
	{ 0, 0, 0 },
	{ 1, 0, 4 },
	{ 6, 0, 4 },
	{ 8, 0, 4 },
	{ 99, 0, 4 },
	{ CONFIG, 4095, 2 },
	{ 0, UINT64_MAX - 3, 4 },
	{ CONFIG, 0, 0x7fffffff },
	{ CONFIG, 0, UINT32_MAX },
};

START_TEST(refuses_a_wrong_access)
{
	struct vfio_user_region_access req = { .offset = wrong[_i].off,
					       .region = wrong[_i].region,
					       .count = wrong[_i].count };

	ck_assert_int_eq(client_call(&c, VFIO_USER_REGION_READ, &req, sizeof(req), NULL, 0, NULL,
				     NULL, NULL),
			 -EINVAL);
	ck_assert_int_eq(client_call(&c, VFIO_USER_REGION_WRITE, &req, sizeof(req), NULL, 0, NULL,
				     NULL, NULL),
			 -EINVAL);
	ck_assert_uint_eq(config(PCI_VENDOR_ID, 2), 0x1234);
}

START_TEST(does_not_answer_a_posted_write)
{
	const uint32_t val = 0xdecade;
	_Alignas(struct vfio_user_region_access)
		uint8_t room[sizeof(struct vfio_user_region_access) + sizeof(val)];
	struct vfio_user_region_access *w = (struct vfio_user_region_access *)room;
	const struct vfio_user_header hdr = { .id = 77,
					      .command = VFIO_USER_REGION_WRITE,
					      .size = sizeof(hdr) + sizeof(room),
					      .flags = VFIO_USER_F_NO_REPLY };
	uint32_t got = 0;

	*w = (struct vfio_user_region_access){ .offset = 8, .count = sizeof(val) };
	memcpy(w->data, &val, sizeof(val));
	ck_assert(client_send(&c, &hdr, room, sizeof(room), NULL, 0));
	w->offset = CLIENT_BAR0_SIZE;
	ck_assert(client_send(&c, &hdr, room, sizeof(room), NULL, 0));
	ck_assert_int_eq(client_read(&c, 0, 8, &got, 4), 0);
	ck_assert_uint_eq(got, 0xdecade);
}

START_TEST(has_a_configuration_space)
{
	uint8_t all[VFIO_USER_CONFIG_SIZE];
	unsigned int msix = capability(PCI_CAP_ID_MSIX);

	ck_assert_int_eq(client_read(&c, CONFIG, 0, all, sizeof(all)), 0);
	ck_assert_uint_eq(all[0] | all[1] << 8, 0x1234);
	ck_assert_uint_eq(config(PCI_DEVICE_ID, 2), 0x5678);
	ck_assert_uint_eq(config(PCI_CLASS_REVISION, 4), 0x02000003);
	ck_assert_uint_eq(config(PCI_SUBSYSTEM_VENDOR_ID, 4), 0xdef09abc);
	ck_assert_uint_eq(config(PCI_BASE_ADDRESS_0, 4), PCI_BASE_ADDRESS_MEM_TYPE_64);
	ck_assert_uint_eq(config(msix + PCI_MSIX_FLAGS, 2), CLIENT_VECTORS - 1);
	ck_assert_uint_eq(config(msix + PCI_MSIX_TABLE, 4), 4);
	ck_assert_uint_eq(config(msix + PCI_MSIX_PBA, 4), 0x804);
	/* The peer sizes BARs by itself; the ROM's must read as none. */
	set_config(PCI_ROM_ADDRESS, UINT32_MAX, 4);
	ck_assert_uint_eq(config(PCI_ROM_ADDRESS, 4), 0);
	set_config(PCI_VENDOR_ID, 0, 4);
	ck_assert_uint_eq(config(PCI_VENDOR_ID, 2), 0x1234);
	ck_assert_uint_eq(config(0x100, 4), 0);
}

START_TEST(tells_of_the_command_register)
{
	set_config(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	ck_assert_uint_eq(c.command, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	set_config(PCI_COMMAND + 1, PCI_COMMAND_INTX_DISABLE >> 8, 1);
	ck_assert_uint_eq(c.command,
			  PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	ck_assert_uint_eq(config(PCI_COMMAND, 2), c.command);
}

START_TEST(resets)
{
	unsigned int exp = capability(PCI_CAP_ID_EXP);

	ck_assert(config(exp + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR);
	set_config(PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	set_config(PCI_INTERRUPT_LINE, 11, 1);
	if (_i)
		set_config(exp + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR, 2);
	else
		ck_assert_int_eq(client_call(&c, VFIO_USER_DEVICE_RESET, NULL, 0, NULL, 0, NULL,
					     NULL, NULL),
				 0);
	ck_assert_uint_eq(c.resets[VFIO_USER_RESET_MACHINE], !_i);
	ck_assert_uint_eq(c.resets[VFIO_USER_RESET_FLR], _i);
	ck_assert_uint_eq(c.command, 0);
	ck_assert_uint_eq(config(PCI_COMMAND, 2), 0);
	ck_assert_uint_eq(config(PCI_INTERRUPT_LINE, 1), 0);
	ck_assert_uint_eq(config(exp + PCI_EXP_DEVCTL, 2), 0);
}

START_TEST(goes_with_its_peer)
{
	ck_assert_int_eq(client_stop(&c), 0);
	ck_assert_uint_eq(c.resets[VFIO_USER_RESET_GONE], 1);
	ck_assert_int_eq(c.paused, 0);
}

START_TEST(is_removed_by_surprise)
{
	uint64_t val = 5;

	ck_assert_int_eq(client_write(&c, 0, 0, &val, 8), 0);
	vfio_user_remove(c.vu);
	ck_assert_int_eq(client_read(&c, 0, 0, &val, 8), 0);
	ck_assert_uint_eq(val, UINT64_MAX);
	ck_assert_uint_eq(config(PCI_VENDOR_ID, 4), UINT32_MAX);
	ck_assert_int_eq(client_write(&c, 0, 0, &val, 8), 0);
	set_config(PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	ck_assert_uint_eq(c.command, 0);
	ck_assert_uint_eq(c.bar[0], 5);
}

START_TEST(becomes_another_device)
{
	uint32_t before = config(PCI_VENDOR_ID, 4), class = config(PCI_CLASS_REVISION, 4);

	vfio_user_become(c.vu, 0xabcd);
	ck_assert_uint_eq(config(PCI_VENDOR_ID, 4), (before & 0xffff) | 0xabcd0000u);
	ck_assert_uint_eq(config(PCI_DEVICE_ID, 2), 0xabcd);
	ck_assert_uint_eq(config(PCI_DEVICE_ID + 1, 1), 0xab);
	ck_assert_uint_eq(config(PCI_VENDOR_ID, 2), before & 0xffff);
	ck_assert_uint_eq(config(PCI_CLASS_REVISION, 4), class);
	set_config(PCI_DEVICE_ID, 0, 2);
	ck_assert_uint_eq(config(PCI_DEVICE_ID, 2), 0xabcd);
}

START_TEST(stops_when_told)
{
	char byte;

	vfio_user_stop(c.vu);
	ck_assert_int_eq(read(c.fd, &byte, 1), 0);
	ck_assert_int_eq(client_stop(&c), 0);
}

START_TEST(lets_a_part_of_a_bar_be_mapped)
{
	struct vfio_user_opts opts = client_opts(&c);
	_Alignas(struct vfio_region_info)
		uint8_t room[sizeof(struct vfio_region_info) +
			     sizeof(struct vfio_region_info_cap_sparse_mmap) +
			     2 * sizeof(struct vfio_region_sparse_mmap_area)] = { 0 };
	struct vfio_region_info *info = (struct vfio_region_info *)room;
	struct vfio_region_info_cap_sparse_mmap *cap = (void *)(room + sizeof(*info));
	size_t len = sizeof(room);
	int mem = client_memory(CLIENT_BAR0_SIZE), fd;

	info->argsz = sizeof(*info);
	client_stop(&c);
	opts.bar[0].fd = mem;
	opts.bar[0].nareas = 2;
	opts.bar[0].area[0] = (struct vfio_user_area){ .offset = 0, .size = 0x1000 };
	opts.bar[0].area[1] = (struct vfio_user_area){ .offset = 0x2000, .size = 0x2000 };
	client_start(&c, &opts, true);
	ck_assert_int_eq(client_call(&c, VFIO_USER_DEVICE_GET_REGION_INFO, info, sizeof(*info),
				     NULL, 0, room, &len, &fd),
			 0);
	/*
	 * How much it takes is said, with the offset that the capability will have; the
	 * descriptor waits.
	 */
	ck_assert_uint_eq(len, sizeof(*info));
	ck_assert_uint_eq(info->argsz, sizeof(room));
	ck_assert_uint_eq(info->cap_offset, sizeof(*info));
	ck_assert_int_eq(fd, -1);
	len = sizeof(room);
	ck_assert_int_eq(client_call(&c, VFIO_USER_DEVICE_GET_REGION_INFO, info, sizeof(*info),
				     NULL, 0, room, &len, &fd),
			 0);
	ck_assert_uint_eq(len, sizeof(room));
	ck_assert_int_ge(fd, 0);
	ck_assert_uint_eq(cap->header.id, VFIO_REGION_INFO_CAP_SPARSE_MMAP);
	ck_assert_uint_eq(cap->nr_areas, 2);
	ck_assert_uint_eq(cap->areas[1].offset, 0x2000);
	close(fd);
	close(mem);
}

START_TEST(refuses_contradictory_options)
{
	struct vfio_user_opts good = client_opts(&c), bad[7];
	struct vfio_user *vu = NULL;

	for (unsigned int i = 0; i < 7; i++)
		bad[i] = good;
	bad[0].vectors = 0;
	bad[1].vectors = VFIO_USER_MAX_VECTORS + 1;
	bad[2].msix_bar = 5;
	bad[3].bar[0].size = 0x3000;
	bad[4].bar[5].size = 0x1000;
	bad[5].table_offset = 0xff8;
	bad[6].bar[0].nareas = 1;
	for (unsigned int i = 0; i < 7; i++)
		ck_assert_msg(vfio_user_create(&bad[i], &vu) == -EINVAL, "options %u were accepted",
			      i);
}

/* Messages after which there is nothing to talk about. */
static const struct {
	bool negotiated;
	struct vfio_user_header hdr;
} fatal[] = {
	{ false, { .command = VFIO_USER_DEVICE_GET_INFO, .size = 16 } },
	{ true, { .command = VFIO_USER_DEVICE_RESET, .size = 15 } },
	{ true, { .command = VFIO_USER_DEVICE_RESET, .size = 0 } },
	{ true, { .command = VFIO_USER_REGION_WRITE, .size = UINT32_MAX } },
	{ true, { .command = VFIO_USER_REGION_WRITE, .size = 16 + 8193 } },
	{ true, { .command = VFIO_USER_DEVICE_RESET, .size = 16, .flags = VFIO_USER_F_REPLY } },
};

START_TEST(hangs_up_on_nonsense)
{
	struct vfio_user_opts opts = client_opts(&c);
	char byte;

	if (!fatal[_i].negotiated) {
		client_stop(&c);
		client_start(&c, &opts, false);
	}
	ck_assert(client_send(&c, &fatal[_i].hdr, NULL, 0, NULL, 0));
	ck_assert_int_eq(read(c.fd, &byte, 1), 0);
	ck_assert_int_eq(client_stop(&c), -EPROTO);
	ck_assert_uint_gt(c.logs, 0);
}

START_TEST(refuses_another_version)
{
	static const char others[][8] = { "\1\0\0\0{}", "\0\0\0\0" };
	static const size_t len[] = { 7, 4 };
	struct vfio_user_opts opts = client_opts(&c);

	client_stop(&c);
	client_start(&c, &opts, false);
	ck_assert_int_eq(client_call(&c, VFIO_USER_VERSION, others[_i], len[_i], NULL, 0, NULL,
				     NULL, NULL),
			 -EINVAL);
}

START_TEST(listens_in_place_of_an_old_socket)
{
	char path[] = "/tmp/vfio-user-XXXXXX", too_long[200];
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(vfio_user_listen(path), -EADDRINUSE);
	unlink(path);
	for (unsigned int i = 0; i < 2; i++) {
		fd = vfio_user_listen(path);
		ck_assert_int_ge(fd, 0);
		close(fd);
	}
	unlink(path);
	memset(too_long, 'x', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = 0;
	ck_assert_int_eq(vfio_user_listen(too_long), -ENAMETOOLONG);
}

START_TEST(refuses_unknown_commands)
{
	uint8_t junk[64] = { 0 };

	for (unsigned int command = 11; command < 40; command++) {
		if (command != VFIO_USER_DEVICE_RESET)
			ck_assert_int_eq(client_call(&c, command, junk, sizeof(junk), NULL, 0, NULL,
						     NULL, NULL),
					 -EOPNOTSUPP);
	}
	ck_assert_uint_eq(config(PCI_VENDOR_ID, 2), 0x1234);
}

int main(void)
{
	Suite *s = suite_create("vfio-user");
	TCase *t = suite_case(s, "vfio-user", 30);

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, describes_itself);
	tcase_add_test(t, reads_and_writes_a_bar);
	tcase_add_loop_test(t, refuses_a_wrong_access, 0, sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(t, does_not_answer_a_posted_write);
	tcase_add_test(t, has_a_configuration_space);
	tcase_add_test(t, tells_of_the_command_register);
	tcase_add_loop_test(t, resets, 0, 2);
	tcase_add_test(t, goes_with_its_peer);
	tcase_add_test(t, is_removed_by_surprise);
	tcase_add_test(t, becomes_another_device);
	tcase_add_test(t, stops_when_told);
	tcase_add_test(t, lets_a_part_of_a_bar_be_mapped);
	tcase_add_test(t, refuses_contradictory_options);
	tcase_add_loop_test(t, hangs_up_on_nonsense, 0, sizeof(fatal) / sizeof(fatal[0]));
	tcase_add_loop_test(t, refuses_another_version, 0, 2);
	tcase_add_test(t, listens_in_place_of_an_old_socket);
	tcase_add_test(t, refuses_unknown_commands);
	return suite_run(s);
}
