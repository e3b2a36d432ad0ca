from hypothesis import given
from hypothesis import strategies as st

from vargpt_datagen.ray_calls.leases import Leases

_USD = st.floats(0.0, 2.0)


def test_as_much_is_lent_as_is_wanted_and_free():
    leases = Leases(1.0, earlier_usd=0.4)
    assert leases.lend(0.1, 0.5) == 0.5
    assert leases.lend(0.25, 0.5) == 0.0  # less than the least is left
    leases.take_back(0.3)
    assert round(leases.lend(0.25, 0.5), 9) == 0.4
    assert leases.free_usd < 1e-9


@given(
    st.floats(0.0, 10.0),
    st.floats(0.0, 10.0),
    st.lists(st.tuples(st.booleans(), _USD, _USD, st.floats(0.0, 1.0))),
)
def test_what_is_lent_and_was_spent_never_exceeds_the_cap(cap, earlier, steps):
    leases = Leases(cap, earlier)
    held = 0.0
    for is_loan, least, more, share in steps:
        if is_loan:
            usd = leases.lend(least, least + more)
            assert usd == 0.0 or least <= usd <= least + more
            held += usd
        else:
            leases.take_back(held * share)
            held -= held * share
        assert held == 0.0 or held + earlier <= cap + 1e-6
