"""Whatever services hand on: a link that is called certain is true (Case R32)."""

from hypothesis import given
from hypothesis import strategies as st

from mesh_core.links import link
from mesh_core.model import TraceOrigin
from support.mesh import Mesh, meshes


def wrong(mesh: Mesh) -> dict[str, tuple[str, str | None]]:
    """Certain links that are not true: what they say, and what is."""
    return {
        child: (parent.exchange_id, mesh.causes.get(child))
        for child, parent in link(mesh.exchanges).items()
        if parent.certain and parent.exchange_id not in (mesh.causes.get(child), mesh.passed_on.get(child))
    }


@given(meshes())
def test_no_certain_link_is_wrong(mesh: Mesh) -> None:
    assert wrong(mesh) == {}


@given(meshes(recorded_all=False))
def test_no_certain_link_is_wrong_where_a_service_has_no_sidecar(mesh: Mesh) -> None:
    assert wrong(mesh) == {}


@given(meshes(habits=("otel", "copy")))
def test_services_that_hand_w3c_context_on_make_one_whole_tree(mesh: Mesh) -> None:
    found = {child: parent.exchange_id for child, parent in link(mesh.exchanges).items() if parent.certain}
    w3c = {e.id: e.trace_id for e in mesh.exchanges if e.trace_origin is TraceOrigin.W3C}
    true = {
        child: parent
        for child, parent in mesh.causes.items()
        if child in w3c and w3c[child] == w3c.get(parent)
    }

    assert {
        child: (parent, found.get(child)) for child, parent in true.items() if found.get(child) != parent
    } == {}


@given(meshes(recorded_all=False), st.randoms())
def test_the_order_in_which_exchanges_are_given_does_not_matter(mesh: Mesh, order) -> None:
    shuffled = list(mesh.exchanges)
    order.shuffle(shuffled)

    assert link(shuffled) == link(mesh.exchanges)


@given(meshes(recorded_all=False))
def test_nothing_is_its_own_ancestor(mesh: Mesh) -> None:
    links = link(mesh.exchanges)
    for start in links:
        seen: set[str] = set()
        at: str | None = start
        while at is not None:
            assert at not in seen
            seen.add(at)
            at = links[at].exchange_id if at in links else None
