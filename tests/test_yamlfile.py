# SPDX-License-Identifier: Apache-2.0
"""Places and words of mistakes in YAML files, whatever kind of file they are in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from qualify.errors import Problem
from qualify.yamlfile import Document, keep_valid, read, shown, suggest, validate


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Cat(Strict):
    kind: Literal["cat"]
    lives: int = 9


class Dog(Strict):
    kind: Literal["dog"]
    barks: bool = True


class House(Strict):
    pets: tuple[Annotated[Cat | Dog, Field(discriminator="kind")], ...] = Field(default=(), min_length=1)
    rooms: dict[str, Cat | None] = {}
    colour: Literal["red", "green"] = "red"


def document(tmp_path: Path, text: str) -> Document:
    path = tmp_path / "house.yaml"
    path.write_text(text)
    found = read(path, "house.yaml")
    assert isinstance(found, Document)
    return found


def said(tmp_path: Path, text: str) -> list[str]:
    found = document(tmp_path, text)
    problems = validate(House, found.data, found)
    assert isinstance(problems, list)
    return [str(p).replace("\n    ", " | ") for p in sorted(problems)]


def test_union_tags_are_not_part_of_a_path(tmp_path: Path) -> None:
    assert said(tmp_path, "pets:\n  - kind: cat\n    livs: 3\n") == [
        "house.yaml:3:5: unknown key 'pets.0.livs' | did you mean lives?"
    ]


def test_keys_of_the_right_member_are_suggested(tmp_path: Path) -> None:
    assert said(tmp_path, "pets: [{kind: dog, lives: 3}]\n") == [
        "house.yaml:1:20: unknown key 'pets.0.lives' | known: barks, kind"
    ]


def test_keys_are_suggested_through_dicts_and_optionals(tmp_path: Path) -> None:
    assert said(tmp_path, "pets: [{kind: cat}]\nrooms: {hall: {kind: cat, live: 2}}\n") == [
        "house.yaml:2:27: unknown key 'rooms.hall.live' | did you mean lives?"
    ]


def test_an_unknown_tag_says_which_there_are(tmp_path: Path) -> None:
    assert said(tmp_path, "pets: [{kind: cow}]\n") == ["house.yaml:1:8: 'pets.0': unknown kind 'cow' | known: cat, dog"]


def test_an_entry_that_fails_does_not_make_its_list_empty(tmp_path: Path) -> None:
    assert len(said(tmp_path, "pets: [{kind: cat, lives: many}]\n")) == 1
    assert said(tmp_path, "pets: []\n") == ["house.yaml:1:1: 'pets': expected at least 1 entry"]


def test_a_value_that_is_close_is_suggested(tmp_path: Path) -> None:
    assert said(tmp_path, "pets: [{kind: cat}]\ncolour: geen\n") == [
        "house.yaml:2:1: 'colour': input should be 'red' or 'green', got 'geen' | did you mean green?"
    ]


def test_a_scalar_instead_of_a_mapping(tmp_path: Path) -> None:
    assert said(tmp_path, "pets: [{kind: cat}]\nrooms: {hall: cat}\n") == [
        "house.yaml:2:9: 'rooms.hall': expected a mapping, got 'cat'"
    ]


def test_data_from_two_files_is_blamed_on_the_one_that_wrote_it(tmp_path: Path) -> None:
    mine = document(tmp_path, "pets: [{kind: cat}]\n")
    (tmp_path / "other").mkdir()
    other = document(tmp_path / "other", "# of old\ncolour: blue\n")
    problems = validate(
        House, mine.data | other.data, mine, (), lambda loc: (other if loc[0] == "colour" else mine, ())
    )
    assert isinstance(problems, list)
    assert [(p.line, p.column) for p in problems] == [(2, 1)]


@pytest.mark.parametrize(
    ("loc", "place"),
    [((), (1, 1)), (("a",), (1, 1)), (("a", 1), (1, 8)), (("b", "c"), (2, 5)), (("b", "x"), (2, 1)), (("z",), (1, 1))],
)
def test_positions_are_those_of_the_deepest_part_that_exists(
    tmp_path: Path, loc: tuple[str | int, ...], place: tuple[int, int]
) -> None:
    assert document(tmp_path, "a: [1, 2]\nb: {c: 1}\n").position(loc) == place


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert read(tmp_path / "none") == Problem(str(tmp_path / "none"), 0, 0, "no such file")
    assert read(tmp_path, "x") == Problem("x", 0, 0, "is a directory; expected a YAML file")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    found = read(tmp_path / "bytes", "x")
    assert isinstance(found, Problem)
    assert found.message == "is not UTF-8 text: invalid start byte at byte 0"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: 1\nb: " + "[" * 2000, (2, 103)),
        ("a: 1\nb: " + "[" * 2000 + "]" * 2000, (2, 103)),
        ("a: 1\nb: " + "[" * 300 + "]" * 300, (2, 103)),  # parsed, and too deep for whatever looks at it
        ("".join(" " * n + "a:\n" for n in range(150)), (101, 101)),
    ],
)
def test_nesting_without_end_is_told_with_its_place(tmp_path: Path, text: str, place: tuple[int, int]) -> None:
    path = tmp_path / "deep.yaml"
    path.write_text(text)
    hint = "no file needs more than a few levels"
    assert read(path, "deep.yaml") == Problem("deep.yaml", *place, "is nested too deeply", hint)


@pytest.mark.parametrize("number", ["9" * 6000, "-" + "1_0" * 2000, "0x" + "f" * 6000])
def test_numbers_without_end_are_told_with_their_place(tmp_path: Path, number: str) -> None:
    path = tmp_path / "long.yaml"
    path.write_text(f"a: 1\nb: {{c: {number}}}\n")
    assert read(path, "long.yaml") == Problem("long.yaml", 2, 8, "is a number of more than 1000 digits", "shorten it")


@pytest.mark.parametrize("text", ["a" * 6000, "'" + "9" * 6000 + "'"])
def test_text_may_be_long(tmp_path: Path, text: str) -> None:
    assert document(tmp_path, f"a: {text}\n").data == {"a": text.strip("'")}


def test_what_lacks_its_tag_is_told_which_there_are(tmp_path: Path) -> None:
    assert said(tmp_path, "pets: [{lives: 3}]\n") == [
        "house.yaml:1:8: 'pets.0': 'kind' is missing | it says what this is: cat, dog"
    ]


def test_what_should_be_a_list(tmp_path: Path) -> None:
    assert said(tmp_path, "pets: cat\n") == ["house.yaml:1:1: 'pets': expected a list, got 'cat'"]


def test_what_is_right_in_a_broken_file_is_kept(tmp_path: Path) -> None:
    found = document(tmp_path, "pets: [{kind: dog}, {kind: cow}]\ncolour: green\nroms: {}\n")
    least = {"pets": [{"kind": "cat"}]}
    assert keep_valid(House, found.data, least) == House(pets=(Cat(kind="cat"),), colour="green")


def bomb(levels: int, item: str, join: str) -> str:
    """A few hundred bytes that stand for 9 ** levels values."""
    lines = [f"a0: &a0 {item}"]
    for n in range(levels):
        lines.append(f"a{n + 1}: &a{n + 1} {join.replace('?', ', '.join([f'*a{n}'] * 9))}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(("item", "join"), [("[x]", "[?]"), ("{x: 1}", "{<<: [?]}"), ("{x: 1}", "{l: [?]}")])
def test_aliases_that_stand_for_more_than_anybody_means(tmp_path: Path, item: str, join: str) -> None:
    path = tmp_path / "bomb.yaml"
    path.write_text(bomb(12, item, join))
    found = read(path, "bomb.yaml")
    assert str(found) == (
        "bomb.yaml:1:1: its aliases stand for more than 100,000 values; write out what they should mean"
    )


def test_long_texts_count_as_many_values(tmp_path: Path) -> None:
    path = tmp_path / "bomb.yaml"
    path.write_text(f"text: &t {'x' * 64_000}\nmany: [{', '.join(['*t'] * 200)}]\n")
    assert "its aliases stand for more than" in str(read(path))


def test_what_is_written_out_may_be_as_long_as_it_is(tmp_path: Path) -> None:
    assert len(document(tmp_path, "[" + "1, " * 110_000 + "]").data) == 110_000


def test_an_alias_within_what_it_names(tmp_path: Path) -> None:
    path = tmp_path / "loop.yaml"
    path.write_text("pets: [1]\nrooms: &r {hall: [*r]}\n")
    assert str(read(path, "loop.yaml")) == "loop.yaml:2:8: an alias stands within what it names"


def test_usual_aliases_and_merges_work(tmp_path: Path) -> None:
    text = "a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: [*a, *a]\n"
    assert document(tmp_path, text).data["b"] == {"x": 1, "y": 2}


@pytest.mark.parametrize(
    ("text", "place"),
    [("rooms: {hall: *a4}", "'rooms.hall'"), ("colour: *a4", "'colour'"), ("pets: [{kind: *a4}]", "'pets.0'")],
)
def test_a_message_is_short_whatever_was_written(tmp_path: Path, text: str, place: str) -> None:
    """Each value stands for some 60,000 others, few enough to be read."""
    found = document(tmp_path, bomb(4, "{x: [some, words]}", "[?]") + text)
    problems = validate(House, {k: v for k, v in found.data.items() if k[0] != "a"}, found)
    assert isinstance(problems, list)
    assert any(place in p.message for p in problems)
    assert all(len(str(p)) < 500 for p in problems)


def test_long_values_are_cut() -> None:
    assert len(shown("x" * 10_000)) < 100
    assert len(shown([["x" * 100] * 9] * 9)) <= 201
    assert shown("a word") == "'a word'"
    assert shown({"a": 1, "b": [1, 2]}) == "{'a': 1, 'b': [1, 2]}"
    assert shown(10**5000) == "a number of very many digits"


def test_suggestions() -> None:
    assert suggest("basline", ["baseline", "mixed"]) == "did you mean baseline?"
    assert suggest("xyz", ["b", "a"]) == "known: a, b"
    assert suggest("xyz", []) == "none are known"
