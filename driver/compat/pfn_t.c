// SPDX-License-Identifier: GPL-2.0
/* vmf_insert_pfn_pmd() takes a pfn_t. */
#include <linux/mm.h>
#include <linux/pfn_t.h>

pfn_t probe(unsigned long pfn);
pfn_t probe(unsigned long pfn)
{
	return __pfn_to_pfn_t(pfn, PFN_DEV);
}
