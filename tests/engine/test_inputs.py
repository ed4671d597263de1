# SPDX-License-Identifier: Apache-2.0
"""The plan's inputs are complete: whatever goes into a cell changes its input digest, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from qualify.engine import plan
from qualify.matrix import Matrix
from qualify.scenario import Scenario, library
from qualify.schema import Condition, Format, Provenance, ProvenanceKind, Reaction, Schema, Stage, load

SCHEMA = load()
LIBRARY = library()
SOURCE, TARGET = "6.19.11", "7.1.13"


class Backend:
    """Never run."""

    name, version, shareable = "b", "1", True


def digest(
    schema: Schema = SCHEMA,
    found: Mapping[str, Scenario] = LIBRARY,
    *,
    run_seed: int | None = None,
    backend: Any = Backend,
    **matrix: Any,
) -> str:
    """The input digest of the one cell of a matrix."""
    plain = {
        "name": "m",
        "title": "M",
        "pairs": [{"source": SOURCE, "target": TARGET}],
        "scenarios": ["baseline"],
        "backends": [backend.name],
        **matrix,
    }
    planned = plan(Matrix.model_validate(plain), schema, found, seed=run_seed, registry=lambda _: backend())
    (keys,) = planned.cells
    return keys.input_digest


def component(name: str, **changes: Any) -> Schema:
    changed = SCHEMA.components[name].model_copy(update=changes)
    return replace(SCHEMA, components={**SCHEMA.components, name: changed})


def default_of(name: str, trait: str, value: Any) -> Schema:
    traits = SCHEMA.components[name].traits
    return component(name, traits={**traits, trait: traits[trait].model_copy(update={"default": value})})


def struct(name: str, **changes: Any) -> Schema:
    return replace(SCHEMA, structs={**SCHEMA.structs, name: SCHEMA.structs[name].model_copy(update=changes)})


def member(name: str, index: int, **changes: Any) -> Schema:
    fields = list(SCHEMA.structs[name].fields)
    fields[index] = fields[index].model_copy(update=changes)
    return struct(name, fields=tuple(fields))


def form(name: str, **changes: Any) -> Schema:
    formats: dict[str, Format] = {**SCHEMA.formats, name: SCHEMA.formats[name].model_copy(update=changes)}
    return replace(SCHEMA, formats=formats)


def release(label: str, **changes: Any) -> Schema:
    changed = SCHEMA.release(label).model_copy(update=changes)
    return replace(SCHEMA, releases=tuple(changed if r.label == label else r for r in SCHEMA.releases))


def spec(label: str, name: str, **changes: Any) -> Schema:
    components = SCHEMA.release(label).components
    return release(label, components={**components, name: components[name].model_copy(update=changes)})


def scenario(**changes: Any) -> dict[str, Scenario]:
    # Not by model_copy: that takes the digest along, which is computed once.
    plain = {name: getattr(LIBRARY["baseline"], name) for name in Scenario.model_fields}
    return {**LIBRARY, "baseline": Scenario.model_validate(plain | changes)}


def without(label: str, name: str) -> Schema:
    return release(label, components={k: v for k, v in SCHEMA.release(label).components.items() if k != name})


class Newer(Backend):
    version = "2"


class Other(Backend):
    name = "c"


CHANGES: dict[str, Callable[[], str]] = {
    "contents": lambda: digest(component("memfd", contents=("size",))),
    "bound_to": lambda: digest(component("luo-flb", bound_to=("memfd", "reserve-mem"))),
    "depends": lambda: digest(component("reserve-mem", depends=("kho", "luo"))),
    "stage": lambda: digest(component("kho-test", stage=Stage.USER)),
    "trait default": lambda: digest(default_of("memfd", "unsealed-as", 3)),
    "struct size": lambda: digest(struct("memfd_luo_ser@v2", size=4096)),
    "struct member": lambda: digest(member("memfd_luo_ser@v2", 0, offset=4)),
    "compatible": lambda: digest(form("memfd-v2", compatible="memfd-v9")),
    "constant": lambda: digest(form("memfd-v2", constants={**SCHEMA.formats["memfd-v2"].constants, "id": 1})),
    "carrier": lambda: digest(
        form("memfd-v2", carrier=SCHEMA.formats["memfd-v2"].carrier.model_copy(update={"field": "other"}))
    ),
    "source's page size": lambda: digest(release(SOURCE, page_size=16384)),
    "target's page size": lambda: digest(release(TARGET, page_size=16384)),
    "source's component": lambda: digest(without(SOURCE, "kho-test")),
    "target's component": lambda: digest(without(TARGET, "kho-test")),
    "reads": lambda: digest(spec(TARGET, "memfd", reads=())),
    "requires": lambda: digest(spec(TARGET, "memfd", requires=("x",))),
    "reaction": lambda: digest(spec(TARGET, "memfd", on={Condition.MALFORMED: Reaction.PANIC})),
    "trait": lambda: digest(spec(TARGET, "memfd", traits={"known-seals": 31})),
    "scenario's objects": lambda: digest(found=scenario(objects=LIBRARY["baseline"].objects[:1])),
    "scenario's seed": lambda: digest(found=scenario(seed=99)),
    "scenario's target": lambda: digest(
        found=scenario(target=LIBRARY["baseline"].target.model_copy(update={"kho": False}))
    ),
    "matrix's seed": lambda: digest(seed=7),
    "run's seed": lambda: digest(run_seed=8),
    "backend": lambda: digest(backend=Other),
    "backend's version": lambda: digest(backend=Newer),
    "pair": lambda: digest(pairs=[{"source": TARGET, "target": SOURCE}]),
    "another source": lambda: digest(pairs=[{"source": "6.19.8", "target": TARGET}]),
    "another target": lambda: digest(pairs=[{"source": SOURCE, "target": "7.0.13"}]),
    "another scenario": lambda: digest(scenarios=["reserve-mem-page"]),
}

NOWHERE = Provenance(kind=ProvenanceKind.INFERRED, note="made up")
SAME: dict[str, Callable[[], str]] = {
    "nothing": digest,
    "component's words": lambda: digest(component("memfd", title="x", text="x", kernel_name="x")),
    "format's words": lambda: digest(form("memfd-v2", text="x", provenance=NOWHERE)),
    "struct's words": lambda: digest(struct("memfd_luo_ser@v2", provenance=NOWHERE)),
    "release's words": lambda: digest(release(TARGET, text="x", provenance=NOWHERE, config={"A": "y"})),
    "scenario's words": lambda: digest(found=scenario(title="x", purpose="x", tags=("x",))),
    "what neither release has": lambda: digest(form("kho-v4", compatible="x")),
    "another release": lambda: digest(release("7.3.4", page_size=16384)),
    "another scenario of the library": lambda: digest(found={k: LIBRARY[k] for k in ("baseline",)}),
    "an alias": lambda: digest(pairs=[{"source": "6.19", "target": TARGET}]),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_of_what_goes_in_is_another_input(kind: str) -> None:
    assert CHANGES[kind]() != digest()


def test_no_two_changes_give_the_same_input() -> None:
    assert len({change() for change in CHANGES.values()}) == len(CHANGES)


@pytest.mark.parametrize("kind", SAME)
def test_a_change_of_anything_else_is_not(kind: str) -> None:
    assert SAME[kind]() == digest()


def test_what_is_needed_counts_also_by_way_of_what_a_release_lacks() -> None:
    """Built without `core`, a release loses `cargo` too, although it has nothing of what stands between."""
    middle = SCHEMA.components["luo"].model_copy(update={"id": "between", "depends": ("kho-test",)})
    apart = replace(
        component("reserve-mem", depends=("kho", "between")),
        components={
            **component("reserve-mem", depends=("kho", "between")).components,
            "between": middle.model_copy(update={"depends": ()}),
        },
    )
    linked = replace(apart, components={**apart.components, "between": middle})
    assert "between" not in linked.release(TARGET).components
    assert digest(linked) != digest(apart)
