"""Every row of the table of verdicts, and every exit code."""

import pytest
from msgspec.structs import replace

from mesh_core.errors import ExitCode
from mesh_core.model import Exchange, Redaction
from mesh_core.outcome import Outcome
from mesh_replayer.verdict import STATE_HINT, Rules, Verdict, exit_code, judge, skip_reason
from support.recorded import an_exchange

OK = an_exchange()
GONE = an_exchange(status=404, outcome=Outcome.HTTP_4XX)
CONFLICT = an_exchange(status=409, outcome=Outcome.HTTP_4XX)
INVALID = an_exchange(status=422, outcome=Outcome.HTTP_4XX)
LOGIN = an_exchange(status=401, outcome=Outcome.HTTP_4XX)
FORBIDDEN = an_exchange(status=403, outcome=Outcome.HTTP_4XX)
FAILED = an_exchange(status=500, outcome=Outcome.HTTP_5XX)
RESET = an_exchange(status=None, outcome=Outcome.UPSTREAM_RESET, error="closed without an answer")
TIMEOUT = an_exchange(status=None, outcome=Outcome.UPSTREAM_TIMEOUT)
GRPC_FAILED = an_exchange(grpc_status=13, outcome=Outcome.GRPC_ERROR)
GRPC_CLIENT = an_exchange(grpc_status=3, outcome=Outcome.HTTP_4XX)
GRPC_LOGIN = an_exchange(grpc_status=16, outcome=Outcome.HTTP_4XX)
REFUSED = an_exchange(status=None, outcome=Outcome.CONNECT_FAILED, error="it refused the connection")
NO_NAME = an_exchange(status=None, outcome=Outcome.DNS_FAILED)
NO_TLS = an_exchange(status=None, outcome=Outcome.TLS_FAILED)


@pytest.mark.parametrize(
    ("then", "now", "same_failure", "differs", "verdict"),
    [
        (OK, OK, False, False, Verdict.SAME),
        (OK, OK, False, True, Verdict.DIFFERENT),
        (OK, GONE, False, True, Verdict.DIFFERENT),
        (GONE, GONE, True, False, Verdict.SAME),
        (GONE, OK, False, True, Verdict.DIFFERENT),
        (GRPC_CLIENT, GRPC_CLIENT, True, False, Verdict.SAME),
        (OK, FAILED, False, True, Verdict.BROKEN),
        (GONE, FAILED, False, True, Verdict.BROKEN),
        (OK, RESET, False, True, Verdict.BROKEN),
        (OK, TIMEOUT, False, True, Verdict.BROKEN),
        (OK, GRPC_FAILED, False, True, Verdict.BROKEN),
        (FAILED, FAILED, True, True, Verdict.REPRODUCED),
        (RESET, RESET, True, False, Verdict.REPRODUCED),
        (FAILED, OK, False, True, Verdict.NOT_REPRODUCED),
        (RESET, OK, False, True, Verdict.NOT_REPRODUCED),
        (FAILED, FAILED, False, True, Verdict.FAILS_DIFFERENTLY),
        (FAILED, RESET, False, True, Verdict.FAILS_DIFFERENTLY),
        (FAILED, INVALID, False, True, Verdict.FAILS_DIFFERENTLY),
        (FAILED, GONE, False, True, Verdict.FAILS_DIFFERENTLY),
        (GRPC_FAILED, GRPC_CLIENT, False, True, Verdict.FAILS_DIFFERENTLY),
        (OK, LOGIN, False, True, Verdict.AUTH),
        (OK, FORBIDDEN, False, True, Verdict.AUTH),
        (OK, GRPC_LOGIN, False, True, Verdict.AUTH),
        (FAILED, LOGIN, False, True, Verdict.AUTH),
        (LOGIN, LOGIN, True, False, Verdict.SAME),
        (LOGIN, FORBIDDEN, False, True, Verdict.DIFFERENT),
        (LOGIN, OK, False, True, Verdict.DIFFERENT),
        (OK, REFUSED, False, True, Verdict.UNREACHABLE),
        (FAILED, NO_NAME, False, True, Verdict.UNREACHABLE),
        (FAILED, NO_TLS, False, True, Verdict.UNREACHABLE),
        (REFUSED, REFUSED, True, False, Verdict.UNREACHABLE),
        (REFUSED, OK, False, True, Verdict.NOT_REPRODUCED),
    ],
)
def test_the_table(
    then: Exchange, now: Exchange, same_failure: bool, differs: bool, verdict: Verdict
) -> None:
    """Case P16."""
    assert judge(then, now, same_failure=same_failure, differs=differs).verdict is verdict


def test_what_may_be_noise_is_unsure_only_where_nothing_else_differs() -> None:
    """Case P10."""
    assert judge(OK, OK, same_failure=False, differs=False, unsure=True).verdict is Verdict.UNSURE
    assert judge(OK, OK, same_failure=False, differs=True, unsure=True).verdict is Verdict.DIFFERENT
    assert judge(FAILED, OK, same_failure=False, differs=False, unsure=True).verdict is Verdict.NOT_REPRODUCED


def test_a_status_that_is_the_cure_is_one_only_where_it_is_said_and_never_for_a_failure() -> None:
    """Case P16."""
    cured = judge(FAILED, INVALID, same_failure=False, differs=True, fixed_status={422})
    other = judge(FAILED, CONFLICT, same_failure=False, differs=True, fixed_status={422})

    assert cured.verdict is Verdict.NOT_REPRODUCED
    assert other.verdict is Verdict.FAILS_DIFFERENTLY


@pytest.mark.parametrize("now", [GONE, CONFLICT])
@pytest.mark.parametrize("then", [OK, FAILED])
def test_missing_state_is_hinted_at(then: Exchange, now: Exchange) -> None:
    """Case P16."""
    assert STATE_HINT in judge(then, now, same_failure=False, differs=True).reason
    assert STATE_HINT not in judge(GONE, now, same_failure=True, differs=True).reason


def test_the_new_outcome_of_another_failure_is_told() -> None:
    assert "500 then, upstream reset now" in judge(FAILED, RESET, same_failure=False, differs=True).reason


def test_auth_names_what_was_redacted() -> None:
    hidden = replace(OK, redactions=(Redaction(rule="authorization", count=1),))

    assert "(authorization)" in judge(hidden, LOGIN, same_failure=False, differs=True).reason


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"opaque": True}, "unread"),
        ({"method": "CONNECT"}, "unread"),
        ({"status": 101}, "unread"),
        ({"outcome": Outcome.CLIENT_DISCONNECTED}, "client went away"),
        ({"outcome": Outcome.FAULT_INJECTED}, "fault"),
        ({"outcome": Outcome.REJECTED}, "rejected"),
    ],
)
def test_what_cannot_be_replayed_says_why(changes: dict[str, object], words: str) -> None:
    assert words in (skip_reason(an_exchange(**changes)) or "")


def test_what_can_be_replayed_has_no_reason_not_to_be() -> None:
    assert skip_reason(OK) is None
    assert skip_reason(FAILED) is None
    assert skip_reason(RESET) is None


def code(
    *judged: tuple[Exchange, Verdict], interrupted: bool = False, exit_zero: bool = False, **rules: bool
) -> ExitCode:
    return exit_code(judged, Rules(**rules), interrupted=interrupted, exit_zero=exit_zero)


GOOD, BAD = (OK, Verdict.SAME), (OK, Verdict.DIFFERENT)
AWAY, SKIPPED = (OK, Verdict.UNREACHABLE), (OK, Verdict.SKIPPED)
AGAIN, HEALED = (FAILED, Verdict.REPRODUCED), (FAILED, Verdict.NOT_REPRODUCED)
UNSURE = (OK, Verdict.UNSURE)
OTHER, AUTH = (FAILED, Verdict.FAILS_DIFFERENTLY), (FAILED, Verdict.AUTH)


@pytest.mark.parametrize(
    ("judged", "expected"),
    [
        ([GOOD], 0),
        ([HEALED], 0),
        ([GOOD, HEALED, SKIPPED], 0),
        ([BAD], 1),
        ([(OK, Verdict.BROKEN)], 1),
        ([OTHER], 1),
        ([AGAIN], 1),
        ([AWAY], 3),
        ([AUTH], 3),
        ([GOOD, AWAY], 3),
        ([AWAY, BAD], 1),
        ([BAD, AWAY, SKIPPED], 1),
        ([], 5),
        ([SKIPPED, SKIPPED], 5),
        ([(OK, Verdict.FLAKY), GOOD], 1),
        ([UNSURE], 5),
        ([UNSURE, GOOD], 0),
        ([UNSURE, UNSURE, GOOD, SKIPPED], 5),
        ([UNSURE, UNSURE, AWAY], 3),
        ([UNSURE, BAD], 1),
    ],
)
def test_exit_codes(judged: list[tuple[Exchange, Verdict]], expected: int) -> None:
    """Case P17."""
    assert code(*judged) == expected
    assert code(*judged, interrupted=True) == 130
    assert code(*judged, exit_zero=True) == 0


def test_strictly_what_is_unsure_is_different() -> None:
    assert code(UNSURE, GOOD, GOOD, strict=True) == 1
    assert code(GOOD, strict=True) == 0


@pytest.mark.parametrize(
    ("judged", "expected"),
    [
        ([AGAIN], 0),
        ([AGAIN, BAD], 0),
        ([AGAIN, SKIPPED], 0),
        ([AGAIN, HEALED], 1),
        ([AGAIN, OTHER], 1),
        ([HEALED, AWAY], 1),
        ([AGAIN, AUTH], 3),
        ([(FAILED, Verdict.UNREACHABLE)], 3),
        ([(FAILED, Verdict.SKIPPED)], 5),
        ([GOOD], 5),
    ],
)
def test_exit_codes_where_failures_are_expected(
    judged: list[tuple[Exchange, Verdict]], expected: int
) -> None:
    assert code(*judged, expect_reproduced=True) == expected
