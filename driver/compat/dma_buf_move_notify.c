// SPDX-License-Identifier: GPL-2.0
/* The call that ends the access of importers has its old name, dma_buf_move_notify(). */
#include <linux/dma-buf.h>

void probe(struct dma_buf *dmabuf);
void probe(struct dma_buf *dmabuf)
{
	dma_buf_move_notify(dmabuf);
}
