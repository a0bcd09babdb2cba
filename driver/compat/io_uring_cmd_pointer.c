// SPDX-License-Identifier: GPL-2.0
#include <linux/io_uring.h>

const void *probe(const struct io_uring_cmd *cmd);
const void *probe(const struct io_uring_cmd *cmd)
{
	return cmd->cmd;
}
