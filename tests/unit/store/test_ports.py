import subprocess
import sys

from mesh_store.ports import claim, claim_any


def test_a_port_that_another_program_of_ours_is_about_to_use_is_not_given_out() -> None:
    code = (
        "import sys; from mesh_store.ports import claim_any\n"
        "print(*claim_any(1), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())

        assert not claim(port)

        other.communicate()
    assert claim(port)


def test_no_port_is_given_out_twice() -> None:
    ports = claim_any(25) + claim_any(25)

    assert len(set(ports)) == 50
