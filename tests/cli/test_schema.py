# SPDX-License-Identifier: Apache-2.0
"""`qualify schema` from the command line, and the JSON Schema documents that it publishes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from qualify.cli.editor import EDITOR_SCHEMAS, editor_schema
from qualify.cli.main import app
from qualify.schema import load

ROOT = Path(__file__).parents[2]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["schema", *map(str, arguments)])


def test_every_release_is_listed_with_its_fingerprint() -> None:
    schema = load()
    rows = run("list").stdout.splitlines()[2:]
    assert [row.split()[0] for row in rows] == [r.label for r in schema.releases]
    assert all(schema.fingerprint(r)[:12] in row for r, row in zip(schema.releases, rows, strict=True))
    plain = json.loads(run("list", "--json").stdout)
    assert plain[0]["label"] == "6.16.12"
    assert plain[0]["aliases"] == ["6.16"]
    assert plain[0]["writes"] == {"kho": "kho-v1-b512", "reserve-mem": "memblock-v1"}


def test_a_release_is_shown_with_its_components() -> None:
    lines = run("show", "7.0").stdout.splitlines()
    assert lines[0].startswith("7.0.13 (also 7.0): LUO writes and insists on a luo-flb node")
    facts = {line.split("  [")[0].strip() for line in lines}
    assert {"writes luo-v1-flb", "reads luo-v1-flb", "on missing: panic", "trait finalise: at-reboot"} <= facts
    assert "requires liveupdate-number, luo-session, luo-flb" in facts
    assert json.loads(run("show", "7.0", "--json").stdout)["components"]["luo"]["on"]["missing"] == "panic"


def test_every_fact_of_a_release_is_shown_with_where_it_comes_from() -> None:
    parts = [part.splitlines() for part in run("show", "6.19.11").stdout.split("\n\n")]
    (head, *lines) = next(part for part in parts if part[0].startswith("memfd: "))
    assert head == "memfd: known by read 6.19.11 mm/memfd_luo.c memfd_luo_preserve_folios(), memfd_luo_retrieve()"
    shown = {text.strip(): known.rstrip("]") for text, known in (line.split("  [") for line in lines)}
    seen = "observed 6.19.11 docs/observed.md"
    assert shown["writes memfd-v1"] == f"{seen} What is written"
    assert shown["trait folio-error: first-only"] == f"{seen} memfd: seals, position, size, holes"
    assert shown["on malformed: refuse-EINVAL"].startswith("read 6.19.11 mm/memfd_luo.c")
    plain = json.loads(run("show", "6.19.11", "--json").stdout)["components"]["memfd"]
    facts = {"writes", "reads", "requires", *plain["on"], *load().components["memfd"].traits}
    assert set(plain["sources"]) == facts
    assert len(facts) == len(shown) == 12
    assert plain["sources"]["unsealed-as"]["kind"] == "observed"
    assert plain["sources"]["malformed"]["file"] == "mm/memfd_luo.c"


def test_a_format_is_shown_with_its_layout() -> None:
    text = run("show", "memfd-v2").stdout
    assert "  compatible 'memfd-v2'\n" in text
    assert "  carried: size, contents, position, seals\n  not carried: holes, close-on-exec\n" in text
    assert "  struct memfd_luo_ser, 48 bytes, packed: [read 7.1.13 include/linux/kho/abi/memfd.h]\n" in text
    assert "    16  u32   seals\n" in text
    assert "u64:52  pfn" in text
    layouts = json.loads(run("show", "memfd-v2", "--json").stdout)["layouts"]
    assert layouts["memfd_luo_ser@v2"]["members"][2] == {"name": "seals", "type": "u32", "offset": 16}


def test_two_releases_are_told_apart() -> None:
    assert run("diff", "6.19", "7.0").stdout == (
        "kho\n"
        "   trait       crash-image: handed-over -> not-handed-over\n"
        "luo\n"
        "   format      writes: luo-v1 -> luo-v1-flb\n"
        "   format      reads: luo-v1 -> luo-v1-flb\n"
        " ! node        /luo-flb: + node\n"
        "   requirement luo-flb: + required\n"
        "luo-file\n"
        "   reaction    no-handler: file-missing -> open-fails\n"
        "luo-flb\n"
        "   component   luo-flb: + luo-flb-v1\n"
        "memfd\n"
        "   trait       folio-error: first-only -> any\n"
        "! marks what changes the bytes themselves\n"
    )


def test_a_bump_of_the_string_alone_is_not_marked() -> None:
    lines = run("diff", "7.1", "7.2").stdout.splitlines()
    kho = lines[lines.index("kho") + 1 : lines.index("kho-block")]
    assert "   string      compatible: kho-v3 -> kho-v4" in kho
    assert [line for line in kho if line.startswith(" !")] == []


def test_two_formats_are_told_apart() -> None:
    found = json.loads(run("diff", "memfd-v1", "memfd-v2", "--json").stdout)
    assert {"where": "memfd_luo_ser.seals", "before": None, "after": "u32 at 16"}.items() <= found[-3].items()
    assert found[0]["kind"] == "string"
    assert [d["on_the_wire"] for d in found if d["kind"] == "layout"] == [True] * 8


def test_releases_that_behave_alike_have_no_difference() -> None:
    text = run("diff", "7.1.3", "7.1.13").stdout
    assert text == "no difference: 7.1.3 and 7.1.13 write, read, require and do the same\n"
    assert json.loads(run("diff", "7.1.3", "7.1.13", "--json").stdout) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "7.9"], "no release and no format '7.9'; did you mean 7.3 or 7.2 or 7.1?"),
        (["show", "memfd-v3"], "no release and no format 'memfd-v3'; did you mean memfd-v2 or memfd-v1"),
        (["diff", "7.0", "memfd-v1"], "'7.0' and 'memfd-v1' are not of one kind; give two releases or two formats"),
        (["diff", "7.0", "7.O"], "no release and no format '7.O'; did you mean"),
        (["jsonschema", "matix"], "no kind of file 'matix'; did you mean matrix?"),
        (
            ["jsonschema"],
            "name a kind of file (matrix, policy, scenario, schema), or a folder for all of them with --output",
        ),
    ],
)
def test_bad_names_are_refused_with_a_suggestion(arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert f"qualify: {message}" in result.stderr


def test_a_broken_file_is_reported_with_all_its_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("structs: 5\nformat: []\n")
    result = run("list", "--schema", path)
    assert result.exit_code == 2
    assert result.stderr == (
        f"qualify: {path}:1:1: 'structs' must be a list\n{path}:2:1: unknown key 'format'\n    did you mean formats?\n"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lable: mine\n", "F:1:1: 'label' is missing\n    add it; it has no default\n"
                          "F:1:1: unknown key 'lable'\n    did you mean label or aliases?\n"),
        ("", "F:1:1: 'label' is missing\n    add it; it has no default\n"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("listed", [False, True])
def test_a_release_without_its_label_is_blamed_on_its_own_file(
    tmp_path: Path, text: str, message: str, listed: bool
) -> None:
    path = tmp_path / "mine.yaml"
    text += 'version: "7.1.14"\ninherits: 7.1.13\nprovenance: {kind: proposed}\n'
    path.write_text("releases:\n  - " + text.replace("\n", "\n    ") if listed else text)
    result = run("list", "--schema", path)
    assert result.exit_code == 2
    said = result.stderr.removeprefix("qualify: ").replace(str(path), "F")
    assert said.replace("releases.0.", "").replace(":2:5:", ":1:1:") == message


# --- JSON Schema ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", EDITOR_SCHEMAS)
def test_what_is_published_is_fresh(kind: str) -> None:
    published = (ROOT / "docs" / "jsonschema" / f"{kind}.json").read_text(encoding="utf-8")
    assert published == editor_schema(kind), "run: qualify schema jsonschema --output docs/jsonschema"


def test_all_kinds_are_written_at_once(tmp_path: Path) -> None:
    result = run("jsonschema", "--output", tmp_path / "new", "--json")
    assert json.loads(result.stdout) == [str(tmp_path / "new" / f"{kind}.json") for kind in sorted(EDITOR_SCHEMAS)]
    assert run("jsonschema", "matrix").stdout == (tmp_path / "new" / "matrix.json").read_text()


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("jsonschema", "--output", tmp_path / "file" / "folder")
    assert result.exit_code == 2
    assert f"qualify: cannot write to {tmp_path / 'file' / 'folder'}: Not a directory" in result.stderr


def mistakes(kind: str, data: Any) -> list[str]:
    document = json.loads(editor_schema(kind))
    Draft202012Validator.check_schema(document)
    return [e.message for e in Draft202012Validator(document).iter_errors(data)]


SHIPPED = [
    *(("schema", p) for p in sorted((ROOT / "qualify" / "schema" / "data").rglob("*.yaml"))),
    *(("scenario", p) for p in sorted((ROOT / "qualify" / "scenario" / "data").glob("*.yaml"))),
    *(("matrix", p) for p in sorted((ROOT / "matrices").glob("*.yaml"))),
    *(("policy", p) for p in sorted((ROOT / "docs" / "examples").glob("policy-*.yaml"))),
]


@pytest.mark.parametrize(("kind", "path"), SHIPPED, ids=[p.name for _, p in SHIPPED])
def test_everything_that_ships_satisfies_its_schema(kind: str, path: Path) -> None:
    assert mistakes(kind, YAML(typ="safe").load(path)) == []


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("schema", "components: [{id: x, stage: user}]"),
        ("schema", "component: []"),
        ("schema", "{label: x, version: '1.0', provenance: {kind: read}, inheritz: y}"),
        ("schema", "structs: [{id: x, name: x, size: big, fields: [], provenance: {kind: derived}}]"),
        ("scenario", "{id: x, title: t, purpose: p, objects: [{kind: memfd}]}"),
        ("scenario", "{id: x, title: t, purpose: p, objects: [{kind: reserve-mem, name: a, size: 4K, at: 0}]}"),
        ("scenario", "scenarios: [{id: x}]"),
        ("matrix", "{name: m, title: t, scenarios: some}"),
        ("matrix", "{name: m, title: t, scenarios: all, max_touched_bytes: lots}"),
        ("policy", "{name: p, required_pairs: [{matrix: window}], maximum_age: 30}"),
        ("policy", "{name: p, required_pairs: [{matrix: window}], allowed_verdicts: [FINE]}"),
    ],
)
def test_editors_notice_mistakes(kind: str, text: str) -> None:
    assert mistakes(kind, YAML(typ="safe").load(text))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("schema", "{label: x, version: '1.0', inherits: y, provenance: {kind: derived}, components: {memfd: null}}"),
        (
            "scenario",
            "{id: x, title: t, purpose: p, objects: [{kind: kho-test, folios: [{at: 0, count: 3}, {at: 4KiB}]}]}",
        ),
        ("matrix", "{name: m, title: t, releases: [a, b], scenarios: [x], max_touched_bytes: 64 MiB}"),
        ("policy", "{name: p, required_pairs: [{matrix: window}], scenarios: all, maximum_age: 30d}"),
    ],
)
def test_editors_know_the_short_forms(kind: str, text: str) -> None:
    assert mistakes(kind, YAML(typ="safe").load(text)) == []
