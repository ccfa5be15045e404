"""The report for CI servers: JUnit's XML, as Jenkins, GitLab and others read it. Pure.

A suite is a service, a test case one exchange. Source: the schema that Jenkins' xUnit plugin publishes;
its `error` is the environment's, its `failure` the service's.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree as XML

from mesh_replayer.events import Event, Judged, RunFinished, RunStarted
from mesh_replayer.look.differences import difference_lines, left_out_lines
from mesh_replayer.look.safe import safe
from mesh_replayer.reports.standing import Standing, standing, summary, title
from mesh_replayer.stubs.told import StubsTold

_ILLEGAL = re.compile("[^\\t\\n\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
"""What XML 1.0 has no place for, escaped or not (section 2.2)."""
_WIDTH = 240
"""Characters of a line."""
_ELEMENTS = {Standing.FAILED: "failure", Standing.ERROR: "error", Standing.SKIPPED: "skipped"}


@dataclass(slots=True)
class JUnitReport:
    """Collects a run and writes it once."""

    write: Callable[[bytes], None]
    _started: RunStarted | None = None
    _cases: dict[str, list[XML.Element]] = field(default_factory=dict)
    _names: Counter[tuple[str, str]] = field(default_factory=Counter)

    def handle(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, RunStarted):
            self._started = event
        elif isinstance(event, Judged):
            self._cases.setdefault(event.exchange.service, []).append(self._case(event))
        elif isinstance(event, RunFinished) and self._started is not None:
            if event.stubs is not None and event.stubs.misses:
                self._cases["stubs"] = [_missed(sentence) for sentence in _sentences(event.stubs)]
            self.write(_document(self._started, self._cases))

    def _case(self, judged: Judged) -> XML.Element:
        service, name = _legal(judged.exchange.service), _legal(title(judged))
        self._names[service, name] += 1
        count = self._names[service, name]
        case = XML.Element("testcase", classname=service, name=name if count == 1 else f"{name} #{count}")
        if judged.replayed is not None:
            case.set("time", f"{judged.replayed.duration / 1e9:.6f}")
        _properties(case, {"exchange_id": judged.exchange.id, "verdict": judged.verdict.value})
        element = _ELEMENTS.get(standing(judged))
        if element is not None:
            message = _legal(f"{judged.verdict.replace('_', ' ')}: {summary(judged)}".rstrip(": "))
            told = XML.SubElement(case, element, type=judged.verdict.value, message=message)
            if element != "skipped":
                told.text = _legal("\n".join(_details(judged)))
        return case


def _sentences(told: StubsTold) -> Iterable[str]:
    return dict.fromkeys(missed.sentence for missed in told.misses)


def _missed(sentence: str) -> XML.Element:
    """A call to a stub that was never recorded: the run fails for it, and no exchange does."""
    text = _legal(safe(sentence))
    case = XML.Element("testcase", classname="stubs", name=text)
    XML.SubElement(case, "failure", type="never_recorded", message=text)
    return case


def _details(judged: Judged) -> Iterable[str]:
    lines = [*difference_lines(judged.differences, _WIDTH), *left_out_lines(judged.left_out)]
    yield from (line.plain for line in lines)
    yield f"recorded as exchange {judged.exchange.id} of trace {judged.exchange.trace_id}"


def _document(started: RunStarted, cases: dict[str, list[XML.Element]]) -> bytes:
    root = XML.Element("testsuites", name="mesh-replay")
    _count(root, [case for suite in cases.values() for case in suite])
    for service, found in cases.items():
        suite = XML.SubElement(root, "testsuite", name=_legal(service))
        _count(suite, found)
        about = {"run_id": started.run_id, "trace_id": started.plan.trace_id or ""}
        about["target"] = ", ".join(
            choice.target.text for choice in started.plan.choices if choice.service == service
        )
        _properties(suite, {name: value for name, value in about.items() if value})
        suite.extend(found)
        if started.notes:
            XML.SubElement(suite, "system-out").text = _legal("\n".join(started.notes))
    content: bytes = XML.tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _count(element: XML.Element, cases: Sequence[XML.Element]) -> None:
    element.set("tests", str(len(cases)))
    for name, counted in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(name, str(sum(case.find(counted) is not None for case in cases)))
    element.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.6f}")


def _properties(element: XML.Element, values: dict[str, str]) -> None:
    properties = XML.SubElement(element, "properties")
    for name, value in values.items():
        XML.SubElement(properties, "property", name=name, value=_legal(value))


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)
