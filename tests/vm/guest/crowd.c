/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crowd: more clients than the agent has room for, who ask and ask, and never read an answer
 *
 * Says "crowded" when they have all asked until their connections were full, and stays. Who does not get in waits, and is
 * told so by nobody.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <udrv/proto.h>

#define CLIENTS	 40
#define REQUESTS 1000

/* Until there is no room for another one, or there were many. */
static int ask(int sock)
{
	static struct udrv_msg m;
	int err = 0;

	for (unsigned int i = 0; i < REQUESTS && !err; i++) {
		udrv_msg_init(&m, UDRV_MSG_STATUS, i);
		err = udrv_msg_send(sock, &m);
	}
	return err == -EAGAIN ? 0 : err;
}

int main(void)
{
	for (unsigned int i = 0; i < CLIENTS; i++) {
		int sock = udrv_proto_connect(UDRV_AGENT_SOCKET);
		int err = sock < 0 ? sock : fcntl(sock, F_SETFL, O_NONBLOCK) ? -errno : ask(sock);

		if (err) {
			printf("crowd: client %u: %s\n", i, strerror(-err));
			return 1;
		}
	}
	printf("crowded\n");
	fflush(stdout);
	for (;;)
		pause();
}
