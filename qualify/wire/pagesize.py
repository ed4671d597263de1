# SPDX-License-Identifier: Apache-2.0
"""Memory maps as a kernel with another page size would lay them out. Nothing on the wire says the page size.

Source: PRESERVE_BITS in kernel/kexec_handover.c of 6.18.15, enum kho_radix_consts of 7.1.13: all derive from PAGE_SIZE.
"""

from __future__ import annotations

from qualify.schema import ChunkListMap, MemoryMap, RadixTreeMap

__all__ = ["at_page_size"]


def at_page_size(layout: MemoryMap, schema_page_size: int, page_size: int) -> MemoryMap:
    """`layout`, given for `schema_page_size`, for `page_size` (bytes, a power of two)."""
    if page_size == schema_page_size:
        return layout
    if isinstance(layout, ChunkListMap):
        # a bitmap of one page follows the page size; 512 bytes were a constant
        whole = layout.bitmap_bytes == schema_page_size
        return layout.model_copy(update={"bitmap_bytes": page_size}) if whole else layout
    shift = page_size.bit_length() - 1
    key_width, table_bits, leaf_bits = 64 - shift + 1, shift - 3, shift + 3
    levels = -(-(key_width - leaf_bits) // table_bits) + 1
    update = {"key_width": key_width, "table_bits": table_bits, "leaf_bits": leaf_bits, "levels": levels}
    return RadixTreeMap.model_validate(layout.model_dump() | update)
