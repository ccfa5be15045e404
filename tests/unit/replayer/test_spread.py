"""Some of many requests, so that every kind of them is there."""

from collections import Counter

from mesh_core.outcome import Outcome
from mesh_replayer.spread import Spread, kind_of
from support.recorded import an_exchange


def spread(limit: int, seed: int = 1, **counts: int) -> Spread:
    """So many of each kind, named `kind-number`."""
    found = Spread(limit, seed)
    for kind, count in counts.items():
        for number in range(count):
            found.offer(kind, f"{kind}-{number}")
    return found


def kinds(names: list[str]) -> Counter[str]:
    return Counter(name.partition("-")[0] for name in names)


def test_kinds_take_turns_so_that_a_rare_one_is_there() -> None:
    """Case P25."""
    assert kinds(spread(20, common=5_000, usual=300, rare=2).chosen()) == {"common": 9, "usual": 9, "rare": 2}


def test_where_there_are_fewer_all_are_taken_once() -> None:
    names = spread(20, one=3, two=4).chosen()

    assert kinds(names) == {"one": 3, "two": 4}
    assert len(set(names)) == 7


def test_with_more_kinds_than_places_as_many_kinds_as_places_are_there() -> None:
    names = spread(3, **{f"k{number}": 10 for number in range(8)}).chosen()

    assert len(kinds(names)) == 3


def test_the_same_seed_makes_the_same_choice_and_another_one_another() -> None:
    assert spread(5, seed=7, only=1_000).chosen() == spread(5, seed=7, only=1_000).chosen()
    assert spread(5, seed=7, only=1_000).chosen() != spread(5, seed=8, only=1_000).chosen()


def test_all_of_a_kind_have_the_same_chance() -> None:
    chosen = Counter(name for seed in range(400) for name in spread(5, seed, only=20).chosen())

    assert len(chosen) == 20
    assert all(60 < count < 145 for count in chosen.values())


def test_what_is_held_is_bounded_by_the_limit_for_each_kind() -> None:
    found = spread(10, only=10_000)

    assert (found.offered, found.kinds) == (10_000, 1)
    assert sum(len(kind.names) for kind in found._kinds.values()) == 10


def test_a_kind_is_service_route_and_what_came_of_it() -> None:
    base = an_exchange(path="/carts/17?x=1")

    assert kind_of(base) == kind_of(an_exchange(path="/carts/9000"))
    for other in (
        an_exchange(path="/users/17"),
        an_exchange(path="/carts/17", method="POST"),
        an_exchange(path="/carts/17", service="stock"),
        an_exchange(path="/carts/17", status=500, outcome=Outcome.HTTP_5XX),
    ):
        assert kind_of(base) != kind_of(other)
