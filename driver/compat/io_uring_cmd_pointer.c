// SPDX-License-Identifier: GPL-2.0
/* struct io_uring_cmd points at the payload of its entry. */
#include <linux/io_uring.h>

const void *probe(const struct io_uring_cmd *cmd);
const void *probe(const struct io_uring_cmd *cmd)
{
	return cmd->cmd;
}
