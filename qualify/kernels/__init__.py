# SPDX-License-Identifier: Apache-2.0
"""Kernels that can be booted: which there are, what they say of themselves, and how to make more."""

from qualify.kernels.folder import KernelFolder
from qualify.kernels.image import BzImage, read_image
from qualify.kernels.registry import Registry, find_kernels, search_folders, user_folder

__all__ = [
    "BzImage",
    "KernelFolder",
    "Registry",
    "find_kernels",
    "read_image",
    "search_folders",
    "user_folder",
]
