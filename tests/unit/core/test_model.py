import pytest

from mesh_core.model import Headers, grpc_status, header_text


@pytest.mark.parametrize(
    ("headers", "trailers", "code"),
    [
        ((), ((b"Grpc-Status", b"13"),), 13),
        (((b"grpc-status", b" 5 "),), (), 5),
        (((b"grpc-status", b"0"),), ((b"grpc-status", b"14"),), 14),
        (((b"grpc-status", b"0"),), ((b"grpc-status", b"broken"),), None),
        (((b"grpc-status", b"123456"),), (), None),
        (((b"grpc-status", b"9" * 5000),), (), None),
        ((), (), None),
    ],
)
def test_a_grpc_status_is_of_the_trailers_before_the_headers(
    headers: Headers, trailers: Headers, code: int | None
) -> None:
    assert grpc_status(headers, trailers) == code


def test_a_header_is_text_byte_for_byte() -> None:
    headers = ((b"X-Name", b"caf\xe9"), (b"x-name", b"second"))

    assert header_text(headers, b"x-name") == "caf\xe9"
    assert header_text(headers, b"other") is None
