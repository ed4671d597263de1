# SPDX-License-Identifier: Apache-2.0
"""JUnit XML, for CI systems: a suite per pair, a case per scenario, and one more case for every disagreement."""

from __future__ import annotations

import re
from collections.abc import Iterator

from junitparser import Error, Failure, JUnitXml, Properties, Property, Skipped, TestCase, TestSuite

from qualify.model import Verdict
from qualify.report.data import CellRow, PairRow, ReportData
from qualify.report.wording import MEANINGS, stale_results

__all__ = ["render"]

# What XML 1.0 cannot hold at all, not even escaped; a kernel log may have any of it.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(data: ReportData) -> str:
    """The whole document."""
    document = JUnitXml(_clean(f"qualify: {data.title}"))
    for pair in data.pairs:
        document.add_testsuite(_suite(data, pair))
    document.update_statistics()  # type: ignore[no-untyped-call]
    text: bytes = document.tostring()  # type: ignore[no-untyped-call]
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text.decode()}\n'


def _suite(data: ReportData, pair: PairRow) -> TestSuite:
    name = _clean(f"{pair.source} → {pair.target}")
    suite = TestSuite(name)
    suite.timestamp = data.generated.isoformat(timespec="seconds")
    suite.add_property("direction", pair.direction.value)
    suite.add_property("evidence", pair.evidence.value if pair.evidence else "none")
    suite.add_property("schema", data.schema_digest)
    suite.add_property("stale", stale_results(pair.stale) if pair.stale else "none")
    suite.add_testcases([case for cell in pair.planned for case in _cases(name, cell)])
    return suite


def _cases(name: str, cell: CellRow) -> Iterator[TestCase]:
    case = TestCase(_clean(cell.scenario), f"{name}.{_clean(cell.backend)}")
    _describe(case, cell)
    if cell.verdict is None:
        case.result = [_element(Error, cell.status.value, MEANINGS[cell.status], cell.detail)]
    elif cell.verdict is Verdict.UNSUPPORTED:
        case.result = [_element(Skipped, cell.verdict.value, MEANINGS[cell.verdict], _why(cell))]
    elif cell.verdict is not Verdict.RESTORED:
        marks = [*cell.consequences, *(["UNSTABLE: repeats differ"] if cell.unstable else [])]
        message = MEANINGS[cell.verdict] + (f" ({', '.join(marks)})" if marks else "")
        case.result = [_element(Failure, cell.verdict.value, message, _why(cell))]
    if cell.log:
        case.system_out = _clean("\n".join(cell.log))
    yield case
    if cell.agrees is False:
        predicted = " or ".join(cell.predicted_verdicts) or "nothing"
        second = TestCase(_clean(f"{cell.scenario}: prediction"), case.classname)
        message = f"predicted {predicted}, observed {cell.verdict}"
        second.result = [_element(Failure, "disagreement", message, "Schema or backend is wrong about these kernels.")]
        yield second
    if cell.differences:
        third = TestCase(_clean(f"{cell.scenario}: simulator"), case.classname)
        lines = [
            f"{d.object_id or 'cell'}: {d.simulated or 'absent'}, {d.observed or 'absent'}" for d in cell.differences
        ]
        message = f"simulated {cell.simulated}, observed {cell.verdict}"
        third.result = [_element(Failure, "disagreement", message, "\n".join(["simulated, observed:", *lines]))]
        yield third


def _describe(case: TestCase, cell: CellRow) -> None:
    """Evidence, artefacts and repeats as properties of the case."""
    said = [("evidence", cell.evidence.value if cell.evidence else "none")]
    said += [("prediction", " or ".join(cell.predicted_verdicts))] if cell.real and cell.predicted else []
    said += [("simulated", cell.simulated.value)] if cell.simulated else []
    said += [("artefact", f"{f.name} sha256:{f.sha256}") for f in cell.files]
    said += [("repeat", f"{r.measured.isoformat()} {r.verdict or r.status}") for r in cell.repeats]
    properties = Properties()  # type: ignore[no-untyped-call]
    for name, value in said:
        properties.add_property(Property(name, _clean(value)))
    case.append(properties)  # type: ignore[no-untyped-call]


def _element(kind: type[Error | Failure | Skipped], type_: str, message: str, text: str) -> Error | Failure | Skipped:
    element = kind(_clean(f"{type_}: {message}"), type_)
    if text:
        element.text = _clean(text)
    return element


def _why(cell: CellRow) -> str:
    """The objects that made the verdict what it is, then the reasons, then what the harness has to say."""
    alike: dict[tuple[str, str], list[str]] = {}
    for o in cell.objects:
        if o.verdict is cell.verdict:
            alike.setdefault((o.component, o.why), []).append(o.object_id)
    lines = [f"{_ids(ids)} ({component}): {why}" for (component, why), ids in alike.items()]
    if cell.same_verdict is not None:
        lines.append(f"source → itself: {cell.same_verdict}")
    lines += [f"{r.rule} {r.component}: {r.message}" + (f" {r.advice}" if r.advice else "") for r in cell.reasons]
    return "\n".join([*lines, cell.detail] if cell.detail else lines)


def _ids(ids: list[str]) -> str:
    return ids[0] if len(ids) == 1 else f"{ids[0]} and {len(ids) - 1} more"


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
