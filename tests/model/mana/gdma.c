// SPDX-License-Identifier: BSD-2-Clause
/* Requests to GDMA itself. */
#include <stdlib.h>

#include "tests/model/mana/internal.h"

static uint32_t verify_version(struct mana_model *m, struct call *c)
{
	const struct gdma_verify_ver_req *req = (const void *)c->req;
	struct gdma_verify_ver_resp *resp = (void *)c->resp;

	if (le64toh(req->protocol_ver_min) > GDMA_PROTOCOL_V1 ||
	    le64toh(req->protocol_ver_max) < GDMA_PROTOCOL_V1) {
		model_violation(m,
				"VERIFY_VF_DRIVER_VERSION: versions %llu to %llu, there is only 1",
				(unsigned long long)le64toh(req->protocol_ver_min),
				(unsigned long long)le64toh(req->protocol_ver_max));
		return STATUS_INVALID;
	}
	resp->gdma_protocol_ver = htole64(GDMA_PROTOCOL_V1);
	return 0;
}

static uint32_t max_resources(struct mana_model *m, struct call *c)
{
	struct gdma_max_resources_resp *resp = (void *)c->resp;
	uint32_t n = m->opts.queues * m->opts.vports;

	resp->max_sq = htole32(n);
	resp->max_rq = htole32(n);
	resp->max_cq = htole32(2 * n);
	resp->max_eq = htole32(MAX_EQS - 1);
	resp->max_db = htole32(DB_PAGES);
	resp->max_mst = htole32(64);
	resp->max_msix = htole32(m->opts.vectors);
	return 0;
}

/* With holes between them. */
static uint32_t list_devices(struct mana_model *m, struct call *c)
{
	struct gdma_list_devices_resp *resp = (void *)c->resp;

	(void)m;
	resp->num_of_devs = htole32(2);
	resp->devs[0].type = htole16(GDMA_DEVICE_HWC);
	resp->devs[5].type = htole16(GDMA_DEVICE_MANA);
	resp->devs[5].instance = htole16(MANA_INSTANCE);
	return 0;
}

static uint32_t register_device(struct mana_model *m, struct call *c)
{
	struct gdma_register_device_resp *resp = (void *)c->resp;

	model_setup(m, "REGISTER_DEVICE");
	if (m->registered)
		model_violation(m, "REGISTER_DEVICE: it is registered already");
	m->registered = true;
	resp->pdid = htole32(MANA_PDID);
	resp->gpa_mkey = htole32(MANA_MKEY);
	resp->db_id = htole32(MANA_DB);
	return 0;
}

static uint32_t deregister_device(struct mana_model *m, struct call *c)
{
	(void)c;
	model_setup(m, "DEREGISTER_DEVICE");
	if (!m->registered) {
		model_violation(m, "DEREGISTER_DEVICE: it is not registered");
		return STATUS_INVALID;
	}
	for (unsigned int i = 1; i < MAX_WQS; i++) {
		if (m->sq[i].live || m->rq[i].live) {
			model_violation(m, "DEREGISTER_DEVICE: there are still work queues");
			break;
		}
	}
	for (unsigned int i = 1; i < MAX_WQS; i++) {
		wq_destroy(m, &m->sq[i]);
		wq_destroy(m, &m->rq[i]);
	}
	for (unsigned int i = 1; i < MAX_CQS; i++)
		cq_destroy(m, i);
	memset(m->vport, 0, sizeof(m->vport));
	m->registered = false;
	return 0;
}

static uint32_t test_eqe(struct mana_model *m, struct call *c)
{
	const struct gdma_test_eqe_req *req = (const void *)c->req;
	int slot = eq_find(m, le32toh(req->queue_index));

	if (slot == NO_SLOT) {
		model_violation(m, "GENERATE_TEST_EQE: there is no EQ %#x",
				le32toh(req->queue_index));
		return STATUS_INVALID;
	}
	if (m->eq[slot].tests < 256)
		m->eq[slot].tests++;
	set_add(&m->eq_work, (unsigned int)slot);
	return 0;
}

static uint32_t create_queue(struct mana_model *m, struct call *c)
{
	const struct gdma_create_queue_req *req = (const void *)c->req;
	struct gdma_create_queue_resp *resp = (void *)c->resp;
	uint32_t type = le32toh(req->type), size = le32toh(req->queue_size),
		 vector = le32toh(req->eq_pci_msix_index);
	uint64_t region = le64toh(req->gdma_region);
	int slot;

	model_setup(m, "CREATE_QUEUE");
	if (type != GDMA_EQ || !m->registered) {
		model_violation(m,
				"CREATE_QUEUE: type %u, %s; only EQs of a registered device are made like that",
				type, m->registered ? "registered" : "not registered");
		return STATUS_INVALID;
	}
	if (le32toh(req->pdid) != MANA_PDID || le32toh(req->doorbell_id) != MANA_DB) {
		model_violation(m,
				"CREATE_QUEUE: protection domain %#x and doorbell page %u, the device's are %#x and %u",
				le32toh(req->pdid), le32toh(req->doorbell_id), MANA_PDID, MANA_DB);
		return STATUS_INVALID;
	}
	if (vector >= m->opts.vectors) {
		model_violation(m, "CREATE_QUEUE: vector %u of %u", vector, m->opts.vectors);
		return STATUS_INVALID;
	}
	if (!region_fits(m, region, size, "CREATE_QUEUE"))
		return STATUS_INVALID;
	if (!eq_room(m)) {
		model_violation(m, "CREATE_QUEUE: there are %u EQs already", MAX_EQS - 1);
		return STATUS_INVALID;
	}
	slot = eq_create(m, NO_SLOT, region_consume(m, region), size, vector, MANA_DB);
	m->counts.eqs_created++;
	m->counts.queues_created++;
	resp->queue_index = htole32(EQ_ID((unsigned int)slot));
	return 0;
}

static uint32_t disable_queue(struct mana_model *m, struct call *c)
{
	const struct gdma_disable_queue_req *req = (const void *)c->req;
	uint32_t type = le32toh(req->type), id = le32toh(req->queue_index);
	int slot = eq_find(m, id);

	model_setup(m, "DISABLE_QUEUE");
	if (type != GDMA_EQ || slot <= 0) {
		model_violation(m, "DISABLE_QUEUE: type %u, id %#x: there is no such queue", type,
				id);
		return STATUS_INVALID;
	}
	for (unsigned int i = 1; i < MAX_CQS; i++) {
		if (m->cq[i].live && m->cq[i].eq == slot) {
			model_violation(m, "DISABLE_QUEUE: EQ %#x still has CQ %#x", id, CQ_ID(i));
			m->cq[i].eq = NO_SLOT;
		}
	}
	eq_destroy(m, (unsigned int)slot);
	m->counts.eqs_destroyed++;
	m->counts.queues_destroyed++;
	return 0;
}

/* What is armed or pending moves along. */
static uint32_t change_msix(struct mana_model *m, struct call *c)
{
	const struct gdma_change_msix_req *req = (const void *)c->req;
	uint32_t id = le32toh(req->queue_index), vector = le32toh(req->msix);
	int slot = eq_find(m, id);

	if (slot == NO_SLOT || vector >= m->opts.vectors) {
		model_violation(m, "CHANGE_MSIX_FOR_EQ: EQ %#x to vector %u: there is no such %s",
				id, vector, slot == NO_SLOT ? "queue" : "vector");
		return STATUS_INVALID;
	}
	m->eq[slot].vector = vector;
	return 0;
}

static uint32_t reset_eqe(struct mana_model *m, struct call *c)
{
	(void)c;
	mana_model_event(m, GDMA_EQE_HWC_RESET_REQUEST, 0);
	return 0;
}

const struct command gdma_commands[] = {
	{ GDMA_VERIFY_VF_DRIVER_VERSION, 56, 40, false, verify_version,
	  "VERIFY_VF_DRIVER_VERSION" },
	{ GDMA_QUERY_MAX_RESOURCES, 40, 72, false, max_resources, "QUERY_MAX_RESOURCES" },
	{ GDMA_LIST_DEVICES, 40, 296, false, list_devices, "LIST_DEVICES" },
	{ GDMA_REGISTER_DEVICE, 40, 44, true, register_device, "REGISTER_DEVICE" },
	{ GDMA_DEREGISTER_DEVICE, 40, 32, true, deregister_device, "DEREGISTER_DEVICE" },
	{ GDMA_GENERATE_TEST_EQE, 44, 32, false, test_eqe, "GENERATE_TEST_EQE" },
	{ GDMA_GENERATE_RESET_EQE, 40, 32, false, reset_eqe, "GENERATE_RESET_EQE" },
	{ GDMA_CREATE_QUEUE, 96, 36, true, create_queue, "CREATE_QUEUE" },
	{ GDMA_DISABLE_QUEUE, 52, 32, true, disable_queue, "DISABLE_QUEUE" },
	{ GDMA_CREATE_DMA_REGION, 64, 40, false, region_create, "CREATE_DMA_REGION" },
	{ GDMA_DESTROY_DMA_REGION, 48, 32, false, region_destroy, "DESTROY_DMA_REGION" },
	{ GDMA_CHANGE_MSIX_FOR_EQ, 48, 32, false, change_msix, "CHANGE_MSIX_FOR_EQ" },
};

const unsigned int gdma_ncommands = sizeof(gdma_commands) / sizeof(gdma_commands[0]);
