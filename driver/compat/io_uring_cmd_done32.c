// SPDX-License-Identifier: GPL-2.0
/* io_uring has io_uring_cmd_done32() for a second result. */
#include <linux/io_uring/cmd.h>

void probe(struct io_uring_cmd *cmd);
void probe(struct io_uring_cmd *cmd)
{
	io_uring_cmd_done32(cmd, 0, 0, 0);
}
