// SPDX-License-Identifier: GPL-2.0
/* struct io_uring_cmd is declared in linux/io_uring/cmd.h. */
#include <linux/io_uring/cmd.h>

bool probe(const struct io_uring_cmd *cmd);
bool probe(const struct io_uring_cmd *cmd)
{
	return cmd->file;
}
