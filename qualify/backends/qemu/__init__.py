# SPDX-License-Identifier: Apache-2.0
"""Real kernels in QEMU: boot the source, preserve, kexec into the target, look."""

from qualify.backends.qemu.backend import QemuBackend

__all__ = ["QemuBackend"]
