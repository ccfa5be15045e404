"""What of a response counts as a failure."""

import pytest

from mesh_core.outcome import FAILURES, GRPC_SERVER_ERRORS, Outcome, outcome_of_status


@pytest.mark.parametrize(
    ("status", "grpc_status", "outcome"),
    [
        (200, None, Outcome.OK),
        (101, None, Outcome.OK),
        (302, None, Outcome.OK),
        (404, None, Outcome.HTTP_4XX),
        (499, None, Outcome.HTTP_4XX),
        (500, None, Outcome.HTTP_5XX),
        (503, None, Outcome.HTTP_5XX),
        (200, 0, Outcome.OK),
        (200, 5, Outcome.HTTP_4XX),
        (200, 13, Outcome.GRPC_ERROR),
        (200, 14, Outcome.GRPC_ERROR),
    ],
)
def test_status_and_grpc_status_decide(status: int, grpc_status: int | None, outcome: Outcome) -> None:
    assert outcome_of_status(status, grpc_status) is outcome


@pytest.mark.parametrize("code", range(1, 17))
def test_only_the_servers_grpc_codes_are_failures(code: int) -> None:
    assert (outcome_of_status(200, code) in FAILURES) == (code in GRPC_SERVER_ERRORS)


def test_what_the_client_or_we_ended_is_no_failure_of_the_service() -> None:
    ours = {Outcome.CLIENT_DISCONNECTED, Outcome.FAULT_INJECTED, Outcome.REJECTED}

    assert not FAILURES & (ours | {Outcome.OK, Outcome.HTTP_4XX})
