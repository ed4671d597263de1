# SPDX-License-Identifier: Apache-2.0
"""kexec-metadata on the target: who kexeced into this kernel."""

from __future__ import annotations

from qualify.errors import WireError
from qualify.machine.booting import Booting
from qualify.machine.observe import compare, text_of, with_leak
from qualify.machine.reserved import KernelPanicError
from qualify.model import Consequence, Interface, ObjectObservation, Reply
from qualify.scenario import KexecMetadata
from qualify.schema import Format
from qualify.wire.structs import Value

__all__ = ["read_metadata"]


def read_metadata(target: Booting, metadata: KexecMetadata, enabled: bool) -> ObjectObservation:
    """kho_in_kexec_metadata() of 7.1.13."""
    object_id = "kexec-metadata"
    forms = target.kernel.readable(object_id)
    found = target.subtree(forms[0].carrier.subtree) if enabled and forms else "ENOENT"
    lost = ObjectObservation(object_id, object_id, Interface.KEXEC_METADATA, Reply.AS_COLD)
    if isinstance(found, str):
        return with_leak(target, lost)
    at, size = found
    for form in forms:
        codec = target.kernel.codec(form.struct)
        try:
            values = codec.unpack(target.view.read(at, codec.size))
        except WireError as error:
            raise KernelPanicError(f"kexec-metadata: {error}") from None
        if (size is not None and size < codec.size) or form.version is None:
            continue
        if values.get(form.version.field) != form.version.value:
            continue
        return _metadata(target, metadata, form, values)
    target.log.append("KHO: kexec-metadata version or size not supported")
    return with_leak(target, lost, Consequence.WARNED)


def _metadata(target: Booting, metadata: KexecMetadata, form: Format, values: dict[str, Value]) -> ObjectObservation:
    component = target.kernel.component("kexec-metadata")
    text = text_of(values.get("previous_release", b""))
    properties = (
        compare(component, form, "previous-release", target.truth.version, text),
        compare(component, form, "kexec-count", str(metadata.count), str(values.get("kexec_count", 0))),
    )
    return ObjectObservation(
        "kexec-metadata", "kexec-metadata", Interface.KEXEC_METADATA, Reply.GIVEN, properties=properties
    )
