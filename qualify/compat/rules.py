# SPDX-License-Identifier: Apache-2.0
"""The rules: every reason that the decision gives names one, and each has a page and a test vector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qualify.errors import UsageError
from qualify.model import Reason
from qualify.yamlfile import suggest
from qualify.yamlquick import read_quickly

__all__ = ["CATEGORIES", "RULES", "Rule", "document", "reason", "rule"]

# prefix of an id -> what its rules are about
CATEGORIES: Mapping[str, str] = {
    "KHO": "Handover core: root, memory map, boot structures",
    "OPS": "What the operator did",
    "SRC": "What the source said before the jump",
    "LUO": "Sessions and files",
    "FLB": "File-lifecycle-bound objects",
    "MFD": "memfd files",
    "RSV": "reserve_mem regions",
    "MET": "kexec-metadata",
    "TST": "kho_test",
    "CMP": "Findings about a component of a pair",
    "VMS": "Two VMState dumps of QEMU",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `purpose` is one line, `text` the paragraph of its documentation, `advice` what to do when it fires."""

    id: str
    purpose: str
    text: str
    advice: str

    @property
    def category(self) -> str:
        return CATEGORIES[self.id[:3]]

    @property
    def documentation(self) -> str:
        """Anchor of the rule in the documentation."""
        return f"docs/rules.md#{self.id.lower()}"


def _load() -> dict[str, Rule]:
    table = read_quickly((Path(__file__).parent / "rules.yaml").read_text(encoding="utf-8"))
    return {entry["id"]: Rule(**entry) for entry in table["rules"]}


RULES: Mapping[str, Rule] = _load()


def rule(name: str) -> Rule:
    """The rule with that id."""
    try:
        return RULES[name.upper()]
    except KeyError:
        raise UsageError(f"unknown rule '{name}'; {suggest(name.upper(), RULES)}") from None


def reason(name: str, component: str, message: str) -> Reason:
    """A reason of the decision, with the rule's own advice."""
    return Reason(name, component, message, RULES[name].advice)


def document() -> str:
    """The text of docs/rules.md."""
    lines = [
        "<!-- SPDX-License-Identifier: Apache-2.0 -->",
        "<!-- Written from qualify/compat/rules.yaml; a test compares the two. -->",
        "# Rules",
        "",
        "Every reason that `qualify check` and `qualify explain` give names one of these; `qualify rules list` prints",
        "them. `tests/vectors/rules/` holds for each a pair and scenario where it fires and one where it does not;",
        "for rules about dumps, `tests/vectors/vmstate/` holds two small dumps instead.",
    ]
    for prefix, title in CATEGORIES.items():
        lines += ["", f"## {title}"]
        for entry in RULES.values():
            if entry.id.startswith(prefix):
                lines += ["", f"### {entry.id}", "", f"**{entry.purpose}**", "", entry.text, ""]
                lines.append(f"*What to do:* {entry.advice}")
    return "\n".join(lines) + "\n"
