# SPDX-License-Identifier: Apache-2.0
"""What a kernel's configuration says about the release that it is taken for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qualify.kernels.config import setting
from qualify.schema import Release, Schema

__all__ = ["Difference", "component_options", "config_differences"]


@dataclass(frozen=True, order=True)
class Difference:
    """A fact about a component that the schema's release and the kernel do not share."""

    component: str
    what: str  # config, string, node, subtree, ioctl, handler, file
    expected: str  # by the release
    seen: str

    def __str__(self) -> str:
        return f"{self.component}: {self.what}: expected {self.expected}, seen {self.seen}"


def component_options(schema: Schema) -> Mapping[str, str]:
    """Component -> the Kconfig symbol without which a kernel has neither it nor what depends on it."""
    return {name: component.option for name, component in schema.components.items() if component.option}


def config_differences(schema: Schema, release: Release, options: Mapping[str, str]) -> tuple[Difference, ...]:
    """Where a configuration and a release disagree; none without a configuration.

    An option that the configuration does not name says nothing: its release may have had no such option yet. A module
    counts as built in, it can be loaded.
    """
    if not options:
        return ()
    symbols = component_options(schema)
    off = {c for c, symbol in symbols.items() if options.get(symbol) == "n"}
    found = []
    for component in sorted(schema.gone(off) & set(release.components)):
        symbol = symbols.get(component, "")
        if component in off:
            found.append(Difference(component, "config", f"{symbol}=y", f"{symbol}=n"))
        else:
            found.append(
                Difference(component, "config", "built in", f"built without {_because(schema, component, off)}")
            )
    for component, symbol in symbols.items():
        if options.get(symbol) in ("y", "m") and component not in release.components:
            found.append(Difference(component, "config", f"no {component}", f"{symbol}={options[symbol]}"))
    known = {symbols[d.component] for d in found if d.component in symbols}
    for symbol, value in sorted(release.config.items()):
        if setting(options, symbol) != value and symbol not in known:
            found.append(Difference("kernel", "config", f"{symbol}={value}", f"{symbol}={setting(options, symbol)}"))
    return tuple(found)


def _because(schema: Schema, component: str, off: set[str]) -> str:
    return ", ".join(sorted(o for o in off if component in schema.gone({o})))
