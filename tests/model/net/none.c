// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include "tests/model/net/backend.h"

static int none_send(struct net_backend *b, const uint8_t *frame, size_t len)
{
	(void)b, (void)frame, (void)len;
	return 0;
}

static ssize_t none_receive(struct net_backend *b, uint8_t *frame, size_t size)
{
	(void)b, (void)frame, (void)size;
	return -EAGAIN;
}

static void none_close(struct net_backend *b)
{
	free(b);
}

static const struct net_backend_ops none_ops = {
	.name = "none",
	.send = none_send,
	.receive = none_receive,
	.close = none_close,
};

int net_none_open(struct net_backend **ret)
{
	struct net_backend *b = malloc(sizeof(*b));

	if (!b)
		return -ENOMEM;
	*b = (struct net_backend){ .ops = &none_ops, .fd = -1 };
	*ret = b;
	return 0;
}
